//! Makes the record, numbers it and hands it to the outputs.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use gatelog_record::limits::{GATEWAY_BYTES, SEQ_MAX};
use gatelog_record::{
    Context, Encoder, Level, ServiceError, ServiceRecord, ServiceTrace, Source, Timestamp, Uuid,
    Value,
};

use crate::counters::{Counters, count};
use crate::fields::IdName;
use crate::journal::Journal;
use crate::outbox::Outbox;
use crate::scratch::Scratch;

/// The random bits of a UUIDv7: 12 of `rand_a` and 62 of `rand_b`.
const RANDOM_BITS: u32 = 74;

/// What all events of a layer share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) service: String,
    pub(crate) boot: Uuid,
    pub(crate) counters: Counters,
    /// Fixed fields under `extra`.
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) encoder: Encoder,
    pub(crate) journal: Option<Arc<Journal>>,
    pub(crate) outbox: Option<Arc<Outbox>>,
}

/// Where and how severe an event was.
#[derive(Debug)]
pub(crate) struct Place<'e> {
    pub(crate) level: Level,
    pub(crate) target: &'e str,
    pub(crate) function: Option<&'e str>,
    pub(crate) line: Option<u32>,
}

impl Shared {
    /// Makes the record of an event and hands it over. Nothing here waits.
    pub(crate) fn emit(&self, scratch: &mut Scratch, place: &Place<'_>) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let micros = i64::try_from(now.as_micros()).unwrap_or(i64::MAX);
        let seq = self.counters.0.records.fetch_add(1, Ordering::AcqRel).saturating_add(1);
        let mut line = std::mem::take(&mut scratch.line);
        let record = ServiceRecord {
            timestamp: Timestamp::from_unix_micros(micros),
            level: place.level,
            logger_name: scratch
                .log_target
                .as_ref()
                .map_or(place.target, |span| scratch.text(span)),
            function_name: place.function,
            line_number: scratch.log_line.or(place.line),
            // `#[instrument(err)]` logs an error without a message.
            message: scratch
                .message
                .as_ref()
                .or(scratch.error.message.as_ref())
                .map_or("", |span| scratch.text(span)),
            context: context(scratch),
            trace: ServiceTrace {
                execution_time_us: scratch.execution_time_us,
                status: scratch.status,
                trace_id: scratch.id(IdName::Trace),
                span_id: scratch.id(IdName::Span),
                parent_span_id: scratch.id(IdName::ParentSpan),
                metrics: &scratch.metrics,
            },
            error: scratch.error.present.then(|| ServiceError {
                kind: scratch.error.kind.as_ref().map(|span| scratch.text(span)),
                message: scratch.error.message.as_ref().map(|span| scratch.text(span)),
                stack_trace: &scratch.error.stack_trace,
            }),
            audit: scratch.audit,
            id: self.id(now.as_millis(), seq),
            source: Source { gateway: &self.service, boot: self.boot, seq: seq.min(SEQ_MAX) },
        };
        let own = scratch.extra.iter().map(|(name, slot)| (*name, scratch.value(slot)));
        let fixed = self.fields.iter().map(|(name, text)| (name.as_str(), Value::Text(text)));
        let encoded = self.encoder.encode_service(&record, own.chain(fixed), &mut line);
        let level = record.level;
        match encoded {
            Ok(encoded) => {
                let cut = encoded.values_cut.saturating_add(scratch.left_out);
                count(&self.counters.0.values_cut, cut.into());
                count(&self.counters.0.shortened, encoded.shortened.into());
                if let Some(journal) = &self.journal {
                    journal.push(&line);
                }
                if let Some(outbox) = &self.outbox {
                    outbox.push(seq, level, &line);
                }
            }
            Err(_) => count(&self.counters.0.too_large, 1),
        }
        scratch.line = line;
    }

    /// The record's id: a UUIDv7 whose random bits are the boot's, counted on (RFC 9562 §6.2, method 2),
    /// so that no two records of a boot can have the same.
    fn id(&self, millis: u128, seq: u64) -> Uuid {
        let boot = self.boot.as_u128();
        let high = boot >> 64 & 0xfff;
        let low = boot & (u128::MAX >> 66);
        let counted =
            (high << 62 | low).wrapping_add(seq.into()) & (u128::MAX >> (128 - RANDOM_BITS));
        let (high, low) = (counted >> 62, counted & (u128::MAX >> 66));
        let millis = (millis & (u128::MAX >> 80)) << 80;
        Uuid::from_u128(millis | 7 << 76 | high << 64 | 2 << 62 | low)
    }
}

fn context(scratch: &Scratch) -> Context<'_> {
    Context {
        request_id: scratch.id(IdName::Request),
        correlation_id: scratch.id(IdName::Correlation),
        organization_id: scratch.id(IdName::Organization),
        user_id: scratch.id(IdName::User),
        conversation_id: scratch.id(IdName::Conversation),
        client_request_id: None,
        client_correlation_id: None,
    }
}

/// Whether a name can stand in every record as it is.
pub(crate) fn is_service_name(name: &str) -> bool {
    (1..=GATEWAY_BYTES).contains(&name.len())
        && name.bytes().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\'))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_of_version_7_and_never_repeat_within_a_boot() {
        let shared = Shared {
            service: "s".into(),
            // Its counter is about to pass its end.
            boot: Uuid::from_u128(u128::MAX),
            counters: Counters::default(),
            fields: Vec::new(),
            encoder: Encoder::default(),
            journal: None,
            outbox: None,
        };
        let ids: HashSet<Uuid> = (1..=1_000).map(|seq| shared.id(1_769_393_517_469, seq)).collect();
        assert_eq!(ids.len(), 1_000);
        for id in ids {
            assert_eq!(id.get_version_num(), 7);
            assert_eq!(id.get_variant(), uuid::Variant::RFC4122);
            let (seconds, nanos) = id.get_timestamp().unwrap().to_unix();
            assert_eq!((seconds, nanos / 1_000_000), (1_769_393_517, 469));
        }
    }
}
