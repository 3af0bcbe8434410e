//! The layer: from spans and events to records.

use std::sync::Arc;

use gatelog_record::Level;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::TARGET;
use crate::fields::Names;
use crate::scratch::Scratch;
use crate::shared::{Place, Shared};
use crate::span::SpanData;
use crate::visit::Visitor;

/// A layer that makes each event a gatelog record.
///
/// Made by [`Builder::layer`](crate::Builder::layer); combine it with others and with filters as any
/// layer:
///
/// ```
/// use tracing_subscriber::filter::LevelFilter;
/// use tracing_subscriber::prelude::*;
///
/// let (layer, _guard) = gatelog_tracing::builder("orders").writer(std::io::sink()).layer()?;
/// let subscriber = tracing_subscriber::registry().with(layer.with_filter(LevelFilter::INFO));
/// tracing::subscriber::with_default(subscriber, || tracing::info!(sku = "a-1", "reserved"));
/// # Ok::<(), gatelog_tracing::BuildError>(())
/// ```
#[derive(Debug)]
pub struct GatelogLayer {
    pub(crate) names: Names,
    pub(crate) shared: Arc<Shared>,
}

impl GatelogLayer {
    /// Takes the fields of a span or an event into `scratch`.
    fn visit(
        &self,
        scratch: &mut Scratch,
        metadata: &Metadata<'_>,
        record: impl FnOnce(&mut Visitor<'_>),
    ) {
        let purposes = self.names.purposes(metadata);
        record(&mut Visitor { scratch, names: &self.names, purposes: &purposes });
    }
}

impl<S> tracing_subscriber::Layer<S> for GatelogLayer
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        Scratch::with(|scratch| {
            if !attributes.metadata().fields().is_empty() {
                self.visit(scratch, attributes.metadata(), |visitor| attributes.record(visitor));
            }
            // Another layer of this kind may have put its own there.
            let mut extensions = span.extensions_mut();
            if extensions.get_mut::<SpanData>().is_none() {
                extensions.insert(SpanData::default());
            }
            if let Some(data) = extensions.get_mut::<SpanData>() {
                data.take(self.names.layer, scratch);
            }
        });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        Scratch::with(|scratch| {
            self.visit(scratch, span.metadata(), |visitor| values.record(visitor));
            if let Some(data) = span.extensions_mut().get_mut::<SpanData>() {
                data.take(self.names.layer, scratch);
            }
        });
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        Scratch::with(|scratch| {
            self.visit(scratch, metadata, |visitor| event.record(visitor));
            let mut function = None;
            for span in context.event_scope(event).into_iter().flatten() {
                if let Some(data) = span.extensions().get::<SpanData>() {
                    data.give(self.names.layer, scratch);
                }
                let of = span.metadata();
                if of.target() == TARGET {
                    continue;
                }
                function = function.or(Some(of));
                if scratch.error.present {
                    scratch.add_stack_line(place(of));
                }
            }
            let place = where_it_happened(metadata, function, scratch);
            self.shared.emit(scratch, &place);
        });
    }
}

/// A line of a span trace.
fn place(span: &Metadata<'_>) -> String {
    match (span.file(), span.line()) {
        (Some(file), Some(line)) => {
            format!("in {}::{} ({file}:{line})", span.target(), span.name())
        }
        _ => format!("in {}::{}", span.target(), span.name()),
    }
}

fn where_it_happened<'e>(
    event: &Metadata<'e>,
    span: Option<&Metadata<'e>>,
    scratch: &Scratch,
) -> Place<'e> {
    // A `timed` is logged here, on behalf of the code around it.
    let own = event.target() == TARGET;
    Place {
        level: if scratch.critical { Level::Critical } else { level(*event.level()) },
        target: if own { span.map_or(TARGET, |span| span.target()) } else { event.target() },
        function: span.map(Metadata::name),
        line: if own { None } else { event.line() },
    }
}

/// The record's level: there is no TRACE, and CRITICAL is a mark.
fn level(level: tracing::Level) -> Level {
    match level {
        tracing::Level::ERROR => Level::Error,
        tracing::Level::WARN => Level::Warning,
        tracing::Level::INFO => Level::Info,
        _ => Level::Debug,
    }
}
