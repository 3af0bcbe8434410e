//! The demo's requests, each with its expected outcome.

use std::time::Duration;

use anyhow::Result;
use axum::http::Method;
use gatelog_record::{Level, Timestamp};
use gatelog_testkit::Gateway;
use uuid::Uuid;

use crate::heading::heading;
use crate::step::{Sent, Step, Tenant, USER};
use crate::visitors;

/// The tenant of the requests that specify one.
pub(crate) const ORGANIZATION: &str = "org_123";

/// How long a record may take from the response to the database.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What was sent, when, and how to find it again.
pub(crate) struct Traffic {
    pub(crate) sent: Vec<Sent>,
    /// The correlation id that the client chose for one flow.
    pub(crate) correlation_id: String,
    /// Records of this run are not older than this; as text, like the records' own timestamps.
    pub(crate) since: String,
}

fn steps() -> Vec<Step> {
    use Level::{Critical, Error, Info, Warning};
    let step = |about, method, path: &str, status, records, in_flow: bool| Step {
        about,
        method,
        path: path.to_owned(),
        status,
        records,
        in_flow,
        tenant: in_flow.then_some(Tenant { organization: ORGANIZATION, user: USER }),
    };
    vec![
        step(
            "a conversation, which reads its messages from a second service",
            Method::GET,
            "/api/v1/conversations/conv_789",
            200,
            &[Info, Info],
            true,
        ),
        step(
            "a change, which the audit trail keeps",
            Method::POST,
            "/api/v1/conversations/conv_789/messages",
            201,
            &[Info, Info],
            true,
        ),
        step(
            "slower than a second",
            Method::GET,
            "/api/v1/conversations/conv_789/export?token=s3cret",
            200,
            &[Info],
            true,
        ),
        step(
            "a service's 404",
            Method::GET,
            "/api/v1/conversations/missing",
            404,
            &[Warning],
            false,
        ),
        step("Envoy's own 404: no route", Method::GET, "/nowhere", 404, &[Warning], false),
        step(
            "a service that fails",
            Method::GET,
            "/api/v1/conversations/conv_789/summary",
            500,
            &[Error],
            true,
        ),
        step("a dead upstream", Method::GET, "/api/v1/reports/daily", 503, &[Critical], false),
        step("a health check, which leaves no record", Method::GET, "/healthz", 200, &[], false),
    ]
}

impl Traffic {
    /// Sends every step in order, then the visitors.
    pub(crate) async fn send(gateway: &Gateway) -> Result<Self> {
        heading("traffic");
        let micros =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_micros();
        let since = Timestamp::from_unix_micros(i64::try_from(micros)?).to_string();
        let chosen = Uuid::new_v4().simple().to_string();
        let correlation_id = format!("corr_{}", chosen.get(..8).unwrap_or(&chosen));
        let mut sent = Vec::new();
        for step in steps() {
            let flow = step.in_flow.then_some(correlation_id.as_str());
            let done = step.send(gateway, flow).await?;
            print(&done);
            sent.push(done);
        }
        sent.extend(visitors::come(gateway).await?);
        Ok(Self { sent, correlation_id, since })
    }

    /// The number of records expected at this level.
    pub(crate) fn expected(&self, level: Level) -> u64 {
        let levels = self.sent.iter().flat_map(|sent| sent.step.records);
        levels.filter(|is| **is == level).map(|_| 1).sum()
    }

    /// The number of records that the audit trail keeps: of changes, as nobody is refused.
    pub(crate) fn expected_audits(&self) -> u64 {
        let changes = self.sent.iter().filter(|sent| sent.step.method != Method::GET);
        changes.flat_map(|sent| sent.step.records).map(|_| 1).sum()
    }

    /// The total number of records expected.
    pub(crate) fn expected_in_all(&self) -> u64 {
        Level::ALL.iter().map(|level| self.expected(*level)).sum()
    }
}

fn print(Sent { step, reply }: &Sent) {
    let (method, path) = (step.method.as_str(), &step.path);
    println!("  {}  {method:<4}  {path:<52}  {}", reply.status.as_u16(), step.about);
}
