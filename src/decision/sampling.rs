//! Keeps a share of the flows, each as a whole.

use gatelog_record::Level;

/// Which records are kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// The share of flows kept, 0 to 1.
    pub rate: f64,
    /// Records of this level and above are always kept.
    pub always_from: Level,
    /// Slower exchanges are always kept, in nanoseconds.
    pub always_slower_than_ns: u64,
}

/// The sampling decision for one record.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sample {
    /// Kept; it represents only itself.
    Kept,
    /// Kept; it represents as many requests as its weight.
    Weighted(f64),
    /// Left out; another record represents it.
    Out,
}

impl Sampling {
    /// Decides by the correlation id, so that every hop of a flow decides the same; `rate` may come
    /// from a rule.
    pub fn decide(
        &self,
        rate: f64,
        correlation_id: &str,
        level: Level,
        duration_ns: u64,
    ) -> Sample {
        if rate >= 1.0 || level >= self.always_from || duration_ns > self.always_slower_than_ns {
            return Sample::Kept;
        }
        if position(correlation_id) < rate { Sample::Weighted(1.0 / rate) } else { Sample::Out }
    }
}

/// Maps a flow to a number between 0 and 1: FNV-1a, then the finalizer of SplitMix64, because FNV alone
/// leaves the high bits of short texts similar.
#[expect(clippy::cast_precision_loss, reason = "53 bits are exact in a double")]
fn position(correlation_id: &str) -> f64 {
    let fnv = correlation_id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mixed = (fnv ^ (fnv >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let bits = (mixed ^ (mixed >> 31)) >> 11;
    bits as f64 / 9_007_199_254_740_992.0
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    const SAMPLING: Sampling =
        Sampling { rate: 0.1, always_from: Level::Warning, always_slower_than_ns: 1_000_000_000 };

    #[test]
    fn a_flow_is_kept_or_left_as_a_whole() {
        for flow in 0..100 {
            let id = format!("flow-{flow}");
            let first = SAMPLING.decide(0.1, &id, Level::Info, 0);
            assert_eq!(SAMPLING.decide(0.1, &id, Level::Info, 5), first);
        }
    }

    #[test]
    fn what_is_kept_at_a_low_rate_is_kept_at_a_higher_one() {
        for flow in 0..1_000 {
            let id = format!("flow-{flow}");
            if SAMPLING.decide(0.1, &id, Level::Info, 0) != Sample::Out {
                assert_ne!(SAMPLING.decide(0.5, &id, Level::Info, 0), Sample::Out);
            }
        }
    }

    #[test]
    fn the_weights_of_what_is_kept_add_up_to_what_there_was() {
        for (rate, ids) in [(0.1, "%"), (0.5, "corr_%"), (0.01, "0af7651916cd43dd8448eb211c%")] {
            let total: f64 = (0..20_000)
                .map(|flow| {
                    match SAMPLING.decide(
                        rate,
                        &ids.replace('%', &flow.to_string()),
                        Level::Info,
                        0,
                    ) {
                        Sample::Weighted(weight) => weight,
                        Sample::Kept => panic!("an ordinary record is not kept for itself"),
                        Sample::Out => 0.0,
                    }
                })
                .sum();
            assert!((total - 20_000.0).abs() < 3_000.0, "{rate}: {total}");
        }
    }

    #[test]
    fn errors_and_slow_requests_are_always_kept() {
        for level in [Level::Warning, Level::Error, Level::Critical] {
            assert_eq!(SAMPLING.decide(0.0, "any", level, 0), Sample::Kept);
        }
        assert_eq!(SAMPLING.decide(0.0, "any", Level::Info, 1_000_000_001), Sample::Kept);
        assert_eq!(SAMPLING.decide(0.0, "any", Level::Info, 1_000_000_000), Sample::Out);
        assert_eq!(SAMPLING.decide(1.0, "any", Level::Info, 0), Sample::Kept);
    }
}
