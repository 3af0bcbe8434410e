//! Takes the fields of a span or an event into the parts of a record.

use std::error::Error;
use std::fmt::Debug;

use gatelog_record::Status;
use tracing::field::{Field, Visit};

use crate::errors;
use crate::fields::{Names, Purpose, metric_name};
use crate::scratch::{Scratch, Slot};
use crate::timed;

/// Visits fields, each according to its purpose.
pub(crate) struct Visitor<'v> {
    pub(crate) scratch: &'v mut Scratch,
    pub(crate) names: &'v Names,
    pub(crate) purposes: &'v [Purpose],
}

impl Visitor<'_> {
    fn purpose(&self, field: &Field) -> Purpose {
        self.purposes.get(field.index()).copied().unwrap_or(Purpose::Extra)
    }

    /// Takes a value in the way of its text.
    fn text(&mut self, field: &Field, value: std::fmt::Arguments<'_>) {
        let purpose = self.purpose(field);
        let scratch = &mut *self.scratch;
        if purpose == Purpose::Masked {
            let masked = scratch.masked();
            return scratch.add_extra(field.name(), Slot::Text(masked));
        }
        if purpose == Purpose::Ignored {
            return;
        }
        let span = scratch.format(value, &self.names.masked);
        match purpose {
            Purpose::Message => scratch.message = Some(span),
            Purpose::Id(name) => {
                if let Some(place) = scratch.ids.get_mut(name as usize) {
                    *place = (!span.is_empty()).then_some(span);
                }
            }
            Purpose::Status => {
                scratch.status = match scratch.text(&span) {
                    "success" => Some(Status::Success),
                    "error" => Some(Status::Error),
                    _ => return scratch.add_extra(field.name(), Slot::Text(span)),
                }
            }
            Purpose::Error if scratch.error.present => {
                scratch.add_extra(field.name(), Slot::Text(span));
            }
            Purpose::Error => errors::take_text(scratch, span),
            Purpose::ErrorType => {
                (scratch.error.present, scratch.error.kind) = (true, Some(span));
            }
            Purpose::ErrorMessage => {
                (scratch.error.present, scratch.error.message) = (true, Some(span));
            }
            Purpose::ErrorStack => errors::take_stack(scratch, &span),
            Purpose::LogTarget => scratch.log_target = Some(span),
            _ => scratch.add_extra(field.name(), Slot::Text(span)),
        }
    }

    /// Takes a number in the way of a metric, a time or an id.
    fn number(&mut self, field: &Field, number: f64, text: std::fmt::Arguments<'_>, slot: Slot) {
        match self.purpose(field) {
            Purpose::Metric => {
                timed::add(&mut self.scratch.metrics, metric_name(field.name()), number);
            }
            Purpose::ExecutionTime => match micros(number) {
                Some(micros) => self.scratch.execution_time_us = Some(micros),
                None => self.scratch.add_extra(field.name(), slot),
            },
            Purpose::LogLine => {
                self.scratch.log_line = match slot {
                    Slot::Uint(line) => u32::try_from(line).ok(),
                    Slot::Int(line) => u32::try_from(line).ok(),
                    _ => None,
                }
            }
            Purpose::Extra | Purpose::Critical | Purpose::Audit | Purpose::Timed => {
                self.scratch.add_extra(field.name(), slot);
            }
            _ => self.text(field, text),
        }
    }
}

/// Milliseconds as microseconds; `None` for what is no time.
fn micros(milliseconds: f64) -> Option<u64> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    let micros = (milliseconds * 1_000.0).round() as u64;
    (milliseconds >= 0.0).then_some(micros)
}

impl Visit for Visitor<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.text(field, format_args!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, format_args!("{value}"));
    }

    #[expect(clippy::cast_precision_loss, reason = "a metric is a double")]
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.number(field, value as f64, format_args!("{value}"), Slot::Int(value));
    }

    #[expect(clippy::cast_precision_loss, reason = "a metric is a double")]
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.number(field, value as f64, format_args!("{value}"), Slot::Uint(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.number(field, value, format_args!("{value}"), Slot::Float(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        let scratch = &mut *self.scratch;
        match self.purposes.get(field.index()) {
            Some(Purpose::Critical) => scratch.critical = value,
            Some(Purpose::Audit) => scratch.audit = value,
            Some(Purpose::Timed) => timed::pick_up(&mut scratch.metrics),
            Some(Purpose::Extra | Purpose::Metric) => {
                scratch.add_extra(field.name(), Slot::Bool(value));
            }
            _ => self.text(field, format_args!("{value}")),
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        match self.purpose(field) {
            Purpose::Masked => self.text(field, format_args!("")),
            Purpose::Error | Purpose::Extra if !self.scratch.error.present => {
                errors::take(self.scratch, value, &self.names.masked);
            }
            _ => self.text(field, format_args!("{value}")),
        }
    }
}
