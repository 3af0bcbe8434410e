//! What counts as a credential, by name or by form, and where its value ends in a text: shared by
//! all who make records.

mod ansi;
pub mod assignments;
pub mod encoding;
mod finding;
mod harmless;
pub mod json;
pub mod jwt;
mod lines;
pub mod marks;
pub mod names;
mod pem;
pub mod percent;
pub mod place;
mod schemes;
pub mod userinfo;

use std::borrow::Cow;

use marks::Marks;
use place::Place;

/// The replacement for a secret.
pub const MASK: &str = "[redacted]";

/// A text of a service's own with its secrets masked: private keys in PEM, values of sensitive names,
/// credentials after their scheme, JSON Web Tokens, and user information of URLs. `more` are further
/// sensitive names, in lower case. A value may go on in further lines. Colours of a terminal are
/// removed.
pub fn masked<'t>(text: &'t str, more: &[String]) -> Cow<'t, str> {
    then(ansi::removed(text), |text| masked_plain(text, more))
}

fn masked_plain<'t>(text: &'t str, more: &[String]) -> Cow<'t, str> {
    let mut marks = Marks::of(text);
    if assignments::may_have_pairs(text) {
        marks = marks.with(Marks::ASSIGNS);
    }
    if !marks.any(Marks::ASSIGNS | Marks::SPACE | Marks::SLASH | Marks::TOKEN) {
        return Cow::Borrowed(text);
    }
    let text = then(pem::masked(text), |text| assignments::mask(text, marks, Place::Lines, more));
    let text = if marks.any(Marks::TOKEN) { then(text, jwt::masked) } else { text };
    if marks.any(Marks::SLASH) && marks.any(Marks::AT) {
        return then(text, without_userinfo);
    }
    text
}

/// Removes user information line by line: an authority never extends over two.
fn without_userinfo(text: &str) -> Cow<'_, str> {
    if !text.contains('\n') {
        return userinfo::removed(text, false);
    }
    let lines: Vec<_> = text.split('\n').map(|line| userinfo::removed(line, false)).collect();
    if lines.iter().all(|line| matches!(line, Cow::Borrowed(_))) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(lines.join("\n"))
}

/// Applies the next step to the result of the last one.
fn then(text: Cow<'_, str>, step: impl FnOnce(&str) -> Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => step(text),
        Cow::Owned(text) => Cow::Owned(step(&text).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn a_value_with_very_many_names_in_it_extends_to_the_end() {
        let text = format!("pin={} b\nc", "pin=".repeat(100));
        assert_eq!(masked(&text, &["pin".to_owned()]), "pin=[redacted]");
    }

    #[test]
    fn secrets_in_a_services_own_text_are_masked() {
        for (text, expected) in [
            ("plain", "plain"),
            ("a\nb", "a\nb"),
            ("password=S S\nnext line", "password=[redacted]\nnext line"),
            ("sent Bearer S", "sent Bearer [redacted]"),
            ("token eyJhbGciOiJub25lIn0.S.S", "token [redacted]"),
            ("postgres://user:S@db/x failed", "postgres://db/x failed"),
            ("pin: 1234S", "pin:[redacted]"),
            ("AssertionError: 5\n  at f (a.js:1:2)", "AssertionError: 5\n  at f (a.js:1:2)"),
            ("rpc error: code = Internal desc = x", "rpc error: code = Internal desc = x"),
            ("Db { password: None, host: 1 }", "Db { password: None, host: 1 }"),
            ("{ code: 'ECONNREFUSED', port: 1 }", "{ code: 'ECONNREFUSED', port: 1 }"),
            ("[('user', 'a'), ('password', 'S')] b", "[('user', 'a'), ('password',[redacted])] b"),
            ("[(b'authorization', b'Bearer S')]", "[(b'authorization',[redacted])]"),
            ("[\"password\",\"S\"]", "[\"password\",[redacted]]"),
            ("[ 'password', 'S' ] b", "[ 'password',[redacted]] b"),
            ("[\n  'password',\n  ['S']\n] b", "[\n  'password',[redacted]] b"),
            ("('password', 'S', ('S',)) b", "('password',[redacted]) b"),
            ("('password', 'S\\\\') b", "('password',[redacted]"),
            ("['mysql', '--password', 'S'] b", "['mysql', '--password',[redacted]] b"),
            ("{\"m\": \"a\\npwd: S\"}", "{\"m\": \"a\\npwd:[redacted]"),
            ("a \\x1b[0msig=S", "a sig=[redacted]"),
            ("r: '{''password'': ''S''}'", "r: '{''password'':[redacted]"),
            ("TokenError=S", "TokenError=[redacted]"),
            ("fields ['password', 'user', 'a']", "fields ['password', 'user', 'a']"),
            ("config['password'] = 'S'", "config['password'] =[redacted]"),
            ("`password` = 'S'", "`password` =[redacted]"),
            ("API Key: S", "API Key:[redacted]"),
            ("the key: a", "the key: a"),
            ("mysql --password S\nb", "mysql --password [redacted]\nb"),
            ("mysql --verbose a", "mysql --verbose a"),
            ("sent Bearer 'S', b", "sent Bearer '[redacted]', b"),
            ("\x1b[36mpassword\x1b[0m=\x1b[35mS\x1b[0m", "password=[redacted]"),
            ("Db { key: \"S\", code: 7 }", "Db { key:[redacted]"),
            ("Os { code: 111, message: \"refused\" }", "Os { code: 111, message: \"refused\" }"),
            ("[{ name: 'pin', value: 'S' }, 1]", "[{[redacted]}, 1]"),
            ("Header {\n  name: \"token\",\n  value: \"S\",\n}\nb", "Header {[redacted]}\nb"),
            ("the header name: \"token\"\nb", "the header name: \"token\"\nb"),
            ("password\0=S\nb", "password\0=[redacted]\nb"),
            ("{\n  \"password\": [\n    \"S\"\n  ]\n}", "{\n  \"password\":[redacted]\n}"),
            ("sid=\n  pin=\"\nS\n\" x\nb", "sid=[redacted] x\nb"),
            ("http://u:p/\nmail me@x", "http://u:p/\nmail me@x"),
            (
                "key:\n-----BEGIN PRIVATE KEY-----\nS\n-----END PRIVATE KEY-----\nread",
                "key:\n[redacted]\nread",
            ),
        ] {
            assert_eq!(masked(text, &["pin".to_owned()]), expected, "{text}");
        }
    }
}
