//! Traffic of several organizations, so that every page of the console has something to show: all
//! levels, slow requests, failures with their causes, flows over several services.

use std::time::Duration;

use anyhow::Result;
use axum::http::Method;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use gatelog_record::Level::{self, Critical, Error, Info, Warning};
use gatelog_testkit::Gateway;
use tokio::time::sleep;

use crate::step::{Sent, Step, Tenant};

/// Visits during the demo's own traffic.
const VISITS: usize = 60;
/// Visits at once.
const AT_ONCE: usize = 4;
/// Time between two visits while the demo stays up.
const PAUSE: Duration = Duration::from_millis(700);

/// Who comes, the more often the more often it is in the list.
const VISITORS: [Tenant; 7] = [
    Tenant { organization: "org_123", user: "user_42" },
    Tenant { organization: "acme", user: "ana" },
    Tenant { organization: "org_123", user: "user_7" },
    Tenant { organization: "acme", user: "ben" },
    Tenant { organization: "globex", user: "carla" },
    Tenant { organization: "acme", user: "ana" },
    Tenant { organization: "initech", user: "dan" },
];

/// A form of request; `{n}` is a number of the visit.
#[derive(Clone)]
struct Form {
    method: Method,
    path: &'static str,
    status: u16,
    records: &'static [Level],
}

/// What they do, in this order and then again.
fn forms() -> [Form; 11] {
    let form = |method, path, status, records| Form { method, path, status, records };
    let get = |path, status, records| form(Method::GET, path, status, records);
    // A conversation, which reads its messages from a second service.
    let read = || get("/api/v1/conversations/conv_{n}", 200, &[Info, Info]);
    let [sent, export] =
        ["/api/v1/conversations/conv_{n}/messages", "/api/v1/conversations/conv_{n}/export"];
    [
        read(),
        read(),
        form(Method::POST, sent, 201, &[Info, Info]),
        read(),
        get("/api/v1/messages", 200, &[Info]),
        get("/api/v1/conversations/missing", 404, &[Warning]),
        read(),
        get(export, 200, &[Info]),
        get("/api/v1/conversations/conv_{n}/summary", 500, &[Error]),
        form(Method::POST, export, 405, &[Warning]),
        get("/api/v1/reports/{n}", 503, &[Critical]),
    ]
}

/// Visits without end. The numbers of forms and visitors have no common factor: everybody does
/// everything in time.
fn visits() -> impl Iterator<Item = Step> {
    let who = VISITORS.into_iter().cycle();
    forms().into_iter().cycle().zip(who).zip((1..=90).cycle()).map(|((form, tenant), number)| {
        Step {
            about: "",
            method: form.method,
            path: form.path.replace("{n}", &number.to_string()),
            status: form.status,
            records: form.records,
            in_flow: false,
            tenant: Some(tenant),
        }
    })
}

/// Sends some, a few at once.
pub(crate) async fn come(gateway: &Gateway) -> Result<Vec<Sent>> {
    let sent = stream::iter(visits().take(VISITS)).map(|step| step.send(gateway, None));
    let sent: Vec<Sent> = sent.buffered(AT_ONCE).try_collect().await?;
    println!("  …         and {} requests of several organizations and users", sent.len());
    Ok(sent)
}

/// Sends them one after another until this is dropped, or the gateway cannot be reached.
pub(crate) async fn keep_coming(gateway: &Gateway) -> Result<()> {
    for step in visits() {
        step.send(gateway, None).await?;
        sleep(PAUSE).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn visits_have_every_level_and_every_visitor_does_everything() {
        let levels: BTreeSet<_> = visits().take(VISITS).flat_map(|step| step.records).collect();
        assert_eq!(levels, BTreeSet::from([&Info, &Warning, &Error, &Critical]));
        let failed =
            visits().take(forms().len() * VISITORS.len()).filter(|step| step.status == 503);
        let users: BTreeSet<_> = failed.filter_map(|step| Some(step.tenant?.user)).collect();
        assert_eq!(users, VISITORS.iter().map(|visitor| visitor.user).collect());
    }
}
