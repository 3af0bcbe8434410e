//! OTLP requests that would take many times their size, if they could.

use super::Door;

const PROTOBUF: Door = ("/v1/logs", b"application/x-protobuf");
const JSON: Door = ("/v1/logs", b"application/json");

/// Each with the type of its body, of at most 4 MiB.
pub(super) fn all() -> [(Door, Vec<u8>); 9] {
    [
        (PROTOBUF, records(9_000)),
        (PROTOBUF, attributes(500_000, 1)),
        (PROTOBUF, attributes(400, 300)),
        (PROTOBUF, resource(1_000, 3_000)),
        (PROTOBUF, resource(800_000, 20)),
        (PROTOBUF, controls()),
        (PROTOBUF, nested()),
        (JSON, empty_attributes()),
        (JSON, [br#"{"resourceLogs":"#.to_vec(), vec![b'['; 3 << 20]].concat()),
    ]
}

/// A message, a text or bytes as a field.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let (mut bytes, mut length) = (vec![number << 3 | 2], content.len());
    while length >= 0x80 {
        bytes.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
        length >>= 7;
    }
    bytes.push(u8::try_from(length).unwrap());
    [bytes, content.to_vec()].concat()
}

/// A request with these log records, after a resource.
fn request(resource: &[u8], records: &[u8]) -> Vec<u8> {
    field(1, &[field(1, resource), field(2, records)].concat())
}

/// Ordinary log records, of which each is another one: by its position.
fn records(count: usize) -> Vec<u8> {
    let body = field(5, &field(1, "x".repeat(300).as_bytes()));
    request(b"", &field(2, &body).repeat(count))
}

/// Attributes of two bytes each.
fn attributes(each: usize, records: usize) -> Vec<u8> {
    request(b"", &field(2, &[0x32, 0].repeat(each)).repeat(records))
}

/// A resource that each of the records repeats.
fn resource(bytes: usize, records: usize) -> Vec<u8> {
    let attribute = field(1, &[field(1, b"k"), field(2, &field(1, &vec![b'v'; bytes]))].concat());
    request(&attribute, &[0x12, 0].repeat(records))
}

/// Texts that take six bytes for one in JSON.
fn controls() -> Vec<u8> {
    request(b"", &field(2, &field(5, &field(1, &[1].repeat(190_000)))).repeat(5))
}

/// Arrays within arrays.
fn nested() -> Vec<u8> {
    let mut value = Vec::new();
    while value.len() < 30_000 {
        value = field(5, &field(1, &value));
    }
    request(b"", &field(2, &field(5, &value)).repeat(100))
}

/// Attributes of three bytes each.
fn empty_attributes() -> Vec<u8> {
    let attributes = "{},".repeat(300_000);
    format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{"attributes":[{attributes}{{}}]}}]}}]}}]}}"#)
        .into_bytes()
}
