//! Flags and environment variables as typed. [`super`] validates them, all together.

use std::path::PathBuf;

use clap::Args;
use gatelog_collector::config::{LogArgs, StoreArgs};

use super::tail::TailArgs;
use super::views::ViewsArgs;

/// The options of `serve`.
#[derive(Args, Clone, Debug)]
pub struct ServeArgs {
    #[command(flatten)]
    pub(super) store: StoreArgs,
    /// After this time without news a gateway counts as gone, as in the collector
    #[arg(
        long,
        value_name = "TIME",
        env = "GATELOG_GAP_AFTER",
        default_value = "5m",
        help_heading = "MongoDB"
    )]
    pub(super) gap_after: String,

    /// Address to listen on; port 0 picks a free port
    #[arg(
        long,
        value_name = "HOST:PORT",
        env = "GATELOG_CONSOLE_LISTEN",
        default_value = "127.0.0.1:8687",
        help_heading = "Listening"
    )]
    pub(super) listen: String,
    /// File to which the bound host:port is written once the console listens
    #[arg(
        long,
        value_name = "FILE",
        env = "GATELOG_CONSOLE_ADDRESS_FILE",
        help_heading = "Listening"
    )]
    pub(super) address_file: Option<PathBuf>,
    /// Certificate chain (PEM); enables TLS
    #[arg(long, value_name = "FILE", env = "GATELOG_CONSOLE_TLS_CERT", help_heading = "Listening")]
    pub(super) tls_cert: Option<PathBuf>,
    /// Private key of the certificate (PEM)
    #[arg(long, value_name = "FILE", env = "GATELOG_CONSOLE_TLS_KEY", help_heading = "Listening")]
    pub(super) tls_key: Option<PathBuf>,
    /// CA certificates (PEM); requires a client certificate signed by one of them
    #[arg(
        long,
        value_name = "FILE",
        env = "GATELOG_CONSOLE_TLS_CLIENT_CA",
        help_heading = "Listening"
    )]
    pub(super) tls_client_ca: Option<PathBuf>,

    /// File with a line for each viewer: a token, name=…, and all or organizations=a,b; reloaded
    /// when it changes
    #[arg(
        long,
        value_name = "FILE",
        env = "GATELOG_CONSOLE_TOKENS_FILE",
        help_heading = "Viewers"
    )]
    pub(super) tokens_file: Option<PathBuf>,
    /// File to which a code is written that signs in once, with the role all; only its owner can
    /// read it. A code that was used is replaced
    #[arg(long, value_name = "FILE", env = "GATELOG_CONSOLE_CODE_FILE", help_heading = "Viewers")]
    pub(super) code_file: Option<PathBuf>,
    /// Header in which a proxy that has verified the caller sends its claims, as JSON in base64
    /// (`jwt_authn`: `forward_payload_header`)
    #[arg(
        long,
        value_name = "NAME",
        env = "GATELOG_CONSOLE_IDENTITY_HEADER",
        help_heading = "Viewers"
    )]
    pub(super) identity_header: Option<String>,
    /// Addresses and networks of these proxies: from anybody else the header is ignored
    #[arg(
        long,
        value_name = "NETWORK,…",
        env = "GATELOG_CONSOLE_IDENTITY_PEERS",
        default_value = "",
        hide_default_value = true,
        help_heading = "Viewers"
    )]
    pub(super) identity_peers: String,
    /// The claim that names the caller
    #[arg(
        long,
        value_name = "CLAIM",
        env = "GATELOG_CONSOLE_IDENTITY_NAME",
        default_value = "sub",
        help_heading = "Viewers"
    )]
    pub(super) identity_name: String,
    /// The claim with the caller's organizations: a text, or a list of them
    #[arg(
        long,
        value_name = "CLAIM",
        env = "GATELOG_CONSOLE_IDENTITY_ORGANIZATIONS",
        default_value = "organizations",
        help_heading = "Viewers"
    )]
    pub(super) identity_organizations: String,
    /// The claim that gives the role all where it is "all"
    #[arg(
        long,
        value_name = "CLAIM",
        env = "GATELOG_CONSOLE_IDENTITY_ROLE",
        default_value = "gatelog_role",
        help_heading = "Viewers"
    )]
    pub(super) identity_role: String,
    /// How long a session lasts without a request
    #[arg(
        long,
        value_name = "TIME",
        env = "GATELOG_CONSOLE_SESSION_IDLE",
        default_value = "12h",
        help_heading = "Viewers"
    )]
    pub(super) session_idle: String,

    /// Collector that sign-ins and exports are audited through: http://host:port. Without it they
    /// are only in the console's own log
    #[arg(long, value_name = "URL", env = "GATELOG_CONSOLE_COLLECTOR", help_heading = "Audit")]
    pub(super) collector: Option<String>,
    /// File with the collector's bearer token
    #[arg(
        long,
        value_name = "FILE",
        env = "GATELOG_CONSOLE_COLLECTOR_TOKEN_FILE",
        help_heading = "Audit"
    )]
    pub(super) collector_token_file: Option<PathBuf>,
    /// CA certificates (PEM) for the collector's certificate; required for https
    #[arg(long, value_name = "FILE", env = "GATELOG_CONSOLE_COLLECTOR_CA", help_heading = "Audit")]
    pub(super) collector_ca: Option<PathBuf>,

    #[command(flatten)]
    pub(super) tail: TailArgs,

    #[command(flatten)]
    pub(super) views: ViewsArgs,

    /// Maximum time that one query searches; what it has found by then is the answer
    #[arg(
        long,
        value_name = "TIME",
        env = "GATELOG_CONSOLE_QUERY_TIME",
        default_value = "5s",
        help_heading = "Limits"
    )]
    pub(super) query_time: String,
    /// Maximum queries at once; a further one waits, and gets 503 after 5 s
    #[arg(
        long,
        value_name = "COUNT",
        env = "GATELOG_CONSOLE_MAX_QUERIES",
        default_value = "8",
        help_heading = "Limits"
    )]
    pub(super) max_queries: String,
    /// Maximum queries of one viewer at once; a further one waits, and gets 429 after 5 s
    #[arg(
        long,
        value_name = "COUNT",
        env = "GATELOG_CONSOLE_VIEWER_QUERIES",
        default_value = "4",
        help_heading = "Limits"
    )]
    pub(super) viewer_queries: String,
    /// Maximum live tails at once; a further one gets 503
    #[arg(
        long,
        value_name = "COUNT",
        env = "GATELOG_CONSOLE_MAX_TAILS",
        default_value = "8",
        help_heading = "Limits"
    )]
    pub(super) max_tails: String,
    /// Maximum live tails of one viewer at once; a further one gets 429
    #[arg(
        long,
        value_name = "COUNT",
        env = "GATELOG_CONSOLE_VIEWER_TAILS",
        default_value = "4",
        help_heading = "Limits"
    )]
    pub(super) viewer_tails: String,
    /// Maximum records of one export
    #[arg(
        long,
        value_name = "COUNT",
        env = "GATELOG_CONSOLE_EXPORT_RECORDS",
        default_value = "100000",
        help_heading = "Limits"
    )]
    pub(super) export_records: String,
    /// Maximum open connections; a further one replaces an idle one, or is closed if none is idle
    #[arg(
        long,
        value_name = "COUNT",
        env = "GATELOG_CONSOLE_MAX_CONNECTIONS",
        default_value = "256",
        help_heading = "Limits"
    )]
    pub(super) max_connections: String,
    /// Maximum time for a request's headers to arrive, and between two requests
    #[arg(
        long,
        value_name = "TIME",
        env = "GATELOG_CONSOLE_HEADER_TIMEOUT",
        default_value = "30s",
        help_heading = "Limits"
    )]
    pub(super) header_timeout: String,
    /// Maximum time to finish open requests on shutdown
    #[arg(
        long,
        value_name = "TIME",
        env = "GATELOG_CONSOLE_SHUTDOWN_TIMEOUT",
        default_value = "10s",
        help_heading = "Limits"
    )]
    pub(super) shutdown_timeout: String,

    #[command(flatten)]
    pub(super) log: LogArgs,
}
