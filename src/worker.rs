//! One worker's filter: what all its exchanges share.

use std::rc::Rc;

use gatelog_delivery::queue::Entry;
use gatelog_record::{DropReason, Encoder, Level, Record, Source, Uuid};

use crate::config::{Config, GATEWAY_BYTES_MAX};
use crate::delivery::hand_over::HandOver;
use crate::delivery::inherited::{INHERITED_MAX, Inherited};
use crate::delivery::outbox::{Outbox, Sender};
use crate::envoy::attributes::Reader;
use crate::envoy::claims;
use crate::envoy::property;
use crate::host::{Host, Severity};
use crate::identity::ids::Ids;
use crate::identity::uuids::Uuids;
use crate::metrics::{Metric, Metrics};

/// The constants of a root context.
#[derive(Debug)]
pub struct Settings {
    /// The compiled configuration.
    pub config: Config,
    /// The gateway's name, in every record's `source`.
    pub gateway: String,
    /// The boot: one lifetime of the root context.
    pub boot: Uuid,
}

impl Settings {
    /// The `source` of the record with this `seq`.
    pub fn source(&self, seq: u64) -> Source<'_> {
        Source { gateway: &self.gateway, boot: self.boot, seq }
    }
}

/// The state of one root context.
#[derive(Debug)]
pub struct Worker {
    /// The constants.
    pub settings: Rc<Settings>,
    /// The filter's stats.
    pub metrics: Metrics,
    /// Reads the attributes of a finished exchange.
    pub attributes: Reader,
    /// Reads the claims of its token.
    pub claims: claims::Reader,
    /// Generates ids.
    pub uuids: Uuids,
    /// Ids of the exchange that an internal redirect has just ended: Envoy's next exchange, if it carries
    /// them. No client can have them yet, as it has had no answer.
    pub redirected: Option<Ids>,
    encoder: Encoder,
    outbox: Option<Outbox>,
    /// Takes the records of a worker that does not send them itself.
    hand_over: Option<Box<dyn HandOver>>,
    inherited: Vec<Inherited>,
    /// Whether the drain timeout has passed and the remaining records are counted as abandoned.
    gave_up: bool,
    /// Counts records when there is no outbox.
    assigned: u64,
    line: Vec<u8>,
    drain_until_ns: Option<u64>,
}

impl Worker {
    /// Starts with a configuration. Asks the host for ticks and defines the stats.
    pub fn start(mut config: Config, host: &dyn Host, host_name: Option<String>) -> Self {
        let mut uuids = Uuids::new();
        let boot = uuids.fresh(host, host.unix_nanos());
        let node =
            host.property(property::NODE_ID).map(|id| String::from_utf8_lossy(&id).into_owned());
        let candidates = [config.gateway.take(), node, host_name];
        let named = candidates.into_iter().flatten().find(|name| !name.is_empty());
        let gateway = gateway_name(named.as_deref().unwrap_or("envoy"));
        if config.redaction.salt.is_empty() {
            // Hashes are then comparable only within this worker's lifetime.
            let mut salt = vec![0; 32];
            host.random(&mut salt);
            config.redaction.salt = salt;
        }
        let outbox = config.delivery.clone().map(|delivery| {
            let milliseconds = delivery.flush_interval_ns / 1_000_000;
            host.set_tick(u32::try_from(milliseconds).unwrap_or(u32::MAX));
            Outbox::new(delivery, Sender { gateway: gateway.clone(), boot })
        });
        if outbox.is_none() {
            host.set_tick(1_000);
        }
        Self {
            encoder: Encoder::new(config.record.limits),
            metrics: Metrics::define(host),
            attributes: Reader::compile(host),
            claims: claims::Reader::compile(host, config.tenancy.claims()),
            settings: Rc::new(Settings { config, gateway, boot }),
            uuids,
            redirected: None,
            outbox,
            hand_over: None,
            inherited: Vec::new(),
            gave_up: false,
            assigned: 0,
            line: Vec::new(),
            drain_until_ns: None,
        }
    }

    /// Gives every record to `to` from now on, instead of queueing it here. For a host on which another
    /// thread sends.
    pub fn hand_over_to(&mut self, to: Box<dyn HandOver>) {
        self.outbox = None;
        self.hand_over = Some(to);
    }

    /// Reports the stats to the host, as a tick does.
    pub fn report_stats(&mut self, host: &dyn Host) {
        self.metrics.hand_over(host);
    }

    /// The next record's `source`.
    pub fn assign(&mut self) -> u64 {
        match &mut self.outbox {
            Some(outbox) => outbox.assign(),
            None => {
                self.assigned = self.assigned.saturating_add(1);
                self.assigned
            }
        }
    }

    /// Counts a record that sampling left out. It gets no `seq`: numbers have holes only
    /// where a record was lost.
    pub fn sampled_out(&mut self) {
        self.metrics.count(Metric::DroppedSampled, 1);
        if let Some(outbox) = &mut self.outbox {
            outbox.note_sampled(1);
        }
        if let Some(to) = &mut self.hand_over {
            to.sampled();
        }
    }

    fn note_too_large(&mut self, seq: u64) {
        if let Some(outbox) = &mut self.outbox {
            return outbox.note_dropped(DropReason::TooLarge, 1, &mut self.metrics);
        }
        if let Some(to) = &mut self.hand_over {
            return to.too_large(seq);
        }
        self.metrics.count(Metric::DroppedTooLarge, 1);
    }

    /// Encodes a record onto the lines of this exchange and queues it.
    pub fn keep(&mut self, record: &Record<'_>, lines: &mut Vec<u8>) {
        self.line.clear();
        let level = record.level;
        match self.encoder.encode(record, &mut self.line) {
            Ok(encoded) => {
                self.metrics.count(created_metric(level), 1);
                self.metrics.count(Metric::ValuesCut, u64::from(encoded.values_cut));
                self.metrics.count(Metric::RecordsShortened, u64::from(encoded.shortened));
                if !lines.is_empty() {
                    lines.push(b'\n');
                }
                lines.extend_from_slice(&self.line);
                let entry =
                    || Entry { seq: record.source.seq, level, line: self.line.as_slice().into() };
                if let Some(outbox) = &mut self.outbox {
                    outbox.push(entry(), &mut self.metrics);
                } else if let Some(to) = &mut self.hand_over {
                    to.record(entry());
                }
            }
            Err(_) => self.note_too_large(record.source.seq),
        }
    }

    /// Sends waiting records and reports the stats. While draining, returns true once nothing is left.
    pub fn tick(&mut self, host: &dyn Host) -> bool {
        let now = host.monotonic_nanos();
        let random = self.uuids.bits(host);
        if let Some(outbox) = &mut self.outbox {
            let all = self.drain_until_ns.is_some();
            outbox.flush(host, now, random, all, &mut self.metrics);
        }
        for inherited in &mut self.inherited {
            inherited.outbox.flush(host, now, random, true, &mut self.metrics);
        }
        let drained = self.drained(host, now);
        self.report(host);
        drained
    }

    /// Handles the answer to a callout. While draining, returns true once nothing is left.
    pub fn answered(&mut self, host: &dyn Host, token: u32) -> bool {
        let now = host.monotonic_nanos();
        let random = self.uuids.bits(host);
        let inherited = self.inherited.iter_mut().map(|inherited| &mut inherited.outbox);
        for outbox in self.outbox.iter_mut().chain(inherited) {
            outbox.answered(host, token, now, random, &mut self.metrics);
        }
        self.drain_until_ns.is_some() && self.tick(host)
    }

    /// Starts draining because this configuration was replaced. Returns true when nothing is left to send.
    pub fn drain(&mut self, host: &dyn Host) -> bool {
        let patience =
            self.settings.config.delivery.as_ref().map_or(0, |delivery| delivery.drain_timeout_ns);
        let until = host.monotonic_nanos().saturating_add(patience);
        self.drain_until_ns.get_or_insert(until);
        self.tick(host)
    }

    /// Takes over the queue of a replaced configuration of the same VM, which is then done. A configuration
    /// that is still in force keeps its queue.
    pub fn inherit(&mut self, from: &mut Worker, host: &dyn Host) {
        let Some(until_ns) = from.drain_until_ns else { return };
        if from.gave_up {
            return;
        }
        let own = from.outbox.take().map(|outbox| {
            from.assigned = outbox.assigned();
            Inherited { outbox, until_ns }
        });
        for mut inherited in own.into_iter().chain(from.inherited.drain(..)) {
            inherited.outbox.recall();
            self.inherited.push(inherited);
        }
        self.inherited.retain(|inherited| !inherited.outbox.is_empty());
        while self.inherited.len() > INHERITED_MAX {
            let first = self.inherited.iter().enumerate().min_by_key(|(_, one)| one.until_ns);
            let Some((place, _)) = first else { break };
            let left = self.inherited.swap_remove(place).outbox.records();
            self.abandon(host, left);
        }
        from.report(host);
        self.report(host);
    }

    /// Reports the stats to the host.
    fn report(&mut self, host: &dyn Host) {
        let inherited = self.inherited.iter().map(|inherited| &inherited.outbox);
        let (mut bytes, mut records) = (0_usize, 0_usize);
        let own = self.outbox.iter().filter(|_| !self.gave_up);
        for outbox in own.chain(inherited) {
            bytes = bytes.saturating_add(outbox.bytes());
            records = records.saturating_add(outbox.records());
        }
        self.metrics.set(Metric::QueueBytes, bytes);
        self.metrics.set(Metric::QueueRecords, records);
        self.metrics.hand_over(host);
    }

    /// Discards queues past their deadline. While draining, returns true once nothing is left.
    fn drained(&mut self, host: &dyn Host, now_ns: u64) -> bool {
        self.inherited.retain(|inherited| !inherited.outbox.is_empty());
        while let Some(place) = self.inherited.iter().position(|one| now_ns >= one.until_ns) {
            let left = self.inherited.swap_remove(place).outbox.records();
            self.abandon(host, left);
        }
        let Some(until) = self.drain_until_ns else {
            return false;
        };
        let sent = self.outbox.as_ref().is_none_or(Outbox::is_empty);
        if !sent && now_ns >= until && !self.gave_up {
            self.gave_up = true;
            self.abandon(host, self.outbox.as_ref().map_or(0, Outbox::records));
        }
        (sent || self.gave_up) && self.inherited.is_empty()
    }

    /// Counts and logs records of a replaced configuration that could not be sent.
    fn abandon(&mut self, host: &dyn Host, left: usize) {
        self.metrics.count(Metric::Abandoned, left as u64);
        let line = format!(
            "gatelog: {left} records of a replaced configuration could not be sent in time; \
             replay them from the journal"
        );
        host.log(Severity::Warn, &line);
    }
}

/// The name, cut at its bound, with `_` for characters that JSON escapes or a terminal interprets.
fn gateway_name(name: &str) -> String {
    let mut gateway = String::new();
    for character in name.chars() {
        let plain = character.is_alphanumeric()
            || (matches!(character, ' '..='~') && !matches!(character, '"' | '\\'));
        if gateway.len().saturating_add(character.len_utf8()) > GATEWAY_BYTES_MAX {
            break;
        }
        gateway.push(if plain { character } else { '_' });
    }
    gateway
}

fn created_metric(level: Level) -> Metric {
    match level {
        Level::Debug => Metric::CreatedDebug,
        Level::Info => Metric::CreatedInfo,
        Level::Warning => Metric::CreatedWarning,
        Level::Error => Metric::CreatedError,
        Level::Critical => Metric::CreatedCritical,
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use std::cell::RefCell;

    use super::*;
    use crate::plain_host::PlainHost;

    /// What was handed over, as text.
    #[derive(Clone, Debug, Default)]
    struct Taken(Rc<RefCell<Vec<String>>>);

    impl HandOver for Taken {
        fn record(&mut self, entry: Entry) {
            self.0.borrow_mut().push(format!("{} {}", entry.seq, entry.level.as_str()));
        }

        fn too_large(&mut self, seq: u64) {
            self.0.borrow_mut().push(format!("{seq} too large"));
        }

        fn sampled(&mut self) {
            self.0.borrow_mut().push("sampled".to_owned());
        }
    }

    #[test]
    fn a_worker_whose_records_another_thread_sends_hands_over_each_and_sends_nothing() {
        use crate::exchange::Exchange;
        use crate::host::HeaderMap;
        let (host, taken) = (PlainHost::default(), Taken::default());
        let config =
            Config::parse(br#"{"sampling": {"rate": 0.0}, "level": "DEBUG"}"#, &|_| None).unwrap();
        let mut worker = Worker::start(config, &host, None);
        worker.hand_over_to(Box::new(taken.clone()));
        for status in [200, 500] {
            host.set_map(HeaderMap::Request, &[(":method", "GET"), (":path", "/a")]);
            host.set_uint(property::RESPONSE_CODE, status);
            let mut exchange = Exchange::default();
            exchange.request_headers(&mut worker, &host);
            exchange.log(&mut worker, &host);
        }
        assert_eq!(*taken.0.borrow(), ["sampled", "1 ERROR", "2 DEBUG"]);
        assert!(!worker.tick(&host));
        assert!(host.take_sent().is_empty());
    }

    #[test]
    fn a_gateways_name_fits_every_record_as_it_is() {
        let istio =
            "sidecar~10.244.0.12~productpage-v1-6b746f74dc-9stvs.default~default.svc.cluster.local";
        assert_eq!(gateway_name(istio), istio);
        assert_eq!(gateway_name("a\"b\\c\nd\u{202e}"), "a_b_c_d_");
        assert_eq!(gateway_name(&"é".repeat(100)), "é".repeat(64));
    }
}
