//! One pass over a request before anything is made of it: whether it is well-formed, and how much it
//! amounts to. What is found here bounds everything that follows.

use super::model::{
    ARRAY, BODY, KVLIST, LOG_RECORDS, RECORD_ATTRIBUTES, RESOURCE, RESOURCE_ATTRIBUTES,
    RESOURCE_LOGS, SCOPE, SCOPE_ATTRIBUTES, SCOPE_LOGS, VALUE, VALUES,
};
use super::wire::{Malformed, Message, Wire};

/// Bytes that a pair takes in a record beside those in the request: a name made up, and punctuation.
const PAIR_BYTES: usize = 16;

/// What a request amounts to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Amount {
    /// Records.
    pub(super) records: usize,
    /// Approximate bytes of all records, each with its resource's and its scope's attributes: in a
    /// request these stand once, in the records each time.
    pub(super) bytes: usize,
}

/// Checks a request. Values nested deeper than `depth` are not looked at: their records are too deep
/// to be stored.
pub(super) fn check(request: Message<'_>, depth: usize) -> Result<Amount, Malformed> {
    let mut amount = Amount::default();
    each(request, RESOURCE_LOGS, |resource_logs| {
        let resource = only(resource_logs, RESOURCE)?;
        let mut bytes = resource.len();
        attributes(resource, RESOURCE_ATTRIBUTES, depth, &mut bytes)?;
        each(resource_logs, SCOPE_LOGS, |scope_logs| {
            let scope = only(scope_logs, SCOPE)?;
            let mut bytes = bytes.saturating_add(scope.len());
            attributes(scope, SCOPE_ATTRIBUTES, depth, &mut bytes)?;
            each(scope_logs, LOG_RECORDS, |record| {
                let mut bytes = bytes.saturating_add(record.len());
                attributes(record, RECORD_ATTRIBUTES, depth, &mut bytes)?;
                each(record, BODY, |body| value(body, depth, &mut bytes))?;
                amount.records = amount.records.saturating_add(1);
                amount.bytes = amount.bytes.saturating_add(bytes);
                Ok(())
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

/// Adds to `bytes` what the pairs take beside their own.
fn attributes(
    message: Message<'_>,
    number: u64,
    depth: usize,
    bytes: &mut usize,
) -> Result<(), Malformed> {
    each(message, number, |pair| {
        *bytes = bytes.saturating_add(PAIR_BYTES);
        each(pair, VALUE, |found| value(found, depth, bytes))
    })
}

/// Recursion ends at `depth`.
fn value(message: Message<'_>, depth: usize, bytes: &mut usize) -> Result<(), Malformed> {
    let Some(depth) = depth.checked_sub(1) else { return Ok(()) };
    for field in message.checked() {
        match field? {
            (ARRAY, Wire::Bytes(array)) => {
                each(Message::new(array), VALUES, |element| value(element, depth, bytes))?;
            }
            (KVLIST, Wire::Bytes(map)) => {
                attributes(Message::new(map), VALUES, depth, bytes)?;
            }
            _ => {}
        }
    }
    Ok(())
}
