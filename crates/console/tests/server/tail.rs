//! The live tail: from a post to a collector to whoever may see it.

use std::fs;
use std::time::Duration;

use axum::http::Method;
use gatelog_delivery::client::{Client as Follower, Target};
use gatelog_record::Decoded;
use gatelog_testkit::{Collector, CollectorOptions, Database, Signal, eventually};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::fixture::{A, ALL, B, Console, Live, post, record};

const PATIENCE: Duration = Duration::from_mins(1);

fn of(organization: &str, message: &str) -> Decoded {
    let context = json!({"organization_id": organization});
    record("ERROR", 1, &json!({"message": message, "context": context}))
}

async fn collector(database: &Database) -> Collector {
    Collector::start(database, CollectorOptions::default()).await.unwrap()
}

/// A console that follows these, with more settings.
async fn console(
    database: &Database,
    collectors: &[&Collector],
    settings: &[(&str, &str)],
) -> Console {
    let urls: Vec<_> = collectors.iter().map(|it| format!("http://{}", it.address())).collect();
    let urls = urls.join(",");
    let settings = [&[("GATELOG_CONSOLE_TAIL", urls.as_str())], settings].concat();
    Console::with(database, &settings).await
}

async fn metrics(console: &Console) -> String {
    console.send(Method::GET, "/metrics", &[], "").await.text()
}

#[tokio::test]
async fn records_of_all_collectors_arrive_and_one_that_is_lost_is_named_and_told_when_it_is_back() {
    let database = Database::fresh().await.unwrap();
    let (one, mut other) = (collector(&database).await, collector(&database).await);
    // One by a name, whose addresses are looked up.
    let port = one.address().port();
    let both = format!("http://localhost:{port},http://{}", other.address());
    let console = console(&database, &[], &[("GATELOG_CONSOLE_TAIL", &both)]).await;
    assert_eq!(console.json(ALL, "session").await["live"], true);
    let mut live = Live::following(&console, ALL, "level:ERROR \"stock\"", 2).await;
    let url = |collector: &Collector| format!("http://{}", collector.address());
    assert!(live.text.contains("event: collectors\ndata: {\"collectors\":["), "{}", live.text);
    let named = format!("\"http://localhost:{port} at 127.0.0.1\"");
    assert_eq!(live.text.matches(&named).count(), 2, "in the list, and followed: {}", live.text);
    post(one.address(), &[of("a", "stock is low"), of("a", "something else")]).await;
    post(other.address(), &[of("b", "stock is out")]).await;
    live.brings("stock is low", 1).await;
    live.brings("stock is out", 1).await;
    other.kill().unwrap();
    live.brings(&format!("event: lost\ndata: {{\"collector\":\"{}\"", url(&other)), 1).await;
    post(one.address(), &[of("a", "stock goes on")]).await;
    live.brings("stock goes on", 1).await;
    other.restart().await.unwrap();
    live.brings("event: following", 3).await;
    post(other.address(), &[of("b", "stock is back")]).await;
    live.brings("stock is back", 1).await;
    assert!(!live.text.contains("something else"));
    let told = metrics(&console).await;
    for line in
        ["gatelog_console_tails 1", "gatelog_console_tail_records_total{outcome=\"sent\"} 4"]
    {
        assert!(told.contains(line), "{line}: {told}");
    }
    assert!(!console.process.stderr().contains("stock"), "a record is in the log");
}

#[tokio::test]
async fn a_tail_ends_with_its_session_its_token_and_the_console() {
    let database = Database::fresh().await.unwrap();
    let collector = collector(&database).await;
    let mut console = console(&database, &[&collector], &[]).await;
    let removed = Live::following(&console, A, "", 1).await;
    let changed = Live::following(&console, B, "", 1).await;
    let mut stays = Live::following(&console, ALL, "", 1).await;
    let lines = format!("{ALL} name=on-call all\n{B} name=bob organizations=b,c");
    fs::write(console.file("tokens"), lines).unwrap();
    console.process.signal(Signal::HUP).unwrap();
    for live in [removed, changed] {
        let text = live.ends().await;
        assert!(text.contains("event: end\ndata: {\"reason\":\"the session has ended"), "{text}");
    }
    post(collector.address(), &[of("a", "still there")]).await;
    stays.brings("still there", 1).await;
    let ended = console.process.terminate(Duration::from_secs(8)).unwrap();
    assert!(ended.success(), "{ended}");
    assert!(stays.ends().await.contains("the console is stopping"));
}

#[tokio::test]
async fn tails_are_bounded_in_all_and_for_each_viewer_and_one_that_is_closed_gives_its_turn_back() {
    let database = Database::fresh().await.unwrap();
    let collector = collector(&database).await;
    let bounds = [("GATELOG_CONSOLE_MAX_TAILS", "3"), ("GATELOG_CONSOLE_VIEWER_TAILS", "2")];
    let console = console(&database, &[&collector], &bounds).await;
    let first = Live::following(&console, A, "", 1).await;
    let _second = Live::following(&console, A, "", 1).await;
    let refused = console.get(A, "tail").await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (429, "1"));
    let _third = Live::following(&console, B, "", 1).await;
    let refused = console.get(ALL, "tail").await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, "1"));
    let told = metrics(&console).await;
    for bound in ["viewer", "all"] {
        let line = format!("gatelog_console_refused_total{{kind=\"tail\",bound=\"{bound}\"}} 1");
        assert!(told.contains(&line), "{line}: {told}");
    }
    drop(first);
    let begun = std::time::Instant::now();
    eventually("the turn is free", PATIENCE, async || {
        let live = Live::open(&console, A, "").await;
        anyhow::ensure!(live.status() == 200);
        Ok(())
    })
    .await
    .unwrap();
    println!("free after {:?}", begun.elapsed());
}

#[tokio::test]
async fn a_collector_with_too_many_tails_is_named_and_followed_once_it_has_room() {
    let database = Database::fresh().await.unwrap();
    let collector = collector(&database).await;
    let url = format!("http://{}", collector.address());
    let follower = Follower::new(&Target { url, ..Target::default() }).unwrap();
    let mut others = Vec::new();
    for _ in 0..16 {
        others.push(follower.follow("/v1/tail").await.unwrap());
    }
    let console = console(&database, &[&collector], &[]).await;
    let mut live = Live::open(&console, ALL, "").await;
    live.brings("event: lost", 1).await;
    assert!(live.text.contains("503"), "{}", live.text);
    drop(others);
    live.brings("event: following", 1).await;
}

/// A collector that sends everything to whoever asks, as a faulty one might.
async fn careless(events: String) -> String {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
    answering(format!("{head}{events}"), "").await
}

/// Whatever asks gets this answer, and then this text again and again, if there is any.
async fn answering(answer: String, endless: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut asked = [0; 8_192];
                let _ = stream.read(&mut asked).await;
                let _ = stream.write_all(answer.as_bytes()).await;
                while !endless.is_empty() && stream.write_all(endless.as_bytes()).await.is_ok() {}
                // Until the console closes it.
                let _ = stream.read(&mut asked).await;
            });
        }
    });
    format!("http://{address}")
}

#[tokio::test]
async fn a_collector_that_sends_everything_shows_nobody_more_than_their_own() {
    let database = Database::fresh().await.unwrap();
    let records = [of("b", "secret-b"), of("", "secret-nobody"), of("a", "secret-a")];
    let event = |record: &Decoded| {
        format!("event: record\ndata: {}\n\n", serde_json::Value::Object(record.body.clone()))
    };
    let mut events: String = records.iter().map(event).collect();
    events.push_str("event: skipped\ndata: {\"records\":77}\n\n");
    events.push_str(&event(&of("a", "the last")));
    let url = careless(events).await;
    let console = Console::with(&database, &[("GATELOG_CONSOLE_TAIL", url.as_str())]).await;
    let mut live = Live::open(&console, A, "").await;
    live.brings("the last", 1).await;
    assert!(live.text.contains("secret-a") && live.text.contains("{\"count\":null}"));
    for other in ["secret-b", "secret-nobody", ":77}", "127.0.0.1"] {
        assert!(!live.text.contains(other), "{other}: {}", live.text);
    }
    let told = metrics(&console).await;
    assert!(told.contains("tail_records_total{outcome=\"withheld\"} 2"), "{told}");
    let mut all = Live::open(&console, ALL, "").await;
    all.brings("the last", 1).await;
    assert!(all.text.contains("secret-nobody") && all.text.contains("{\"count\":77}"));
}

/// Found by an attack: such a one was never lost, or followed anew every second.
#[tokio::test]
async fn what_is_no_event_stream_and_a_refusal_without_an_end_are_lost() {
    let database = Database::fresh().await.unwrap();
    let page = answering("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\nhello".into(), "");
    let refusal = answering("HTTP/1.1 503 X\r\n\r\n".into(), "no, and no, and ");
    for url in [page.await, refusal.await] {
        let console = Console::with(&database, &[("GATELOG_CONSOLE_TAIL", url.as_str())]).await;
        let mut live = Live::open(&console, ALL, "").await;
        live.brings("event: lost", 1).await;
        assert!(!live.text.contains("event: following"), "{}", live.text);
    }
}

#[tokio::test]
async fn without_collectors_there_is_no_tail() {
    let database = Database::fresh().await.unwrap();
    let console = Console::start(&database).await;
    assert_eq!(console.get(ALL, "tail").await.status, 404);
    assert_eq!(console.json(ALL, "session").await["live"], false);
}
