//! A real Envoy, running as a process.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use axum::http::Method;
use serde_json::Value;
use tempfile::TempDir;

use crate::process::{Process, bound_command};
use crate::{Client, EnvoyConfig, Journal, eventually, paths};

/// Timeout for Envoy to start listening, to apply an update, and to exit.
const PATIENCE: Duration = Duration::from_mins(1);

/// Options for starting an Envoy.
#[derive(Clone, Debug)]
pub struct EnvoyOptions {
    /// The configuration. The addresses of its listener and its admin interface are replaced with
    /// ports that the system chooses, unless `keep_address` is set.
    pub config: EnvoyConfig,
    /// Whether to keep the listener's configured address.
    pub keep_address: bool,
    /// Worker threads, each with its own VM.
    pub concurrency: u32,
    /// Whether to read listeners from a file that can be replaced: [`Envoy::replace_listeners`].
    pub watch_listeners: bool,
    /// Flush interval of Envoy's access log, in milliseconds: a test should not wait for the
    /// default of ten seconds.
    pub flush_milliseconds: u32,
    /// Where its standard output goes, if not to a file of its own.
    pub stdout: Option<PathBuf>,
    /// Environment variables.
    pub environment: Vec<(String, String)>,
    /// Additional command-line arguments.
    pub arguments: Vec<String>,
}

impl EnvoyOptions {
    /// One worker, all options at their defaults.
    pub fn new(config: EnvoyConfig) -> Self {
        Self {
            config,
            keep_address: false,
            concurrency: 1,
            watch_listeners: false,
            flush_milliseconds: 50,
            stdout: None,
            environment: Vec::new(),
            arguments: Vec::new(),
        }
    }
}

/// A running Envoy whose workers have started.
#[derive(Debug)]
pub struct Envoy {
    process: Process,
    admin: SocketAddr,
    address: SocketAddr,
    client: Client,
    /// As configured: a port of 0 stays 0 in updates, otherwise Envoy would treat the listener as a
    /// different one and close the connections that are waiting to be accepted.
    configured: Option<SocketAddr>,
    listeners: PathBuf,
    version: u64,
    // Declared after the process: removed once it has exited.
    _directory: TempDir,
}

fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// A listener's address, as reported by the admin interface.
fn socket_address(status: &Value) -> Result<SocketAddr> {
    let at = status.pointer("/local_address/socket_address").context("no address yet")?;
    let ip = at.get("address").and_then(Value::as_str).context("no address")?;
    let port = at.get("port_value").and_then(Value::as_u64).context("no port")?;
    Ok(SocketAddr::new(ip.parse()?, u16::try_from(port)?))
}

impl Envoy {
    /// Starts Envoy and waits until it serves traffic.
    pub async fn start(options: EnvoyOptions) -> Result<Self> {
        let EnvoyOptions { mut config, concurrency, watch_listeners, .. } = options;
        let directory = TempDir::new()?;
        let inside = |name: &str| directory.path().join(name);
        let (file, listeners, admin_file) =
            (inside("envoy.json"), inside("listeners.json"), inside("admin-address"));
        config.admin_on(any_port())?;
        let configured = (!options.keep_address).then(any_port);
        if let Some(address) = configured {
            config.listen_on(address)?;
        }
        if watch_listeners {
            fs::write(&listeners, config.listeners(0)?.to_string())?;
            config = config.with_listeners_at(&listeners)?;
        }
        fs::write(&file, config.to_json()?)?;

        let mut command = bound_command(&paths::envoy()?);
        command.arg("-c").arg(&file).arg("--admin-address-path").arg(&admin_file);
        command.args(["--disable-hot-restart", "-l", "warning"]);
        command.args(["--concurrency", &concurrency.to_string()]);
        command.args(["--file-flush-interval-msec", &options.flush_milliseconds.to_string()]);
        command.args(&options.arguments);
        command.env("ENVOY_DYNAMIC_MODULES_SEARCH_PATH", paths::modules());
        command.envs(options.environment);
        let stdout = options.stdout.unwrap_or_else(|| inside("envoy.stdout"));
        let mut process = Process::start_into("envoy", command, directory.path(), stdout)?;

        let client = Client::default();
        let (admin, address) = eventually("Envoy serves", PATIENCE, async || {
            process.ensure_running()?;
            let admin = fs::read_to_string(&admin_file)?.trim().parse()?;
            let ready = client.get(admin, "/ready").await?;
            ensure!(ready.status.is_success(), "not ready: {}", ready.text().trim());
            let listening = client.get(admin, "/listeners?format=json").await?.json()?;
            let first = listening.pointer("/listener_statuses/0").context("no listener yet")?;
            anyhow::Ok((admin, socket_address(first)?))
        })
        .await?;
        Ok(Self {
            process,
            admin,
            address,
            client,
            configured,
            listeners,
            version: 0,
            _directory: directory,
        })
    }

    /// The address of its first listener.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of the listener with this name.
    pub async fn address_of(&self, listener: &str) -> Result<SocketAddr> {
        let listening = self.client.get(self.admin, "/listeners?format=json").await?.json()?;
        let statuses = listening.get("listener_statuses").and_then(Value::as_array);
        let own = statuses
            .context("no listeners")?
            .iter()
            .find(|status| status.get("name").and_then(Value::as_str) == Some(listener));
        socket_address(own.with_context(|| format!("no listener \"{listener}\""))?)
    }

    /// The address of its admin interface.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Its release, for example "1.40.0".
    pub async fn version(&self) -> Result<String> {
        let info = self.client.get(self.admin, "/server_info").await?.json()?;
        // "commit/1.40.0/Clean/RELEASE/BoringSSL"
        let version = info.get("version").and_then(Value::as_str).context("no version")?;
        Ok(version.split('/').nth(1).context("no release in the version")?.to_owned())
    }

    /// Its process, to stop, resume, kill or inspect it.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// What its access logger printed on standard output.
    pub fn journal(&self) -> Journal {
        Journal::new(self.process.stdout())
    }

    /// Its own log: warnings, and what the filter logs.
    pub fn log(&self) -> String {
        self.process.stderr()
    }

    /// The counters and gauges whose names contain `part`.
    pub async fn stats(&self, part: &str) -> Result<BTreeMap<String, u64>> {
        let text = self.client.get(self.admin, &format!("/stats?filter={part}")).await?.text();
        let pairs = text.lines().filter_map(|line| line.rsplit_once(": "));
        Ok(pairs.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect())
    }

    /// The number of times that a VM of the filter had to be recreated or, of the module, that a hook
    /// panicked or an exchange went by without it.
    pub async fn reloads(&self) -> Result<u64> {
        let (vm, module) = (self.stats("vm_reload").await?, self.stats("gatelog.module").await?);
        let recreated = vm.iter().filter(|(name, _)| name.ends_with("vm_reload_success"));
        let faults = module.iter().filter(|(name, _)| !name.contains(".journal_"));
        Ok(recreated.chain(faults).map(|(_, count)| count).sum::<u64>())
    }

    /// `POST path` on the admin interface.
    pub async fn administer(&self, path: &str) -> Result<()> {
        let reply = self.client.send(self.admin, Method::POST, path, &[], "").await?;
        ensure!(reply.status.is_success(), "POST {path}: {}: {}", reply.status, reply.text());
        Ok(())
    }

    /// Replaces the running listeners with those of `config` and waits until Envoy has accepted or
    /// rejected them. An error is Envoy's rejection. Needs `watch_listeners`. The listener keeps
    /// its address, whatever `config` says.
    pub async fn replace_listeners(&mut self, config: &EnvoyConfig) -> Result<()> {
        ensure!(self.listeners.exists(), "started without watch_listeners");
        let mut config = config.clone();
        if let Some(address) = self.configured {
            config.listen_on(address)?;
        }
        self.version += 1;
        let before = self.refusals().await?;
        // Envoy watches for files moved into place.
        let next = self.listeners.with_extension("next");
        fs::write(&next, config.listeners(self.version)?.to_string())?;
        fs::rename(&next, &self.listeners)?;
        let taken = format!("lds.version_text: \"{}\"", self.version);
        let refused = eventually("Envoy looked at the update", PATIENCE, async || {
            if self.refusals().await? > before {
                return Ok(true);
            }
            let version =
                self.client.get(self.admin, "/stats?filter=lds.version_text").await?.text();
            ensure!(version.contains(&taken), "neither taken nor refused: {}", version.trim());
            Ok(false)
        })
        .await?;
        ensure!(!refused, "Envoy refused the update:\n{}", self.log());
        Ok(())
    }

    /// The number of listener updates that Envoy rejected.
    async fn refusals(&self) -> Result<u64> {
        let stats = self.stats("listener_manager.lds.update").await?;
        let refused = ["update_rejected", "update_failure"];
        Ok(stats
            .iter()
            .filter(|(name, _)| refused.iter().any(|end| name.ends_with(end)))
            .map(|(_, n)| n)
            .sum())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::SampleService;

    /// The shipped configuration without the filter: these tests cover the harness itself.
    async fn plain() -> (Envoy, EnvoyConfig, SampleService) {
        let service = SampleService::echo().await.unwrap();
        let mut config = EnvoyConfig::shipped().unwrap();
        config.http_filters().unwrap().remove(0);
        config.cluster_at("conversations", service.address()).unwrap();
        let mut options = EnvoyOptions::new(config);
        options.watch_listeners = true;
        let envoy = Envoy::start(options.clone()).await.unwrap();
        options.config.listen_on(envoy.address()).unwrap();
        (envoy, options.config, service)
    }

    #[tokio::test]
    async fn a_clients_request_id_is_moved_aside_and_a_fresh_one_made() {
        let (envoy, _, _service) = plain().await;
        let ids: [(&str, &[u8]); 2] =
            [("x-request-id", b"mine"), ("x-client-request-id", b"forged")];
        let path = "/api/v1/conversations/1";
        let client = Client::default();
        let reply = client.send(envoy.address(), Method::GET, path, &ids, "").await.unwrap();
        let seen = reply.json().unwrap();
        assert_eq!(seen["x-client-request-id"], "mine");
        assert_eq!(seen["x-request-id"].as_str().map(str::len), Some(36));

        let forged = &ids[1..];
        let reply = client.send(envoy.address(), Method::GET, path, forged, "").await.unwrap();
        assert_eq!(reply.json().unwrap().get("x-client-request-id"), None);
    }

    #[tokio::test]
    async fn an_update_that_envoy_refuses_is_an_error_and_the_next_good_one_is_taken() {
        let (mut envoy, config, _service) = plain().await;
        let mut bad = config.clone();
        bad.connection_manager().unwrap()["stat_prefix"] = json!("");
        let refusal = envoy.replace_listeners(&bad).await.unwrap_err().to_string();
        assert!(refusal.contains("Envoy refused the update"), "{refusal}");
        envoy.replace_listeners(&config).await.unwrap();
    }

    #[tokio::test]
    async fn an_envoy_that_cannot_start_says_why() {
        let mut config = EnvoyConfig::shipped().unwrap();
        config.connection_manager().unwrap()["stat_prefix"] = json!("");
        let error = Envoy::start(EnvoyOptions::new(config)).await.unwrap_err();
        assert!(format!("{error:#}").contains("StatPrefix"), "{error:#}");
    }
}
