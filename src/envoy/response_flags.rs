//! Envoy's response flags: the bits of the `response.flags` property and their short names.
//!
//! Source: Envoy 1.40, `envoy/stream_info/stream_info.h` (`CoreResponseFlag`) for the order, and
//! "Response flags" of the access-log documentation for the names.

/// A set of response flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResponseFlags(pub u64);

macro_rules! flags {
    ($($bit:literal $name:ident $text:literal $doc:literal,)*) => {
        impl ResponseFlags {
            $(#[doc = $doc] pub const $name: Self = Self(1 << $bit);)*
        }
        /// Bits and short names, in the order of the bits.
        const NAMES: &[(ResponseFlags, &str)] = &[$((ResponseFlags::$name, $text),)*];
    };
}

flags! {
    0 FAILED_LOCAL_HEALTH_CHECK "LH" "The local service failed its health check.",
    1 NO_HEALTHY_UPSTREAM "UH" "No healthy host in the upstream cluster.",
    2 UPSTREAM_REQUEST_TIMEOUT "UT" "The upstream took too long.",
    3 LOCAL_RESET "LR" "The connection was reset on this side.",
    4 UPSTREAM_REMOTE_RESET "UR" "The upstream reset the stream.",
    5 UPSTREAM_CONNECTION_FAILURE "UF" "The upstream could not be connected to.",
    6 UPSTREAM_CONNECTION_TERMINATION "UC" "The upstream ended its connection.",
    7 UPSTREAM_OVERFLOW "UO" "A circuit breaker was open.",
    8 NO_ROUTE_FOUND "NR" "No route matched.",
    9 DELAY_INJECTED "DI" "A fault filter delayed the request.",
    10 FAULT_INJECTED "FI" "A fault filter aborted the request.",
    11 RATE_LIMITED "RL" "A rate limit refused the request.",
    12 UNAUTHORIZED_EXTERNAL_SERVICE "UAEX" "External authorization refused the request.",
    13 RATE_LIMIT_SERVICE_ERROR "RLSE" "The rate limit service failed.",
    14 DOWNSTREAM_CONNECTION_TERMINATION "DC" "The client's connection ended.",
    15 UPSTREAM_RETRY_LIMIT_EXCEEDED "URX" "All retries were used up.",
    16 STREAM_IDLE_TIMEOUT "SI" "The stream was idle for too long.",
    17 INVALID_ENVOY_REQUEST_HEADERS "IH" "An `x-envoy-*` header had a bad value.",
    18 DOWNSTREAM_PROTOCOL_ERROR "DPE" "The client broke the protocol.",
    19 UPSTREAM_MAX_STREAM_DURATION_REACHED "UMSDR" "The upstream stream lived for too long.",
    20 RESPONSE_FROM_CACHE_FILTER "RFCF" "A cache answered.",
    21 NO_FILTER_CONFIG_FOUND "NFCF" "A filter's configuration never came.",
    22 DURATION_TIMEOUT "DT" "The connection lived for too long.",
    23 UPSTREAM_PROTOCOL_ERROR "UPE" "The upstream broke the protocol.",
    24 NO_CLUSTER_FOUND "NC" "The route's cluster does not exist.",
    25 OVERLOAD_MANAGER "OM" "Envoy's overload manager ended the stream.",
    26 DNS_RESOLUTION_FAILED "DF" "The upstream's name could not be resolved.",
    27 DROP_OVERLOAD "DO" "Load was shed by the cluster's policy.",
    28 DOWNSTREAM_REMOTE_RESET "DR" "The client reset the stream.",
    29 UNCONDITIONAL_DROP_OVERLOAD "UDO" "All load was shed by the cluster's policy.",
}

impl ResponseFlags {
    /// The union of both sets.
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The flags that are not in `other`.
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether no flag is set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether any flag of `other` is set.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Short names of the flags that are set, in the order of their bits. A flag of a later
    /// Envoy has no name here and is left out.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        NAMES.iter().filter(move |(flag, _)| self.intersects(*flag)).map(|(_, name)| *name)
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn flags_have_their_names_in_order_of_their_bits() {
        let flags = ResponseFlags::UPSTREAM_RETRY_LIMIT_EXCEEDED
            .union(ResponseFlags::UPSTREAM_CONNECTION_FAILURE);
        assert_eq!(flags.names().collect::<Vec<_>>(), ["UF", "URX"]);
    }

    #[test]
    fn every_bit_has_one_name_and_unknown_bits_have_none() {
        assert_eq!(ResponseFlags(u64::MAX).names().count(), 30);
        assert_eq!(ResponseFlags(1 << 63).names().count(), 0);
        assert_eq!(ResponseFlags::default().names().count(), 0);
    }
}
