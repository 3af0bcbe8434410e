//! The layer as the process's only subscriber: `tracing` then lets values log while they are formatted.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tracing::info;

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Chatty;

impl fmt::Debug for Chatty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        info!("from within");
        f.write_str("chatty")
    }
}

#[test]
fn a_value_that_logs_while_it_is_formatted_is_no_trouble_and_the_guard_ends_it_all() {
    let kept = Kept::default();
    let guard = gatelog_tracing::builder("orders").writer(kept.clone()).init().unwrap();
    let again = gatelog_tracing::builder("orders").writer(io::sink()).init().unwrap_err();
    assert!(again.to_string().starts_with("init: "), "{again}");
    info!(value = ?Chatty, "outside");
    let counters = guard.counters();
    assert!(guard.flush(Duration::from_secs(10)));
    drop(guard);
    info!("too late");

    let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert_eq!(lines[0]["message"], "from within");
    assert_eq!(lines[1]["extra"]["value"], "chatty");
    let counts = counters.read();
    assert_eq!((counts.records, counts.lines_written, counts.lines_dropped), (3, 2, 1));
}
