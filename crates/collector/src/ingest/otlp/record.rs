//! One log record as a line of docs/record.md.

use std::borrow::Cow;

use gatelog_record::{DecodeLimits, Level, Timestamp, Uuid};

use super::extra::{Names, Values};
use super::line::Line;
use super::model::{AnyValue, KeyValue, LogRecord, Origin, RECORD_ATTRIBUTES, Text};
use super::secrets::Secrets;
use super::slots::{Chosen, IDS, Owner, Slot, Slots};
use super::wire::Message;

/// How log records become records.
#[derive(Clone, Debug, Default)]
pub struct Mapping {
    /// Which attribute goes where.
    pub slots: Slots,
    /// What is masked.
    pub secrets: Secrets,
}

/// The levels of nesting of `extra` and of a value in it.
const EXTRA_LEVEL: usize = 3;

/// What the log records of one scope have in common.
pub(super) struct Source<'a> {
    origin: Origin<'a>,
    chosen: Chosen<'a>,
    /// The logger's name.
    logger: Option<Text<'a>>,
    /// The scope's version.
    version: Text<'a>,
    /// When the request arrived.
    received: Timestamp,
}

/// The time of a log record, in nanoseconds since the epoch: when it happened, or else when it was
/// observed; 0 if unknown.
pub(super) fn nanos(record: &LogRecord<'_>) -> u64 {
    if record.time_unix_nano == 0 { record.observed_time_unix_nano } else { record.time_unix_nano }
}

impl Mapping {
    /// What log records from here have in common.
    pub(super) fn source<'a>(&self, origin: Origin<'a>, received: Timestamp) -> Source<'a> {
        let mut chosen = Chosen::default();
        chosen.choose(&self.slots, Owner::Scope, origin.scope_attributes());
        chosen.choose(&self.slots, Owner::Resource, origin.resource_attributes());
        let (scope, version) = origin.scope_name();
        Source { origin, chosen, logger: logger(scope, origin), version, received }
    }

    /// Writes a log record as a line. If it exceeds a bound, so does the line.
    pub(super) fn write(
        &self,
        source: &Source<'_>,
        (message, record): (Message<'_>, &LogRecord<'_>),
        id: Uuid,
        limits: &DecodeLimits,
        out: &mut Vec<u8>,
    ) {
        let origin = source.origin;
        // One more than a record may have: whatever the rest is, it is too large.
        let attributes =
            || KeyValue::all(message, RECORD_ATTRIBUTES).take(limits.values.saturating_add(1));
        let mut chosen = Chosen::default();
        chosen.choose(&self.slots, Owner::Record, attributes());
        chosen.fill(&source.chosen);
        let text = |slot| match chosen.value(slot) {
            Some(AnyValue::Text(text)) => Some(self.secrets.masked(text)),
            _ => None,
        };
        let level = level(record);
        let trace_id = hex_id(record.trace_id, 16);
        let span_id = hex_id(record.span_id, 8);

        let mut line = Line::new(out, limits.record_bytes, limits.values);
        line.open(b'{');
        let timestamp = match nanos(record) {
            0 => source.received,
            nanos => Timestamp::from_unix_nanos(nanos),
        };
        line.plain_pair("timestamp", timestamp);
        line.plain_pair("level", level);
        let logger = source.logger.as_deref().map(|name| self.secrets.masked(name));
        line.text_or_null("logger_name", logger.as_deref());
        line.text_or_null("function_name", text(Slot::FunctionName).as_deref());
        if let Some(AnyValue::Int(number)) = chosen.value(Slot::LineNumber) {
            line.key("line_number");
            line.literal(number);
        }
        line.key("message");
        line.text(&self.message(record, text(Slot::ErrorMessage)));
        line.key("context");
        self.write_context(&mut line, &chosen, trace_id.as_deref());
        if trace_id.is_some() || span_id.is_some() {
            line.key("trace");
            line.open(b'{');
            for (key, id) in [("trace_id", &trace_id), ("span_id", &span_id)] {
                if let Some(id) = id {
                    line.plain_pair(key, id);
                }
            }
            line.close(b'}');
        }
        let error = [
            ("type", text(Slot::ErrorType)),
            ("message", text(Slot::ErrorMessage)),
            ("stack_trace", text(Slot::StackTrace)),
        ];
        if error.iter().any(|(_, text)| text.is_some()) {
            line.key("error");
            line.open(b'{');
            for (key, text) in &error {
                if let Some(text) = text {
                    line.key(key);
                    line.text(text);
                }
            }
            line.close(b'}');
        }
        line.plain_pair("id", id);

        let values = Values { secrets: &self.secrets, depth: limits.depth };
        let mut extra = Extra { line, values, names: Names::default(), open: false };
        extra.own(record, level, &source.version);
        extra.attributes(&chosen, Owner::Resource, origin.resource_attributes());
        extra.attributes(&chosen, Owner::Scope, origin.scope_attributes());
        extra.attributes(&chosen, Owner::Record, attributes());
        extra.close();
    }

    /// The five ids. The trace id stands in for the correlation id.
    fn write_context(&self, line: &mut Line<'_>, chosen: &Chosen<'_>, trace_id: Option<&str>) {
        line.open(b'{');
        for (slot, key, _) in IDS {
            match chosen.value(slot) {
                Some(AnyValue::Text(text)) => {
                    line.text_or_null(key, Some(&self.secrets.masked(text)));
                }
                Some(AnyValue::Int(number)) => line.plain_pair(key, number),
                _ => line.text_or_null(key, trace_id.filter(|_| slot == Slot::CorrelationId)),
            }
        }
        line.close(b'}');
    }

    /// The body as a text; of a structured one, which is kept whole elsewhere, the best text that
    /// the record has besides.
    fn message<'a>(&self, record: &'a LogRecord<'_>, error: Option<Cow<'a, str>>) -> Cow<'a, str> {
        match &record.body {
            AnyValue::Text(text) => self.secrets.masked(text),
            AnyValue::Bool(value) => value.to_string().into(),
            AnyValue::Int(value) => value.to_string().into(),
            AnyValue::Double(value) => value.to_string().into(),
            AnyValue::Empty | AnyValue::Array(_) | AnyValue::Map(_) | AnyValue::Bytes(_) => {
                if record.event_name.is_empty() {
                    error.unwrap_or_default()
                } else {
                    self.secrets.masked(&record.event_name)
                }
            }
        }
    }
}

/// By number; a text that says critical or fatal, or one without a number, decides before it.
fn level(record: &LogRecord<'_>) -> Level {
    let named = record.severity_text.parse().ok();
    match record.severity_number {
        _ if named == Some(Level::Critical) => Level::Critical,
        1..=8 => Level::Debug,
        9..=12 => Level::Info,
        13..=16 => Level::Warning,
        17..=20 => Level::Error,
        21..=24 => Level::Critical,
        _ if record.severity_text.eq_ignore_ascii_case("TRACE") => Level::Debug,
        _ => named.unwrap_or(Level::Info),
    }
}

/// The scope's name, or else the service's.
fn logger<'a>(scope: Text<'a>, origin: Origin<'a>) -> Option<Text<'a>> {
    if !scope.is_empty() {
        return Some(scope);
    }
    let service = origin.resource_attributes().find(|pair| pair.key == "service.name")?;
    match service.value {
        AnyValue::Text(name) => Some(name),
        _ => None,
    }
}

/// An id of W3C trace context in hexadecimal digits; `None` unless it has this many bytes, not all
/// zero.
fn hex_id(bytes: &[u8], length: usize) -> Option<String> {
    let valid = bytes.len() == length && bytes.iter().any(|byte| *byte != 0);
    valid.then(|| hex(bytes))
}

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect()
}

/// The record's `extra`, opened once there is something in it.
struct Extra<'o, 's> {
    line: Line<'o>,
    values: Values<'s>,
    names: Names,
    open: bool,
}

impl Extra<'_, '_> {
    fn key(&mut self, name: &str) {
        if !self.open {
            self.line.key("extra");
            self.line.open(b'{');
            self.open = true;
        }
        let name = self.names.free(name);
        self.line.key(&name);
    }

    /// What the log record says besides its attributes.
    fn own(&mut self, record: &LogRecord<'_>, level: Level, version: &str) {
        if let AnyValue::Array(_) | AnyValue::Map(_) | AnyValue::Bytes(_) = &record.body {
            self.key("body");
            self.values.value(&mut self.line, &record.body, EXTRA_LEVEL);
        }
        let texts = [("event_name", &*record.event_name), ("scope_version", version)];
        for (name, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
            self.key(name);
            self.line.text(&self.values.secrets.masked(text));
        }
        // What the level says already is left out.
        let usual = [5, 9, 13, 17, 21].get(level.index()).copied();
        if record.severity_number != 0 && Some(record.severity_number) != usual {
            self.key("severity_number");
            self.line.literal(record.severity_number.min(u64::from(u32::MAX)));
        }
        if !record.severity_text.is_empty() && record.severity_text.parse() != Ok(level) {
            self.key("severity_text");
            self.line.text(&self.values.secrets.masked(&record.severity_text));
        }
        if record.time_unix_nano != 0 && record.observed_time_unix_nano != 0 {
            self.key("observed_timestamp");
            self.line.plain(Timestamp::from_unix_nanos(record.observed_time_unix_nano));
        }
        for (name, bytes, length) in
            [("trace_id", record.trace_id, 16), ("span_id", record.span_id, 8)]
        {
            // Not an id, but sent.
            if bytes.iter().any(|byte| *byte != 0) && bytes.len() != length {
                self.key(name);
                self.line.plain(hex(bytes.get(..self.line.room()).unwrap_or(bytes)));
            }
        }
        let counts = [
            ("trace_flags", u64::from(record.flags)),
            ("dropped_attributes_count", record.dropped_attributes_count.min(u64::from(u32::MAX))),
        ];
        for (name, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
            self.key(name);
            self.line.literal(count);
        }
    }

    fn attributes<'a>(
        &mut self,
        chosen: &Chosen<'_>,
        owner: Owner,
        attributes: impl Iterator<Item = KeyValue<'a>>,
    ) {
        for (index, pair) in attributes.enumerate() {
            if self.line.is_full() {
                return;
            }
            if !chosen.has(owner, index) {
                self.key(&self.values.secrets.masked(&pair.key));
                self.values.pair(&mut self.line, &pair, EXTRA_LEVEL);
            }
        }
    }

    fn close(mut self) {
        if self.open {
            self.line.close(b'}');
        }
        self.line.close(b'}');
    }
}
