//! Any bytes parse as a header map whose pairs lie within them; an encoded map round-trips.
#![no_main]

use gatelog::envoy::headers::Headers;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], Vec<(&[u8], &[u8])>)| {
    let (bytes, pairs) = input;
    let read: usize = Headers::from_serialized(bytes.to_vec())
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    // Malformed lengths may make two pairs share bytes, but never more than the pairs can hold.
    assert!(read <= bytes.len() * (bytes.len() / 8 + 1));
    let map = Headers::from_pairs(&pairs);
    assert!(map.iter().eq(pairs.iter().copied()));
});
