//! Envoy in the tests of this crate: a stream with headers and attributes.
//!
//! What it lends is a copy of just that size, which is gone once something is changed or the hook has
//! returned, so that the sanitizer of addresses finds a use past its end or after it.
#![expect(unsafe_code, reason = "stands in for foreign functions")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::c_void;

use super::bytes::{EnvoyBytes, Header, OwnBytes};

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// A stream; its address is what hooks get, and callbacks give back.
#[derive(Debug, Default)]
pub(super) struct StandIn {
    /// By the number of the map.
    headers: RefCell<BTreeMap<u32, Pairs>>,
    texts: BTreeMap<u32, Vec<u8>>,
    state: RefCell<BTreeMap<Vec<u8>, Vec<u8>>>,
    lent: RefCell<Vec<Box<[u8]>>>,
}

impl StandIn {
    /// With these headers of the request and the response, and texts by the number of the attribute.
    pub(super) fn new(request: Pairs, response: Pairs, texts: BTreeMap<u32, Vec<u8>>) -> Self {
        let headers = RefCell::new(BTreeMap::from([(0, request), (2, response)]));
        Self { headers, texts, ..Self::default() }
    }

    /// What a hook gets.
    pub(super) fn pointer(&self) -> *mut c_void {
        (&raw const *self).cast_mut().cast()
    }

    /// The hook has returned.
    pub(super) fn returned(&self) {
        self.lent.borrow_mut().clear();
    }

    /// The values of a header.
    pub(super) fn values(&self, map: u32, name: &[u8]) -> Vec<Vec<u8>> {
        let headers = self.headers.borrow();
        let pairs = headers.get(&map).into_iter().flatten();
        pairs.filter(|(own, _)| own == name).map(|(_, value)| value.clone()).collect()
    }

    /// Sets filter state, or changes it.
    pub(super) fn set_state(&self, name: &[u8], value: &[u8]) {
        self.returned();
        self.state.borrow_mut().insert(name.to_vec(), value.to_vec());
    }

    /// A value of filter state.
    pub(super) fn state(&self, name: &[u8]) -> Option<Vec<u8>> {
        self.state.borrow().get(name).cloned()
    }

    fn lend(&self, bytes: &[u8]) -> EnvoyBytes {
        let copy: Box<[u8]> = bytes.into();
        let lent = EnvoyBytes { data: copy.as_ptr(), length: copy.len() };
        self.lent.borrow_mut().push(copy);
        lent
    }
}

/// The stream of a pointer; none where a test has none.
///
/// # Safety
/// The pointer must be null or one of [`StandIn::pointer`].
unsafe fn at<'a>(stream: *mut c_void) -> Option<&'a StandIn> {
    // SAFETY: as above.
    unsafe { stream.cast::<StandIn>().as_ref() }
}

/// # Safety
/// As [`at`].
pub(super) unsafe fn headers_size(stream: *mut c_void, map: u32) -> usize {
    // SAFETY: as above.
    let stream = unsafe { at(stream) };
    stream.map_or(0, |stream| stream.headers.borrow().get(&map).map_or(0, Vec::len))
}

/// # Safety
/// As [`at`]; there must be room for all headers.
pub(super) unsafe fn headers(stream: *mut c_void, map: u32, to: *mut Header) -> bool {
    // SAFETY: as above.
    let Some(stream) = (unsafe { at(stream) }) else { return false };
    for (place, (name, value)) in
        stream.headers.borrow().get(&map).into_iter().flatten().enumerate()
    {
        let (name, value) = (stream.lend(name), stream.lend(value));
        let (name_length, value_length) = (name.length, value.length);
        let header = Header { name: name.data, name_length, value: value.data, value_length };
        // SAFETY: as above.
        unsafe { to.add(place).write(header) };
    }
    true
}

/// # Safety
/// As [`at`]; the name must be readable and the value writable.
pub(super) unsafe fn header(
    stream: *mut c_void,
    map: u32,
    name: OwnBytes,
    value: *mut EnvoyBytes,
    index: usize,
) -> bool {
    // SAFETY: as above.
    let (Some(stream), name) = (unsafe { (at(stream), name.read()) }) else { return false };
    let Some(found) = stream.values(map, name).into_iter().nth(index) else { return false };
    // SAFETY: as above.
    unsafe { value.write(stream.lend(&found)) };
    true
}

/// # Safety
/// As [`at`]; name and value must be readable.
pub(super) unsafe fn set_header(
    stream: *mut c_void,
    map: u32,
    name: OwnBytes,
    value: OwnBytes,
) -> bool {
    // SAFETY: as above.
    let (stream, name, new) = unsafe { (at(stream), name.read(), value.read()) };
    let Some(stream) = stream else { return false };
    stream.returned();
    let mut headers = stream.headers.borrow_mut();
    let pairs = headers.entry(map).or_default();
    pairs.retain(|(own, _)| own != name);
    if !value.is_none() {
        pairs.push((name.to_vec(), new.to_vec()));
    }
    true
}

/// # Safety
/// As [`at`]; the value must be writable.
pub(super) unsafe fn text(stream: *mut c_void, attribute: u32, value: *mut EnvoyBytes) -> bool {
    // SAFETY: as above.
    let Some(stream) = (unsafe { at(stream) }) else { return false };
    let Some(found) = stream.texts.get(&attribute) else { return false };
    // SAFETY: as above.
    unsafe { value.write(stream.lend(found)) };
    true
}

/// # Safety
/// As [`at`]; the name must be readable and the value writable.
pub(super) unsafe fn filter_state(
    stream: *mut c_void,
    name: OwnBytes,
    value: *mut EnvoyBytes,
) -> bool {
    // SAFETY: as above.
    let (Some(stream), name) = (unsafe { (at(stream), name.read()) }) else { return false };
    let Some(found) = stream.state(name) else { return false };
    // SAFETY: as above.
    unsafe { value.write(stream.lend(&found)) };
    true
}

/// # Safety
/// As [`at`]; name and value must be readable.
pub(super) unsafe fn set_filter_state(
    stream: *mut c_void,
    name: OwnBytes,
    value: OwnBytes,
) -> bool {
    // SAFETY: as above.
    let (stream, name, value) = unsafe { (at(stream), name.read(), value.read()) };
    let Some(stream) = stream else { return false };
    stream.set_state(name, value);
    true
}
