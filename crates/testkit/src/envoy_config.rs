//! An Envoy configuration: one of the shipped files, edited in the few places that a test must
//! change. Every edit names a place that must exist, so a test cannot drift from the file.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use serde_json::{Value, json};

use crate::paths;

const LISTENERS: &str = "/static_resources/listeners";
const LISTENER: &str = "/static_resources/listeners/0";
const MANAGER: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
const CLUSTERS: &str = "/static_resources/clusters";
const ENDPOINT: &str =
    "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address";

/// A configuration as JSON: Envoy reads it as well as YAML.
#[derive(Clone, Debug)]
pub struct EnvoyConfig {
    root: Value,
}

/// All documents of a YAML file in the repository.
pub fn yaml_documents(path: &str) -> Result<Vec<Value>> {
    let text = fs::read_to_string(paths::root().join(path)).with_context(|| path.to_owned())?;
    serde_saphyr::from_multiple(&text).with_context(|| path.to_owned())
}

fn socket_address(address: SocketAddr) -> Value {
    json!({ "address": address.ip().to_string(), "port_value": address.port() })
}

fn place<'a>(value: &'a mut Value, pointer: &str) -> Result<&'a mut Value> {
    value.pointer_mut(pointer).with_context(|| format!("the configuration has no {pointer}"))
}

fn named<'a>(list: &'a mut Value, name: &str) -> Result<&'a mut Value> {
    let items = list.as_array_mut().context("not a list")?;
    let found = items.iter_mut().find(|item| item.get("name").is_some_and(|is| is == name));
    found.with_context(|| format!("nothing is named {name:?}"))
}

/// The two forms in which the filter's core runs in Envoy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    /// The wasm filter.
    Wasm,
    /// The dynamic module.
    Module,
}

/// Who writes the module's journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalWriter {
    /// Envoy's access log, as with the wasm filter.
    AccessLog,
    /// The module itself.
    Module,
}

impl EnvoyConfig {
    /// The shipped `envoy/envoy.yaml`.
    pub fn shipped() -> Result<Self> {
        Self::file("envoy/envoy.yaml")
    }

    /// The shipped configuration of a shell, with what was built of it.
    pub fn built(shell: Shell) -> Result<Self> {
        let mut config = match shell {
            Shell::Wasm => Self::shipped()?,
            Shell::Module => Self::file("envoy/module.yaml")?,
        };
        config.built_filter()?;
        Ok(config)
    }

    /// Another file in the repository, by its relative path.
    pub fn file(path: &str) -> Result<Self> {
        let [root] = <[Value; 1]>::try_from(yaml_documents(path)?)
            .map_err(|documents| anyhow!("{path} holds {} documents", documents.len()))?;
        Ok(Self { root })
    }

    /// The value at a JSON pointer.
    pub fn at(&mut self, pointer: &str) -> Result<&mut Value> {
        place(&mut self.root, pointer)
    }

    /// The connection manager of the first listener.
    pub fn connection_manager(&mut self) -> Result<&mut Value> {
        self.at(MANAGER)
    }

    /// Its HTTP filter with this name.
    pub fn http_filter(&mut self, name: &str) -> Result<&mut Value> {
        named(self.at(&format!("{MANAGER}/http_filters"))?, name)
    }

    /// Its HTTP filters, in order.
    pub fn http_filters(&mut self) -> Result<&mut Vec<Value>> {
        self.at(&format!("{MANAGER}/http_filters"))?.as_array_mut().context("not a list")
    }

    /// The routes of its first virtual host, in order.
    pub fn routes(&mut self) -> Result<&mut Vec<Value>> {
        let routes = format!("{MANAGER}/route_config/virtual_hosts/0/routes");
        self.at(&routes)?.as_array_mut().context("not a list")
    }

    /// Sets the address of the first listener.
    pub fn listen_on(&mut self, address: SocketAddr) -> Result<()> {
        *self.at(&format!("{LISTENER}/address/socket_address"))? = socket_address(address);
        Ok(())
    }

    /// Sets the address of the admin interface.
    pub fn admin_on(&mut self, address: SocketAddr) -> Result<()> {
        *self.at("/admin/address/socket_address")? = socket_address(address);
        Ok(())
    }

    /// Sets the node's id: `source.gateway` of every record.
    pub fn node_id(&mut self, id: &str) -> Result<()> {
        *self.at("/node/id")? = id.into();
        Ok(())
    }

    /// Sets the only endpoint of a cluster.
    pub fn cluster_at(&mut self, name: &str, address: SocketAddr) -> Result<()> {
        let cluster = named(self.at(CLUSTERS)?, name)?;
        *place(cluster, ENDPOINT)? = socket_address(address);
        Ok(())
    }

    /// Adds an endpoint to a cluster.
    pub fn add_endpoint(&mut self, name: &str, address: SocketAddr) -> Result<()> {
        let cluster = named(self.at(CLUSTERS)?, name)?;
        let endpoints = place(cluster, "/load_assignment/endpoints/0/lb_endpoints")?;
        let endpoint = json!({ "endpoint": { "address": {
            "socket_address": socket_address(address)
        } } });
        endpoints.as_array_mut().context("not a list")?.push(endpoint);
        Ok(())
    }

    /// Makes the only endpoint of a cluster a name, `NAME.test`, that is resolved with this name
    /// server every second.
    pub fn cluster_named(&mut self, name: &str, port: u16, server: SocketAddr) -> Result<()> {
        const RESOLVER: &str = "type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig";
        let cluster = named(self.at(CLUSTERS)?, name)?;
        let host = format!("{}.test", name.replace('_', "-"));
        *place(cluster, ENDPOINT)? = json!({ "address": host, "port_value": port });
        let fields = cluster.as_object_mut().context("not an object")?;
        for (field, value) in [
            ("type", json!("STRICT_DNS")),
            ("dns_lookup_family", json!("V4_ONLY")),
            ("dns_refresh_rate", json!("1s")),
            (
                "typed_dns_resolver_config",
                json!({ "name": "envoy.network.dns_resolver.cares", "typed_config": {
                    "@type": RESOLVER,
                    "resolvers": [{ "socket_address": socket_address(server) }],
                } }),
            ),
        ] {
            fields.insert(field.to_owned(), value);
        }
        Ok(())
    }

    /// A cluster, for changes.
    pub fn cluster(&mut self, name: &str) -> Result<&mut Value> {
        named(self.at(CLUSTERS)?, name)
    }

    /// Adds a cluster with one endpoint.
    pub fn add_cluster(&mut self, name: &str, address: SocketAddr) -> Result<()> {
        let cluster = json!({
            "name": name, "type": "STATIC", "connect_timeout": "1s",
            "load_assignment": { "cluster_name": name, "endpoints": [{ "lb_endpoints": [
                { "endpoint": { "address": { "socket_address": socket_address(address) } } }
            ] }] }
        });
        self.at(CLUSTERS)?.as_array_mut().context("not a list")?.push(cluster);
        Ok(())
    }

    /// Adds a listener, on a port that the system chooses: the first one without its first HTTP
    /// filter and its access log. It shows what Envoy does by itself.
    pub fn add_bare_listener(&mut self, name: &str) -> Result<()> {
        let mut bare = self.at(LISTENER)?.clone();
        let manager = MANAGER.strip_prefix(LISTENER).unwrap_or_default();
        *place(&mut bare, "/name")? = json!(name);
        *place(&mut bare, "/address/socket_address/port_value")? = json!(0);
        let manager = place(&mut bare, manager)?;
        manager["access_log"] = json!([]);
        place(manager, "/http_filters")?.as_array_mut().context("not a list")?.remove(0);
        self.at(LISTENERS)?.as_array_mut().context("not a list")?.push(bare);
        Ok(())
    }

    /// Sets the filter's module file.
    pub fn filter_at(&mut self, wasm: &Path) -> Result<()> {
        let filter = self.http_filter("gatelog")?;
        let file = place(filter, "/typed_config/config/vm_config/code/local/filename")?;
        *file = wasm.to_str().context("a path that is not UTF-8")?.into();
        Ok(())
    }

    /// Uses the filter built by `make wasm`, or `GATELOG_WASM`; a module is found by Envoy itself.
    pub fn built_filter(&mut self) -> Result<()> {
        match self.shell()? {
            Shell::Wasm => self.filter_at(&paths::filter()?),
            Shell::Module => paths::module().map(|_| ()),
        }
    }

    /// Runs the filter of another shipped file in this form, with the file's JSON: what docs/choosing.md
    /// says of changing from one form to the other.
    pub fn run_by(&mut self, shell: Shell) -> Result<()> {
        if shell == Shell::Module {
            let mut module = Self::file("envoy/module.yaml")?;
            *module.filter_text()? = self.filter_text()?.clone();
            *self.http_filter("gatelog")? = module.http_filter("gatelog")?.clone();
            let extensions = module.at("/bootstrap_extensions")?.clone();
            let root = self.root.as_object_mut().context("not an object")?;
            root.insert("bootstrap_extensions".to_owned(), extensions);
        }
        self.built_filter()
    }

    /// Chooses who writes the module's journal.
    pub fn journal_by(&mut self, writer: JournalWriter) -> Result<()> {
        let (journal, access_log) = match writer {
            JournalWriter::AccessLog => {
                let mut wasm = Self::shipped()?;
                ("access_log", wasm.connection_manager()?["access_log"].clone())
            }
            JournalWriter::Module => ("stdout", json!([])),
        };
        self.connection_manager()?["access_log"] = access_log;
        self.at("/bootstrap_extensions/0/typed_config")?["extension_config"] = json!({
            "@type": "type.googleapis.com/google.protobuf.StringValue",
            "value": json!({"journal": journal}).to_string(),
        });
        Ok(())
    }

    /// The form in which it runs the filter.
    pub fn shell(&mut self) -> Result<Shell> {
        let filter = self.http_filter("gatelog")?;
        let module = filter.pointer("/typed_config/filter_config").is_some();
        Ok(if module { Shell::Module } else { Shell::Wasm })
    }

    /// The filter's own configuration, as a message: of the wasm filter or of the module.
    pub fn filter_configuration(&mut self) -> Result<&mut Value> {
        let pointer = match self.shell()? {
            Shell::Wasm => "/typed_config/config/configuration",
            Shell::Module => "/typed_config/filter_config",
        };
        place(self.http_filter("gatelog")?, pointer)
    }

    /// The filter's own configuration, as the text that Envoy passes to it.
    pub fn filter_text(&mut self) -> Result<&mut Value> {
        place(self.filter_configuration()?, "/value")
    }

    /// Sets keys of the filter's own configuration, each by its JSON pointer. Missing keys are
    /// added, including those along the path.
    pub fn filter_options(&mut self, options: &[(&str, Value)]) -> Result<()> {
        let text = self.filter_text()?;
        let mut settings: Value = serde_json::from_str(text.as_str().context("not a text")?)?;
        for (pointer, value) in options {
            let mut at = &mut settings;
            for key in pointer.split('/').skip(1) {
                let object =
                    at.as_object_mut().with_context(|| format!("{pointer}: not an object"))?;
                at = object.entry(key).or_insert_with(|| json!({}));
            }
            *at = value.clone();
        }
        *text = serde_json::to_string_pretty(&settings)?.into();
        Ok(())
    }

    /// The whole configuration as JSON text.
    pub(crate) fn to_json(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(&self.root)?)
    }

    /// Moves the listeners into a discovery response, for a file that Envoy watches. The returned
    /// configuration reads them from `path`.
    pub(crate) fn with_listeners_at(&self, path: &Path) -> Result<Self> {
        let mut rest = self.clone();
        let resources = rest.at("/static_resources")?.as_object_mut().context("not an object")?;
        resources.remove("listeners");
        let root = rest.root.as_object_mut().context("not an object")?;
        let source =
            json!({ "path_config_source": { "path": path }, "resource_api_version": "V3" });
        root.insert("dynamic_resources".to_owned(), json!({ "lds_config": source }));
        Ok(rest)
    }

    /// The listeners as the discovery response that [`with_listeners_at`](Self::with_listeners_at)
    /// reads.
    pub(crate) fn listeners(&self, version: u64) -> Result<Value> {
        const LISTENER_TYPE: &str = "type.googleapis.com/envoy.config.listener.v3.Listener";
        let listeners = self.root.pointer("/static_resources/listeners");
        let mut resources = listeners.and_then(Value::as_array).context("no listeners")?.clone();
        for listener in &mut resources {
            let object = listener.as_object_mut().context("not an object")?;
            object.insert("@type".to_owned(), LISTENER_TYPE.into());
        }
        Ok(json!({ "version_info": version.to_string(), "resources": resources }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_file_has_the_filter_first_and_reloads_after_a_trap() {
        let mut config = EnvoyConfig::shipped().unwrap();
        assert_eq!(config.http_filters().unwrap()[0]["name"], "gatelog");
        let filter = config.http_filter("gatelog").unwrap();
        assert_eq!(filter["typed_config"]["config"]["failure_policy"], "FAIL_RELOAD");
    }

    #[test]
    fn an_edit_of_a_place_that_is_not_there_is_refused() {
        let mut config = EnvoyConfig::shipped().unwrap();
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
        assert!(config.at("/static_resources/listeners/7").is_err());
        assert!(config.cluster_at("no_such_cluster", nowhere).is_err());
    }

    #[test]
    fn an_option_of_the_filter_is_set_and_the_others_stay() {
        let mut config = EnvoyConfig::shipped().unwrap();
        config.filter_options(&[("/sampling/rate", json!(0.5)), ("/service", json!("x"))]).unwrap();
        let text = config.filter_text().unwrap().as_str().unwrap().to_owned();
        let settings: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(settings["sampling"]["rate"], 0.5);
        assert_eq!(settings["service"], "x");
        assert_eq!(settings["delivery"]["cluster"], "gatelog_collector");
    }
}
