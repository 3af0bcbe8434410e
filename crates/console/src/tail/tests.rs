use gatelog_delivery::follow::{Listener, News};
use gatelog_search::Query;
use serde_json::json;

use super::line::LineFrom;
use super::queue::{WAITING_RECORDS, queue};
use super::*;
use crate::who::{KnownBy, Role};

fn viewer(organizations: &[&str]) -> Viewer {
    let names = organizations.iter().map(|name| (*name).to_owned()).collect();
    Viewer::new(KnownBy::Token, "ann".into(), Role::Organizations(names), None).unwrap()
}

fn line_of(viewer: &Viewer, query: &str) -> (LineFrom, Outlet, Metrics) {
    let metrics = Metrics::new();
    let (inlet, outlet) = queue(metrics.clone());
    let query: Query = query.parse().unwrap();
    let selection = Arc::new(viewer.scope().select(query));
    let room = Room::of(1 << 20);
    let line = Line { selection, all: viewer.organizations().is_none(), inlet, room };
    (LineFrom { collector: "c".into(), line }, outlet, metrics)
}

fn record(organization: &str) -> String {
    json!({"timestamp": "2096-01-26T02:11:57Z", "level": "INFO", "message": "m",
        "logger_name": "app", "context": {"organization_id": organization}})
    .to_string()
}

#[tokio::test]
async fn whatever_a_collector_sends_only_the_viewers_own_records_go_on() {
    let (mut line, mut outlet, metrics) = line_of(&viewer(&["a"]), "level:INFO");
    let twice =
        r#"{"timestamp":"2096-01-26T02:11:57Z","level":"INFO","message":"m","logger_name":"app",
        "context":{"organization_id":"b"},"context":{"organization_id":"a"}}"#
            .replace('\n', "");
    let no_info = record("a").replace("INFO", "ERROR");
    let others =
        [record("b"), record(""), record("A"), no_info, "{}".into(), "x".into(), String::new()];
    for text in others.into_iter().chain([record("a"), twice]) {
        assert!(line.hear(News::Record(text)).await);
    }
    let mut seen = Vec::new();
    while let Some(Item::Record(text)) = outlet.waiting() {
        seen.push(text);
    }
    assert!(!seen.is_empty());
    for text in seen {
        // Its organization is the viewer's own, and said once.
        assert_eq!(text.matches("organization_id").count(), 1, "{text}");
        assert!(text.contains(r#""organization_id":"a""#), "{text}");
    }
    let text = metrics.render(0);
    let withheld = text.lines().find(|line| line.contains("outcome=\"withheld\"")).unwrap();
    assert!(!withheld.ends_with(" 0"), "{withheld}");
}

#[tokio::test]
async fn a_restricted_viewer_learns_neither_numbers_nor_addresses_of_what_is_not_theirs() {
    let (mut line, mut outlet, _) = line_of(&viewer(&["a"]), "");
    assert!(line.hear(News::Skipped(212)).await);
    assert!(line.hear(News::Lost("10.0.0.1: refused".into())).await);
    assert_eq!(outlet.waiting(), Some(Item::Notice(Notice::Skipped(None))));
    let lost = Notice::Lost("c".into(), "it cannot be reached".into());
    assert_eq!(outlet.waiting(), Some(Item::Notice(lost)));
    let all = Viewer::new(KnownBy::Token, "on-call".into(), Role::All, None).unwrap();
    let (mut line, mut outlet, _) = line_of(&all, "");
    assert!(line.hear(News::Skipped(212)).await);
    assert_eq!(outlet.waiting(), Some(Item::Notice(Notice::Skipped(Some(212)))));
}

#[tokio::test]
async fn what_does_not_fit_is_counted_and_what_waits_stays() {
    let (mut line, mut outlet, metrics) = line_of(&viewer(&["a"]), "");
    for _ in 0..WAITING_RECORDS + 7 {
        assert!(line.hear(News::Record(record("a"))).await);
    }
    assert_eq!((outlet.skipped(), outlet.skipped()), (7, 0));
    let mut waiting = 0;
    while outlet.waiting().is_some() {
        waiting += 1;
    }
    assert_eq!(waiting, WAITING_RECORDS);
    // Also by their bytes.
    let long = record("a").replace("\"m\"", &format!("\"{}\"", "m".repeat(300_000)));
    for _ in 0..5 {
        assert!(line.hear(News::Record(long.clone())).await);
    }
    assert_eq!(outlet.skipped(), 2);
    let told = "gatelog_console_tail_records_total{outcome=\"skipped\"} 9";
    assert!(metrics.render(0).contains(told));
}

#[test]
fn a_collector_is_asked_for_the_viewers_organizations_only() {
    let select = |viewer: &Viewer| viewer.scope().select("level:INFO".parse().unwrap());
    let of = |viewer: &Viewer| path(&select(viewer), viewer);
    assert_eq!(of(&viewer(&["a", "b c"])), "/v1/tail?query=level%3AINFO&org=&org=a&org=b+c");
    assert_eq!(of(&viewer(&[])), "/v1/tail?query=level%3AINFO&org=");
    let all = Viewer::new(KnownBy::Token, "on-call".into(), Role::All, None).unwrap();
    assert_eq!(of(&all), "/v1/tail?query=level%3AINFO");
    let many: Vec<_> = (0..900).map(|number| format!("organization-{number}")).collect();
    let many = viewer(&many.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(of(&many), "/v1/tail?query=level%3AINFO", "too long for a request: tested here");
}
