//! One request of the demo, what must come of it, and how it is sent.

use anyhow::Result;
use axum::http::Method;
use gatelog_record::Level;
use gatelog_testkit::{Gateway, Reply};

/// Whose request it is.
#[derive(Clone, Copy)]
pub(crate) struct Tenant {
    pub(crate) organization: &'static str,
    pub(crate) user: &'static str,
}

/// The user of the requests that the demo itself shows.
pub(crate) const USER: &str = "user_42";

/// One request and its expected outcome.
pub(crate) struct Step {
    /// What it demonstrates.
    pub(crate) about: &'static str,
    pub(crate) method: Method,
    pub(crate) path: String,
    /// The status that the client must receive.
    pub(crate) status: u16,
    /// The levels of its records, including those of its services' own calls. Empty: it must not
    /// produce any.
    pub(crate) records: &'static [Level],
    /// Whether it is part of the flow with the chosen correlation id.
    pub(crate) in_flow: bool,
    /// Whose it is, if it names an organization.
    pub(crate) tenant: Option<Tenant>,
}

impl Step {
    /// Sends it, with this correlation id if there is one.
    pub(crate) async fn send(self, gateway: &Gateway, flow: Option<&str>) -> Result<Sent> {
        let user = self.tenant.map_or(USER, |tenant| tenant.user);
        let mut headers = vec![("x-user-id", user)];
        headers.extend(self.tenant.map(|tenant| ("x-organization-id", tenant.organization)));
        headers.extend(flow.map(|id| ("x-correlation-id", id)));
        let reply = gateway.send(self.method.clone(), &self.path, &headers).await?;
        Ok(Sent { step: self, reply })
    }
}

/// A step that was sent.
pub(crate) struct Sent {
    pub(crate) step: Step,
    pub(crate) reply: Reply,
}
