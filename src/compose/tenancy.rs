//! Whose request it is: organization, user and conversation, each from an ordered list of sources.

use std::borrow::Cow;

use crate::decision::path_template::PathTemplate;
use crate::envoy::headers::Headers;

/// Most bytes of a configured tenant value. One that a request brings has the bound of every text
/// of a record.
pub const VALUE_BYTES_MAX: usize = 256;

/// Where a value may come from. The first source that has one wins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A request header, lower case; read when the exchange is logged, after later filters.
    Header(String),
    /// A claim that `jwt_authn` verified: the property's path, segments joined by NUL.
    JwtClaim(String),
    /// The segment of the path that has the field's own name.
    Path(PathTemplate),
    /// Always this.
    Fixed(String),
}

/// The three fields of a record's tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// `organization_id`
    Organization,
    /// `user_id`
    User,
    /// `conversation_id`
    Conversation,
}

impl Field {
    /// All fields, in the order of the record's keys.
    pub const ALL: [Field; 3] = [Field::Organization, Field::User, Field::Conversation];

    /// The key in the record and in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Field::Organization => "organization_id",
            Field::User => "user_id",
            Field::Conversation => "conversation_id",
        }
    }
}

/// Where each field comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tenancy {
    /// Sources by field, in the order of [`Field::ALL`].
    pub sources: [Vec<Source>; 3],
    /// Whether the client's own tenant headers are removed at the door.
    pub strip_untrusted: bool,
}

/// What a request's tenant can be read from.
pub struct Evidence<'a> {
    /// The request's headers as they are when the exchange is logged.
    pub headers: &'a Headers,
    /// The path as it came in, without its query.
    pub path: &'a str,
    /// A property of the exchange, by its path.
    pub property: &'a dyn Fn(&str) -> Option<Vec<u8>>,
}

impl Tenancy {
    /// The value of one field.
    pub fn resolve<'a>(&'a self, field: Field, evidence: &Evidence<'a>) -> Option<Cow<'a, str>> {
        let sources = self.sources.get(field as usize)?;
        sources.iter().find_map(|source| match source {
            Source::Header(name) => text(evidence.headers.get(name)?),
            Source::JwtClaim(path) => claim(&(evidence.property)(path)?),
            Source::Path(template) => {
                template.capture(evidence.path, field.as_str()).map(Cow::Borrowed)
            }
            Source::Fixed(value) => Some(Cow::Borrowed(value.as_str())),
        })
    }

    /// Headers that name a tenant.
    pub fn headers(&self) -> impl Iterator<Item = &str> {
        self.sources.iter().flatten().filter_map(|source| match source {
            Source::Header(name) => Some(name.as_str()),
            _ => None,
        })
    }
}

fn text(value: &[u8]) -> Option<Cow<'_, str>> {
    let value = value.trim_ascii();
    (!value.is_empty()).then(|| String::from_utf8_lossy(value))
}

/// A claim as Envoy hands it over: text as it is, a number as the 8 bytes of a double.
///
/// The two cannot be told apart by their length alone, but a whole number below 2^44 has a zero
/// among its eight bytes, and text has none.
fn claim<'a>(value: &[u8]) -> Option<Cow<'a, str>> {
    let printable = !value.iter().any(u8::is_ascii_control);
    if let (Ok(bytes), false) = (<[u8; 8]>::try_from(value), printable) {
        let number = f64::from_le_bytes(bytes);
        let whole = number.is_finite() && number.fract() == 0.0;
        return whole.then(|| Cow::Owned(format!("{number:.0}")));
    }
    text(value).map(|value| Cow::Owned(value.into_owned()))
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn tenancy(sources: Vec<Source>) -> Tenancy {
        Tenancy { sources: [sources, vec![], vec![]], strip_untrusted: false }
    }

    fn organization(
        tenancy: &Tenancy,
        header: Option<&[u8]>,
        claim: Option<&[u8]>,
    ) -> Option<String> {
        let headers: Vec<_> =
            header.map(|value| ("x-organization-id", value)).into_iter().collect();
        let evidence = Evidence {
            headers: &Headers::from_pairs(&headers),
            path: "/orgs/from_path/users",
            property: &|_| claim.map(<[u8]>::to_vec),
        };
        tenancy.resolve(Field::Organization, &evidence).map(Cow::into_owned)
    }

    #[test]
    fn the_first_source_with_a_value_wins() {
        let header = Source::Header("x-organization-id".into());
        let path = Source::Path(PathTemplate::parse("/orgs/{organization_id}").unwrap());
        let fixed = Source::Fixed("fixed".into());
        let all = tenancy(vec![Source::JwtClaim("claim".into()), header, path, fixed.clone()]);
        assert_eq!(organization(&all, Some(b"h"), Some(b"c")).unwrap(), "c");
        assert_eq!(organization(&all, Some(b"h"), None).unwrap(), "h");
        assert_eq!(organization(&all, Some(b"  "), None).unwrap(), "from_path");
        assert_eq!(organization(&tenancy(vec![fixed]), None, None).unwrap(), "fixed");
        assert_eq!(organization(&tenancy(vec![]), Some(b"h"), None), None);
    }

    #[test]
    fn a_claim_may_be_text_or_a_number() {
        let claims = tenancy(vec![Source::JwtClaim("claim".into())]);
        let read = |value: &[u8]| organization(&claims, None, Some(value));
        assert_eq!(read(b"org_1234").unwrap(), "org_1234");
        assert_eq!(read(&12345.0_f64.to_le_bytes()).unwrap(), "12345");
        assert_eq!(read(&0.5_f64.to_le_bytes()), None);
        assert_eq!(read(&f64::NAN.to_le_bytes()), None);
        assert_eq!(read(b""), None);
    }

    #[test]
    fn a_value_may_be_any_bytes() {
        let header = tenancy(vec![Source::Header("x-organization-id".into())]);
        assert_eq!(organization(&header, Some(b"a\xffb"), None).unwrap(), "a\u{fffd}b");
    }
}
