//! One pass over a request before anything is made of it: whether it is well-formed, and how much it
//! amounts to. What is found here bounds everything that follows.

use super::model::{
    ARRAY, BODY, KVLIST, LOG_RECORDS, RECORD_ATTRIBUTES, RESOURCE, RESOURCE_ATTRIBUTES,
    RESOURCE_LOGS, SCOPE, SCOPE_ATTRIBUTES, SCOPE_LOGS, VALUE, VALUES,
};
use super::wire::{Malformed, Message, Wire};

/// What a request amounts to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Amount {
    /// Records.
    pub(super) records: usize,
    /// Bytes of all records, each with its resource's and its scope's attributes: in a request these
    /// stand once, in the records each time.
    pub(super) bytes: usize,
}

/// Checks a request. Values nested deeper than `depth` are not looked at: their records are too deep
/// to be stored.
pub(super) fn check(request: Message<'_>, depth: usize) -> Result<Amount, Malformed> {
    let mut amount = Amount::default();
    each(request, RESOURCE_LOGS, |resource_logs| {
        let resource = only(resource_logs, RESOURCE)?;
        attributes(resource, RESOURCE_ATTRIBUTES, depth)?;
        each(resource_logs, SCOPE_LOGS, |scope_logs| {
            let scope = only(scope_logs, SCOPE)?;
            attributes(scope, SCOPE_ATTRIBUTES, depth)?;
            let origin = resource.len().saturating_add(scope.len());
            each(scope_logs, LOG_RECORDS, |record| {
                amount.records = amount.records.saturating_add(1);
                let bytes = origin.saturating_add(record.len());
                amount.bytes = amount.bytes.saturating_add(bytes);
                attributes(record, RECORD_ATTRIBUTES, depth)?;
                each(record, BODY, |body| value(body, depth))
            })
        })
    })?;
    Ok(amount)
}

/// Checks the messages in one field of a message, and that the rest of the message is well-formed.
fn each<'a>(
    message: Message<'a>,
    number: u64,
    mut check: impl FnMut(Message<'a>) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    for field in message.checked() {
        match field? {
            (found, Wire::Bytes(bytes)) if found == number => check(Message::new(bytes))?,
            _ => {}
        }
    }
    Ok(())
}

/// The message in one field of a message, which no sender writes twice.
fn only(message: Message<'_>, number: u64) -> Result<Message<'_>, Malformed> {
    let mut found = None;
    each(message, number, |message| match found.replace(message) {
        None => Ok(()),
        Some(_) => Err(Malformed::TWICE),
    })?;
    Ok(found.unwrap_or_default())
}

fn attributes(message: Message<'_>, number: u64, depth: usize) -> Result<(), Malformed> {
    each(message, number, |pair| each(pair, VALUE, |found| value(found, depth)))
}

/// Recursion ends at `depth`.
fn value(message: Message<'_>, depth: usize) -> Result<(), Malformed> {
    let Some(depth) = depth.checked_sub(1) else { return Ok(()) };
    for field in message.checked() {
        match field? {
            (ARRAY, Wire::Bytes(bytes)) => {
                each(Message::new(bytes), VALUES, |element| value(element, depth))?;
            }
            (KVLIST, Wire::Bytes(bytes)) => attributes(Message::new(bytes), VALUES, depth)?,
            _ => {}
        }
    }
    Ok(())
}
