//! Whatever stands around it, the value of a sensitive parameter does not come through.
#![no_main]

use arbitrary::Arbitrary;
use gatelog::compose::redaction::{Redaction, SENSITIVE_HEADERS, SENSITIVE_PARAMETERS};
use gatelog::decision::path_template::PathTemplate;
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    before: &'a str,
    after: &'a str,
    name: u8,
    /// How each letter of the name is written: as it is, upper case, or percent-encoded.
    spelling: Vec<u8>,
    header: u8,
}

const SECRET: &str = "hunter2";

fn spelled(name: &str, spelling: &[u8]) -> String {
    let letters =
        name.chars().enumerate().map(|(at, letter)| match spelling.get(at).map(|how| how % 3) {
            Some(1) => letter.to_uppercase().to_string(),
            Some(2) => format!("%{:02x}", u32::from(letter)),
            _ => letter.to_string(),
        });
    letters.collect()
}

fuzz_target!(|input: Input<'_>| {
    if input.before.contains(SECRET) || input.after.contains(SECRET) {
        return;
    }
    let redaction = Redaction {
        paths: vec![PathTemplate::parse("/**/reset/{secret}").expect("a template")],
        ..Redaction::default()
    };
    let name = SENSITIVE_PARAMETERS[usize::from(input.name) % SENSITIVE_PARAMETERS.len()];
    let name = spelled(name, &input.spelling);
    let (before, after) = (input.before, input.after);

    let query = redaction.query(&format!("{before}&{name}={SECRET}&{after}")).into_owned();
    assert!(!query.contains(SECRET), "{query}");
    assert_eq!(redaction.query(&query), query, "redacting twice changes nothing more");

    let url =
        format!("https://user:{SECRET}@host/path;{name}={SECRET}?{name}={SECRET}#{name}={SECRET}");
    let url = redaction.url(&url).into_owned();
    assert!(!url.contains(SECRET), "{url}");

    if !after.contains('/') {
        let path = redaction.path(&format!("/v1/reset/{SECRET}{after}/x")).into_owned();
        assert!(!path.contains(SECRET), "{path}");
    }
    let header = SENSITIVE_HEADERS[usize::from(input.header) % SENSITIVE_HEADERS.len()];
    assert_eq!(redaction.header(header, SECRET), None);
});
