//! Health checks: requests that leave no record while they succeed.
//!
//! A health check is recognized by its path, or because Envoy's own filter answered it, never by what the
//! client claims to be.

/// Prefix of the response code details of Envoy's `health_check` filter. A service cannot set them.
const ANSWERED_BY_ENVOY: &[u8] = b"health_check_";

/// Which requests are health checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthChecks {
    /// Exact paths.
    pub paths: Vec<String>,
}

impl HealthChecks {
    /// The customary paths.
    pub fn customary() -> Self {
        let paths = ["/health", "/healthz", "/ready", "/readyz", "/live", "/livez", "/metrics"];
        Self { paths: paths.map(str::to_owned).to_vec() }
    }

    /// Whether a request for `path`, answered with these response code details, is one.
    pub fn covers(&self, path: &str, details: Option<&[u8]>) -> bool {
        self.paths.iter().any(|own| own == path)
            || details.is_some_and(|details| details.starts_with(ANSWERED_BY_ENVOY))
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn a_health_check_is_known_by_its_path_or_by_envoys_own_answer() {
        let checks = HealthChecks::customary();
        assert!(checks.covers("/healthz", None));
        assert!(checks.covers("/healthz", Some(b"via_upstream")));
        assert!(checks.covers("/lb", Some(b"health_check_ok")));
        for path in ["/healthz/more", "/healthz/", "/HEALTHZ", "/x", ""] {
            assert!(!checks.covers(path, Some(b"via_upstream")), "{path}");
        }
    }
}
