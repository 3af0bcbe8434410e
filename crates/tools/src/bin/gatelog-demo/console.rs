//! The check of the console: what a person does who follows its link after a failed request.

use anyhow::{Context, Result, ensure};
use axum::http::Method;
use gatelog_testkit::{Client, Console, eventually};
use serde_json::{Value, json};

use crate::traffic::{ORGANIZATION, PATIENCE, Traffic};

/// A console's API, signed in.
struct Visit<'a> {
    console: &'a Console,
    client: Client,
    cookie: String,
}

impl<'a> Visit<'a> {
    /// Follows the link.
    async fn by_link(console: &'a Console) -> Result<Self> {
        let link = console.link()?;
        let (_, code) = link.split_once("#code=").context("the link has no code")?;
        let client = Client::default();
        let headers: [(&str, &[u8]); 1] = [("content-type", b"application/json")];
        let body = json!({ "code": code }).to_string();
        let post = async |body: String| {
            client.send(console.address(), Method::POST, "/api/v1/session", &headers, body).await
        };
        let reply = post(body.clone()).await?;
        ensure!(reply.status == 200, "the link did not sign in: {}", reply.text());
        let cookie = reply.header("set-cookie").split(';').next().unwrap_or_default().to_owned();
        let again = post(body).await?;
        ensure!(again.status == 401, "the link signed in twice: {}", again.status);
        Ok(Self { console, client, cookie })
    }

    async fn get(&self, path: &str) -> Result<Value> {
        let headers = [("cookie", self.cookie.as_bytes())];
        let path = format!("/api/v1/{path}");
        let to = self.console.address();
        let reply = self.client.send(to, Method::GET, &path, &headers, "").await?;
        ensure!(reply.status == 200, "{path}: {}: {}", reply.status, reply.text());
        reply.json()
    }
}

fn list<'a>(answer: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    answer.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// The link signs in once; a search finds the failed request; its flow has what the services said.
pub(crate) async fn shows_the_failed_request(console: &Console, traffic: &Traffic) -> Result<()> {
    let page = Client::default().get(console.address(), "/").await?;
    let kind = page.header("content-type");
    ensure!(page.status == 200 && kind.starts_with("text/html"), "the page: {}", page.status);
    let visit = Visit::by_link(console).await?;
    let failed = traffic.sent.iter().find(|sent| sent.step.status == 500);
    let request = failed.context("no request failed")?.reply.header("x-request-id");
    eventually("the failed request is found, and its flow is whole", PATIENCE, async || {
        let query = format!("search?since=1h&query=status:500+organization:{ORGANIZATION}");
        let found = visit.get(&query).await?;
        let mut ids =
            list(&found, "records").filter_map(|record| record.pointer("/context/request_id"));
        ensure!(ids.any(|id| id == request), "{request} is not in {found:#}");
        let flow = visit.get(&format!("flows/{request}")).await?;
        ensure!(flow.get("complete") == Some(&json!(true)), "{flow:#}");
        let has = |kind: &str, title: &str| {
            list(&flow, "records").any(|record| {
                let text = record.get("title").and_then(Value::as_str).unwrap_or_default();
                record.get("kind").is_some_and(|is| is == kind) && text.contains(title)
            })
        };
        for (kind, title) in [
            ("gateway", "/summary"),
            ("gateway", "/api/v1/messages"),
            ("service", "conversation read"),
            ("service", "the summary could not be made"),
        ] {
            ensure!(has(kind, title), "no {kind} says {title:?} in {flow:#}");
        }
        Ok(())
    })
    .await
}
