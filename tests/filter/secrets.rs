//! The table of secrets on a real Envoy: none reaches the journal, the collector or Envoy's log.

use std::time::Duration;

use anyhow::ensure;
use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Response};
use axum::routing::any;
use gatelog_testkit::secret_shapes::{self, MARK, Place, Planted};
use gatelog_testkit::{SampleService, eventually, raw_exchange};
use serde_json::{Value, json};

use crate::rig::{PATIENCE, Rig};

/// The number of the planted secret that the service answers with.
const NUMBER: &str = "x-number";

/// Answers with the response header that the table has under the request's number.
async fn service(table: Vec<Planted>) -> SampleService {
    let app = Router::new().fallback(any(async move |request: Request| {
        let number = request.headers().get(NUMBER).and_then(|value| value.to_str().ok());
        let planted = number.and_then(|number| table.get(number.parse::<usize>().ok()?));
        let mut response = Response::new(String::new());
        if let Some(Planted { place: Place::Response(name), value, .. }) = planted {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
        response
    }));
    SampleService::serve(app).await.unwrap()
}

/// The request as bytes: no client library would send some of them.
fn request(number: usize, planted: &Planted) -> Vec<u8> {
    let (target, host, header) = match planted.place {
        Place::Target => (planted.value.as_str(), "g", None),
        Place::Host => (planted.target, planted.value.as_str(), None),
        Place::Request(name) => (planted.target, "g", Some((name, planted.value.as_str()))),
        Place::Response(_) => (planted.target, "g", None),
    };
    let header = header.map(|(name, value)| format!("{name}: {value}\r\n")).unwrap_or_default();
    format!(
        "GET {target} HTTP/1.1\r\nhost: {host}\r\n{NUMBER}: {number}\r\n{header}connection: close\r\n\r\n"
    )
    .into_bytes()
}

async fn rig(table: &[Planted]) -> (Rig, SampleService) {
    let service = service(table.to_vec()).await;
    let configuration: Value = serde_json::from_str(secret_shapes::CONFIGURATION).unwrap();
    let options: Vec<(String, Value)> = configuration
        .as_object()
        .unwrap()
        .iter()
        .map(|(key, value)| (format!("/{key}"), value.clone()))
        .collect();
    let options: Vec<_> =
        options.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
    let address = service.address();
    let rig = Rig::start_with(&options, |options| {
        options.config.add_cluster("answers", address)?;
        let route =
            json!({"name": "all", "match": {"prefix": "/"}, "route": {"cluster": "answers"}});
        *options.config.routes()? = vec![route];
        Ok(())
    })
    .await
    .unwrap();
    (rig, service)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_planted_secret_reaches_an_output_of_envoy_whatever_its_shape_and_place() {
    let table = secret_shapes::planted();
    let (rig, _service) = rig(&table).await;
    let mut answered = 0;
    for (number, planted) in table.iter().enumerate() {
        let request = request(number, planted);
        let answer = raw_exchange(rig.address(), &request, Duration::from_secs(10)).await.unwrap();
        answered += usize::from(answer.starts_with(b"HTTP/1.1 200"));
    }
    // Envoy rejects the rest, for example hosts with a user; those have a record too.
    assert!(answered > table.len() * 9 / 10, "{answered} of {} answered", table.len());
    let expected = 2 * table.len();
    let lines = eventually("the records of all", PATIENCE, async || {
        let (journal, sink) = (rig.envoy.journal().lines()?, rig.sink.records());
        ensure!(
            journal.len() == expected && sink.len() == expected,
            "{} and {} of {expected}",
            journal.len(),
            sink.len()
        );
        anyhow::Ok(journal)
    })
    .await
    .unwrap();
    let found: Vec<_> = lines.iter().filter(|line| line.contains(MARK)).collect();
    assert!(found.is_empty(), "{} lines: {:#?}", found.len(), found.first());
    let sent: Vec<String> = rig.sink.records().iter().map(Value::to_string).collect();
    assert!(sent.iter().all(|line| !line.contains(MARK)));
    assert!(!rig.envoy.log().contains(MARK), "{}", rig.envoy.log());
    let redacted = lines.iter().filter(|line| line.contains("[redacted]")).count();
    assert!(redacted > table.len(), "only {redacted} lines show that something was masked");
    assert_eq!(rig.envoy.reloads().await.unwrap(), 0);
}
