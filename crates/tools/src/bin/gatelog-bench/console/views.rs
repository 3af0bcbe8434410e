//! The views, and asking for one.

use std::net::SocketAddr;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use axum::http::Method;
use gatelog_testkit::{Client, Reply};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The organization of the viewer who may see one.
pub(super) const ORGANIZATION: &str = "org_7";

/// Viewers' tokens: of everything, and of one organization.
pub(super) const ALL: &str = "all-0123456789abcdef";
pub(super) const ONE: &str = "one-0123456789abcdef";

/// A view, as its page asks for it first.
#[derive(Clone)]
pub(super) struct View {
    pub(super) name: &'static str,
    /// Path and query; `{n}` is a number from 0 to 49.
    form: &'static str,
    kind: Kind,
    /// Who asks.
    token: &'static str,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Page,
    /// Its answer must say how far it looked.
    Search,
    /// The same; as it finds nothing, it looks as long as it may.
    SearchOfNothing,
    /// Only its first line counts.
    Stream,
}

/// Where, as whom and what.
pub(super) struct Asked {
    to: SocketAddr,
    token: &'static str,
    path: String,
}

/// How one was answered.
pub(super) struct Answer {
    pub(super) took_ms: f64,
    /// Or need not say it.
    pub(super) says_how_far: bool,
    /// Too many asked at once.
    pub(super) refused: bool,
}

/// Every view of the pages, and searches of every kind, over the whole day.
pub(super) fn all() -> Vec<View> {
    let view = |name, form| View { name, form, kind: Kind::Page, token: ALL };
    let search = |name, form| View { kind: Kind::Search, ..view(name, form) };
    vec![
        search("search_empty", "search?since=1d"),
        search("search_level", "search?since=1d&query=level:%3E%3DERROR"),
        search("search_status", "search?since=1d&query=status:404"),
        search("search_organization", "search?since=1d&query=organization:org_{n}"),
        search("search_user", "search?since=1d&query=user:user_{n}"),
        search("search_path", "search?since=1d&query=path:/api/v1/conversations/{n}/*"),
        search("search_duration", "search?since=1d&query=duration:%3E200ms"),
        search("search_text", "search?since=1d&query=%22connection_failure%22"),
        View { token: ONE, ..search("search_empty_of_one_organization", "search?since=1d") },
        View {
            kind: Kind::SearchOfNothing,
            ..view("search_text_of_nothing", "search?since=1d&query=nowhere{n}")
        },
        view("flow", "flows/a-flow-of-200-records"),
        search("histogram_hour", "histogram?since=1h"),
        search("histogram_day", "histogram?since=1d"),
        View { token: ONE, ..search("histogram_day_of_one_organization", "histogram?since=1d") },
        view("overview_day", "overview?since=1d"),
        view("delivery", "delivery"),
        View { kind: Kind::Stream, ..view("export_first_line", "export?since=1d") },
    ]
}

impl View {
    /// Where and as whom its page is asked for, with this number.
    pub(super) fn asked(&self, to: SocketAddr, number: usize) -> Asked {
        let path = format!("/api/v1/{}", self.form.replace("{n}", &(number % 50).to_string()));
        Asked { to, token: self.token, path }
    }

    /// Whether it finds nothing, and so takes all the time that a query has.
    pub(super) fn takes_its_time(&self) -> bool {
        self.kind == Kind::SearchOfNothing
    }

    /// Asks, and times the answer.
    pub(super) async fn answer(&self, client: &Client, asked: &Asked) -> Result<Answer> {
        let begun = Instant::now();
        if self.kind == Kind::Stream {
            let refused = !first_line(asked).await?;
            return Ok(Answer { took_ms: millis(begun), says_how_far: true, refused });
        }
        let reply = page(client, asked).await?;
        let took_ms = millis(begun);
        let refused = reply.status == 503;
        ensure!(refused || reply.status == 200, "{}: {}", asked.path, reply.text());
        let searches = matches!(self.kind, Kind::Search | Kind::SearchOfNothing);
        let says_how_far = refused || !searches || tells_reach(&reply.json()?);
        Ok(Answer { took_ms, says_how_far, refused })
    }
}

fn millis(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

/// Whether it says from when on everything was found, and why not from the beginning.
fn tells_reach(answer: &Value) -> bool {
    let reach = &answer["reach"];
    let reason = reach["complete"] == true || reach["reason"].is_string();
    reach["from"].is_string() && reach["until"].is_string() && reason
}

/// The whole answer.
pub(super) async fn page(client: &Client, asked: &Asked) -> Result<Reply> {
    let bearer = format!("Bearer {}", asked.token);
    let headers = [("authorization", bearer.as_bytes())];
    client.send(asked.to, Method::GET, &asked.path, &headers, "").await
}

/// Reads up to the first record and closes the connection. Returns false if it was refused.
async fn first_line(asked: &Asked) -> Result<bool> {
    let mut stream = TcpStream::connect(asked.to).await?;
    let Asked { to, token, path } = asked;
    let head =
        format!("GET {path} HTTP/1.1\r\nhost: {to}\r\nauthorization: Bearer {token}\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    let mut bytes = Vec::new();
    loop {
        ensure!(stream.read_buf(&mut bytes).await? > 0, "the console closed the connection");
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let status = head.split(' ').nth(1).context("no status")?;
        if status == "503" {
            return Ok(false);
        }
        ensure!(status == "200", "{text}");
        if body.contains("}\n") {
            return Ok(true);
        }
    }
}
