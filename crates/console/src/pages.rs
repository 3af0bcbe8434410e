//! The pages: files that are part of the program.
//!
//! Built by `crates/console/web`; the built files are committed, so that building the program needs no
//! Node.

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};

use crate::who::fingerprint;

/// A file.
struct Page {
    path: &'static str,
    content_type: &'static str,
    content: &'static [u8],
}

/// The public shell of every page: it asks for the data.
const SHELL: Page = Page {
    path: "/",
    content_type: "text/html; charset=utf-8",
    content: include_bytes!("../web/dist/index.html"),
};

const ASSETS: [Page; 3] = [
    Page {
        path: "/assets/app.js",
        content_type: "text/javascript; charset=utf-8",
        content: include_bytes!("../web/dist/app.js"),
    },
    Page {
        path: "/assets/app.css",
        content_type: "text/css; charset=utf-8",
        content: include_bytes!("../web/dist/app.css"),
    },
    Page {
        path: "/assets/icon.svg",
        content_type: "image/svg+xml",
        content: include_bytes!("../web/dist/icon.svg"),
    },
];

/// The addresses of the pages, each of which is the shell.
pub(crate) const PAGES: [&str; 5] = ["/", "/search", "/flow/{id}", "/live", "/delivery"];

/// The shell.
pub(crate) fn shell(headers: &HeaderMap) -> Response<Body> {
    answer(&SHELL, headers)
}

/// A file under `/assets/`, if there is one with this path.
pub(crate) fn asset(path: &str, headers: &HeaderMap) -> Option<Response<Body>> {
    ASSETS.iter().find(|page| page.path == path).map(|page| answer(page, headers))
}

fn answer(page: &Page, headers: &HeaderMap) -> Response<Body> {
    let tag = tag(page.content);
    let known = headers.get_all(IF_NONE_MATCH).into_iter().filter_map(|value| value.to_str().ok());
    let mut tags = known.flat_map(|list| list.split(',')).map(str::trim);
    let fresh = tags.any(|known| known.trim_start_matches("W/") == tag);
    let mut response = Response::new(Body::empty());
    if fresh {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        *response.body_mut() = Body::from(page.content);
        let content_type = HeaderValue::from_static(page.content_type);
        response.headers_mut().insert(CONTENT_TYPE, content_type);
    }
    // Kept, and asked for again: a new version is seen at once.
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(tag) = tag.parse() {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// The entity tag of a content: the beginning of its hash.
fn tag(content: &[u8]) -> String {
    let hash = fingerprint(content);
    let digits =
        hash.iter().take(16).fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    format!("\"{digits}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_the_browser_has_is_not_sent_again() {
        let first = shell(&HeaderMap::new());
        assert_eq!(first.status(), StatusCode::OK);
        let tag = first.headers()[ETAG].clone();
        let mut headers = HeaderMap::new();
        headers
            .insert(IF_NONE_MATCH, format!("\"x\", W/{}", tag.to_str().unwrap()).parse().unwrap());
        assert_eq!(shell(&headers).status(), StatusCode::NOT_MODIFIED);
        headers.insert(IF_NONE_MATCH, "\"x\"".parse().unwrap());
        assert_eq!(shell(&headers).status(), StatusCode::OK);
        assert!(asset("/assets/app.js", &headers).is_some());
        assert!(asset("/assets/../index.html", &headers).is_none());
    }

    #[test]
    fn the_shell_has_no_script_or_style_of_its_own() {
        let text = std::str::from_utf8(SHELL.content).unwrap();
        for tag in text.split("<script").skip(1) {
            assert!(tag.split('>').next().unwrap().contains("src=\"/assets/"), "{tag}");
        }
        for inline in ["<style", "style=", "onload=", "onclick=", "javascript:"] {
            assert!(!text.contains(inline), "{inline}");
        }
    }
}
