//! What each field of a span or an event is for, decided once for each place in the code.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use gatelog_record::sensitive::names::is_sensitive_parameter;
use tracing::callsite::Identifier;
use tracing::{Metadata, field::Field};

/// Places that one thread remembers. Programs have some thousands; past this, names are looked at
/// again each time.
const SITES_MAX: usize = 8_192;

/// What a metric's field begins with.
const METRIC_PREFIX: &str = "trace.metrics.";

/// The ids that a record can have, in the order of [`Ids`](crate::ids::Ids).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IdName {
    Request,
    Correlation,
    Organization,
    User,
    Conversation,
    Trace,
    Span,
    ParentSpan,
    TraceState,
    TraceFlags,
}

/// How many ids there are.
pub(crate) const IDS: usize = 10;

/// Their fields, in the same order.
pub(crate) const ID_FIELDS: [(&str, IdName); IDS] = [
    ("request_id", IdName::Request),
    ("correlation_id", IdName::Correlation),
    ("organization_id", IdName::Organization),
    ("user_id", IdName::User),
    ("conversation_id", IdName::Conversation),
    ("trace_id", IdName::Trace),
    ("span_id", IdName::Span),
    ("parent_span_id", IdName::ParentSpan),
    ("tracestate", IdName::TraceState),
    ("trace_flags", IdName::TraceFlags),
];

/// What a field is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Message,
    Critical,
    Audit,
    Id(IdName),
    ExecutionTime,
    Status,
    /// The metric's name is the field's, without its prefix.
    Metric,
    /// The event of a [`Timed`](crate::Timed), whose metrics are to be picked up.
    Timed,
    Error,
    ErrorType,
    ErrorMessage,
    ErrorStack,
    /// The target and the line of a record of the `log` crate.
    LogTarget,
    LogLine,
    Ignored,
    /// A secret.
    Masked,
    Extra,
}

/// The name of a metric, given its field's.
pub(crate) fn metric_name(field: &'static str) -> &'static str {
    field.strip_prefix(METRIC_PREFIX).unwrap_or(field)
}

/// The names whose values are masked, and the places that have been looked at.
#[derive(Debug)]
pub(crate) struct Names {
    /// Tells several layers in one thread, or of one span, apart.
    pub(crate) layer: u64,
    /// Masked in addition to those that gatelog knows.
    pub(crate) masked: Vec<String>,
    /// Never masked.
    pub(crate) kept: Vec<String>,
}

type Purposes = Rc<[Purpose]>;

thread_local! {
    static SITES: RefCell<HashMap<(u64, Identifier), Purposes>> = RefCell::new(HashMap::new());
}

impl Names {
    pub(crate) fn new(masked: Vec<String>, kept: Vec<String>) -> Self {
        static LAYERS: AtomicU64 = AtomicU64::new(0);
        Self { layer: LAYERS.fetch_add(1, Ordering::Relaxed), masked, kept }
    }

    /// Whether a value under this name is a secret.
    pub(crate) fn is_sensitive(&self, name: &str) -> bool {
        is_sensitive_parameter(name, &self.masked) && !self.kept.iter().any(|kept| kept == name)
    }

    /// The purposes of a place's fields, by their index.
    pub(crate) fn purposes(&self, metadata: &Metadata<'_>) -> Purposes {
        let key = (self.layer, metadata.callsite());
        let known = SITES.try_with(|sites| Some(Rc::clone(sites.try_borrow().ok()?.get(&key)?)));
        if let Ok(Some(known)) = known {
            return known;
        }
        let timed = metadata.target() == crate::TARGET;
        let fields = metadata.fields().iter();
        let purposes: Purposes = fields.map(|field| self.purpose(&field, timed)).collect();
        // A thread that is ending remembers nothing.
        let _ = SITES.try_with(|sites| {
            if let Ok(mut sites) = sites.try_borrow_mut()
                && sites.len() < SITES_MAX
            {
                sites.insert(key, Rc::clone(&purposes));
            }
        });
        purposes
    }

    fn purpose(&self, field: &Field, own: bool) -> Purpose {
        let name = field.name();
        match name {
            "message" => Purpose::Message,
            "critical" => Purpose::Critical,
            "audit" => Purpose::Audit,
            "trace.execution_time_ms" => Purpose::ExecutionTime,
            "trace.status" => Purpose::Status,
            "timed" if own => Purpose::Timed,
            "error" | "err" | "exception" => Purpose::Error,
            "error.type" | "exception.type" => Purpose::ErrorType,
            "error.message" | "exception.message" => Purpose::ErrorMessage,
            "error.stack_trace" | "exception.stacktrace" => Purpose::ErrorStack,
            "log.target" => Purpose::LogTarget,
            "log.line" => Purpose::LogLine,
            "log.module_path" | "log.file" => Purpose::Ignored,
            _ if name.starts_with(METRIC_PREFIX) => Purpose::Metric,
            _ => match ID_FIELDS.iter().find(|(id, _)| *id == name) {
                Some((_, id)) => Purpose::Id(*id),
                None if self.is_sensitive(name) => Purpose::Masked,
                None => Purpose::Extra,
            },
        }
    }
}
