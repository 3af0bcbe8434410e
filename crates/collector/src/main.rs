//! The gatelog collector.

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(target_env = "gnu")]
    give_memory_back();
    gatelog_collector::cli::run(std::env::args_os())
}

/// Keeps the process near what it needs. Large bodies come and go on several threads; by default
/// glibc then keeps up to 32 MiB a body in one heap a thread. From here on a large block is a
/// mapping of its own, which goes back to the system when it is freed, and threads share two
/// heaps for the rest.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "the allocator has no other door")]
fn give_memory_back() {
    const LARGE_BYTES: libc::c_int = 128 << 10;
    // SAFETY: no other thread is running yet, and both are documented parameters of mallopt(3);
    // a value that it refuses changes nothing.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE_BYTES);
        libc::mallopt(libc::M_ARENA_MAX, 2);
    }
}
