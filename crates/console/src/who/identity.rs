//! The claims of a caller that a proxy has verified, such as Envoy's `jwt_authn`.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use gatelog_collector::clock::now_millis;
use gatelog_record::Timestamp;
use ipnet::IpNet;
use serde_json::{Map, Value};

use super::{KnownBy, Role, Viewer};

/// The value of the role's claim that gives the role all.
const ALL: &str = "all";

/// Whose word counts, and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityOptions {
    /// The header with the claims: JSON in base64, as `forward_payload_header` of `jwt_authn` has it.
    pub header: HeaderName,
    /// From whom it counts.
    pub peers: Vec<IpNet>,
    /// The claim that names the caller.
    pub name: String,
    /// The claim with its organizations: a text, or a list of them.
    pub organizations: String,
    /// The claim that gives the role all, where it is `all`.
    pub role: String,
}

/// What a request's header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Claimed {
    /// There is none, or it comes from somebody whose word does not count.
    Nothing,
    /// Nothing that can be used.
    Nobody,
    /// Who it is.
    By(Viewer),
}

/// Reads claims.
#[derive(Clone, Debug)]
pub struct Identity {
    options: IdentityOptions,
}

impl Identity {
    /// Reads these.
    pub fn new(options: IdentityOptions) -> Self {
        Self { options }
    }

    /// Who a request's header says it is.
    pub(super) fn claimed(&self, headers: &HeaderMap, from: IpAddr) -> Claimed {
        let from = from.to_canonical();
        if !self.options.peers.iter().any(|network| network.contains(&from)) {
            return Claimed::Nothing;
        }
        let mut values = headers.get_all(&self.options.header).into_iter();
        let Some(value) = values.next() else { return Claimed::Nothing };
        // Two may be the proxy's and the client's.
        let only = values.next().is_none();
        let claims = claims(value.as_bytes()).filter(|_| only);
        match claims.and_then(|claims| self.read(&claims)) {
            Some(viewer) => Claimed::By(viewer),
            None => Claimed::Nobody,
        }
    }

    fn read(&self, claims: &Map<String, Value>) -> Option<Viewer> {
        let text = |claim: &String| claims.get(claim)?.as_str().filter(|text| !text.is_empty());
        let name = text(&self.options.name)?.to_owned();
        let role = if text(&self.options.role) == Some(ALL) {
            Role::All
        } else {
            let names = match claims.get(&self.options.organizations)? {
                Value::String(name) => vec![name.clone()],
                Value::Array(names) => names
                    .iter()
                    .map(|name| Some(name.as_str()?.to_owned()))
                    .collect::<Option<_>>()?,
                _ => return None,
            };
            Role::Organizations(names)
        };
        let expires = match claims.get("exp") {
            None => None,
            Some(exp) => Some(time_of(exp)?),
        };
        Viewer::new(KnownBy::Claims, name, role, expires).ok()
    }
}

/// A `NumericDate` (RFC 7519 §2): seconds since 1970, which may have a fraction. One that is past is
/// that of nobody.
fn time_of(exp: &Value) -> Option<Timestamp> {
    let micros = match exp.as_i64() {
        Some(seconds) => seconds.saturating_mul(1_000_000),
        // The nearest there is of what is out of range.
        #[expect(clippy::cast_possible_truncation, reason = "saturates")]
        None => (exp.as_f64()? * 1e6) as i64,
    };
    (micros > now_millis().saturating_mul(1_000)).then(|| Timestamp::from_unix_micros(micros))
}

fn claims(value: &[u8]) -> Option<Map<String, Value>> {
    let text = value.trim_ascii();
    let end = text.iter().rposition(|byte| *byte != b'=')?;
    let text = text.get(..=end)?;
    let json = URL_SAFE_NO_PAD.decode(text).or_else(|_| STANDARD_NO_PAD.decode(text)).ok()?;
    serde_json::from_slice(&json).ok()
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;
    use serde_json::json;

    use super::*;

    const HEADER: HeaderName = HeaderName::from_static("x-gatelog-identity");

    fn identity() -> Identity {
        Identity::new(IdentityOptions {
            header: HEADER,
            peers: vec!["10.0.0.0/8".parse().unwrap()],
            name: "sub".into(),
            organizations: "organizations".into(),
            role: "gatelog_role".into(),
        })
    }

    fn asked(values: &[String], from: &str) -> Claimed {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HEADER, value.parse().unwrap());
        }
        identity().claimed(&headers, from.parse().unwrap())
    }

    fn of(claims: &Value) -> Option<Viewer> {
        match asked(&[URL_SAFE_NO_PAD.encode(claims.to_string())], "10.1.2.3") {
            Claimed::By(viewer) => Some(viewer),
            Claimed::Nobody => None,
            Claimed::Nothing => panic!("{claims}"),
        }
    }

    #[test]
    fn claims_say_name_and_organizations_or_the_role_all() {
        let some =
            of(&json!({"sub": "ann", "organizations": ["a", "b"], "exp": 4_102_444_800_i64}))
                .unwrap();
        assert_eq!((some.name.as_str(), some.organizations().unwrap().len()), ("ann", 2));
        let one = of(&json!({"sub": "ann", "organizations": "a"})).unwrap();
        assert_eq!(one.role, Role::Organizations(vec!["a".into()]));
        let all = of(&json!({"sub": "ann", "gatelog_role": "all"})).unwrap();
        assert_eq!(all.role, Role::All);
        assert_eq!(
            (some.expires.map(Timestamp::unix_micros), all.expires),
            (Some(4_102_444_800_000_000), None)
        );
        let exp =
            |exp: Value| of(&json!({"sub": "ann", "gatelog_role": "all", "exp": exp}))?.expires;
        let half = exp(json!(4_102_444_800.5)).map(Timestamp::unix_micros);
        assert_eq!(half, Some(4_102_444_800_500_000));
        assert!(exp(json!(1e300)).is_some());
        let padded = STANDARD.encode(json!({"sub": "a", "gatelog_role": "all"}).to_string());
        assert!(matches!(asked(&[padded], "::ffff:10.0.0.1"), Claimed::By(_)));
    }

    #[test]
    fn claims_that_say_nothing_usable_are_nobody_and_never_more() {
        for claims in [
            json!({"organizations": ["a"]}),
            json!({"sub": "", "gatelog_role": "all"}),
            json!({"sub": "ann", "gatelog_role": "all", "exp": 7}),
            json!({"sub": "ann", "gatelog_role": "all", "exp": -1}),
            json!({"sub": "ann", "gatelog_role": "all", "exp": "4102444800"}),
            json!({"sub": "ann", "gatelog_role": "all", "exp": null}),
            json!({"sub": "ann"}),
            json!({"sub": "ann", "gatelog_role": ["all"]}),
            json!({"sub": "ann", "organizations": {"a": 1}}),
            json!({"sub": "ann", "organizations": ["a", 1]}),
            json!(["all"]),
        ] {
            assert_eq!(of(&claims), None, "{claims}");
        }
        assert_eq!(asked(&["%%%".into()], "10.0.0.1"), Claimed::Nobody);
        assert_eq!(asked(&["====".into()], "10.0.0.1"), Claimed::Nobody);
    }

    #[test]
    fn the_header_counts_once_and_only_from_a_listed_proxy() {
        let all = URL_SAFE_NO_PAD.encode(json!({"sub": "a", "gatelog_role": "all"}).to_string());
        assert_eq!(asked(std::slice::from_ref(&all), "11.0.0.1"), Claimed::Nothing);
        assert_eq!(asked(&[], "10.0.0.1"), Claimed::Nothing);
        assert_eq!(asked(&[all.clone(), all], "10.0.0.1"), Claimed::Nobody);
    }
}
