//! A running console, and records in its database.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use axum::http::Method;
use gatelog_collector::store::{Store, StoreOptions};
use gatelog_delivery::client::{Client as Follower, Stream, Target};
use gatelog_record::{DecodeLimits, Decoded, Uuid, decode_record};
use gatelog_testkit::{Client, Database, Process, Reply, bound_command, eventually};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The tokens of three viewers: of everything, and of one organization each.
pub(crate) const ALL: &str = "all-0123456789abcdef";
pub(crate) const A: &str = "a-0123456789abcdef";
pub(crate) const B: &str = "b-0123456789abcdef";

/// The span that has all records: far in the future, as a database removes what is past its retention.
pub(crate) const SPAN: &str = "since=2096-01-26T00:00:00Z&until=2096-01-27T00:00:00Z";

/// What the name of the database of saved views ends with.
pub(crate) const VIEWS: &str = "_views";

const PATIENCE: Duration = Duration::from_mins(1);

/// A running console.
pub(crate) struct Console {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    pub(crate) directory: TempDir,
    client: Client,
}

impl Console {
    pub(crate) async fn start(database: &Database) -> Self {
        Self::with(database, &[]).await
    }

    /// With more settings.
    pub(crate) async fn with(database: &Database, settings: &[(&str, &str)]) -> Self {
        let directory = TempDir::new().unwrap();
        let tokens = directory.path().join("tokens");
        let lines = [
            format!("{ALL} name=on-call all"),
            format!("{A} name=ann organizations=a"),
            format!("{B} name=bob organizations=b"),
        ];
        fs::write(&tokens, lines.join("\n")).unwrap();
        let address_file = directory.path().join("address");
        let mut command = command(database);
        command.env("GATELOG_CONSOLE_TOKENS_FILE", &tokens);
        command.env("GATELOG_CONSOLE_ADDRESS_FILE", &address_file);
        command.env("GATELOG_CONSOLE_LISTEN", "127.0.0.1:0");
        command.envs(settings.iter().copied());
        let mut process = Process::start("console", command, directory.path()).unwrap();
        let address = eventually("the console listens", PATIENCE, async || {
            process.ensure_running()?;
            Ok(fs::read_to_string(&address_file)?.trim().parse()?)
        });
        let address = address.await.unwrap();
        Self { process, address, directory, client: Client::default() }
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Reply {
        let headers: Vec<_> =
            headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        self.client.send(self.address, method, path, &headers, body.to_owned()).await.unwrap()
    }

    /// `GET /api/v1/PATH` with this token.
    pub(crate) async fn get(&self, token: &str, path: &str) -> Reply {
        let bearer = format!("Bearer {token}");
        let path = format!("/api/v1/{path}");
        self.send(Method::GET, &path, &[("authorization", &bearer)], "").await
    }

    /// The JSON of an answer that must be 200.
    pub(crate) async fn json(&self, token: &str, path: &str) -> Value {
        let reply = self.get(token, path).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        reply.json().unwrap()
    }

    /// `METHOD /api/v1/PATH` with this token and a body.
    pub(crate) async fn change(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Reply {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", &*bearer), ("content-type", "application/json")];
        self.send(method, &format!("/api/v1/{path}"), &headers, &body.to_string()).await
    }

    pub(crate) async fn sign_in(&self, body: &Value) -> Reply {
        let json = [("content-type", "application/json")];
        self.send(Method::POST, "/api/v1/session", &json, &body.to_string()).await
    }
}

/// The console's program with this database and nothing else in its environment, not yet started.
pub(crate) fn command(database: &Database) -> Command {
    let mut command = bound_command(Path::new(env!("CARGO_BIN_EXE_gatelog-console")));
    command.arg("serve").env_clear();
    command.env("MONGODB_URI", database.uri()).env("GATELOG_DATABASE", database.name());
    command.env("GATELOG_CONSOLE_DATABASE", database.beside(VIEWS).name());
    command
}

/// The cookie that an answer sets, as a browser sends it back.
pub(crate) fn cookie(reply: &Reply) -> String {
    reply.header("set-cookie").split(';').next().unwrap().to_owned()
}

/// A text as a parameter's value.
pub(crate) fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// A record at this second of the span, with these keys set.
pub(crate) fn record(level: &str, second: u32, change: &Value) -> Decoded {
    let (minute, second) = (second / 60, second % 60);
    let mut record = json!({
        "timestamp": format!("2096-01-26T02:{minute:02}:{second:02}.5Z"), "level": level,
        "message": "m", "logger_name": "gateway.edge",
    });
    record.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    decode_record(record.to_string().as_bytes(), &DecodeLimits::default(), Uuid::now_v7()).unwrap()
}

/// A database with the collector's indexes and these records.
pub(crate) async fn filled(records: &[Decoded]) -> Database {
    let database = Database::fresh().await.unwrap();
    fill(&database, records).await;
    database
}

pub(crate) async fn fill(database: &Database, records: &[Decoded]) {
    let options = StoreOptions::new(database.uri(), database.name());
    let store = Store::connect(&options).await.unwrap();
    store.reconcile().await;
    let report = store.insert(records).await;
    assert_eq!(report.stored.len(), records.len(), "{report:?}");
}

/// An open live tail, and what it has brought.
pub(crate) struct Live {
    stream: Stream,
    pub(crate) text: String,
}

impl Live {
    /// Opens it; also where it is refused, which its status says.
    pub(crate) async fn open(console: &Console, token: &str, query: &str) -> Self {
        let url = format!("http://{}", console.address);
        let target = Target { url, token: Some(token.to_owned()), ..Target::default() };
        let path = format!("/api/v1/tail?query={}", encoded(query));
        let stream = Follower::new(&target).unwrap().follow(&path).await.unwrap();
        Self { stream, text: String::new() }
    }

    /// One that follows as many collectors.
    pub(crate) async fn following(
        console: &Console,
        token: &str,
        query: &str,
        count: usize,
    ) -> Self {
        let mut live = Self::open(console, token, query).await;
        assert_eq!(live.status(), 200, "{query}");
        live.brings("event: following", count).await;
        live
    }

    pub(crate) fn status(&self) -> u16 {
        self.stream.status.as_u16()
    }

    /// Reads until it has brought this text so many times.
    pub(crate) async fn brings(&mut self, text: &str, times: usize) {
        while self.text.matches(text).count() < times {
            let part = self.stream.next(PATIENCE).await.unwrap();
            let part = part.unwrap_or_else(|| panic!("ended without {text:?}: {}", self.text));
            self.text.push_str(std::str::from_utf8(&part).unwrap());
        }
    }

    /// Reads to its end.
    pub(crate) async fn ends(mut self) -> String {
        while let Ok(Some(part)) = self.stream.next(PATIENCE).await {
            self.text.push_str(std::str::from_utf8(&part).unwrap());
        }
        self.text
    }
}

/// Posts records to a collector.
pub(crate) async fn post(collector: SocketAddr, records: &[Decoded]) {
    let line = |record: &Decoded| format!("{}\n", Value::Object(record.body.clone()));
    let body: String = records.iter().map(line).collect();
    let headers: &[(&str, &[u8])] = &[("content-type", b"application/x-ndjson")];
    let client = Client::default();
    let posted = client.send(collector, Method::POST, "/v1/records", headers, body).await;
    assert_eq!(posted.unwrap().status, 202);
}
