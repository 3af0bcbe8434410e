//! Maps of headers.

use std::ptr::null;

use gatelog::envoy::headers::Headers;
use gatelog::host::HeaderMap;

use super::callbacks::{Header, copied};

/// Reads a whole map: its size, then its pairs.
pub(super) fn whole(size: usize, fill: impl FnOnce(*mut Header) -> bool) -> Headers {
    const EMPTY: Header = Header { name: null(), name_length: 0, value: null(), value_length: 0 };
    let mut headers = vec![EMPTY; size];
    if size == 0 || !fill(headers.as_mut_ptr()) {
        return Headers::default();
    }
    copied(&headers)
}

/// A map's number in the header.
pub(super) fn number(map: HeaderMap) -> u32 {
    match map {
        HeaderMap::Request => 0,
        HeaderMap::Response | HeaderMap::Callout => 2,
        HeaderMap::ResponseTrailers => 3,
    }
}
