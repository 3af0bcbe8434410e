//! A view that somebody wants to save, checked.

use crate::pages::PAGES;

/// Maximum characters of a name.
const NAME_CHARS: usize = 100;
/// Maximum bytes of an address.
const ADDRESS_BYTES: usize = 4_096;

/// A view to save.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    pub(super) name: String,
    pub(super) address: String,
    pub(super) shared: bool,
}

/// What is wrong with a view to save.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault(String);

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Draft {
    /// A view with this name, of 1 to 100 characters, none of which is a control character, and this
    /// address: path and query of one of the console's pages, at most 4 KiB.
    ///
    /// # Errors
    ///
    /// What is wrong with name or address.
    pub fn new(name: String, address: String, shared: bool) -> Result<Self, Fault> {
        check_name(&name)?;
        check_address(&address)?;
        Ok(Self { name, address, shared })
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is to be shared.
    pub fn shared(&self) -> bool {
        self.shared
    }
}

fn check_name(name: &str) -> Result<(), Fault> {
    let chars = name.chars().count();
    if chars > NAME_CHARS {
        return Err(Fault(format!(
            "name has {chars} characters: it must have at most {NAME_CHARS}; shorten it"
        )));
    }
    if name.trim().is_empty() || name.chars().any(char::is_control) {
        let name = name.escape_debug();
        let told = "must not be blank, and must have no control characters";
        return Err(Fault(format!("name = \"{name}\": {told}")));
    }
    Ok(())
}

fn check_address(address: &str) -> Result<(), Fault> {
    if address.len() > ADDRESS_BYTES {
        let bytes = address.len();
        return Err(Fault(format!(
            "address has {bytes} bytes: it must have at most {ADDRESS_BYTES}; shorten the query"
        )));
    }
    let printable = address.bytes().all(|byte| byte.is_ascii_graphic());
    let path = address.split('?').next().unwrap_or_default();
    if !printable || address.contains(['#', '\\']) || !PAGES.iter().any(|page| is(page, path)) {
        let address: String = address.chars().take(100).flat_map(char::escape_debug).collect();
        return Err(Fault(format!(
            "address = \"{address}\": must be path and query of a page of this console, encoded, \
             for example /search?query=level%3AERROR"
        )));
    }
    Ok(())
}

/// Whether this is the path of a page, in whose pattern `{…}` stands for any one part.
fn is(page: &str, path: &str) -> bool {
    // A browser takes these for the directory, also encoded.
    let any =
        |part: &str| !matches!(&*part.to_ascii_lowercase().replace("%2e", "."), "" | "." | "..");
    let mut parts = path.split('/');
    page.split('/').all(|pattern| {
        parts
            .next()
            .is_some_and(|part| if pattern.starts_with('{') { any(part) } else { part == pattern })
    }) && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(name: &str, address: &str) -> Result<Draft, String> {
        Draft::new(name.into(), address.into(), false).map_err(|fault| fault.to_string())
    }

    #[test]
    fn an_address_of_any_page_is_one_and_nothing_else_is() {
        for address in [
            "/",
            "/?since=2026-01-26T00:00:00Z",
            "/search?query=path%3A%22%2Fa%22&columns=http.host,extra.sku",
            "/flow/corr%2F1?record=ERROR%2F1",
            "/flow/a..b",
            "/live?query=//evil.example",
            "/delivery",
        ] {
            assert!(draft("n", address).is_ok(), "{address}");
        }
        for address in [
            "",
            "search",
            "//evil.example/search",
            "/\\evil.example",
            "/search\\?x",
            "https://evil.example/search",
            "javascript:alert(1)",
            "/search?query=a b",
            "/search?query=\u{e4}",
            "/search?query=a\nb",
            "/search?query=\u{202e}",
            "/search#code=1",
            "/#code=1",
            "/search/",
            "/flow",
            "/flow/",
            "/flow/..",
            "/flow/.%2E",
            "/flow/a/b",
            "/api/v1/export",
            "/assets/app.js",
            "/metrics",
            "/flow/{id}\0",
        ] {
            let told = draft("n", address).unwrap_err();
            assert!(told.starts_with("address = \""), "{address}: {told}");
        }
    }

    #[test]
    fn a_name_is_any_text_that_can_be_seen() {
        for name in
            ["errors", " <b>x</b> ", "$where", "a:b;c", "\u{202e}x", &"\u{1f600}".repeat(100)]
        {
            assert!(draft(name, "/").is_ok(), "{name}");
        }
        for name in ["", "  ", "\u{a0}", "a\0b", "a\nb", "\u{9b}x", "\u{7f}x"] {
            let told = draft(name, "/").unwrap_err();
            assert!(told.starts_with("name = \""), "{name:?}: {told}");
        }
    }

    #[test]
    fn what_is_too_long_is_told_with_its_length_and_the_bound() {
        let told = draft(&"x".repeat(101), "/").unwrap_err();
        assert_eq!(told, "name has 101 characters: it must have at most 100; shorten it");
        let longest = format!("/search?query={}", "x".repeat(ADDRESS_BYTES - 14));
        assert!(draft("n", &longest).is_ok());
        let told = draft("n", &(longest + "x")).unwrap_err();
        assert!(told.starts_with("address has 4097 bytes: it must have at most 4096"), "{told}");
    }
}
