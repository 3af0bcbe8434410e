//! The bytes that Envoy gives and takes.
#![expect(unsafe_code, reason = "raw memory")]

use std::ptr::null;

/// Bytes of Envoy's, valid until the hook returns or a callback changes something.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct EnvoyBytes {
    pub(super) data: *const u8,
    pub(super) length: usize,
}

/// Bytes of ours, read by Envoy during the call.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct OwnBytes {
    data: *const u8,
    length: usize,
}

/// A header: Envoy's in what it gives, ours in what it takes. The layout is the same.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Header {
    pub(super) name: *const u8,
    pub(super) name_length: usize,
    pub(super) value: *const u8,
    pub(super) value_length: usize,
}

/// No bytes, where Envoy writes some.
pub(super) const NO_BYTES: EnvoyBytes = EnvoyBytes { data: null(), length: 0 };

impl OwnBytes {
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self { data: bytes.as_ptr(), length: bytes.len() }
    }

    pub(super) fn none() -> Self {
        Self { data: null(), length: 0 }
    }

    /// Whether it is [`OwnBytes::none`].
    #[cfg(test)]
    pub(super) fn is_none(self) -> bool {
        self.data.is_null()
    }

    /// The bytes.
    ///
    /// # Safety
    /// They must live as long as the result.
    #[cfg(test)]
    pub(super) unsafe fn read<'a>(self) -> &'a [u8] {
        // SAFETY: as above.
        unsafe { bytes(self.data, self.length) }
    }
}

impl EnvoyBytes {
    /// The bytes. They must be used before the hook returns and before anything is changed.
    pub(crate) fn read(&self) -> &[u8] {
        // SAFETY: Envoy gave pointer and length together, for as long as the doc above says; every
        // caller in this crate copies at once.
        unsafe { bytes(self.data, self.length) }
    }
}

impl Header {
    pub(super) fn pair(&self) -> (&[u8], &[u8]) {
        // SAFETY: Envoy gave both, for as long as it gave the header.
        unsafe { (bytes(self.name, self.name_length), bytes(self.value, self.value_length)) }
    }
}

/// # Safety
/// Pointer and length must be those of bytes that live as long as the result.
unsafe fn bytes<'a>(data: *const u8, length: usize) -> &'a [u8] {
    if data.is_null() || length == 0 {
        return &[];
    }
    // SAFETY: as above.
    unsafe { std::slice::from_raw_parts(data, length) }
}
