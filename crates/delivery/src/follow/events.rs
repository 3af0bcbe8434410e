//! Reads server-sent events. Source: the HTML standard, "Server-sent events"; of it what a collector
//! sends.

use std::fmt;
use std::sync::Arc;

use gatelog_record::limits::RECORD_BYTES_MAX;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Maximum bytes of an event: more than a record can have.
const EVENT_BYTES: usize = RECORD_BYTES_MAX + (16 << 10);
/// What every collector has to itself, so that long events of others never keep ordinary ones out.
const OWN_BYTES: usize = 16 << 10;
/// What an event beyond that takes of the room at a time.
const STEP_BYTES: usize = 64 << 10;

/// Room for long events that have not come completely, shared by all who follow.
#[derive(Clone, Debug)]
pub struct Room(Arc<Semaphore>);

impl Room {
    /// Of as many bytes together, in steps of 64 KiB.
    pub fn of(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes / STEP_BYTES)))
    }
}

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) kind: String,
    pub(super) data: String,
}

/// Why no more is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EventError {
    /// An event that is too long, or not UTF-8.
    NotEvents,
    /// There is no room for an event that has begun.
    NoRoom,
}

impl fmt::Display for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotEvents => "what it sends are not the events of a collector",
            Self::NoRoom => "no room for its record: long ones of other collectors take it",
        })
    }
}

/// The bytes of an event that is not complete yet.
#[derive(Debug)]
pub(super) struct Events {
    rest: Vec<u8>,
    room: Room,
    /// What `rest` takes of the room.
    taken: Vec<OwnedSemaphorePermit>,
}

impl Events {
    pub(super) fn new(room: &Room) -> Self {
        Self { rest: Vec::new(), room: room.clone(), taken: Vec::new() }
    }

    /// Adds bytes; returns the events that are now complete.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Vec<Event>, EventError> {
        let mut events = Vec::new();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.take_room(part.len())?;
            self.rest.extend_from_slice(part);
            if self.rest == b"\n" {
                // Between comments.
                self.rest.clear();
            } else if self.rest.ends_with(b"\n\n") {
                events.extend(event(&self.rest)?);
                self.rest.clear();
                if !self.taken.is_empty() {
                    self.rest.shrink_to(OWN_BYTES);
                    self.taken.clear();
                }
            }
        }
        Ok(events)
    }

    /// Whether an event has begun that is not complete.
    pub(super) const fn has_begun(&self) -> bool {
        !self.rest.is_empty()
    }

    /// Makes room for as many bytes more.
    fn take_room(&mut self, more: usize) -> Result<(), EventError> {
        let length = self.rest.len().saturating_add(more);
        if length > EVENT_BYTES {
            return Err(EventError::NotEvents);
        }
        let steps = length.saturating_sub(OWN_BYTES).div_ceil(STEP_BYTES);
        while self.taken.len() < steps {
            let Ok(step) = Arc::clone(&self.room.0).try_acquire_owned() else {
                return Err(EventError::NoRoom);
            };
            self.taken.push(step);
        }
        let whole = OWN_BYTES.saturating_add(steps.saturating_mul(STEP_BYTES));
        // No more than was taken: a vector that doubles takes up to twice its length.
        self.rest.reserve_exact(whole.saturating_sub(self.rest.len()));
        Ok(())
    }
}

/// `None` for a comment alone.
fn event(text: &[u8]) -> Result<Option<Event>, EventError> {
    let text = std::str::from_utf8(text).map_err(|_| EventError::NotEvents)?;
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
            let mut events = Events::new(&Room::of(STEP_BYTES));
            let found = text.as_bytes().chunks(size).map(|part| events.push(part).unwrap());
            assert_eq!(found.flatten().collect::<Vec<_>>(), wanted, "{size}");
        }
    }

    #[test]
    fn an_endless_event_is_refused() {
        let room = Room::of(4 << 20);
        let mut events = Events::new(&room);
        assert_eq!(events.push(&vec![b'x'; EVENT_BYTES]), Ok(vec![]));
        assert_eq!(events.push(b"x"), Err(EventError::NotEvents));
        let not_utf8 = Events::new(&room).push(b"event: \xff\n\n");
        assert_eq!(not_utf8, Err(EventError::NotEvents));
    }

    #[test]
    fn long_events_share_their_room_give_it_back_and_keep_no_short_one_out() {
        let room = Room::of(2 * STEP_BYTES);
        let (mut one, mut other) = (Events::new(&room), Events::new(&room));
        assert_eq!(one.push(&vec![b':'; OWN_BYTES + STEP_BYTES + 1]), Ok(vec![]));
        assert!(one.rest.capacity() <= OWN_BYTES + 2 * STEP_BYTES && one.has_begun());
        assert_eq!(other.push(&vec![b':'; OWN_BYTES]), Ok(vec![]), "it needs no room");
        assert_eq!(other.push(b":"), Err(EventError::NoRoom));
        assert_eq!(one.push(b"\n\n"), Ok(vec![]));
        assert!(one.rest.capacity() <= OWN_BYTES && !one.has_begun());
        assert_eq!(other.push(b":"), Ok(vec![]));
        drop(other);
        assert_eq!(one.push(&vec![b':'; OWN_BYTES + 2 * STEP_BYTES]), Ok(vec![]));
    }
}
