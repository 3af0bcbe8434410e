//! The ids and the tenant that records within a span have.

use tracing::Span;
use tracing_subscriber::Registry;
use tracing_subscriber::registry::LookupSpan;

use crate::TARGET;
use crate::fields::{IDS, IdName};
use crate::ids::Ids;
use crate::span::SpanData;

/// The ids of a request or a job, its tenant, and its place in a distributed trace. What is `None` is taken from
/// the spans around.
///
/// ```
/// use gatelog_tracing::Context;
///
/// let context = Context {
///     correlation_id: Some("import-2026-01-26".into()),
///     organization_id: Some("org_123".into()),
///     ..Context::default()
/// };
/// context.span().in_scope(|| tracing::info!("imported"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// Unique per request.
    pub request_id: Option<String>,
    /// Shared by all requests of one flow.
    pub correlation_id: Option<String>,
    /// The organization that made the request.
    pub organization_id: Option<String>,
    /// The user who made the request.
    pub user_id: Option<String>,
    /// The conversation that the request belongs to.
    pub conversation_id: Option<String>,
    /// The W3C trace id, 32 hex digits.
    pub trace_id: Option<String>,
    /// The service's own span, 16 hex digits.
    pub span_id: Option<String>,
    /// The caller's span, 16 hex digits.
    pub parent_span_id: Option<String>,
    /// The W3C `tracestate` that came with the trace.
    pub tracestate: Option<String>,
    /// The W3C flags of the trace, 2 hex digits: `01` if it is sampled.
    pub trace_flags: Option<String>,
}

impl Context {
    /// The context of the current span and the spans around it; empty outside of all spans, or without the
    /// layer. For what carries ids in its own way, for example a message queue.
    ///
    /// ```
    /// use gatelog_tracing::Context;
    ///
    /// let current = Context::current();
    /// let header = current.correlation_id.as_deref().unwrap_or("-");
    /// # assert_eq!(header, "-");
    /// ```
    pub fn current() -> Self {
        let mut ids = Ids::default();
        with_current(|data| ids.inherit(&data.ids), true);
        let get = |name| ids.get(name).map(str::to_owned);
        Self {
            request_id: get(IdName::Request),
            correlation_id: get(IdName::Correlation),
            organization_id: get(IdName::Organization),
            user_id: get(IdName::User),
            conversation_id: get(IdName::Conversation),
            trace_id: get(IdName::Trace),
            span_id: get(IdName::Span),
            parent_span_id: get(IdName::ParentSpan),
            tracestate: get(IdName::TraceState),
            trace_flags: get(IdName::TraceFlags),
        }
    }

    /// A span that carries these ids: enter it, or `.instrument(…)` a future with it. Everything logged
    /// within has them, across `await`; a spawned task takes them along with `.in_current_span()`.
    ///
    /// Its target is `gatelog_tracing` and its level ERROR: a filter must let it pass.
    ///
    /// ```
    /// use gatelog_tracing::Context;
    /// use tracing::Instrument;
    ///
    /// async fn import() { tracing::info!("imported"); }
    ///
    /// let context = Context { user_id: Some("batch".into()), ..Context::default() };
    /// let job = import().instrument(context.span());
    /// # drop(job);
    /// ```
    pub fn span(&self) -> Span {
        tracing::error_span!(
            target: TARGET, "request",
            request_id = self.request_id,
            correlation_id = self.correlation_id,
            organization_id = self.organization_id,
            user_id = self.user_id,
            conversation_id = self.conversation_id,
            trace_id = self.trace_id,
            span_id = self.span_id,
            parent_span_id = self.parent_span_id,
            tracestate = self.tracestate,
            trace_flags = self.trace_flags,
        )
    }

    /// Whether a layer of gatelog has a span: a filter may have kept it from each of them.
    #[cfg(feature = "tower")]
    pub(crate) fn is_kept(span: &Span) -> bool {
        let kept = span.with_subscriber(|(id, dispatch)| {
            // Of another registry nothing is known.
            let Some(registry) = dispatch.downcast_ref::<Registry>() else { return true };
            let span = registry.span(id);
            span.is_some_and(|span| span.extensions().get::<SpanData>().is_some())
        });
        kept.unwrap_or(false)
    }

    fn ids(&self) -> [(IdName, Option<&str>); IDS] {
        [
            (IdName::Request, self.request_id.as_deref()),
            (IdName::Correlation, self.correlation_id.as_deref()),
            (IdName::Organization, self.organization_id.as_deref()),
            (IdName::User, self.user_id.as_deref()),
            (IdName::Conversation, self.conversation_id.as_deref()),
            (IdName::Trace, self.trace_id.as_deref()),
            (IdName::Span, self.span_id.as_deref()),
            (IdName::ParentSpan, self.parent_span_id.as_deref()),
            (IdName::TraceState, self.tracestate.as_deref()),
            (IdName::TraceFlags, self.trace_flags.as_deref()),
        ]
    }
}

/// Gives the current span these ids, for background work whose span has none yet: all later records within it
/// have them, those of spans and tasks within it too. Returns whether there was a span to take them.
///
/// ```
/// use gatelog_tracing::{Context, set_context};
///
/// let _job = tracing::info_span!("nightly_export").entered();
/// set_context(&Context { organization_id: Some("org_123".into()), ..Context::default() });
/// tracing::info!("exported"); // context.organization_id is org_123
/// ```
pub fn set_context(context: &Context) -> bool {
    let ids = context.ids();
    with_current(
        |data| {
            for (name, value) in ids {
                data.ids.set(name, value);
            }
        },
        false,
    )
}

/// Runs `work` on what the current span holds, and, if `outer`, then on the spans around it. Returns whether
/// there was one.
fn with_current(mut work: impl FnMut(&mut SpanData), outer: bool) -> bool {
    let found = Span::current().with_subscriber(|(id, dispatch)| {
        let registry = dispatch.downcast_ref::<Registry>()?;
        let spans = registry.span(id)?.scope();
        let mut found = false;
        for span in spans {
            if let Some(data) = span.extensions_mut().get_mut::<SpanData>() {
                work(data);
                found = true;
            }
            if !outer {
                break;
            }
        }
        Some(found)
    });
    found.flatten().unwrap_or(false)
}
