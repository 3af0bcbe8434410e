//! Keeps the process near the memory that it uses.
//!
//! Large bodies come and go on several threads. By default glibc keeps what they leave behind: up
//! to 32 MiB for each body in one heap per thread, and free pages between live blocks for good.

use std::thread;
use std::time::Duration;

/// Blocks of at least this size are separate mappings, which go back to the system when freed.
const LARGE_BYTES: libc::c_int = 128 << 10;
/// Heaps that all threads share for smaller blocks.
const HEAPS: libc::c_int = 2;
/// Free bytes that the heaps may keep.
const FREE_BYTES: usize = 4 << 20;
/// Interval between two checks of the heaps.
const CHECK_INTERVAL: Duration = Duration::from_millis(250);

/// Configures the allocator, and starts a thread that returns free pages to the system.
///
/// To be called before any other thread runs.
#[expect(unsafe_code, reason = "the allocator has no safe interface")]
pub(crate) fn keep_small() {
    // SAFETY: no other thread is running yet, and both are documented parameters of mallopt(3);
    // a value that it refuses changes nothing.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE_BYTES);
        libc::mallopt(libc::M_ARENA_MAX, HEAPS);
    }
    // Without the thread, the process only stays larger than it needs to be.
    let _ = thread::Builder::new().name("heap".into()).spawn(|| {
        loop {
            thread::sleep(CHECK_INTERVAL);
            // SAFETY: mallinfo2(3) and malloc_trim(3) take the allocator's own locks.
            unsafe {
                if libc::mallinfo2().fordblks > FREE_BYTES {
                    libc::malloc_trim(0);
                }
            }
        }
    });
}
