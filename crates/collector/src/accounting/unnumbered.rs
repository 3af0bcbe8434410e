//! Records without a sequence number, which no account covers: they are only counted.

/// How many arrived. A record that its sender repeats counts again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unnumbered {
    /// Accepted into the spool.
    pub accepted: u64,
    /// Made dead letters on arrival.
    pub quarantined: u64,
}

impl Unnumbered {
    /// Both counts, each with its name.
    pub const fn terms(self) -> [(&'static str, u64); 2] {
        [("accepted", self.accepted), ("quarantined", self.quarantined)]
    }

    /// Adds those of a batch.
    pub fn add(&mut self, other: Self) {
        self.accepted = self.accepted.saturating_add(other.accepted);
        self.quarantined = self.quarantined.saturating_add(other.quarantined);
    }

    /// In the form that is stored.
    pub fn pack(self) -> [u8; 16] {
        let both = u128::from(self.accepted) << 64 | u128::from(self.quarantined);
        both.to_be_bytes()
    }

    /// Reads what [`pack`](Self::pack) wrote.
    pub fn unpack(bytes: [u8; 16]) -> Self {
        let [accepted, quarantined] = {
            let both = u128::from_be_bytes(bytes);
            [both >> 64, both & u128::from(u64::MAX)].map(|part| u64::try_from(part).unwrap_or(0))
        };
        Self { accepted, quarantined }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counts_read_back() {
        let mut counts = Unnumbered { accepted: u64::MAX, quarantined: 7 };
        assert_eq!(Unnumbered::unpack(counts.pack()), counts);
        counts.add(counts);
        assert_eq!(counts, Unnumbered { accepted: u64::MAX, quarantined: 14 });
    }
}
