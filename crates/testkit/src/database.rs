//! A separate database for each test, on a server that the test process shares, or on
//! `MONGODB_URI`.

use std::env;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use mongodb::bson::{Document, doc};
use mongodb::options::ClientOptions;
use mongodb::{Client, Collection};
use tempfile::TempDir;
use tokio::sync::OnceCell;
use uuid::Uuid;

use crate::paths;
use crate::process::{Process, bound_command};
use crate::{Signal, eventually};

/// Timeout for a server to report the address that it listens on.
const START: Duration = Duration::from_secs(30);

/// Cache size of a server. The server that tests share keeps everything in its cache and refuses
/// inserts once it is full: a test that stores tens of thousands of records needs a separate
/// server.
const CACHE: &str = "256M";

/// What a server prints before its `host:port` once it is listening.
const LISTENING: &str = "listening on ";

/// A MongoDB-compatible server.
#[derive(Debug)]
pub struct DatabaseServer {
    process: Process,
    address: String,
    // Declared after the process: removed once it has exited.
    _directory: Option<TempDir>,
}

impl DatabaseServer {
    /// Starts one on a free port, exclusive to one test, which may stop and kill it. Its fail
    /// points can be set (`configureFailPoint`).
    pub async fn start() -> Result<Self> {
        let directory = TempDir::new()?;
        let storage = directory.path().join("data");
        Self::start_in(directory.path(), &storage)
            .await
            .map(|server| Self { _directory: Some(directory), ..server })
    }

    /// Like [`start`](Self::start), for benchmarks: with the given cache size, for example "4G", and
    /// nothing expires.
    pub async fn start_for_benchmark(cache: &str) -> Result<Self> {
        let directory = TempDir::new()?;
        let storage = directory.path().join("data");
        let mut command = bound_command(&paths::tool("python")?);
        command.arg(paths::root().join("scripts/benchmark-database.py"));
        let (process, address) = launch(command, directory.path(), &storage, cache, &[]).await?;
        Ok(Self { process, address, _directory: Some(directory) })
    }

    /// Starts one that keeps its data in `storage` and its log in `directory`.
    pub async fn start_in(directory: &Path, storage: &Path) -> Result<Self> {
        Self::start_with(directory, storage, &[]).await
    }

    /// Like [`start_in`](Self::start_in), with additional command-line options for the server.
    pub async fn start_with(directory: &Path, storage: &Path, options: &[&str]) -> Result<Self> {
        let command = bound_command(&paths::tool("secantusd-py")?);
        let (process, address) = launch(command, directory, storage, CACHE, options).await?;
        Ok(Self { process, address, _directory: None })
    }

    /// The connection string.
    pub fn uri(&self) -> String {
        format!("mongodb://{}/", self.address)
    }

    /// The server's process, to stop, resume or kill it.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Sends SIGSTOP: connections stay open, but nothing is answered.
    pub fn freeze(&mut self) -> Result<()> {
        self.process.signal(Signal::STOP)
    }

    /// Sends SIGCONT after [`freeze`](Self::freeze).
    pub fn thaw(&mut self) -> Result<()> {
        self.process.signal(Signal::CONT)
    }
}

async fn launch(
    mut command: Command,
    directory: &Path,
    storage: &Path,
    cache: &str,
    options: &[&str],
) -> Result<(Process, String)> {
    command.args(["--host", "127.0.0.1", "--port", "0", "--enable-test-commands"]);
    command.args(["--cache-size", cache, "--storage-path"]).arg(storage).args(options);
    let mut process = Process::start("database", command, directory)?;
    let address = eventually("the database listens", START, async || {
        let log = process.stderr() + &std::fs::read_to_string(process.stdout())?;
        let rest = log.rsplit_once(LISTENING).map(|(_, rest)| rest);
        let address = rest.and_then(|rest| rest.split_whitespace().next());
        process.ensure_running()?;
        address.map(str::to_owned).context("it has not said where")
    })
    .await?;
    Ok((process, address))
}

/// The server that all tests of this process share; the kernel kills it when the process ends.
static SHARED: OnceCell<DatabaseServer> = OnceCell::const_new();

/// One database, initially empty.
#[derive(Clone, Debug)]
pub struct Database {
    uri: String,
    name: String,
    client: Client,
    cleanup: Option<Arc<Cleanup>>,
}

/// Drops the database on a server that outlives the tests.
#[derive(Debug)]
struct Cleanup {
    uri: String,
    name: String,
}

impl Drop for Cleanup {
    fn drop(&mut self) {
        let (uri, name) = (self.uri.clone(), self.name.clone());
        // A separate runtime: the test's may be shutting down.
        let dropping = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime
                .block_on(async { anyhow::Ok(connect(&uri).await?.database(&name).drop().await?) })
        });
        if !matches!(dropping.join(), Ok(Ok(()))) {
            eprintln!("the test's database {:?} was left on the server", self.name);
        }
    }
}

async fn connect(uri: &str) -> Result<Client> {
    let mut options = ClientOptions::parse(uri).await?;
    options.server_selection_timeout = Some(Duration::from_secs(10));
    Ok(Client::with_options(options)?)
}

impl Database {
    /// A fresh database on `MONGODB_URI`, or else on the server that this process shares.
    pub async fn fresh() -> Result<Self> {
        let name = format!("gatelog_test_{}", Uuid::new_v4().simple());
        if let Ok(uri) = env::var("MONGODB_URI") {
            let database = Self::on(&uri, &name).await?;
            return Ok(Self { cleanup: Some(Arc::new(Cleanup { uri, name })), ..database });
        }
        let server = SHARED
            .get_or_try_init(async || {
                // `:memory:` is a directory that the server removes when it exits. The log's
                // directory is removed at once, because nothing would remove it at the end.
                let directory = TempDir::new()?;
                DatabaseServer::start_in(directory.path(), Path::new(":memory:")).await
            })
            .await?;
        Self::on(&server.uri(), &name).await
    }

    /// The database `name` on the server at `uri`.
    pub async fn on(uri: &str, name: &str) -> Result<Self> {
        let client = connect(uri).await?;
        Ok(Self { uri: uri.to_owned(), name: name.to_owned(), client, cleanup: None })
    }

    /// A second one on the same server, whose name begins with this one's.
    pub fn beside(&self, suffix: &str) -> Self {
        let name = format!("{}{suffix}", self.name);
        let uri = self.uri.clone();
        let cleanup = self.cleanup.as_ref().map(|_| {
            let (uri, name) = (uri.clone(), name.clone());
            Arc::new(Cleanup { uri, name })
        });
        Self { uri, name, client: self.client.clone(), cleanup }
    }

    /// The server's connection string.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// The database's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A collection.
    pub fn collection(&self, name: &str) -> Collection<Document> {
        self.client.database(&self.name).collection(name)
    }

    /// The number of documents in a collection that match.
    pub async fn count(&self, collection: &str, filter: Document) -> Result<u64> {
        Ok(self.collection(collection).count_documents(filter).await?)
    }

    /// The documents in a collection that match, oldest first.
    pub async fn find(&self, collection: &str, filter: Document) -> Result<Vec<Document>> {
        let mut cursor =
            self.collection(collection).find(filter).sort(doc! { "timestamp": 1 }).await?;
        let mut found = Vec::new();
        while cursor.advance().await? {
            found.push(cursor.deserialize_current()?);
        }
        Ok(found)
    }

    /// Runs a command as a driver or a shell would send it.
    pub async fn command(&self, command: Document) -> Result<Document> {
        Ok(self.client.database(&self.name).run_command(command).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn tests_share_a_server_and_never_a_database() {
        let (one, other) = (Database::fresh().await.unwrap(), Database::fresh().await.unwrap());
        one.collection("c").insert_one(doc! { "_id": 1 }).await.unwrap();
        assert_eq!(one.uri(), other.uri());
        assert_eq!(one.count("c", doc! {}).await.unwrap(), 1);
        assert_eq!(other.count("c", doc! {}).await.unwrap(), 0);
    }
}
