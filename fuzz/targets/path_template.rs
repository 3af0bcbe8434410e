//! Any text either is a template or is not; a template captures only whole path segments.
#![no_main]

use gatelog::decision::path_template::{PathTemplate, segments_of, without_parameters};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str, &str, bool)| {
    let (template, path, name, cut) = input;
    let Ok(template) = PathTemplate::parse(template) else { return };
    let segments: Vec<&str> = segments_of(path).collect();
    let mut named = Vec::new();
    template.named_places(&segments, false, |place| named.push(place));
    assert!(named.iter().all(|place| *place < segments.len()));
    // Allowing for a truncated path only adds matches.
    let mut more = Vec::new();
    template.named_places(&segments, true, |place| more.push(place));
    assert!(more.iter().all(|place| *place < segments.len()));
    if cut && !path.ends_with('/') {
        assert!(named.iter().all(|place| more.contains(place)), "{named:?} {more:?}");
    }
    if let Some(captured) = template.capture(path, name) {
        assert!(template.covers(path) && template.names(name) && !captured.is_empty());
        assert!(segments.iter().any(|segment| without_parameters(segment) == captured));
    }
});
