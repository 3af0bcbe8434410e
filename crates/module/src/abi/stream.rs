//! A stream of the HTTP filter.
#![expect(unsafe_code, reason = "foreign functions over raw memory")]

use std::ffi::c_void;

use gatelog::envoy::headers::Headers;
use gatelog::host::HeaderMap;

use super::attribute::Attribute;
#[allow(clippy::wildcard_imports, reason = "one namespace of long names")]
use super::callbacks::*;
use super::map::{number, whole};
use super::timing::{Timing, timing};

/// Where a callback reads or writes: an HTTP filter's stream.
#[derive(Clone, Copy)]
pub(crate) struct Stream(*mut c_void);

impl Stream {
    /// From what a hook was given.
    pub(crate) fn of(pointer: *mut c_void) -> Self {
        Self(pointer)
    }

    /// A value of a header.
    pub(crate) fn header(self, map: HeaderMap, name: &str, index: usize) -> Option<Vec<u8>> {
        let mut value = NO_BYTES;
        let name = OwnBytes::of(name.as_bytes());
        // SAFETY: the stream lives until its hook returns; the name is only read; Envoy writes one
        // buffer where the pointer says, and no count where it is null.
        let there = unsafe {
            envoy_dynamic_module_callback_http_get_header(
                self.0,
                number(map),
                name,
                &raw mut value,
                index,
                std::ptr::null_mut(),
            )
        };
        (there && !value.data.is_null()).then(|| value.read().to_vec())
    }

    /// All headers of a map.
    pub(crate) fn headers(self, map: HeaderMap) -> Headers {
        // SAFETY: as above.
        let size =
            unsafe { envoy_dynamic_module_callback_http_get_headers_size(self.0, number(map)) };
        // SAFETY: there is room for as many as Envoy has just counted, on the same thread.
        whole(size, |to| unsafe {
            envoy_dynamic_module_callback_http_get_headers(self.0, number(map), to)
        })
    }

    /// Sets a header to one value, or removes it.
    pub(crate) fn set_header(self, map: HeaderMap, name: &str, value: Option<&[u8]>) -> bool {
        let value = value.map_or_else(OwnBytes::none, OwnBytes::of);
        let name = OwnBytes::of(name.as_bytes());
        // SAFETY: name and value are only read.
        unsafe { envoy_dynamic_module_callback_http_set_header(self.0, number(map), name, value) }
    }

    /// Appends an attribute that is text.
    pub(crate) fn append_text(self, attribute: Attribute, to: &mut Vec<u8>) -> bool {
        let mut value = NO_BYTES;
        // SAFETY: Envoy writes one buffer where the pointer says.
        let there = unsafe {
            envoy_dynamic_module_callback_http_filter_get_attribute_string(
                self.0,
                attribute as u32,
                &raw mut value,
            )
        };
        if there {
            to.extend_from_slice(value.read());
        }
        there
    }

    /// An attribute that is a number.
    pub(crate) fn uint(self, attribute: Attribute) -> Option<u64> {
        let mut value = 0;
        // SAFETY: Envoy writes one number where the pointer says.
        let there = unsafe {
            envoy_dynamic_module_callback_http_filter_get_attribute_int(
                self.0,
                attribute as u32,
                &raw mut value,
            )
        };
        there.then_some(value)
    }

    /// When what happened.
    pub(crate) fn timing(self) -> Timing {
        // SAFETY: Envoy writes its structure, for which `Timing` has room.
        timing(|to| unsafe { envoy_dynamic_module_callback_http_get_timing_info(self.0, to) })
    }

    /// A value of filter state.
    pub(crate) fn filter_state(self, name: &str) -> Option<Vec<u8>> {
        let mut value = NO_BYTES;
        let name = OwnBytes::of(name.as_bytes());
        // SAFETY: the name is only read; Envoy writes one buffer where the pointer says.
        let there = unsafe {
            envoy_dynamic_module_callback_http_get_filter_state_bytes(self.0, name, &raw mut value)
        };
        there.then(|| value.read().to_vec())
    }

    /// Sets a value of filter state.
    pub(crate) fn set_filter_state(self, name: &str, value: &[u8]) -> bool {
        let (name, value) = (OwnBytes::of(name.as_bytes()), OwnBytes::of(value));
        // SAFETY: name and value are only read.
        unsafe { envoy_dynamic_module_callback_http_set_filter_state_bytes(self.0, name, value) }
    }

    /// Sets a text of dynamic metadata.
    pub(crate) fn set_metadata(self, space: &str, name: &str, value: &str) {
        let [space, name, value] = [space, name, value].map(|text| OwnBytes::of(text.as_bytes()));
        // SAFETY: all three are only read.
        unsafe {
            envoy_dynamic_module_callback_http_set_dynamic_metadata_string(
                self.0, space, name, value,
            );
        }
    }
}
