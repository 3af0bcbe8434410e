//! The collector's own log: JSON lines on standard error, in the shape of a record.
//!
//! It never contains a record's content. WARNING: something went wrong and was recovered; ERROR:
//! something is at risk; CRITICAL (an error with the field `critical`): nothing is acknowledged.

use std::fmt;
use std::io;

use gatelog_record::Level;
use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::clock;

/// Starts logging from this level up. Called once, by the program.
pub fn start(level: Level) {
    let filter = match level {
        Level::Debug => LevelFilter::DEBUG,
        Level::Info => LevelFilter::INFO,
        Level::Warning => LevelFilter::WARN,
        Level::Error | Level::Critical => LevelFilter::ERROR,
    };
    // Libraries speak only of what is wrong: their debug output may carry documents.
    let targets =
        Targets::new().with_target("gatelog", filter).with_default(filter.min(LevelFilter::WARN));
    let lines = tracing_subscriber::fmt::layer()
        .event_format(RecordLines)
        .with_ansi(false)
        .with_writer(io::stderr);
    // A second start (tests) changes nothing.
    let _ = tracing_subscriber::registry().with(targets).with(lines).try_init();
}

struct RecordLines;

impl<S, N> FormatEvent<S, N> for RecordLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let metadata = event.metadata();
        let critical = fields.extra.remove("critical").is_some();
        let level = match *metadata.level() {
            tracing::Level::ERROR if critical => Level::Critical,
            tracing::Level::ERROR => Level::Error,
            tracing::Level::WARN => Level::Warning,
            tracing::Level::INFO => Level::Info,
            _ => Level::Debug,
        };
        let mut line = json!({
            "timestamp": clock::now().to_string(),
            "level": level.as_str(),
            "logger_name": metadata.target().replace("::", "."),
            "function_name": null,
            "line_number": metadata.line(),
            "message": fields.message,
            "context": {
                "request_id": null, "correlation_id": null, "organization_id": null,
                "user_id": null, "conversation_id": null,
            },
        });
        if let (Some(line), false) = (line.as_object_mut(), fields.extra.is_empty()) {
            line.insert("extra".into(), Value::Object(fields.extra));
        }
        writeln!(writer, "{line}")
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    extra: Map<String, Value>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        self.extra.insert(field.name().to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        if field.name() == "message" {
            self.message = text;
        } else {
            self.put(field, text.into());
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }
}
