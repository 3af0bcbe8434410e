//! The core's list of attributes, read into one buffer.

use gatelog::envoy::headers::Headers;

/// A list in the making: each element is the name of a pair with an empty value, as the core reads it.
pub(crate) struct List {
    lengths: Vec<u8>,
    elements: Vec<u8>,
    count: u32,
}

/// How many bytes a list has as a rule.
const USUAL: usize = 384;

impl List {
    /// An empty list.
    pub(crate) fn new() -> Self {
        Self { lengths: Vec::with_capacity(USUAL), elements: Vec::with_capacity(USUAL), count: 0 }
    }

    /// Adds an element: what `write` appends.
    pub(crate) fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let before = self.elements.len();
        write(&mut self.elements);
        let length = u32::try_from(self.elements.len().saturating_sub(before)).unwrap_or(u32::MAX);
        // Name and value each end with NUL; the value is empty.
        self.elements.extend_from_slice(&[0, 0]);
        self.lengths.extend_from_slice(&length.to_le_bytes());
        self.lengths.extend_from_slice(&[0; 4]);
        self.count = self.count.saturating_add(1);
    }

    /// Adds a number, or an empty element.
    pub(crate) fn uint(&mut self, value: Option<u64>) {
        self.push(|bytes| {
            if let Some(value) = value {
                bytes.extend_from_slice(&value.to_le_bytes());
            }
        });
    }

    /// The list as the core reads it.
    pub(crate) fn finish(self) -> Headers {
        let mut whole = Vec::with_capacity(
            self.lengths.len().saturating_add(self.elements.len()).saturating_add(4),
        );
        whole.extend_from_slice(&self.count.to_le_bytes());
        whole.extend_from_slice(&self.lengths);
        whole.extend_from_slice(&self.elements);
        Headers::from_serialized(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_stand_in_their_order_also_empty_ones() {
        let mut list = List::new();
        list.uint(Some(200));
        list.uint(None);
        list.push(|bytes| bytes.extend_from_slice(b"text"));
        let list = list.finish();
        let elements: Vec<_> = list.iter().map(|(element, _)| element.to_vec()).collect();
        assert_eq!(elements, [200_u64.to_le_bytes().to_vec(), vec![], b"text".to_vec()]);
        assert_eq!(
            list,
            Headers::from_pairs(&[
                (&200_u64.to_le_bytes()[..], ""),
                (&[][..], ""),
                (&b"text"[..], ""),
            ])
        );
    }
}
