//! Records as the filter writes them, in any number and size: a tenant's traffic on a few routes.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use gatelog_record::{
    Context, Encoder, ErrorDetails, Http, Level, Record, RecordLimits, Source, Status, Timestamp,
    Trace, Uuid,
};

/// Below this size a record has only the fields that are always present.
const LEAN_BYTES: usize = 800;

/// Maximum length of a filler value.
const FILL_BYTES: usize = 2_000;

/// One gateway's records, numbered from 1: 2 % fail, 1 % are client errors, 10 % are writes and so
/// are audited, 5 % are slower than 100 ms, and 30 % belong to a conversation. Their timestamps are
/// the current time.
#[derive(Debug)]
pub struct SampleRecords {
    boot: Uuid,
    made: u64,
    start_us: i64,
    /// Time between two records.
    step_us: i64,
    bytes: Option<usize>,
}

impl Default for SampleRecords {
    fn default() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        Self {
            boot: Uuid::now_v7(),
            made: 0,
            start_us: i64::try_from(now).unwrap_or(i64::MAX),
            step_us: 1,
            bytes: None,
        }
    }
}

impl SampleRecords {
    /// Records of about this many bytes each, at least about 500.
    pub fn of_bytes(bytes: usize) -> Self {
        Self { bytes: Some(bytes), ..Self::default() }
    }

    /// Records that are spread evenly over this time before now, so many in all.
    pub fn spread(count: u32, over: Duration) -> Self {
        let micros = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
        let now = Self::default();
        Self {
            start_us: now.start_us.saturating_sub(micros(over)),
            step_us: micros(over / count.max(1)),
            ..now
        }
    }

    /// The boot that they belong to.
    pub fn boot(&self) -> Uuid {
        self.boot
    }

    /// The next `count` records, one line each.
    pub fn lines(&mut self, count: usize) -> Result<Vec<Vec<u8>>> {
        (0..count).map(|_| self.line()).collect()
    }

    /// The next `count` records as the body of a POST, each followed by a line feed.
    pub fn body(&mut self, count: usize) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        for _ in 0..count {
            body.extend(self.line()?);
            body.push(b'\n');
        }
        Ok(body)
    }

    fn line(&mut self) -> Result<Vec<u8>> {
        let mut line = self.encoded(&[])?;
        let missing = self.bytes.unwrap_or(0).saturating_sub(line.len());
        // Room for the keys around the filler.
        if let Some(fill) = missing.checked_sub(40) {
            let whole = fill / FILL_BYTES;
            let mut fills = vec!["f".repeat(FILL_BYTES); whole];
            fills.push("f".repeat(fill % FILL_BYTES));
            let named: Vec<(String, String)> = fills
                .into_iter()
                .enumerate()
                .map(|(at, value)| (format!("x-fill-{at}"), value))
                .collect();
            let pairs: Vec<(&str, &str)> =
                named.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            line = self.encoded(&pairs)?;
        }
        self.made += 1;
        Ok(line)
    }

    fn encoded(&self, request_headers: &[(&str, &str)]) -> Result<Vec<u8>> {
        let number = self.made;
        let lean = self.bytes.is_some_and(|bytes| bytes < LEAN_BYTES);
        let rich = |value: &'static str| (!lean).then_some(value);
        let (level, status) = match number % 100 {
            7 | 57 => (Level::Error, 503),
            13 => (Level::Warning, 404),
            _ => (Level::Info, 200),
        };
        let method = if number % 10 == 3 { "POST" } else { "GET" };
        let took = if number % 20 == 4 { 250_000 } else { 8_000 + 37 * (number % 900) };
        let id = Uuid::now_v7();
        let (request, correlation) = if lean {
            (format!("r-{number}"), format!("c-{number}"))
        } else {
            (id.to_string(), Uuid::now_v7().to_string())
        };
        let organization = format!("org_{}", number % 50);
        let user = format!("user_{}", number % 5_000);
        let conversation = format!("conv_{}", number % 2_000);
        let path = format!("/api/v1/conversations/{}/messages", number % 2_000);
        let message = format!("{method} {path} -> {status} in {}.00 ms", took / 1_000);
        let record = Record {
            timestamp: Timestamp::from_unix_micros(
                self.start_us + self.step_us * i64::try_from(number)?,
            ),
            level,
            logger_name: "gateway.edge",
            function_name: "conversations",
            message: &message,
            context: Context {
                request_id: Some(&request),
                correlation_id: Some(&correlation),
                organization_id: Some(&organization),
                user_id: Some(&user),
                conversation_id: (number % 10 < 3).then_some(&conversation),
                ..Context::default()
            },
            trace: Trace {
                execution_time_us: took,
                status: if status < 500 { Status::Success } else { Status::Error },
                slow: false,
                trace_id: None,
                span_id: None,
                parent_span_id: None,
                upstream_us: Some(took - 500),
                metrics: &[],
                phases: &[],
            },
            http: Http {
                method: Some(method),
                scheme: rich("https"),
                host: rich("api.example.com"),
                path: Some(&path),
                query: None,
                status: Some(status),
                protocol: rich("HTTP/2"),
                user_agent: rich("Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0"),
                client_ip: rich("203.0.113.7"),
                route: rich("conversations"),
                cluster: rich("conversations"),
                upstream: rich("10.0.3.17:8080"),
                attempts: (!lean).then_some(1),
                request_bytes: (!lean).then_some(512),
                response_bytes: (!lean).then_some(4_096),
                request_headers,
                ..Http::default()
            },
            error: (status >= 500).then_some(ErrorDetails {
                details: Some("upstream_reset_before_response_started{connection_failure}"),
                flags: &["UF"],
                ..ErrorDetails::default()
            }),
            audit: method == "POST",
            weight: None,
            extra: &[],
            id,
            source: Source { gateway: "edge-7", boot: self.boot, seq: number + 1 },
        };
        let mut line = Vec::new();
        let limits = RecordLimits { record_bytes: 64 * 1_024, ..RecordLimits::default() };
        Encoder::new(limits).encode(&record, &mut line)?;
        Ok(line)
    }
}

#[cfg(test)]
mod tests {
    use gatelog_record::{DecodeLimits, decode_record};

    use super::*;

    #[test]
    fn spread_records_end_now() {
        let mut records = SampleRecords::spread(100, Duration::from_hours(1));
        let lines = records.lines(100).unwrap();
        let [first, last] = [&lines[0], &lines[99]].map(|line| {
            let record = decode_record(line, &DecodeLimits::default(), Uuid::nil()).unwrap();
            record.timestamp.unix_millis()
        });
        assert_eq!(last - first, 99 * 36_000);
        assert!(last < SampleRecords::default().start_us / 1_000);
    }

    #[test]
    fn records_have_the_wanted_size_and_are_numbered() {
        for bytes in [600, 1_024, 4_096, 16_384] {
            let mut records = SampleRecords::of_bytes(bytes);
            let lines = records.lines(100).unwrap();
            let limits = DecodeLimits { record_bytes: 65_536, ..DecodeLimits::default() };
            for (at, line) in lines.iter().enumerate() {
                let record = decode_record(line, &limits, Uuid::nil()).unwrap();
                assert_eq!(record.source.unwrap().seq, at as u64 + 1);
            }
            let mean = lines.iter().map(Vec::len).sum::<usize>() / lines.len();
            assert!(mean.abs_diff(bytes) < bytes / 10, "{mean} for {bytes}");
        }
    }
}
