//! The configuration: from text as typed to values that are valid together.

mod args;
mod tail;
mod views;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use axum::http::HeaderName;
use gatelog_collector::config::{Faults, Reader};
use gatelog_collector::http::server::TlsFiles;
use gatelog_collector::store::StoreOptions;
use gatelog_delivery::client::Target;
use gatelog_record::Level;
use ipnet::IpNet;

use crate::api::Limits;
use crate::who::IdentityOptions;

pub use args::ServeArgs;

/// Connections to the database: one for each call that searches may have at once, and some beside.
const POOL: u32 = 16;
/// Maximum networks of proxies.
const PEERS: usize = 1_000;

/// The validated configuration of `serve`.
#[derive(Clone, Debug)]
pub struct Config {
    /// The database.
    pub store: StoreOptions,
    /// Addresses to listen on: the first that can be bound is used.
    pub listen: Vec<SocketAddr>,
    /// The file for the bound address.
    pub address_file: Option<PathBuf>,
    /// Certificate and key, for TLS.
    pub tls: Option<TlsFiles>,
    /// The file of the viewers' tokens.
    pub tokens_file: Option<PathBuf>,
    /// The file of the code that signs in once.
    pub code_file: Option<PathBuf>,
    /// Whose word counts for who the caller is.
    pub identity: Option<IdentityOptions>,
    /// How long a session lasts without a request.
    pub session_idle: Duration,
    /// Where sign-ins and exports are audited.
    pub collector: Option<Target>,
    /// The collectors whose records are shown live.
    pub tail: Vec<Target>,
    /// The database of the saved views; none are kept without.
    pub views_database: Option<String>,
    /// The bounds of what is asked.
    pub limits: Limits,
    /// Maximum open connections.
    pub max_connections: usize,
    /// Maximum time for headers to arrive.
    pub header_timeout: Duration,
    /// Maximum time to finish on shutdown.
    pub shutdown_timeout: Duration,
    /// The minimum level that the console logs.
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
        let mut store = self.store.compile(&mut read);
        store.pool_size = POOL;
        let config = Config {
            views_database: self.views.compile(&mut read, &store.database),
            store,
            listen: read.addresses("GATELOG_CONSOLE_LISTEN", &self.listen),
            address_file: given(self.address_file.as_ref()),
            tls: self.tls(&mut read),
            tokens_file: given(self.tokens_file.as_ref()),
            code_file: given(self.code_file.as_ref()),
            identity: self.identity(&mut read),
            session_idle: read.time(
                "GATELOG_CONSOLE_SESSION_IDLE",
                &self.session_idle,
                1_000..=86_400_000 * 30,
            ),
            collector: self.collector(&mut read),
            tail: self.tail.compile(&mut read),
            limits: Limits {
                query_time: read.time("GATELOG_CONSOLE_QUERY_TIME", &self.query_time, 100..=60_000),
                queries: read.count("GATELOG_CONSOLE_MAX_QUERIES", &self.max_queries, 1..=1_000),
                viewer_queries: read.count(
                    "GATELOG_CONSOLE_VIEWER_QUERIES",
                    &self.viewer_queries,
                    1..=1_000,
                ),
                tails: read.count("GATELOG_CONSOLE_MAX_TAILS", &self.max_tails, 1..=1_000),
                viewer_tails: read.count(
                    "GATELOG_CONSOLE_VIEWER_TAILS",
                    &self.viewer_tails,
                    1..=1_000,
                ),
                export_records: read.count(
                    "GATELOG_CONSOLE_EXPORT_RECORDS",
                    &self.export_records,
                    1..=100_000_000,
                ),
                silent_after: read.time(
                    "GATELOG_GAP_AFTER",
                    &self.gap_after,
                    1_000..=86_400_000 * 30,
                ),
            },
            max_connections: read.count(
                "GATELOG_CONSOLE_MAX_CONNECTIONS",
                &self.max_connections,
                1..=1_000_000,
            ),
            header_timeout: read.time(
                "GATELOG_CONSOLE_HEADER_TIMEOUT",
                &self.header_timeout,
                1_000..=3_600_000,
            ),
            shutdown_timeout: read.time(
                "GATELOG_CONSOLE_SHUTDOWN_TIMEOUT",
                &self.shutdown_timeout,
                100..=600_000,
            ),
            log_level: self.log.compile(&mut read),
        };
        if config.tokens_file.is_none() && config.code_file.is_none() && config.identity.is_none() {
            read.faults.add_rule(
                "GATELOG_CONSOLE_TOKENS_FILE: nobody could sign in: give a file of tokens, or let a \
                 proxy say who asks (GATELOG_CONSOLE_IDENTITY_HEADER, …_PEERS), or have a code \
                 written (GATELOG_CONSOLE_CODE_FILE)",
            );
        }
        read.done(config)
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
                    "GATELOG_CONSOLE_TLS_CERT, GATELOG_CONSOLE_TLS_KEY: both must be given for TLS \
                     (GATELOG_CONSOLE_TLS_CLIENT_CA needs them too)",
                );
                None
            }
        }
    }

    fn identity(&self, read: &mut Reader) -> Option<IdentityOptions> {
        let peers = networks(read, &self.identity_peers);
        let name = self.identity_header.as_deref().map(str::trim).unwrap_or_default();
        match (name.is_empty(), peers.is_empty()) {
            (true, true) => None,
            (false, false) => {
                let header = name.parse::<HeaderName>().map_err(|_| "must be a header's name");
                let header = read.faults.take("GATELOG_CONSOLE_IDENTITY_HEADER", name, header)?;
                Some(IdentityOptions {
                    header,
                    peers,
                    name: self.identity_name.clone(),
                    organizations: self.identity_organizations.clone(),
                    role: self.identity_role.clone(),
                })
            }
            _ => {
                read.faults.add_rule(
                    "GATELOG_CONSOLE_IDENTITY_HEADER, GATELOG_CONSOLE_IDENTITY_PEERS: both must be \
                     given: the header counts only from the listed proxies",
                );
                None
            }
        }
    }

    fn collector(&self, read: &mut Reader) -> Option<Target> {
        let url = self.collector.as_deref().map(str::trim).filter(|url| !url.is_empty())?;
        let target = Target {
            url: url.to_owned(),
            token_file: given(self.collector_token_file.as_ref()),
            ca: given(self.collector_ca.as_ref()),
            ..Target::default()
        };
        if let Err(text) = gatelog_delivery::client::Client::new(&target) {
            read.faults.add_rule(format!("GATELOG_CONSOLE_COLLECTOR: {text}"));
        }
        Some(target)
    }
}

fn networks(read: &mut Reader, text: &str) -> Vec<IpNet> {
    let mut networks = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let address = part.parse::<std::net::IpAddr>().map(IpNet::from);
        let network = part.parse::<IpNet>().or(address);
        let network = network.map_err(|_| "must be addresses or networks, such as 10.0.0.0/8");
        networks.extend(read.faults.take("GATELOG_CONSOLE_IDENTITY_PEERS", part, network));
    }
    if networks.len() > PEERS {
        read.faults.add_rule(format!("GATELOG_CONSOLE_IDENTITY_PEERS: at most {PEERS} networks"));
    }
    networks
}

/// A path, if one was given: an empty variable counts as none.
fn given(path: Option<&PathBuf>) -> Option<PathBuf> {
    path.filter(|path| !path.as_os_str().is_empty()).cloned()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: ServeArgs,
    }

    fn compiled(line: &[&str]) -> Result<Config, String> {
        let line = Line::parse_from([&["serve"], line].concat());
        line.args.compile().map_err(|faults| faults.to_string())
    }

    #[test]
    fn the_defaults_need_only_a_way_to_sign_in() {
        let told = compiled(&[]).unwrap_err();
        assert!(told.starts_with("GATELOG_CONSOLE_TOKENS_FILE: nobody could sign in"), "{told}");
        let config = compiled(&["--tokens-file=t"]).unwrap();
        assert!(config.listen.iter().all(|address| address.ip().is_loopback()));
        assert_eq!(config.limits.queries, 8);
        assert!(compiled(&["--code-file=c"]).is_ok());
    }

    #[test]
    fn all_faults_are_reported_together_with_name_and_value() {
        let told = compiled(&[
            "--tokens-file=t",
            "--listen=here",
            "--max-queries=0",
            "--session-idle=1",
            "--identity-header=x y",
            "--identity-peers=10.0.0.0/8,all",
            "--tls-cert=c",
            "--collector=ftp://x",
            "--tail=http://a:1,b:2",
            "--viewer-tails=0",
        ])
        .unwrap_err();
        for line in [
            "GATELOG_CONSOLE_LISTEN = \"here\": must be an address and a port",
            "GATELOG_CONSOLE_MAX_QUERIES = \"0\": must be 1 to 1000",
            "GATELOG_CONSOLE_SESSION_IDLE = \"1\"",
            "GATELOG_CONSOLE_IDENTITY_HEADER = \"x y\": must be a header's name",
            "GATELOG_CONSOLE_IDENTITY_PEERS = \"all\": must be addresses or networks",
            "GATELOG_CONSOLE_TLS_CERT, GATELOG_CONSOLE_TLS_KEY: both must be given",
            "GATELOG_CONSOLE_COLLECTOR: \"ftp://x\": must be http://host:port",
            "GATELOG_CONSOLE_TAIL: \"b:2\": must be http://host:port",
            "GATELOG_CONSOLE_VIEWER_TAILS = \"0\": must be 1 to 1000",
        ] {
            assert!(told.contains(line), "{line}: {told}");
        }
    }

    #[test]
    fn an_identity_header_needs_the_proxies_that_may_send_it() {
        let told = compiled(&["--identity-header=x-identity"]).unwrap_err();
        assert!(told.contains("both must be given"), "{told}");
        let config = compiled(&["--identity-header=x-identity", "--identity-peers=::1,10.0.0.0/8"]);
        assert_eq!(config.unwrap().identity.unwrap().peers.len(), 2);
    }
}
