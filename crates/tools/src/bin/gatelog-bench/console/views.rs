//! The views, and asking for one.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use axum::http::Method;
use gatelog_record::Timestamp;
use gatelog_testkit::{Client, Reply};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The organization of the viewer who may see one.
pub(super) const ORGANIZATION: &str = "org_7";

/// What a viewer may see, with each viewer a token of their own.
#[derive(Clone, Copy)]
pub(super) enum Sees {
    All,
    One,
}

impl Sees {
    fn token(self, viewer: usize) -> String {
        match self {
            Sees::All => format!("all-{viewer}-0123456789abcdef"),
            Sees::One => format!("one-{viewer}-0123456789abcdef"),
        }
    }

    /// The line of the file of tokens.
    pub(super) fn line(self, viewer: usize) -> String {
        let token = self.token(viewer);
        match self {
            Sees::All => format!("{token} name=all-{viewer} all"),
            Sees::One => format!("{token} name=one-{viewer} organizations={ORGANIZATION}"),
        }
    }
}

/// A view, as its page asks for it first.
#[derive(Clone)]
pub(super) struct View {
    pub(super) name: &'static str,
    /// Path and query; `{n}` is a number from 0 to 49, `{hour}` and `{day}` are spans up to the newest
    /// record.
    form: &'static str,
    kind: Kind,
    /// Who asks.
    sees: Sees,
    /// The newest record.
    until: Timestamp,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Page,
    /// Its answer comes soon, must say how far it looked, and is gone on with until there is a page.
    Search,
    /// The same, until as many are counted as are counted at most.
    Histogram,
    /// Only its first line counts.
    Stream,
}

/// Where, as whom and what.
pub(super) struct Asked {
    to: SocketAddr,
    token: String,
    path: String,
}

/// How one was answered.
pub(super) struct Answer {
    /// Until the first answer.
    pub(super) took_ms: f64,
    /// Until the page was whole, or its patience over, and how many answers that took.
    pub(super) whole_ms: f64,
    pub(super) answers: usize,
    /// Or need not say it.
    pub(super) says_how_far: bool,
    /// Too many asked at once.
    pub(super) refused: bool,
}

/// By when the pages want each answer, and how long they go on by themselves.
const WITHIN: &str = "within=300ms";
const PATIENCE: Duration = Duration::from_secs(15);
/// Records of a page, and those that a histogram counts.
const PAGE: u64 = 200;
const COUNTED: u64 = 5_000;

/// Every view of the pages, and searches of every kind, over the day up to the newest record.
pub(super) fn all(until: Timestamp) -> Vec<View> {
    let view = |name, form| View { name, form, kind: Kind::Page, sees: Sees::All, until };
    let search = |name, form| View { kind: Kind::Search, ..view(name, form) };
    let histogram = |name, form| View { kind: Kind::Histogram, ..view(name, form) };
    vec![
        search("search_empty", "search?{day}"),
        search("search_level", "search?{day}&query=level:%3E%3DERROR"),
        search("search_status", "search?{day}&query=status:404"),
        search("search_organization", "search?{day}&query=organization:org_{n}"),
        search("search_user", "search?{day}&query=user:user_{n}"),
        search("search_path", "search?{day}&query=path:/api/v1/conversations/{n}/*"),
        search("search_duration", "search?{day}&query=duration:%3E200ms"),
        search("search_text", "search?{day}&query=%22connection_failure%22"),
        View { sees: Sees::One, ..search("search_empty_of_one_organization", "search?{day}") },
        search("search_text_of_nothing", "search?{day}&query=nowhere{n}"),
        view("flow", "flows/a-flow-of-200-records"),
        histogram("histogram_hour", "histogram?{hour}"),
        histogram("histogram_day", "histogram?{day}"),
        View {
            sees: Sees::One,
            ..histogram("histogram_day_of_one_organization", "histogram?{day}")
        },
        view("overview_hour", "overview?{hour}"),
        view("overview_day", "overview?{day}"),
        view("delivery", "delivery"),
        View { kind: Kind::Stream, ..view("export_first_line", "export?{day}") },
    ]
}

impl View {
    /// Where and as which viewer its page is asked for, with this number.
    pub(super) fn asked(&self, to: SocketAddr, viewer: usize, number: usize) -> Asked {
        let span = |hours: i64| {
            let until = self.until.unix_micros() + 1_000;
            let since = until - hours * 3_600_000_000;
            let [since, until] = [since, until]
                .map(|at| Timestamp::from_unix_micros(at).to_string().replace("+00:00", "Z"));
            format!("since={since}&until={until}")
        };
        let path = self.form.replace("{n}", &(number % 50).to_string());
        let path = path.replace("{hour}", &span(1)).replace("{day}", &span(24));
        Asked { to, token: self.sees.token(viewer), path: format!("/api/v1/{path}") }
    }

    /// Asks, and times the first answer and the whole page.
    pub(super) async fn answer(&self, client: &Client, asked: &Asked) -> Result<Answer> {
        let begun = Instant::now();
        let (part, wanted) = match self.kind {
            Kind::Stream => {
                let refused = !first_line(asked).await?;
                return Ok(Answer::at_once(millis(begun), refused));
            }
            Kind::Page => {
                let reply = page(client, asked).await?;
                let refused = is_refused(asked, &reply)?;
                return Ok(Answer::at_once(millis(begun), refused));
            }
            Kind::Search => (format!("{}&{WITHIN}", asked.path), PAGE),
            Kind::Histogram => (format!("{}&{WITHIN}&values=1000", asked.path), COUNTED),
        };
        let mut answer = Answer { answers: 0, ..Answer::at_once(0.0, false) };
        let (mut after, mut found) = (String::new(), 0);
        loop {
            let path = format!("{part}&limit={}&after={after}", wanted - found);
            let reply = page(client, &Asked { path, token: asked.token.clone(), ..*asked }).await?;
            answer.whole_ms = millis(begun);
            if answer.answers == 0 {
                answer.took_ms = answer.whole_ms;
            }
            answer.answers += 1;
            if is_refused(asked, &reply)? {
                answer.refused = true;
                return Ok(answer);
            }
            let told = reply.json()?;
            answer.says_how_far &= tells_reach(&told);
            let records = told["records"].as_array().map(|records| records.len() as u64);
            found += records.or(told["records"].as_u64()).context("no records")?;
            let Some(next) = told["next"].as_str() else { return Ok(answer) };
            if found >= wanted || told["reach"]["reason"] == "page" || begun.elapsed() >= PATIENCE {
                return Ok(answer);
            }
            after = next.replace('+', "%2B");
        }
    }
}

impl Answer {
    /// One that is the whole page.
    fn at_once(took_ms: f64, refused: bool) -> Self {
        Self { took_ms, whole_ms: took_ms, answers: 1, says_how_far: true, refused }
    }
}

/// Whether too many asked at once.
fn is_refused(asked: &Asked, reply: &Reply) -> Result<bool> {
    let refused = reply.status == 503 || reply.status == 429;
    ensure!(refused || reply.status == 200, "{}: {}", asked.path, reply.text());
    Ok(refused)
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
        if status == "503" || status == "429" {
            return Ok(false);
        }
        ensure!(status == "200", "{text}");
        if body.contains("}\n") {
            return Ok(true);
        }
    }
}
