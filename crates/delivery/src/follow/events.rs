//! Reads server-sent events. Source: the HTML standard, "Server-sent events"; of it what a collector
//! sends.

use std::fmt;

/// Maximum bytes of an event: more than a record can have.
const EVENT_BYTES: usize = 4 << 20;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) kind: String,
    pub(super) data: String,
}

/// An event that is too long, or not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotEvents;

impl fmt::Display for NotEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what it sends are not the events of a collector")
    }
}

/// The bytes of an event that is not complete yet.
#[derive(Debug, Default)]
pub(super) struct Events {
    rest: Vec<u8>,
}

impl Events {
    /// Adds bytes; returns the events that are now complete.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Vec<Event>, NotEvents> {
        let mut events = Vec::new();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.rest.extend_from_slice(part);
            if self.rest.len() > EVENT_BYTES {
                return Err(NotEvents);
            }
            if self.rest == b"\n" {
                // Between comments.
                self.rest.clear();
            } else if self.rest.ends_with(b"\n\n") {
                events.extend(event(&self.rest)?);
                self.rest.clear();
            }
        }
        Ok(events)
    }
}

/// `None` for a comment alone.
fn event(text: &[u8]) -> Result<Option<Event>, NotEvents> {
    let text = std::str::from_utf8(text).map_err(|_| NotEvents)?;
    let mut event = Event::default();
    for line in text.lines() {
        match line.split_once(':') {
            Some(("event", value)) => value.trim_start().clone_into(&mut event.kind),
            Some(("data", value)) => event.data.push_str(value.trim_start()),
            _ => {}
        }
    }
    Ok((!event.kind.is_empty()).then_some(event))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_however_they_are_cut() {
        let text =
            ":\n\nevent: record\ndata: {\"a\":\"b: c\"}\n\n:\n\nevent: skipped\ndata: 7\n\nevent";
        let of = |kind: &str, data: &str| Event { kind: kind.into(), data: data.into() };
        let wanted = [of("record", "{\"a\":\"b: c\"}"), of("skipped", "7")];
        for size in 1..=text.len() {
            let mut events = Events::default();
            let found = text.as_bytes().chunks(size).map(|part| events.push(part).unwrap());
            assert_eq!(found.flatten().collect::<Vec<_>>(), wanted, "{size}");
        }
    }

    #[test]
    fn an_endless_event_is_refused() {
        let mut events = Events::default();
        assert_eq!(events.push(&vec![b'x'; EVENT_BYTES]), Ok(vec![]));
        assert_eq!(events.push(b"x"), Err(NotEvents));
        assert_eq!(Events::default().push(b"event: \xff\n\n"), Err(NotEvents));
    }
}
