//! Any bytes read as a header map that lies within them; a map that was written reads back.
#![no_main]

use gatelog::envoy::headers::Headers;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], Vec<(&[u8], &[u8])>)| {
    let (bytes, pairs) = input;
    let read: usize = Headers::from_serialized(bytes.to_vec())
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    // Crooked lengths may name the same bytes for two pairs, but never more than the pairs hold.
    assert!(read <= bytes.len() * (bytes.len() / 8 + 1));
    let map = Headers::from_pairs(&pairs);
    assert!(map.iter().eq(pairs.iter().copied()));
});
