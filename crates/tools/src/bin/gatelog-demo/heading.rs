//! Headings for the sections of the demo's output.

pub(crate) fn heading(text: &str) {
    println!("\n==> {text}");
}
