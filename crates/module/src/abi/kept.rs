//! What Envoy keeps for us: a pointer to an `Arc` or a `Box` of ours, which it gives back with each call.
//!
//! The answers of the hooks are always "continue": none holds or ends a request.
#![expect(unsafe_code, reason = "raw memory")]

use std::ffi::c_void;
use std::sync::Arc;

use crate::guard::guarded;
use crate::installed::Installed;

/// What Envoy keeps for us.
pub(super) type Ours = *const c_void;
/// What Envoy wants back in a callback.
pub(super) type Envoys = *mut c_void;

/// "Continue", whatever the hook.
pub(super) const CONTINUE: u32 = 0;

/// What Envoy keeps for us, while it keeps it.
///
/// # Safety
/// The pointer must be one that a `_new` hook of this type returned and whose `_destroy` hook has not
/// been called.
pub(super) unsafe fn kept<'a, T>(pointer: Ours) -> Option<&'a T> {
    // SAFETY: as above.
    unsafe { pointer.cast::<T>().as_ref() }
}

/// A configuration's own reference, which stays with Envoy.
///
/// # Safety
/// As [`kept`], for a pointer of `Arc::into_raw`.
pub(super) unsafe fn shared(pointer: Ours) -> Option<Arc<Installed>> {
    let pointer = pointer.cast::<Installed>();
    if pointer.is_null() {
        return None;
    }
    // SAFETY: as above; the count is raised first, so Envoy's reference stays.
    unsafe {
        Arc::increment_strong_count(pointer);
        Some(Arc::from_raw(pointer))
    }
}

/// A configuration ends.
///
/// # Safety
/// As [`shared`]; Envoy's own reference ends with it.
pub(super) unsafe fn end(ours: Ours) {
    guarded(
        "config_destroy",
        (),
        || (),
        || {
            if !ours.is_null() {
                // SAFETY: as above.
                let installed = unsafe { Arc::from_raw(ours.cast::<Installed>()) };
                installed.destroyed();
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use std::ptr::null;

    use super::*;

    #[test]
    fn a_null_pointer_is_nothing_of_ours() {
        // SAFETY: null is looked for.
        unsafe {
            assert!(kept::<u8>(null()).is_none());
            assert!(shared(null()).is_none());
            end(null());
        }
    }
}
