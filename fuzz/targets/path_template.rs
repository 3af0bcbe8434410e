//! Any text is a template or is not; a template captures only whole segments of the path.
#![no_main]

use gatelog::decision::path_template::{PathTemplate, segments_of};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str, &str)| {
    let (template, path, name) = input;
    let Ok(template) = PathTemplate::parse(template) else { return };
    let named = template.named_indexes(path);
    assert!(template.covers(path) || named.is_empty());
    let count = segments_of(path).count();
    assert!(named.iter().all(|index| *index < count));
    if let Some(captured) = template.capture(path, name) {
        assert!(template.names(name) && !captured.is_empty());
        assert!(segments_of(path).any(|segment| segment == captured));
    }
});
