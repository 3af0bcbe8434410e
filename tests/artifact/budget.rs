//! The exact hostcall budget of docs/hostcalls.md: the page is the test's expectation.

use std::path::Path;
use std::time::Duration;

use gatelog_testkit::mock_host::{Action, Answer, Expected, Headers, Stream, World};

use crate::gateway::{Gateway, ROOT, ordinary, record};

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/hostcalls.md");
    std::fs::read_to_string(path).expect("docs/hostcalls.md")
}

/// The calls in the table under a heading of the page.
pub(crate) fn budget(heading: &str) -> Vec<Expected> {
    let page = page();
    let (_, section) =
        page.split_once(&format!("\n### {heading}\n")).unwrap_or_else(|| panic!("no {heading}"));
    let section = section.split("\n#").next().unwrap_or_default();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    rows.map(Expected::call).collect()
}

/// Hostcalls and allocations in the page's first table for a callback.
fn totals(callback: &str) -> (usize, usize) {
    let page = page();
    let row = page.lines().find(|line| line.starts_with(&format!("| {callback} |")));
    let mut numbers = row.expect("a row").split('|').filter_map(|cell| cell.trim().parse().ok());
    (numbers.next().expect("hostcalls"), numbers.next().expect("allocations"))
}

pub(crate) fn strict(configuration: &str) -> Gateway {
    let mut gateway = Gateway::start(configuration);
    gateway.host.strict();
    gateway
}

/// Begins a stream whose request headers are not part of the test.
fn begun(gateway: &mut Gateway, stream: Stream) -> u32 {
    let id = gateway.begin(stream);
    gateway.host.lenient();
    gateway.host.request_headers(id, true);
    gateway.host.strict();
    id
}

#[test]
fn an_ordinary_request_makes_the_hostcalls_of_the_page_and_no_others() {
    let mut gateway = strict("{}");
    let id = gateway.begin(ordinary());

    gateway.host.expect(budget("Ordinary: request headers"));
    assert_eq!(gateway.host.request_headers(id, true), Action::Continue);
    let made = (gateway.host.calls().len(), gateway.host.allocations());
    assert_eq!(made, totals("request headers"));

    gateway.host.expect(budget("Ordinary: response headers"));
    assert_eq!(gateway.host.response_headers(id, false), Action::Continue);
    let made = (gateway.host.calls().len(), gateway.host.allocations());
    assert_eq!(made, totals("response headers"));

    gateway.host.expect(budget("Ordinary: log"));
    gateway.host.log(id);
    let made = (gateway.host.calls().len(), gateway.host.allocations());
    assert_eq!(made, totals("log"));

    assert!(gateway.host.done(id));
    gateway.host.delete(id);
}

#[test]
fn a_request_without_ids_costs_two_header_writes_more() {
    let mut gateway = strict("{}");
    let mut stream = ordinary();
    stream.request_headers = Some(Headers::from([(":method", "GET"), (":path", "/")]));
    let id = gateway.begin(stream);
    gateway.host.expect(budget("Without ids: request headers"));
    gateway.host.request_headers(id, true);
}

#[test]
fn a_health_check_reads_no_more_than_tells_that_it_has_no_record() {
    let mut gateway = strict("{}");
    let mut stream = ordinary();
    stream.request_headers.as_mut().unwrap().set(":path", "/healthz");
    let id = begun(&mut gateway, stream);
    gateway.host.expect(budget("Health check: log"));
    gateway.host.log(id);
}

#[test]
fn a_failure_costs_the_two_properties_that_explain_it() {
    let mut gateway = strict("{}");
    let mut stream = ordinary();
    stream.property("response.code", 503_u64).property("response.flags", 2_u64);
    let id = begun(&mut gateway, stream);
    gateway.host.expect(budget("Failed upstream: log"));
    gateway.host.log(id);
}

#[test]
fn a_local_reply_costs_a_second_list() {
    let mut gateway = strict("{}");
    let mut stream = ordinary();
    for absent in ["upstream.address", "upstream.request_attempt_count", "response.backend_latency"]
    {
        stream.properties.remove(absent);
    }
    let id = begun(&mut gateway, stream);
    gateway.host.expect(budget("Local reply: log"));
    gateway.host.log(id);
    let http = &record(&gateway.host.world().streams[&id])["http"];
    assert_eq!(
        (&http["cluster"], &http["response_bytes"]),
        (&"conversation_service".into(), &1_024.into())
    );
    assert!(http.get("upstream").is_none(), "{http}");
}

#[test]
fn a_host_without_expressions_is_asked_for_each_property() {
    let mut world = World::new();
    world.no_expressions = true;
    let mut gateway = Gateway::in_world(world);
    assert!(gateway.host.configure(ROOT, "{}"));
    gateway.host.strict();
    let id = begun(&mut gateway, ordinary());
    gateway.host.expect(budget("Without expressions: log"));
    gateway.host.log(id);
    let mut other = Gateway::start("{}");
    let stream = other.serve(ordinary());
    let (with, without) = (record(&stream), record(&gateway.host.world().streams[&id]));
    assert_eq!(with["http"], without["http"]);
}

#[test]
fn a_stream_that_was_never_begun_is_read_from_envoy() {
    let mut gateway = strict("{}");
    let mut stream = ordinary();
    stream.property("response.code", 403_u64);
    let id = gateway.begin(stream);
    gateway.host.expect(budget("Never begun: log"));
    gateway.host.log(id);
}

#[test]
fn ticks_and_answers_make_the_hostcalls_of_the_page() {
    let mut gateway = Gateway::start("{}");
    gateway.serve(ordinary());
    gateway.host.strict();
    gateway.host.expect(budget("Tick with a batch"));
    gateway.tick_after(Duration::from_millis(200));
    let token = gateway.callouts()[0].token;
    gateway.host.expect(budget("Answer: accepted"));
    gateway.host.answer(ROOT, token, Answer::status(202));
    gateway.host.lenient();
    gateway.tick_after(Duration::from_millis(200));
    gateway.host.strict();
    gateway.host.expect(budget("Tick: idle"));
    gateway.tick_after(Duration::from_millis(200));
}

#[test]
fn random_bytes_are_drawn_once_in_many_requests() {
    let mut gateway = Gateway::start("{}");
    let mut drawn = 0;
    for _ in 0..64 {
        let id = begun(&mut gateway, ordinary());
        gateway.host.lenient();
        gateway.host.log(id);
        drawn += gateway.host.calls().iter().filter(|call| call.name == "random_get").count();
    }
    assert!(drawn <= 2, "{drawn}");
}

/// A coarse guard: an ordinary request takes 138,001 of the interpreter's instructions.
#[test]
fn an_ordinary_request_stays_within_its_instructions() {
    let mut gateway = Gateway::start("{}");
    gateway.serve(ordinary());
    let id = gateway.begin(ordinary());
    let mut instructions = 0;
    gateway.host.request_headers(id, true);
    instructions += gateway.host.instructions();
    gateway.host.response_headers(id, true);
    instructions += gateway.host.instructions();
    gateway.host.log(id);
    instructions += gateway.host.instructions();
    assert!(instructions < 142_000, "{instructions}");
}

/// Instructions executed at the end of a request with this target or header.
fn instructions_of_log(gateway: &mut Gateway, name: &str, value: &str) -> u64 {
    let mut stream = ordinary();
    stream.request_headers.as_mut().unwrap().set(name, value);
    let id = begun(gateway, stream);
    gateway.host.lenient();
    gateway.host.log(id);
    gateway.host.instructions()
}

/// Instructions at the end of a request with 8 kB and with 58 kB of the costliest shape.
fn costliest(configuration: &str) -> (u64, u64, String) {
    const SHAPES: [&str; 18] = [
        "a=1&",
        "%61%3d%31&",
        "token=S&",
        "next=%2Fa%3Fb%3D1&",
        "/a",
        "/invite/S",
        ";v=1/",
        "%2Fa",
        "//a:b",
        "//u:S@h",
        "a@",
        "a:/",
        "=",
        "%25",
        "\"a\":",
        "é",
        " ",
        "x",
    ];
    let mut gateway = Gateway::start(configuration);
    let mut most = (0, 0, String::new());
    for (name, start) in [
        (":path", "/a?"),
        (":path", "/"),
        ("referer", "https://h/?"),
        ("user-agent", ""),
        ("x-correlation-id", ""),
        ("x-organization-id", ""),
        ("link", "<"),
        ("x-any", ""),
    ] {
        for shape in SHAPES {
            let mut at = |bytes: usize| {
                let value = format!("{start}{}", shape.repeat(bytes / shape.len()));
                instructions_of_log(&mut gateway, name, &value)
            };
            let (short, long) = (at(8_000), at(58_000));
            // The rest is the check for UTF-8, and finding the ends of path and query.
            let more = long.saturating_sub(short) / 50_000;
            assert!(more < 200, "{name} {start}{shape}…: {short}, {long}: {more} a byte more");
            if long > most.1 {
                most = (short, long, format!("{name} {start}{shape}…"));
            }
        }
    }
    most
}

/// Counted in the interpreter's instructions, of which an ordinary request takes 138,001.
#[test]
fn the_work_for_a_request_has_a_bound_whatever_its_length_and_shape() {
    let debug = r#"{"level": "DEBUG", "record": {"request_headers": ["referer"]}, "redact": {
        "path": ["/**/invite/{secret}", "/**/a/a/a/a/{secret}/b", "/reset/{secret}"], "query": ["pin", "card"]}}"#;
    for (configuration, bound) in [("{}", 20_000_000), (debug, 45_000_000)] {
        let (short, long, which) = costliest(configuration);
        println!("{which} takes most: {short} instructions at 8 kB, {long} at 58 kB");
        assert!(long < bound, "{which}: {long} instructions under {configuration}");
    }
}
