//! Keeps the library in memory once it is loaded.

fn main() {
    // It has a thread and thread-local state: code under them must not be unmapped, whatever
    // `do_not_close` says.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    println!("cargo:rerun-if-changed=build.rs");
}
