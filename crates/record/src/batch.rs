//! The first line of a batch: the sender and its totals.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use uuid::Uuid;

use crate::json::Json;
use crate::limits::{DROP_REASON_BYTES, DROP_REASONS, GATEWAY_BYTES, HEADER_BYTES, VALUE_BYTES};

/// The version of the batch format that this crate writes and reads.
pub const BATCH_VERSION: u64 = 1;

/// Why the filter dropped a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// The queue was at its bound; the journal still has the record.
    QueueFull,
    /// The collector rejected it permanently; the journal still has the record.
    Rejected,
    /// It exceeded the bound of a record or of a batch.
    TooLarge,
}

impl DropReason {
    /// All reasons, in the order of the header's keys.
    pub const ALL: [DropReason; 3] =
        [DropReason::QueueFull, DropReason::Rejected, DropReason::TooLarge];

    /// The key in a batch header, and the metric's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            DropReason::QueueFull => "queue_full",
            DropReason::Rejected => "rejected",
            DropReason::TooLarge => "too_large",
        }
    }
}

/// Records that a sender dropped, by reason: totals of one boot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    counts: BTreeMap<String, u64>,
}

impl Dropped {
    /// Adds `records` to a reason's count.
    pub fn add(&mut self, reason: DropReason, records: u64) {
        let count = match self.counts.get_mut(reason.as_str()) {
            Some(count) => count,
            None => self.counts.entry(reason.as_str().to_owned()).or_default(),
        };
        *count = count.saturating_add(records);
    }

    /// Number of records dropped for this reason.
    pub fn get(&self, reason: DropReason) -> u64 {
        self.counts.get(reason.as_str()).copied().unwrap_or(0)
    }

    /// Every reason and its count, including reasons that this version does not know.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.counts.iter().map(|(reason, count)| (reason.as_str(), *count))
    }

    /// Total number of records dropped.
    pub fn total(&self) -> u64 {
        self.counts.values().fold(0, |total, count| total.saturating_add(*count))
    }
}

/// The first line of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// The gateway's configured name, node id or host name; at most [`GATEWAY_BYTES`].
    pub gateway: String,
    /// The boot: one lifetime of the filter's root context.
    pub boot: Uuid,
    /// Records made in this boot so far, which is the last one's `seq`.
    pub assigned: u64,
    /// Records waiting in the sender, not counting those of this batch.
    pub queued: u64,
    /// Records that were dropped in this boot so far. Older filters count the records that
    /// sampling left out here too, under `sampled`, because they gave each of them a `seq`.
    pub dropped: Dropped,
    /// Requests that sampling left out in this boot so far. They have no `seq`, so they are neither in
    /// `assigned` nor in `dropped`.
    pub sampled: u64,
}

/// A first line that is not a valid batch header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderError {
    /// It does not have the shape of a header; says where.
    Shape(String),
    /// It has a version that this crate does not read.
    Version(u64),
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HeaderError::Shape(what) => write!(f, "malformed batch header: {what}"),
            HeaderError::Version(version) => write!(
                f,
                "batch version {version} is unknown: this collector reads version {BATCH_VERSION}"
            ),
        }
    }
}

impl std::error::Error for HeaderError {}

#[derive(Deserialize)]
struct Line {
    batch: Body,
}

#[derive(Deserialize)]
struct Body {
    v: u64,
    gateway: String,
    boot: String,
    assigned: u64,
    queued: u64,
    #[serde(default)]
    dropped: BTreeMap<String, u64>,
    #[serde(default)]
    sampled: u64,
}

impl BatchHeader {
    /// Appends the header's line, with its line feed.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut json = Json::new(out, VALUE_BYTES);
        json.raw(b"{\"batch\":{\"v\":");
        json.uint(BATCH_VERSION);
        json.key("gateway");
        json.string(&self.gateway);
        json.key("boot");
        let mut text = Uuid::encode_buffer();
        json.plain(self.boot.hyphenated().encode_lower(&mut text).as_bytes());
        json.key("assigned");
        json.uint(self.assigned);
        json.key("queued");
        json.uint(self.queued);
        json.key("dropped");
        json.raw(b"{");
        for reason in DropReason::ALL {
            json.key(reason.as_str());
            json.uint(self.dropped.get(reason));
        }
        json.raw(b"}");
        json.key("sampled");
        json.uint(self.sampled);
        json.raw(b"}}\n");
    }

    /// Whether a line is meant as a header, valid or not: its first key is `batch`, and it
    /// has none of the keys that every record has. An application's record may have its own key
    /// called `batch`.
    ///
    /// ```
    /// use gatelog_record::BatchHeader;
    ///
    /// assert!(BatchHeader::is_header(br#"{"batch":{"v":2}}"#));
    /// assert!(!BatchHeader::is_header(br#"{"batch":7,"level":"INFO","message":"imported"}"#));
    /// ```
    pub fn is_header(line: &[u8]) -> bool {
        line.trim_ascii_start()
            .strip_prefix(b"{")
            .is_some_and(|rest| rest.trim_ascii_start().starts_with(b"\"batch\""))
            && !has_record_key(line)
    }

    /// Reads a header line. Unknown keys are ignored, for compatibility with later versions.
    ///
    /// # Errors
    ///
    /// The line has another shape or version, or exceeds the bounds on bytes, reasons or names in
    /// [`limits`](crate::limits).
    pub fn decode(line: &[u8]) -> Result<Self, HeaderError> {
        at_most("line", "bytes", line.len(), HEADER_BYTES)?;
        let Line { batch } =
            serde_json::from_slice(line).map_err(|error| HeaderError::Shape(error.to_string()))?;
        if batch.v != BATCH_VERSION {
            return Err(HeaderError::Version(batch.v));
        }
        at_most("gateway", "bytes", batch.gateway.len(), GATEWAY_BYTES)?;
        at_most("dropped", "reasons", batch.dropped.len(), DROP_REASONS)?;
        for reason in batch.dropped.keys() {
            at_most("dropped: a reason", "bytes", reason.len(), DROP_REASON_BYTES)?;
        }
        let boot = Uuid::try_parse(&batch.boot)
            .map_err(|error| HeaderError::Shape(format!("boot: {error}")))?;
        Ok(Self {
            gateway: batch.gateway,
            boot,
            assigned: batch.assigned,
            queued: batch.queued,
            dropped: Dropped { counts: batch.dropped },
            sampled: batch.sampled,
        })
    }
}

fn at_most(place: &str, unit: &str, found: usize, limit: usize) -> Result<(), HeaderError> {
    if found > limit {
        return Err(HeaderError::Shape(format!("{place}: {found} {unit}, limit is {limit}")));
    }
    Ok(())
}

/// Whether an object has, before it ends or is cut off, a key that every record must have and no
/// header has.
fn has_record_key(line: &[u8]) -> bool {
    struct Keys<'f>(&'f mut bool);
    impl<'de> Visitor<'de> for Keys<'_> {
        type Value = ();
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
            while let Some(key) = map.next_key::<Cow<'_, str>>()? {
                *self.0 |= matches!(key.as_ref(), "timestamp" | "level" | "message");
                map.next_value::<IgnoredAny>()?;
            }
            Ok(())
        }
    }
    let mut found = false;
    // How it ends does not matter: a line that was cut off is judged by the part that is present.
    let _ = serde_json::Deserializer::from_slice(line).deserialize_map(Keys(&mut found));
    found
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn header() -> BatchHeader {
        let mut dropped = Dropped::default();
        dropped.add(DropReason::QueueFull, 31);
        BatchHeader {
            gateway: "edge-7".into(),
            boot: Uuid::from_u128(1),
            assigned: 1042,
            queued: 17,
            dropped,
            sampled: 310,
        }
    }

    #[test]
    fn a_header_is_one_line_in_the_documented_form() {
        let mut out = Vec::new();
        header().encode(&mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            concat!(
                r#"{"batch":{"v":1,"gateway":"edge-7","boot":"00000000-0000-0000-0000-000000000001","#,
                r#""assigned":1042,"queued":17,"#,
                r#""dropped":{"queue_full":31,"rejected":0,"too_large":0},"sampled":310}}"#,
                "\n"
            )
        );
    }

    #[test]
    fn a_header_reads_back() {
        let mut out = Vec::new();
        header().encode(&mut out);
        assert!(BatchHeader::is_header(&out));
        let read = BatchHeader::decode(&out).unwrap();
        assert_eq!(read.assigned, 1042);
        assert_eq!(read.dropped.get(DropReason::QueueFull), 31);
        assert_eq!((read.dropped.total(), read.sampled), (31, 310));
        assert_eq!(read.boot, header().boot);
    }

    #[test]
    fn a_record_is_not_taken_for_a_header() {
        assert!(!BatchHeader::is_header(br#"{"timestamp":"x","batch":1}"#));
        assert!(!BatchHeader::is_header(b""));
        assert!(BatchHeader::is_header(b" { \"batch\" : 3}"));
        assert!(BatchHeader::is_header(b"{\"batch\":{\"v\":1,\"level\":{}},\"later\":[1]}"));
        assert!(BatchHeader::is_header(b"{\"batch\":{\"v\":1,\"gate"));
        for record in [
            &br#"{"batch":17,"timestamp":"2026-01-26T02:11:57Z","level":"INFO","message":"m"}"#[..],
            br#"{"batch":{"v":1},"\u006cevel":"INFO"}"#,
            br#"{"batch":"a","message":"cut off he"#,
        ] {
            assert!(!BatchHeader::is_header(record), "{}", record.escape_ascii());
        }
    }

    #[test]
    fn nothing_that_a_header_names_is_longer_than_its_bound() {
        let of = |gateway: &str, dropped: &str| {
            let line = format!(
                r#"{{"batch":{{"v":1,"gateway":"{gateway}","boot":"00000000-0000-0000-0000-000000000001","assigned":1,"queued":0,"dropped":{{{dropped}}}}}}}"#
            );
            BatchHeader::decode(line.as_bytes()).map(|_| ()).map_err(|error| error.to_string())
        };
        let reasons = |count: usize| {
            (0..count).map(|reason| format!("\"r{reason}\":1")).collect::<Vec<_>>().join(",")
        };
        let name = |bytes: usize| format!("\"{}\":1", "r".repeat(bytes));
        of(&"g".repeat(GATEWAY_BYTES), &reasons(DROP_REASONS)).unwrap();
        of("g", &name(DROP_REASON_BYTES)).unwrap();
        for (gateway, dropped, says) in [
            ("g".repeat(GATEWAY_BYTES + 1), String::new(), "gateway: 129 bytes, limit is 128"),
            ("g".repeat(8 << 20), String::new(), "line: "),
            ("g".into(), reasons(DROP_REASONS + 1), "dropped: 17 reasons, limit is 16"),
            ("g".into(), name(DROP_REASON_BYTES + 1), "a reason: 65 bytes, limit is 64"),
        ] {
            let error = of(&gateway, &dropped).unwrap_err();
            assert!(error.contains(says) && error.len() < 100, "{error}");
        }
    }

    #[test]
    fn a_malformed_header_says_what_is_wrong() {
        for (line, says) in [
            (
                &br#"{"batch":{"v":2,"gateway":"g","boot":"","assigned":0,"queued":0}}"#[..],
                "batch version 2 is unknown",
            ),
            (br#"{"batch":{"v":1,"gateway":"g","boot":"x","assigned":0,"queued":0}}"#, "boot"),
            (br#"{"batch":{"v":1,"gateway":"g","boot":"x","assigned":-1,"queued":0}}"#, "-1"),
            (br#"{"batch":7}"#, "malformed batch header"),
        ] {
            let error = BatchHeader::decode(line).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn a_header_of_an_older_filter_counts_sampled_records_as_dropped() {
        let line = br#"{"batch":{"v":1,"gateway":"g","boot":"00000000-0000-0000-0000-000000000001","assigned":5,"queued":0,"dropped":{"queue_full":1,"sampled":2}}}"#;
        let read = BatchHeader::decode(line).unwrap();
        assert_eq!(read.dropped.iter().collect::<Vec<_>>(), [("queue_full", 1), ("sampled", 2)]);
        assert_eq!((read.dropped.total(), read.sampled), (3, 0));
    }

    #[test]
    fn a_reason_of_a_later_version_is_kept() {
        let line = br#"{"batch":{"v":1,"gateway":"g","boot":"00000000-0000-0000-0000-000000000001","assigned":5,"queued":0,"dropped":{"new_reason":2},"later":true}}"#;
        let read = BatchHeader::decode(line).unwrap();
        assert_eq!(read.dropped.iter().collect::<Vec<_>>(), [("new_reason", 2)]);
    }
}
