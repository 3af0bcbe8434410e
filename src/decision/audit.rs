//! The audit trail: records that are made regardless of level and sampling.

use crate::envoy::headers::Headers;

/// Headers with which a client asks a service to treat the request as having another method.
pub const METHOD_OVERRIDES: [&str; 3] =
    ["x-http-method-override", "x-method-override", "x-http-method"];

/// Methods with known semantics: those of RFC 9110 and RFC 5789, and the safe ones of
/// IANA's registry of HTTP methods. The effect of any other method is unknown.
const FAMILIAR: [&str; 14] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "PRI",
    "PROPFIND", "QUERY", "REPORT", "SEARCH",
];

/// Which records belong to the audit trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditPolicy {
    /// Requests with one of these methods.
    pub methods: Vec<String>,
    /// Responses with one of these statuses.
    pub statuses: Vec<u16>,
}

impl AuditPolicy {
    /// Whether an exchange belongs to it: by its status, its method, or a method that its headers
    /// ask for. What a client adds can bring a record into the audit trail, never out of it.
    pub fn covers(&self, method: &str, headers: &Headers, status: Option<u16>) -> bool {
        let overrides = METHOD_OVERRIDES.iter().flat_map(|name| headers.values(name));
        self.names(method.as_bytes())
            || overrides.into_iter().any(|method| self.names(method.trim_ascii()))
            || status.is_some_and(|status| self.statuses.contains(&status))
    }

    /// Whether requests with this method belong to it; a request that could not be read has none.
    fn names(&self, method: &[u8]) -> bool {
        let is = |name: &str| name.as_bytes().eq_ignore_ascii_case(method);
        let listed = self.methods.iter().any(|name| is(name));
        listed || !(method.is_empty() || FAMILIAR.iter().any(|name| is(name)))
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn covers(method: &str, headers: &[(&str, &str)], status: u16) -> bool {
        let methods = ["POST", "PUT", "PATCH", "DELETE"].map(str::to_owned).to_vec();
        let policy = AuditPolicy { methods, statuses: vec![401, 403] };
        policy.covers(method, &Headers::from_pairs(headers), Some(status))
    }

    #[test]
    fn what_changes_something_or_is_refused_is_audited() {
        for method in ["POST", "PUT", "PATCH", "DELETE", "post", "Delete"] {
            assert!(covers(method, &[], 200), "{method}");
        }
        for method in ["GET", "HEAD", "OPTIONS", "get", "CONNECT", "PROPFIND", ""] {
            assert!(!covers(method, &[], 200), "{method}");
            assert!(covers(method, &[], 403), "{method}");
        }
    }

    #[test]
    fn a_method_that_nobody_knows_is_audited() {
        for method in ["PURGE", "MKCOL", "MOVE", "LOCK", "JEFF", "GETS", "G", "\u{fffd}"] {
            assert!(covers(method, &[], 200), "{method}");
        }
    }

    #[test]
    fn a_method_asked_for_by_a_header_counts_as_well() {
        for name in METHOD_OVERRIDES {
            assert!(covers("GET", &[(name, "DELETE")], 200), "{name}");
            assert!(covers("GET", &[(name, "GET"), (name, " put ")], 200), "{name}");
            assert!(!covers("GET", &[(name, "HEAD")], 200), "{name}");
            assert!(covers("POST", &[(name, "GET")], 200), "{name} takes nothing out");
        }
    }
}
