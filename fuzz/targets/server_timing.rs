//! Any header yields metrics within their bounds, with names that MongoDB can query.
#![no_main]

use gatelog::compose::server_timing::{METRICS_MAX, NAME_BYTES_MAX, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|value: &[u8]| {
    let metrics = parse(value);
    assert!(metrics.len() <= METRICS_MAX);
    for (index, (name, duration)) in metrics.iter().enumerate() {
        assert!(duration.is_finite());
        assert!((1..=NAME_BYTES_MAX).contains(&name.len()), "{name:?}");
        assert!(!name.contains('.') && !name.starts_with('$'), "{name:?}");
        assert!(metrics.iter().skip(index + 1).all(|(other, _)| other != name), "{name:?} twice");
    }
});
