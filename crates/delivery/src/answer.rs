//! What a collector's answer means for its batch, as data.

/// What becomes of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// The collector has it.
    Accepted,
    /// It must be sent again in smaller parts.
    TooLarge,
    /// It will never be accepted.
    Rejected,
    /// It must be sent again.
    Retry,
}

impl Disposition {
    /// What a status means; `None` if there was no answer. Only an answer about the batch itself is
    /// final: a wrong credential, path or load says nothing about the records.
    ///
    /// ```
    /// use gatelog_delivery::answer::Disposition;
    ///
    /// assert_eq!(Disposition::of(Some(202)), Disposition::Accepted);
    /// assert_eq!(Disposition::of(Some(401)), Disposition::Retry);
    /// assert_eq!(Disposition::of(None), Disposition::Retry);
    /// ```
    pub const fn of(status: Option<u64>) -> Self {
        match status {
            Some(200..=299) => Self::Accepted,
            Some(413) => Self::TooLarge,
            Some(401 | 403 | 404 | 407 | 408 | 421 | 425 | 429) => Self::Retry,
            Some(400..=499) => Self::Rejected,
            _ => Self::Retry,
        }
    }
}

/// A bound that a 413 has halved, one step on its way back up.
pub fn grown(bound: usize) -> usize {
    bound.saturating_add((bound / 8).max(1))
}
