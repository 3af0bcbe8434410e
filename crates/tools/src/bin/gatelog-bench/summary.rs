//! Minimum, quartiles and median.

/// Summary statistics of a list of samples.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Summary {
    pub(crate) min: f64,
    pub(crate) lower: f64,
    pub(crate) median: f64,
    pub(crate) upper: f64,
}

impl Summary {
    pub(crate) fn of(samples: &[f64]) -> Self {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |q| quantile(&sorted, q);
        Self { min: at(0.0), lower: at(0.25), median: at(0.5), upper: at(0.75) }
    }
}

/// The sample at a quantile of a sorted list, rounding down; 0 if it is empty.
pub(crate) fn quantile(sorted: &[f64], q: f64) -> f64 {
    let last = u32::try_from(sorted.len().saturating_sub(1)).unwrap_or(u32::MAX);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 <= q <= 1")]
    let index = (f64::from(last) * q) as usize;
    sorted.get(index).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::float_cmp, reason = "samples as they were put in, not computed")]
    fn quartiles_are_samples() {
        let summary = Summary::of(&[5.0, 1.0, 3.0, 2.0, 4.0]);
        assert_eq!(
            [summary.min, summary.lower, summary.median, summary.upper],
            [1.0, 2.0, 3.0, 4.0]
        );
        assert_eq!(quantile(&[], 0.5), 0.0);
    }
}
