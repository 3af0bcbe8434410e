//! Sequence numbers of several boots: what one batch contained, or what became of it.

use std::collections::HashMap;

use gatelog_record::Uuid;

use super::account::BootKey;
use super::intervals::Intervals;

/// Sequence numbers by boot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seqs {
    boots: HashMap<BootKey, Intervals>,
}

impl Seqs {
    /// Adds one record.
    pub fn add(&mut self, gateway: &str, boot: Uuid, seq: u64) {
        let key = BootKey { gateway: gateway.to_owned(), boot };
        self.boots.entry(key).or_default().insert(seq..=seq);
    }

    /// Adds all numbers of the other.
    pub fn merge(&mut self, other: &Self) {
        for (key, seqs) in &other.boots {
            self.boots.entry(key.clone()).or_default().union(seqs);
        }
    }

    /// Removes all numbers of the other.
    pub fn subtract(&mut self, other: &Self) {
        for (key, seqs) in &mut self.boots {
            if let Some(others) = other.boots.get(key) {
                seqs.subtract(others);
            }
        }
        self.boots.retain(|_, seqs| !seqs.is_empty());
    }

    /// The numbers of one boot.
    pub fn get(&self, key: &BootKey) -> Option<&Intervals> {
        self.boots.get(key)
    }

    /// The numbers of every boot.
    pub fn iter(&self) -> impl Iterator<Item = (&BootKey, &Intervals)> {
        self.boots.iter()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.boots.is_empty()
    }

    /// Encodes them as text: `[["edge","<uuid>",[[1,100]]]]`. [`decode`](Self::decode) reads it.
    pub fn encode(&self) -> String {
        let boots: Vec<_> = self
            .boots
            .iter()
            .map(|(key, seqs)| {
                (&key.gateway, key.boot.hyphenated().to_string(), seqs.spans().collect::<Vec<_>>())
            })
            .collect();
        serde_json::to_string(&boots).unwrap_or_default()
    }

    /// Reads what [`encode`](Self::encode) wrote; returns an empty value for anything else.
    pub fn decode(text: &str) -> Self {
        type Boots = Vec<(String, String, Vec<(u64, u64)>)>;
        let read: Boots = serde_json::from_str(text).unwrap_or_default();
        let mut seqs = Self::default();
        for (gateway, boot, spans) in read {
            let Ok(boot) = Uuid::try_parse(&boot) else { continue };
            let set = seqs.boots.entry(BootKey { gateway, boot }).or_default();
            for (start, end) in spans {
                set.insert(start..=end);
            }
        }
        seqs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_back() {
        let mut seqs = Seqs::default();
        for seq in [1, 2, 3, 7] {
            seqs.add("edge \"7\"", Uuid::from_u128(1), seq);
        }
        seqs.add("other", Uuid::from_u128(2), 1);
        assert_eq!(Seqs::decode(&seqs.encode()), seqs);
        assert_eq!(Seqs::decode("junk"), Seqs::default());
    }
}
