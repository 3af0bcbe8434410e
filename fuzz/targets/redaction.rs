//! A secret under a sensitive name, in whatever form and position, does not get through; and the
//! part of a value that is examined is bounded.
#![no_main]

use arbitrary::Arbitrary;
use gatelog::compose::redaction::names::{
    SENSITIVE_HEADERS, SENSITIVE_PARAMETERS, SENSITIVE_PARTS, SENSITIVE_WORDS,
};
use gatelog::compose::redaction::{Excerpt, MASK, Redaction, Redactor};
use gatelog::decision::path_template::PathTemplate;
use gatelog_record::RecordLimits;
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    before: &'a str,
    after: &'a str,
    name: u8,
    /// How each letter of the name is spelled: unchanged, upper case, or percent-encoded. And how
    /// each slash of a path is.
    spelling: Vec<u8>,
    around: Around,
    shape: Shape,
    /// Whether to percent-encode the whole, in places that allow it.
    encoded: bool,
    /// Where the end of the examined part falls.
    padding: u16,
}

/// What surrounds a name.
#[derive(Arbitrary, Debug)]
enum Around {
    Nothing,
    List,
    Element,
    Inner,
    InnerList,
    Dotted,
    Component,
    Spaces,
}

/// How the secret is written.
#[derive(Arbitrary, Debug)]
enum Shape {
    Parameter,
    Json,
    JsonList,
    JsonObject,
    User,
    UserWithoutScheme,
    Segment,
    Member,
    MemberFirst,
    EscapedSlashes,
    Bearer,
    Token,
}

const SECRET: &str = "hunter2";

fn spelled(name: &str, spelling: &[u8]) -> String {
    let letters =
        name.chars().enumerate().map(|(at, letter)| match spelling.get(at).map(|how| how % 4) {
            Some(1) => letter.to_uppercase().to_string(),
            Some(2) => format!("%{:02x}", u32::from(letter)),
            Some(3) => format!("%25{:02X}", u32::from(letter)),
            _ => letter.to_string(),
        });
    letters.collect()
}

/// A path, its slashes in the spellings that services take for one, `$` for the secret.
fn path(plain: &str, spelling: &[u8]) -> String {
    const SLASHES: [&str; 8] = ["/", "//", "/./", "/x/../", "%2F", "\\", ";v=1/", "%252f"];
    let mut spelling = spelling.iter();
    let mut path = String::new();
    for part in plain.split_inclusive('/') {
        path.push_str(part.trim_end_matches('/'));
        if part.ends_with('/') {
            let how = spelling.next().map_or(0, |how| usize::from(*how) % SLASHES.len());
            // A parameter needs a segment that it belongs to.
            path.push_str(if path.is_empty() { "/" } else { SLASHES[how] });
        }
    }
    path.replace('$', SECRET)
}

fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

impl Input<'_> {
    fn name(&self) -> String {
        let names = [&SENSITIVE_PARAMETERS[..], &SENSITIVE_PARTS, &SENSITIVE_WORDS].concat();
        let name = names[usize::from(self.name) % names.len()];
        let name = spelled(name, &self.spelling);
        match self.around {
            Around::Nothing => name,
            Around::List => format!("{name}[]"),
            Around::Element => format!("{name}[0]"),
            Around::Inner => format!("user[{name}]"),
            Around::InnerList => format!("user%5B{name}%5D[]"),
            Around::Dotted => format!("{name}.0"),
            Around::Component => format!("login.{name}"),
            Around::Spaces => format!("+{name}+"),
        }
    }

    fn planted(&self) -> String {
        match self.shape {
            Shape::Parameter => format!("{}={SECRET}", self.name()),
            Shape::Json => format!("v={{\"{}\": \"{SECRET}\"}}", self.name()),
            Shape::JsonList => format!("v={{\"{}\":[\"a {SECRET}\"]}}", self.name()),
            Shape::JsonObject => format!("v={{\"{}\":{{\"a\":\"{SECRET}\"}}}}", self.name()),
            Shape::User => format!("u=https://user:{SECRET}@host/"),
            Shape::UserWithoutScheme => format!("u=//{SECRET}@host"),
            Shape::Segment => format!("u={}", path("/a/invite/$/b", &self.spelling)),
            Shape::Member => {
                format!("v={{\"name\":\"{}\",\"value\":\"{SECRET}\"}}", self.name())
            }
            Shape::MemberFirst => {
                format!("v={{\"value\":\"{SECRET}\",\"key\": \"{}\"}}", self.name())
            }
            Shape::EscapedSlashes => format!("u=https:\\/\\/user:{SECRET}@host\\/"),
            Shape::Bearer => format!("q=bearer%20{SECRET}"),
            Shape::Token => format!("q=eyJhbGciOiJub25lIn0.{SECRET}.x"),
        }
    }
}

fuzz_target!(|input: Input<'_>| {
    if input.before.contains(SECRET) || input.after.contains(SECRET) {
        return;
    }
    let redaction = Redaction {
        paths: vec![PathTemplate::parse("/**/invite/{secret}").expect("a template")],
        ..Redaction::default()
    };
    let limits = RecordLimits { value_bytes: 128, ..RecordLimits::default() };
    let redactor = Redactor::new(&redaction, limits);
    let (before, after, planted) = (input.before, input.after, input.planted());
    let padding = "x".repeat(usize::from(input.padding) % 300);
    let value = if input.encoded { format!("next={}", encoded(&planted)) } else { planted };

    // In a query, whatever the other parameters are.
    let query = format!("{before}{padding}&{value}&{after}");
    let redacted = redactor.query(&query);
    assert!(!redacted.contains(SECRET), "{redacted}");
    let whole = redaction.query(Excerpt::whole(&query)).into_owned();
    assert!(!whole.contains(SECRET), "{whole}");

    // In URLs in headers, alone and next to others; in free text.
    let words = value.replace(char::is_whitespace, "");
    for (name, header) in [
        ("referer", format!("https://host/{padding}?{value}")),
        ("location", format!("/{padding}?{value}#{after}")),
        ("location", format!("#{value}")),
        ("link", format!("<https://host/?{value}>; rel=next, <?{value}>")),
        ("refresh", format!("5; url=?{value}")),
        ("x-region", format!("{padding} {words} x")),
        ("x-region", format!("{padding} {}=a b){SECRET}", input.name().replace('+', ""))),
        ("user-agent", format!("agent/1 (+http://host/{padding}?{words})")),
    ] {
        let redacted = redactor.header(name, header.as_bytes()).unwrap_or_default();
        assert!(!redacted.contains(SECRET), "{name}: {header}: {redacted}");
        assert!(redacted.len() <= 4 * redactor.bytes(), "{name}: {} bytes", redacted.len());
    }

    // In the path: as a segment, as a segment's parameter, as user information.
    let name = input.name();
    for path in [
        format!("/{padding}/invite/{SECRET}{after}/x"),
        path(&format!("/{padding}/invite/$/x"), &input.spelling),
        format!("/{padding};{name}={SECRET};v=1/x"),
        format!("/{padding}/{}/x", encoded(&format!("{name}={SECRET}"))),
        format!("/{padding}/https://user:{SECRET}@host/x"),
    ] {
        if path.contains(&format!("{SECRET}/")) && after.contains('/') {
            continue;
        }
        let redacted = redactor.path(&path);
        assert!(!redacted.contains(SECRET), "{path}: {redacted}");
    }
    let host = format!("{before}:{SECRET}@host");
    assert!(!redactor.host(&host).contains(SECRET));

    let header = SENSITIVE_HEADERS[usize::from(input.name) % SENSITIVE_HEADERS.len()];
    assert_eq!(redactor.header(header, SECRET.as_bytes()), None);
    assert!(!redactor.words(&format!("{before} {MASK}")).contains(SECRET));
});
