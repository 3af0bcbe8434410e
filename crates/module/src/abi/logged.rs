//! A stream as an access logger sees it.
#![expect(unsafe_code, reason = "foreign functions over raw memory")]

use std::ffi::c_void;

use gatelog::envoy::headers::Headers;
use gatelog::host::HeaderMap;

use super::attribute::Attribute;
#[allow(clippy::wildcard_imports, reason = "one namespace of long names")]
use super::callbacks::*;
use super::map::{number, whole};
use super::timing::{Timing, timing};

/// A stream as an access logger sees it.
#[derive(Clone, Copy)]
pub(crate) struct Logged(*mut c_void);

impl Logged {
    /// From what a hook was given.
    pub(crate) fn of(pointer: *mut c_void) -> Self {
        Self(pointer)
    }

    /// All headers of a map.
    pub(crate) fn headers(self, map: HeaderMap) -> Headers {
        // SAFETY: the logger and its stream live until the hook returns.
        let size = unsafe {
            envoy_dynamic_module_callback_access_logger_get_headers_size(self.0, number(map))
        };
        // SAFETY: there is room for as many as Envoy has just counted, on the same thread.
        whole(size, |to| unsafe {
            envoy_dynamic_module_callback_access_logger_get_headers(self.0, number(map), to)
        })
    }

    /// Appends an attribute that is text.
    pub(crate) fn append_text(self, attribute: Attribute, to: &mut Vec<u8>) -> bool {
        let mut value = NO_BYTES;
        // SAFETY: Envoy writes one buffer where the pointer says.
        let there = unsafe {
            envoy_dynamic_module_callback_access_logger_get_attribute_string(
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
            envoy_dynamic_module_callback_access_logger_get_attribute_int(
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
        timing(|to| unsafe {
            envoy_dynamic_module_callback_access_logger_get_timing_info_v2(self.0, to);
        })
    }

    /// A text of dynamic metadata.
    pub(crate) fn metadata(self, space: &str, name: &str) -> Option<Vec<u8>> {
        let mut value = NO_BYTES;
        let [space, name] = [space, name].map(|text| OwnBytes::of(text.as_bytes()));
        // SAFETY: both are only read; Envoy writes one buffer where the pointer says.
        let there = unsafe {
            envoy_dynamic_module_callback_access_logger_get_dynamic_metadata(
                self.0,
                space,
                name,
                &raw mut value,
            )
        };
        there.then(|| value.read().to_vec())
    }
}
