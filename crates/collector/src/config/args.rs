//! Flags and environment variables as typed. [`super`] validates them, all together.

use std::path::PathBuf;

use clap::Args;

/// Where the database is.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "MongoDB")]
pub struct StoreArgs {
    /// Connection string; may hold a password, so prefer the variable to the flag
    #[arg(
        long,
        value_name = "URI",
        env = "MONGODB_URI",
        hide_env_values = true,
        default_value = "mongodb://127.0.0.1:27017"
    )]
    pub mongodb_uri: String,
    /// Database that holds the collections
    #[arg(long, value_name = "NAME", env = "GATELOG_DATABASE", default_value = "gatelog")]
    pub database: String,
    /// Maximum time for one call to MongoDB
    // Leaves room for an election (12 s by default) and a slow disk.
    #[arg(long, value_name = "TIME", env = "GATELOG_MONGODB_TIMEOUT", default_value = "30s")]
    pub mongodb_timeout: String,
}

/// Where the spool is.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Spool")]
pub struct SpoolDirArgs {
    /// Directory of the spool; each collector needs its own
    #[arg(long, value_name = "DIR", env = "GATELOG_SPOOL_DIR", default_value = "./gatelog-spool")]
    pub spool_dir: PathBuf,
}

/// How much is logged.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Logging")]
pub struct LogArgs {
    /// The collector's own log, on standard error: DEBUG, INFO, WARNING, ERROR or CRITICAL
    #[arg(long, value_name = "LEVEL", env = "LOG_LEVEL", default_value = "INFO")]
    pub log_level: String,
}

/// The options of `serve`.
#[derive(Args, Clone, Debug)]
pub struct ServeArgs {
    #[command(flatten)]
    pub(super) store: StoreArgs,
    /// How long records are kept: info=30d,error=90d. Names: debug, info, warning, error, critical,
    /// audit, trace, or * for all; for one organization: acme/info=7d,acme/*=1d. Units: s, m, h, d
    /// [default: debug=7d,info=30d,warning=60d,error=90d,critical=120d,audit=365d,trace=30d]
    #[arg(
        long,
        value_name = "NAME=TIME,…",
        env = "GATELOG_RETENTION",
        default_value = "",
        hide_default_value = true,
        help_heading = "MongoDB"
    )]
    pub(super) retention: String,
    /// Look-ups in `trace_logs` that have an index: request, user, organization, conversation; or none
    /// [default: all of them]
    #[arg(
        long,
        value_name = "NAME,…",
        env = "GATELOG_LOOKUPS",
        default_value = "",
        hide_default_value = true,
        help_heading = "MongoDB"
    )]
    pub(super) lookups: String,
    /// Whether what is stored is counted by minute and hour, in `gatelog_rollups`: on or off
    #[arg(
        long,
        value_name = "on|off",
        env = "GATELOG_ROLLUPS",
        default_value = "on",
        help_heading = "MongoDB"
    )]
    pub(super) rollups: String,
    /// Concurrent inserts
    #[arg(
        long,
        value_name = "COUNT",
        env = "GATELOG_WRITERS",
        default_value = "4",
        help_heading = "MongoDB"
    )]
    pub(super) writers: String,
    /// Maximum records in one insert
    #[arg(
        long,
        value_name = "COUNT",
        env = "GATELOG_WRITE_MAX_RECORDS",
        default_value = "1000",
        help_heading = "MongoDB"
    )]
    pub(super) write_max_records: String,

    #[command(flatten)]
    pub(super) spool: SpoolDirArgs,
    /// Maximum bytes waiting in the spool; above it, batches get 503
    #[arg(
        long,
        value_name = "SIZE",
        env = "GATELOG_SPOOL_MAX_BYTES",
        default_value = "1GiB",
        help_heading = "Spool"
    )]
    pub(super) spool_max_bytes: String,
    /// Maximum bytes of dead letters; above it, the oldest are deleted
    #[arg(
        long,
        value_name = "SIZE",
        env = "GATELOG_DEAD_LETTERS_MAX_BYTES",
        default_value = "64MiB",
        help_heading = "Spool"
    )]
    pub(super) dead_letters_max_bytes: String,
    /// How long records may be missing before the audit trail reports a gap
    #[arg(
        long,
        value_name = "TIME",
        env = "GATELOG_GAP_AFTER",
        default_value = "5m",
        help_heading = "Spool"
    )]
    pub(super) gap_after: String,

    /// Address to listen on; port 0 picks a free port
    #[arg(
        long,
        value_name = "HOST:PORT",
        env = "GATELOG_LISTEN",
        default_value = "127.0.0.1:8686",
        help_heading = "Listening"
    )]
    pub(super) listen: String,
    /// File to which the bound host:port is written once the collector listens
    #[arg(long, value_name = "FILE", env = "GATELOG_ADDRESS_FILE", help_heading = "Listening")]
    pub(super) address_file: Option<PathBuf>,
    /// File with bearer tokens, one per line, each optionally followed by its roles; reloaded when
    /// it changes. Without this option anyone may post
    #[arg(long, value_name = "FILE", env = "GATELOG_TOKENS_FILE", help_heading = "Listening")]
    pub(super) tokens_file: Option<PathBuf>,
    /// Certificate chain (PEM); enables TLS
    #[arg(long, value_name = "FILE", env = "GATELOG_TLS_CERT", help_heading = "Listening")]
    pub(super) tls_cert: Option<PathBuf>,
    /// Private key of the certificate (PEM)
    #[arg(long, value_name = "FILE", env = "GATELOG_TLS_KEY", help_heading = "Listening")]
    pub(super) tls_key: Option<PathBuf>,
    /// CA certificates (PEM); requires a client certificate signed by one of them
    #[arg(long, value_name = "FILE", env = "GATELOG_TLS_CLIENT_CA", help_heading = "Listening")]
    pub(super) tls_client_ca: Option<PathBuf>,

    /// Maximum open connections; a further one replaces an idle one, or is closed if none is idle
    #[arg(
        long,
        value_name = "COUNT",
        env = "GATELOG_MAX_CONNECTIONS",
        default_value = "1024",
        help_heading = "Limits"
    )]
    pub(super) max_connections: String,
    /// Maximum bytes of a body as sent
    #[arg(
        long,
        value_name = "SIZE",
        env = "GATELOG_MAX_BODY_BYTES",
        default_value = "4MiB",
        help_heading = "Limits"
    )]
    pub(super) max_body_bytes: String,
    /// Maximum bytes of a body after decompression
    #[arg(
        long,
        value_name = "SIZE",
        env = "GATELOG_MAX_DECODED_BYTES",
        default_value = "8MiB",
        help_heading = "Limits"
    )]
    pub(super) max_decoded_bytes: String,
    /// Maximum records in one batch
    #[arg(
        long,
        value_name = "COUNT",
        env = "GATELOG_MAX_RECORDS",
        default_value = "10000",
        help_heading = "Limits"
    )]
    pub(super) max_records: String,
    /// Maximum bytes of one record; a longer one becomes a dead letter
    #[arg(
        long,
        value_name = "SIZE",
        env = "GATELOG_MAX_RECORD_BYTES",
        default_value = "1MiB",
        help_heading = "Limits"
    )]
    pub(super) max_record_bytes: String,
    /// Maximum memory for all bodies being read; above it, posts get 503
    #[arg(
        long,
        value_name = "SIZE",
        env = "GATELOG_INGEST_MEMORY",
        default_value = "32MiB",
        help_heading = "Limits"
    )]
    pub(super) ingest_memory: String,
    /// Maximum time for a request's headers to arrive, and between two requests
    #[arg(
        long,
        value_name = "TIME",
        env = "GATELOG_HEADER_TIMEOUT",
        default_value = "30s",
        help_heading = "Limits"
    )]
    pub(super) header_timeout: String,
    /// Maximum time for a body to arrive
    #[arg(
        long,
        value_name = "TIME",
        env = "GATELOG_BODY_TIMEOUT",
        default_value = "10s",
        help_heading = "Limits"
    )]
    pub(super) body_timeout: String,
    /// Maximum time to finish open requests and inserts on shutdown
    #[arg(
        long,
        value_name = "TIME",
        env = "GATELOG_SHUTDOWN_TIMEOUT",
        default_value = "10s",
        help_heading = "Limits"
    )]
    pub(super) shutdown_timeout: String,

    /// OTLP attributes that the ids of a record are taken from, in order, for example
    /// `user_id=enduser.id`
    #[arg(
        long,
        value_name = "ID=NAME,…",
        env = "GATELOG_OTLP_IDS",
        default_value = "",
        hide_default_value = true,
        help_heading = "OTLP"
    )]
    pub(super) otlp_ids: String,
    /// OTLP attributes that are kept although their names look like credentials; * masks nothing
    #[arg(
        long,
        value_name = "NAME,…",
        env = "GATELOG_OTLP_PLAIN",
        default_value = "",
        hide_default_value = true,
        help_heading = "OTLP"
    )]
    pub(super) otlp_plain: String,
    /// More OTLP attributes whose values are masked
    #[arg(
        long,
        value_name = "NAME,…",
        env = "GATELOG_OTLP_SENSITIVE",
        default_value = "",
        hide_default_value = true,
        help_heading = "OTLP"
    )]
    pub(super) otlp_sensitive: String,

    #[command(flatten)]
    pub(super) log: LogArgs,
}
