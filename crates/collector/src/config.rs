//! The configuration: from text as typed to values that are valid together.

mod args;
pub mod environment;
mod faults;
mod read;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use gatelog_record::{DecodeLimits, Level};

use crate::http::IngestLimits;
use crate::http::server::TlsFiles;
use crate::ingest::BatchLimits;
use crate::ingest::otlp::{Mapping, Secrets, Slots};
use crate::spool::{RESERVE_BYTES, SpoolOptions};
use crate::store::StoreOptions;
use crate::writer::WriterOptions;

pub use args::{LogArgs, ServeArgs, SpoolDirArgs, StoreArgs};
pub use faults::Faults;
pub use read::Reader;

/// The validated configuration of `serve`.
#[derive(Clone, Debug)]
pub struct Config {
    /// Addresses to listen on: the first that can be bound is used.
    pub listen: Vec<SocketAddr>,
    /// The file for the bound address.
    pub address_file: Option<PathBuf>,
    /// The file of the bearer tokens.
    pub tokens_file: Option<PathBuf>,
    /// Certificate and key, for TLS.
    pub tls: Option<TlsFiles>,
    /// Maximum open connections.
    pub max_connections: usize,
    /// Maximum time for headers to arrive.
    pub header_timeout: Duration,
    /// Maximum time to finish on shutdown.
    pub shutdown_timeout: Duration,
    /// The limits on posts.
    pub ingest: IngestLimits,
    /// How OTLP log records become records.
    pub mapping: Mapping,
    /// The spool.
    pub spool: SpoolOptions,
    /// The database.
    pub store: StoreOptions,
    /// How the database is written to.
    pub writer: WriterOptions,
    /// How long a gap stays open before the audit trail reports it.
    pub gap_after: Duration,
    /// The minimum level that the collector logs.
    pub log_level: Level,
}

impl ServeArgs {
    /// Validates all values and reports all faults together.
    ///
    /// # Errors
    ///
    /// Every invalid value, with its name and the reason.
    pub fn compile(&self) -> Result<Config, Faults> {
        let mut read = Reader::default();
        let log_level = self.log.compile(&mut read);
        let mut store = self.store.compile(&mut read);
        let retention = self.retention.trim();
        if !retention.is_empty() {
            let parsed = read.faults.take("GATELOG_RETENTION", retention, retention.parse());
            store.retention = parsed.unwrap_or_default();
        }
        let lookups = self.lookups.trim();
        if !lookups.is_empty() {
            let parsed = read.faults.take("GATELOG_LOOKUPS", lookups, lookups.parse());
            store.lookups = parsed.unwrap_or_default();
        }
        let rollups = read.switch("GATELOG_ROLLUPS", &self.rollups);
        let writers = read.count("GATELOG_WRITERS", &self.writers, 1..=64);
        let per_insert =
            read.count("GATELOG_WRITE_MAX_RECORDS", &self.write_max_records, 1..=10_000);
        let mut spool = SpoolOptions {
            dir: self.spool.spool_dir.clone(),
            max_bytes: read.size(
                "GATELOG_SPOOL_MAX_BYTES",
                &self.spool_max_bytes,
                1 << 20..=1 << 44,
            ),
            dead_letters_max_bytes: read.size(
                "GATELOG_DEAD_LETTERS_MAX_BYTES",
                &self.dead_letters_max_bytes,
                1 << 20..=1 << 40,
            ),
            keep_free_bytes: 0,
        };
        let encoded =
            read.bytes("GATELOG_MAX_BODY_BYTES", &self.max_body_bytes, 1 << 10..=64 << 20);
        let decoded =
            read.bytes("GATELOG_MAX_DECODED_BYTES", &self.max_decoded_bytes, 1 << 10..=256 << 20);
        let two_batches = u64::try_from(decoded).unwrap_or(u64::MAX).saturating_mul(2);
        spool.keep_free_bytes = RESERVE_BYTES.saturating_add(two_batches);
        let record_bytes =
            read.bytes("GATELOG_MAX_RECORD_BYTES", &self.max_record_bytes, 1 << 10..=1 << 20);
        let gap_after = read.time("GATELOG_GAP_AFTER", &self.gap_after, 1_000..=86_400_000 * 30);
        let batch = BatchLimits {
            records: read.count("GATELOG_MAX_RECORDS", &self.max_records, 1..=1_000_000),
            record: DecodeLimits { record_bytes, ..DecodeLimits::default() },
        };
        // What waits may have been accepted under a larger bound than today's: the largest one that
        // can be configured decides.
        let spooled = BatchLimits { record: DecodeLimits::default(), ..batch }.spooled();
        let ingest = IngestLimits {
            encoded_bytes: encoded,
            decoded_bytes: decoded,
            body_time: read.time("GATELOG_BODY_TIMEOUT", &self.body_timeout, 1_000..=600_000),
            memory: read.bytes("GATELOG_INGEST_MEMORY", &self.ingest_memory, 1 << 20..=16 << 30),
            batch,
            silent_after: gap_after,
        };
        let shutdown_timeout =
            read.time("GATELOG_SHUTDOWN_TIMEOUT", &self.shutdown_timeout, 100..=600_000);
        let config = Config {
            listen: read.addresses("GATELOG_LISTEN", &self.listen),
            address_file: given(self.address_file.as_ref()),
            tokens_file: given(self.tokens_file.as_ref()),
            tls: self.tls(&mut read),
            max_connections: read.count(
                "GATELOG_MAX_CONNECTIONS",
                &self.max_connections,
                1..=1_000_000,
            ),
            header_timeout: read.time(
                "GATELOG_HEADER_TIMEOUT",
                &self.header_timeout,
                1_000..=3_600_000,
            ),
            shutdown_timeout,
            ingest,
            mapping: self.mapping(&mut read),
            spool,
            store,
            writer: WriterOptions {
                jobs: writers,
                records: per_insert,
                record: spooled,
                rollups,
                stop_time: shutdown_timeout,
            },
            gap_after,
            log_level,
        };
        let text = decoded.saturating_mul(2).saturating_add(encoded);
        if config.ingest.memory < text.saturating_add(batch.beside_text()) {
            read.faults.add(
                "GATELOG_INGEST_MEMORY",
                &self.ingest_memory,
                "must hold one largest body as sent and twice as decompressed, 768 bytes a record \
                 and 16 KiB (GATELOG_MAX_BODY_BYTES + 2 × GATELOG_MAX_DECODED_BYTES + 768 B × \
                 GATELOG_MAX_RECORDS + 16 KiB)",
            );
        }
        read.done(config)
    }

    fn mapping(&self, read: &mut Reader) -> Mapping {
        let ids = self.otlp_ids.trim();
        let slots = read.faults.take("GATELOG_OTLP_IDS", ids, Slots::parse(ids));
        let names = |text: &str| {
            let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
            names.map(str::to_ascii_lowercase).collect::<Vec<_>>()
        };
        let plain = names(&self.otlp_plain);
        let mask = !plain.iter().any(|name| name == "*");
        let secrets = Secrets { mask, plain, more: names(&self.otlp_sensitive) };
        Mapping { slots: slots.unwrap_or_default(), secrets }
    }

    fn tls(&self, read: &mut Reader) -> Option<TlsFiles> {
        let cert = given(self.tls_cert.as_ref());
        let key = given(self.tls_key.as_ref());
        let client_ca = given(self.tls_client_ca.as_ref());
        match (cert, key) {
            (Some(cert), Some(key)) => Some(TlsFiles { cert, key, client_ca }),
            (None, None) if client_ca.is_none() => None,
            _ => {
                read.faults.add_rule(
                    "GATELOG_TLS_CERT, GATELOG_TLS_KEY: both must be given for TLS \
                     (GATELOG_TLS_CLIENT_CA needs them too)",
                );
                None
            }
        }
    }
}

impl StoreArgs {
    /// Validates the values for a command that needs no others.
    pub fn options(&self) -> Result<StoreOptions, Faults> {
        let mut read = Reader::default();
        let options = self.compile(&mut read);
        read.done(options)
    }

    /// Validates the values; faults go to the reader.
    pub fn compile(&self, read: &mut Reader) -> StoreOptions {
        if self.mongodb_uri.trim().is_empty() {
            read.faults.add_rule("MONGODB_URI: must be a mongodb:// or mongodb+srv:// address");
        }
        let name = read.database("GATELOG_DATABASE", &self.database);
        let mut options = StoreOptions::new(self.mongodb_uri.clone(), name);
        options.operation_timeout =
            read.time("GATELOG_MONGODB_TIMEOUT", &self.mongodb_timeout, 1_000..=600_000);
        options
    }
}

impl LogArgs {
    /// Validates the value; faults go to the reader.
    pub fn compile(&self, read: &mut Reader) -> Level {
        let level = self.log_level.trim().to_ascii_uppercase();
        read.faults.take("LOG_LEVEL", &self.log_level, level.parse()).unwrap_or(Level::Info)
    }
}

/// A path, if one was given: an empty variable counts as none.
fn given(path: Option<&PathBuf>) -> Option<PathBuf> {
    path.filter(|path| !path.as_os_str().is_empty()).cloned()
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, Command, FromArgMatches as _};

    use super::*;

    fn args(flags: &[&str]) -> ServeArgs {
        let command = ServeArgs::augment_args(Command::new("serve").no_binary_name(true));
        ServeArgs::from_arg_matches(&command.get_matches_from(flags)).unwrap()
    }

    #[test]
    fn the_defaults_are_a_working_configuration() {
        let config = args(&[]).compile().unwrap();
        assert_eq!(config.listen, ["127.0.0.1:8686".parse().unwrap()]);
        assert_eq!(config.spool.max_bytes, 1 << 30);
        assert!(config.tls.is_none() && config.tokens_file.is_none());
    }

    /// Records that had been acknowledged under the larger bound became dead letters.
    #[test]
    fn a_smaller_bound_of_a_record_is_for_new_ones_only() {
        let [small, large] = ["--max-record-bytes=1KiB", "--max-record-bytes=1MiB"]
            .map(|flag| args(&[flag]).compile().unwrap());
        assert_eq!(small.ingest.batch.record.record_bytes, 1 << 10);
        let of_largest = large.ingest.batch.spooled().record_bytes;
        assert_eq!(small.writer.record.record_bytes, of_largest);
    }

    #[test]
    fn every_fault_is_told_at_once() {
        let faults = args(&[
            "--listen=nowhere",
            "--spool-max-bytes=1KB",
            "--body-timeout=0s",
            "--max-records=0",
            "--database=a.b",
            "--tls-cert=x",
            "--log-level=loud",
            "--retention=info=soon",
            "--ingest-memory=1MiB",
            "--otlp-ids=who=x",
            "--lookups=user,session",
            "--rollups=yes",
        ])
        .compile()
        .unwrap_err();
        for says in [
            "GATELOG_LISTEN = \"nowhere\": ",
            "GATELOG_SPOOL_MAX_BYTES = \"1KB\": must be a number and one of the units B",
            "GATELOG_BODY_TIMEOUT = \"0s\": must be 1s to 10m",
            "GATELOG_MAX_RECORDS = \"0\": must be 1 to 1000000",
            "GATELOG_DATABASE = \"a.b\": ",
            "GATELOG_TLS_CERT, GATELOG_TLS_KEY: both must be given",
            "LOG_LEVEL = \"loud\": ",
            "GATELOG_RETENTION = \"info=soon\": ",
            "GATELOG_INGEST_MEMORY = \"1MiB\": must hold",
            "GATELOG_OTLP_IDS = \"who=x\": ",
            "GATELOG_LOOKUPS = \"user,session\": \"session\" is not a look-up: must be a list of request, ",
            "GATELOG_ROLLUPS = \"yes\": must be on or off",
        ] {
            assert!(faults.lines().iter().any(|line| line.starts_with(says)), "{says}\n{faults}");
        }
        assert_eq!(faults.lines().len(), 12, "{faults}");
    }
}
