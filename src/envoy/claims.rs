//! Claims of a token that Envoy's `jwt_authn` verified, each by its type, read in one hostcall.
//!
//! Read as properties, the claim `"42"`, a number, a list and an object are bytes that cannot be told
//! apart. A CEL expression can determine the type: each claim has two elements of the list, a tag
//! and the value. Both are guarded at every step, because one element without a value fails the list,
//! and the value is returned for strings and numbers only.
//!
//! Source: Envoy, `source/extensions/common/wasm/{context,foreign}.cc`; CEL, "Language Definition".

use crate::host::Host;

/// The property of Envoy's dynamic metadata.
const METADATA: &str = "metadata.filter_metadata";

/// The filter that verifies tokens; the claims are stored under its name.
const JWT_AUTHN: &str = "envoy.filters.http.jwt_authn";

/// The largest integer that a double represents unambiguously, 2^53 − 1 (RFC 8259 §6). Claims
/// are doubles in Envoy: a larger one may have been another number in the token.
const INTEGER_MAX: f64 = 9_007_199_254_740_991.0;

/// The path of a claim: the payload's name in the metadata, then the steps to the claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// At least two: the payload, and the claim itself.
    steps: Vec<String>,
}

impl Claim {
    /// The claim at these steps within a payload.
    pub fn new(payload: &str, steps: &[String]) -> Self {
        let payload = std::iter::once(payload.to_owned());
        Self { steps: payload.chain(steps.iter().cloned()).collect() }
    }

    /// The claim in the payloads, if it is a string or a number.
    fn find(&self, payloads: &serde_json::Value) -> Option<String> {
        let mut at = payloads;
        for step in &self.steps {
            at = at.as_object()?.get(step)?;
        }
        match at {
            serde_json::Value::String(value) => text(value.as_bytes()),
            serde_json::Value::Number(value) => whole_number(value.as_f64()?),
            _ => None,
        }
    }

    /// The property's path.
    fn property(&self) -> String {
        let around = ["metadata", "filter_metadata", JWT_AUTHN];
        let steps = around.into_iter().chain(self.steps.iter().map(String::as_str));
        steps.collect::<Vec<_>>().join("\0")
    }

    /// The two elements: a tag, `s` or `d`, and the value; both empty if the claim is absent or has
    /// another type.
    fn elements(&self) -> [String; 2] {
        let filter = literal(JWT_AUTHN);
        let mut guard = format!("has({METADATA}) && {filter} in {METADATA}");
        let mut place = format!("{METADATA}[{filter}]");
        for step in &self.steps {
            let step = literal(step);
            guard = format!("{guard} && type({place}) == map && {step} in {place}");
            place = format!("{place}[{step}]");
        }
        let either = |text: &str, number: &str| {
            format!(
                "{guard} ? (type({place}) == string ? {text} : type({place}) == double ? {number} : '') : ''"
            )
        };
        [either("'s'", "'d'"), either(&place, &place)]
    }
}

/// A CEL string literal; characters that could end it, or a list element, are escaped.
fn literal(text: &str) -> String {
    let plain = |character: char| {
        character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | '.' | ':' | '/')
    };
    let characters = text.chars().map(|character| {
        if plain(character) {
            character.to_string()
        } else {
            format!("\\U{:08x}", u32::from(character))
        }
    });
    format!("'{}'", characters.collect::<String>())
}

/// The compiled expression for the claims.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    claims: Vec<Claim>,
    expression: Option<u32>,
}

impl Reader {
    /// Compiles the expression on the host; it lives as long as the root context.
    pub fn compile<'c>(host: &dyn Host, claims: impl Iterator<Item = &'c Claim>) -> Self {
        let mut own: Vec<Claim> = Vec::new();
        for claim in claims {
            if !own.contains(claim) {
                own.push(claim.clone());
            }
        }
        let elements: Vec<String> = own.iter().flat_map(Claim::elements).collect();
        let expression = (!own.is_empty())
            .then(|| host.compile(&format!("[{}]", elements.join(", "))))
            .flatten();
        Self { claims: own, expression }
    }

    /// The claims of one exchange.
    pub fn read(&self, host: &dyn Host) -> Claims<'_> {
        if let Some(payloads) = host.verified_claims().filter(|_| !self.claims.is_empty()) {
            let values = self.claims.iter().map(|claim| claim.find(&payloads)).collect();
            return Claims { claims: &self.claims, values };
        }
        let list = self.expression.and_then(|expression| host.evaluate(expression));
        let Some(list) = list else {
            let untyped = |claim: &Claim| untyped(host.property(&claim.property())?);
            return Claims {
                claims: &self.claims,
                values: self.claims.iter().map(untyped).collect(),
            };
        };
        let mut elements = list.iter().map(|(element, _)| element);
        let typed = self.claims.iter().map(|_| typed(elements.next()?, elements.next()?));
        Claims { claims: &self.claims, values: typed.collect() }
    }
}

/// Values of claims.
#[derive(Clone, Debug, Default)]
pub struct Claims<'r> {
    claims: &'r [Claim],
    values: Vec<Option<String>>,
}

impl Claims<'_> {
    /// The value of one claim: a string unchanged, a whole number in digits. Blank strings, other
    /// numbers and other types are ignored.
    pub fn get(&self, claim: &Claim) -> Option<&str> {
        let place = self.claims.iter().position(|own| own == claim)?;
        self.values.get(place)?.as_deref()
    }
}

fn typed(tag: &[u8], value: &[u8]) -> Option<String> {
    match tag {
        b"s" => text(value),
        b"d" => whole_number(f64::from_le_bytes(value.try_into().ok()?)),
        _ => None,
    }
}

fn text(value: &[u8]) -> Option<String> {
    (!value.trim_ascii().is_empty()).then(|| String::from_utf8_lossy(value).into_owned())
}

fn whole_number(number: f64) -> Option<String> {
    let whole = number.fract() == 0.0 && number.abs() <= INTEGER_MAX;
    #[expect(clippy::cast_possible_truncation, reason = "a whole number below 2^53")]
    whole.then(|| (number as i64).to_string())
}

/// A claim on a host without expressions: a string, if the bytes can be nothing else.
/// Numbers have eight bytes, and strings may too; booleans, lists and objects contain control bytes.
fn untyped(value: Vec<u8>) -> Option<String> {
    let value = String::from_utf8(value).ok()?;
    let sure = value.len() != 8 && !value.chars().any(char::is_control);
    (sure && !value.trim_ascii().is_empty()).then_some(value)
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use serde_json::{Value, json};

    use super::*;
    use crate::envoy::headers::Headers;
    use crate::plain_host::PlainHost;

    fn claim(steps: &[&str]) -> Claim {
        let steps: Vec<_> = steps.iter().map(|step| (*step).to_owned()).collect();
        Claim::new("jwt_payload", &steps)
    }

    fn read(value: Value, expressions: bool) -> Option<String> {
        let host = PlainHost::default();
        host.no_expressions.set(!expressions);
        let claim = claim(&["realm", "it's, \"x\""]);
        host.set_claim(&claim.property(), value);
        let reader = Reader::compile(&host, [&claim, &claim].into_iter());
        reader.read(&host).get(&claim).map(str::to_owned)
    }

    fn read_from_json(value: &Value) -> Option<String> {
        let host = PlainHost::default();
        let claim = claim(&["realm", "it's, \"x\""]);
        host.verified.replace(Some(json!({"jwt_payload": {"realm": {"it's, \"x\"": value}}})));
        let reader = Reader::compile(&host, [&claim].into_iter());
        reader.read(&host).get(&claim).map(str::to_owned)
    }

    #[test]
    fn a_claim_is_read_by_its_type_and_by_nothing_else() {
        for (value, expected) in [
            (json!("org_1234"), Some("org_1234")),
            (json!("12345678"), Some("12345678")),
            // The bytes of the double 42.
            (json!("\0\0\0\0\0\0E@"), Some("\0\0\0\0\0\0E@")),
            (json!(" org "), Some(" org ")),
            (json!(""), None),
            (json!(" \t"), None),
            (json!(42), Some("42")),
            (json!(-7), Some("-7")),
            (json!(-0.0), Some("0")),
            (json!(12345.0), Some("12345")),
            (json!(9_007_199_254_740_991_u64), Some("9007199254740991")),
            (json!(9_007_199_254_740_992_u64), None),
            (json!(9_007_199_254_740_993_u64), None),
            (json!(1e300), None),
            (json!(0.5), None),
            (json!(true), None),
            (json!(null), None),
            (json!(["org_1"]), None),
            (json!({"org": "org_1"}), None),
        ] {
            assert_eq!(read(value.clone(), true).as_deref(), expected, "{value}");
            assert_eq!(read_from_json(&value).as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn a_payload_without_the_claim_or_with_another_form_has_none() {
        let claim = claim(&["realm", "name"]);
        for payloads in [json!({}), json!([]), json!({"jwt_payload": {"realm": "text"}})] {
            let host = PlainHost::default();
            host.verified.replace(Some(payloads));
            let reader = Reader::compile(&host, [&claim].into_iter());
            assert_eq!(reader.read(&host).get(&claim), None);
        }
    }

    #[test]
    fn without_expressions_only_what_can_be_nothing_but_text_is_a_claim() {
        assert_eq!(read(json!("org_123"), false).as_deref(), Some("org_123"));
        for value in [json!("8 bytes!"), json!(42), json!(9_007_199_254_740_991_u64), json!(true)] {
            assert_eq!(read(value.clone(), false), None, "{value}");
        }
        // Lists and objects begin with a count.
        for bytes in [&b"\x01\0\0\0\x05\0\0\0"[..], b"a\x01", b"\xff\xff\xff\xff\xff\xff?C", b""] {
            assert_eq!(untyped(bytes.to_vec()), None, "{bytes:?}");
        }
    }

    #[test]
    fn a_list_cut_short_has_no_claims() {
        let claim = claim(&["org_id"]);
        let reader = Reader { claims: vec![claim.clone()], expression: None };
        for list in [vec![], vec![("s", "")], vec![("d", ""), ("1", "")]] {
            let list = Headers::from_pairs(&list);
            let mut elements = list.iter().map(|(element, _)| element);
            let read = |tag: Option<&[u8]>, value: Option<&[u8]>| typed(tag?, value?);
            assert_eq!(read(elements.next(), elements.next()), None);
        }
        assert_eq!(reader.read(&PlainHost::default()).get(&claim), None);
    }

    #[test]
    fn no_name_of_a_claim_ends_its_literal() {
        assert_eq!(literal("https://example.org/user"), "'https://example.org/user'");
        assert_eq!(
            literal("a'\\, é"),
            "'a\\U00000027\\U0000005c\\U0000002c\\U00000020\\U000000e9'"
        );
    }
}
