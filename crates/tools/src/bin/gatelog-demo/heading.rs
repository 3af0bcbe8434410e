//! Headings between the parts of what the demo prints.

pub(crate) fn heading(text: &str) {
    println!("\n==> {text}");
}
