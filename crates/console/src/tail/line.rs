//! From one collector to one viewer: each record is tested here again, whatever the collector did.

use std::sync::Arc;

use gatelog_delivery::follow::{Listener, News, Room};
use gatelog_record::limits::{RECORD_BYTES_MAX, VALUES};
use gatelog_record::{DecodeLimits, Decoded, Uuid, decode_record};
use gatelog_search::Selection;
use serde_json::Value;

use super::queue::{Inlet, Notice};

/// The largest record of any collector, and room for an id that it arrived without.
const LIMITS: DecodeLimits = DecodeLimits {
    record_bytes: RECORD_BYTES_MAX + 64,
    depth: gatelog_record::limits::DEPTH,
    values: VALUES + 1,
};

/// What one viewer may see of any collector.
#[derive(Clone)]
pub(super) struct Line {
    pub(super) selection: Arc<Selection>,
    /// Whether the viewer sees everything: only then are addresses, faults and numbers told.
    pub(super) all: bool,
    pub(super) inlet: Inlet,
    /// Where a collector's record takes its room before it has come completely.
    pub(super) room: Room,
}

impl Line {
    /// The record as it is sent on: what was tested, and not the text that it came as.
    fn record(&self, line: &str) {
        let Ok(record) = decode_record(line.as_bytes(), &LIMITS, Uuid::nil()) else {
            return self.inlet.withheld();
        };
        if self.admits(&record) {
            self.inlet.offer(Value::Object(record.body).to_string());
        } else {
            self.inlet.withheld();
        }
    }

    fn admits(&self, record: &Decoded) -> bool {
        self.selection.matches(record)
    }

    /// A collector cannot be reached; why is for those who see everything.
    pub(super) async fn lost(&self, collector: &str, why: String) -> bool {
        self.inlet.lost();
        let why = if self.all { why } else { "it cannot be reached".to_owned() };
        self.inlet.tell(Notice::Lost(collector.to_owned(), why)).await
    }
}

/// The line from one collector.
pub(super) struct LineFrom {
    pub(super) collector: String,
    pub(super) line: Line,
}

impl Listener for LineFrom {
    async fn hear(&mut self, news: News) -> bool {
        let Self { collector, line } = self;
        match news {
            News::Record(text) => {
                line.record(&text);
                true
            }
            News::Following => line.inlet.tell(Notice::Following(collector.clone())).await,
            News::Skipped(records) => {
                // A collector may not have looked whose they were.
                line.inlet.tell(Notice::Skipped(line.all.then_some(records))).await
            }
            // Also one that refuses is tried again: who runs it may change that.
            News::Lost(why) | News::Refused(why) => line.lost(collector, why).await,
        }
    }
}
