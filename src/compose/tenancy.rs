//! Whose request it is: organization, user and conversation, each from an ordered list of sources.

use std::borrow::Cow;

use crate::compose::redaction::MASK;
use crate::decision::path_template::PathTemplate;
use crate::envoy::claims::Claim;
use crate::envoy::headers::Headers;

/// Maximum bytes of a configured tenant value. One from a request is bounded like every text
/// of a record.
pub const VALUE_BYTES_MAX: usize = 256;

/// A source of a tenant value. The first source that has one wins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A request header, lower case; read when the exchange is logged, after later filters.
    Header(String),
    /// A claim that `jwt_authn` verified.
    JwtClaim(Claim),
    /// The path segment with the field's name.
    Path(PathTemplate),
    /// A fixed value.
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
    /// Whether the client's own tenant headers are removed from incoming requests.
    pub strip_untrusted: bool,
}

/// The inputs from which a request's tenant is read.
pub struct Evidence<'a> {
    /// The request's headers at the end of the exchange, read when a source asks for them.
    pub headers: &'a dyn Fn() -> &'a Headers,
    /// The path as received, without its query, redacted.
    pub path: &'a str,
    /// The value of a claim, redacted.
    pub claim: &'a dyn Fn(&Claim) -> Option<String>,
    /// Redacts the value of a header.
    pub header: &'a dyn Fn(&[u8]) -> String,
}

impl Tenancy {
    /// The value of one field.
    pub fn resolve<'a>(&'a self, field: Field, evidence: &Evidence<'a>) -> Option<Cow<'a, str>> {
        let sources = self.sources.get(field as usize)?;
        sources.iter().find_map(|source| match source {
            Source::Header(name) => {
                let value = (evidence.headers)().get(name)?.trim_ascii();
                (!value.is_empty()).then(|| Cow::Owned((evidence.header)(value)))
            }
            Source::JwtClaim(claim) => (evidence.claim)(claim).map(Cow::Owned),
            Source::Path(template) => {
                // A redacted path segment identifies nobody.
                let captured = template.capture(evidence.path, field.as_str());
                captured.filter(|value| !value.contains(MASK)).map(Cow::Borrowed)
            }
            Source::Fixed(value) => Some(Cow::Borrowed(value.as_str())),
        })
    }

    /// Claims that name a tenant.
    pub fn claims(&self) -> impl Iterator<Item = &Claim> {
        self.sources.iter().flatten().filter_map(|source| match source {
            Source::JwtClaim(claim) => Some(claim),
            _ => None,
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
        claim: Option<&str>,
        path: &str,
    ) -> Option<String> {
        let headers: Vec<_> =
            header.map(|value| ("x-organization-id", value)).into_iter().collect();
        let headers = Headers::from_pairs(&headers);
        let evidence = Evidence {
            headers: &|| &headers,
            path,
            claim: &|_| claim.map(str::to_owned),
            header: &|value| String::from_utf8_lossy(value).into_owned(),
        };
        tenancy.resolve(Field::Organization, &evidence).map(Cow::into_owned)
    }

    #[test]
    fn the_first_source_with_a_value_wins() {
        let header = Source::Header("x-organization-id".into());
        let path = Source::Path(PathTemplate::parse("/orgs/{organization_id}").unwrap());
        let fixed = Source::Fixed("fixed".into());
        let claim = Source::JwtClaim(Claim::new("jwt_payload", &["org_id".to_owned()]));
        let all = tenancy(vec![claim, header, path, fixed.clone()]);
        let read = |header, claim| organization(&all, header, claim, "/orgs/from_path/users");
        assert_eq!(read(Some(b"h"), Some("c")).unwrap(), "c");
        assert_eq!(read(Some(b"h"), None).unwrap(), "h");
        assert_eq!(read(Some(b"  "), None).unwrap(), "from_path");
        assert_eq!(organization(&tenancy(vec![fixed]), None, None, "/").unwrap(), "fixed");
        assert_eq!(organization(&tenancy(vec![]), Some(b"h"), None, "/"), None);
    }

    #[test]
    fn a_redacted_path_segment_is_not_a_tenant() {
        let path = Source::Path(PathTemplate::parse("/orgs/{organization_id}").unwrap());
        let path = tenancy(vec![path]);
        let read = |at| organization(&path, None, None, at);
        assert_eq!(read("/orgs/[redacted]/users"), None);
        assert_eq!(read("/orgs/token=[redacted]"), None);
        assert_eq!(read("/orgs/o_1;jsessionid=[redacted]").unwrap(), "o_1");
    }

    #[test]
    fn a_value_may_be_any_bytes() {
        let header = tenancy(vec![Source::Header("x-organization-id".into())]);
        assert_eq!(organization(&header, Some(b"a\xffb"), None, "/").unwrap(), "a\u{fffd}b");
    }
}
