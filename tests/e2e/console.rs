//! The console behind Envoy, as `envoy/console.yaml` has it: who sees what is what a signed token says.

use std::collections::BTreeSet;
use std::fs;

use anyhow::ensure;
use axum::http::Method;
use gatelog_testkit::{
    Client, Collector, CollectorOptions, Console, ConsoleOptions, Database, Envoy, EnvoyConfig,
    EnvoyOptions, IdentityProvider, Reply, SampleRecords, base64url, checkout, eventually,
};
use serde_json::{Value, json};

use crate::stored::PATIENCE;
use crate::tls::certificates;

/// The audience and the header that the file names.
const AUDIENCE: &str = "gatelog-console";
const HEADER: &str = "x-gatelog-identity";

/// Records of fifty organizations, `org_0` to `org_49`, and the console behind Envoy.
struct Site {
    envoy: Envoy,
    client: Client,
    console: Console,
    _provider: IdentityProvider,
}

impl Site {
    async fn start(change: impl FnOnce(&mut EnvoyConfig)) -> Self {
        Self::start_with(Vec::new(), change).await
    }

    /// With these settings of the console too.
    async fn start_with(
        mut environment: Vec<(String, String)>,
        change: impl FnOnce(&mut EnvoyConfig),
    ) -> Self {
        let database = Database::fresh().await.unwrap();
        let mut collector = Collector::start(&database, CollectorOptions::default()).await.unwrap();
        let body = SampleRecords::default().body(100).unwrap();
        let ndjson: [(&str, &[u8]); 1] = [("content-type", b"application/x-ndjson")];
        let client = Client::default();
        let post = client.send(collector.address(), Method::POST, "/v1/records", &ndjson, body);
        assert_eq!(post.await.unwrap().status, 202);
        eventually("the records are stored", PATIENCE, async || {
            let there = database.count("trace_logs", mongodb::bson::doc! {}).await?;
            ensure!(there == 100, "{there} of 100");
            Ok(())
        })
        .await
        .unwrap();
        collector.stop().unwrap();
        let setting = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        environment.extend([
            setting("GATELOG_CONSOLE_IDENTITY_HEADER", HEADER),
            setting("GATELOG_CONSOLE_IDENTITY_PEERS", "127.0.0.1"),
        ]);
        let options = ConsoleOptions { environment, ..ConsoleOptions::default() };
        let console = Console::start(&database, options).await.unwrap();
        let provider = IdentityProvider::start().await.unwrap();
        let mut config = EnvoyConfig::file("envoy/console.yaml").unwrap();
        config.cluster_at("console", console.address()).unwrap();
        config.cluster_at("identity_provider", provider.address()).unwrap();
        change(&mut config);
        let envoy = Envoy::start(EnvoyOptions::new(config)).await.unwrap();
        Self { envoy, client, console, _provider: provider }
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        let headers: Vec<_> =
            headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        self.client.send(self.envoy.address(), Method::GET, path, &headers, "").await.unwrap()
    }

    /// The organizations of the records that these headers find.
    async fn organizations(&self, headers: &[(&str, &str)]) -> BTreeSet<String> {
        let reply = self.get("/api/v1/search?since=1h&limit=1000", headers).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let found = reply.json().unwrap();
        let records = found["records"].as_array().unwrap().iter();
        records
            .map(|record| record["context"]["organization_id"].as_str().unwrap().to_owned())
            .collect()
    }
}

/// `Bearer` and a token with these claims.
fn bearer(claims: &Value) -> String {
    let text = claims.to_string();
    let claims = text.trim_start_matches('{').trim_end_matches('}');
    format!("Bearer {}", IdentityProvider::token(AUDIENCE, claims).unwrap())
}

/// What a client would write into the header to see everything.
fn forged() -> String {
    base64url(json!({"sub": "mallory", "gatelog_role": "all"}).to_string().as_bytes())
}

fn names<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.into_iter().map(str::to_owned).collect()
}

#[tokio::test]
async fn a_token_of_one_organization_sees_only_its_records_whatever_else_is_sent() {
    let site = Site::start(|_| ()).await;
    let own = bearer(&json!({"sub": "ann", "organizations": ["org_7"]}));
    let two = bearer(&json!({"sub": "bob", "organizations": ["org_7", "org_8"]}));
    assert_eq!(site.organizations(&[("authorization", &own)]).await, names(["org_7"]));
    assert_eq!(site.organizations(&[("authorization", &two)]).await, names(["org_7", "org_8"]));
    let session = site.get("/api/v1/session", &[("authorization", &own)]).await.json().unwrap();
    assert_eq!((&session["name"], &session["organizations"]), (&json!("ann"), &json!(["org_7"])));

    let forged = forged();
    let both = [("authorization", own.as_str()), (HEADER, forged.as_str())];
    assert_eq!(site.organizations(&both).await, names(["org_7"]));
    // Twice, and in the order in which a proxy that appends would leave the client's first.
    let twice = [(HEADER, forged.as_str()), (HEADER, forged.as_str()), both[0]];
    assert_eq!(site.organizations(&twice).await, names(["org_7"]));
    assert_eq!(site.get("/api/v1/delivery", &both).await.status, 403);
    // The cookie in which Envoy's oauth2 filter keeps it.
    let cookie = own.replace("Bearer ", "IdToken=");
    assert_eq!(site.organizations(&[("cookie", &cookie)]).await, names(["org_7"]));

    let all = bearer(&json!({"sub": "on-call", "gatelog_role": "all"}));
    assert_eq!(site.organizations(&[("authorization", &all)]).await.len(), 50);
    assert_eq!(site.get("/api/v1/delivery", &[("authorization", &all)]).await.status, 200);
    assert_eq!(site.get("/metrics", &[("authorization", &all)]).await.status, 404);
    let nobody = bearer(&json!({"sub": "carl"}));
    assert_eq!(site.get("/api/v1/session", &[("authorization", &nobody)]).await.status, 401);
}

#[tokio::test]
async fn without_a_valid_token_nothing_is_answered() {
    let site = Site::start(|_| ()).await;
    let forged = forged();
    let other = IdentityProvider::token("another", r#""sub":"ann","gatelog_role":"all""#).unwrap();
    let other = format!("Bearer {other}");
    let mut broken = bearer(&json!({"sub": "ann", "gatelog_role": "all"}));
    broken.truncate(broken.len() - 4);
    for path in ["/", "/assets/app.js", "/api/v1/session", "/api/v1/search", "/healthz"] {
        for headers in [
            &[][..],
            &[(HEADER, forged.as_str())],
            &[("authorization", broken.as_str())],
            &[("authorization", "Bearer a-token-of-a-viewer")],
            &[("cookie", "gatelog_session=1234"), (HEADER, forged.as_str())],
        ] {
            assert_eq!(site.get(path, headers).await.status, 401, "{path} {headers:?}");
        }
        // A token for somebody else's audience: known, but not for here.
        assert_eq!(site.get(path, &[("authorization", &other)]).await.status, 403, "{path}");
    }
}

#[tokio::test]
async fn a_clients_identity_header_is_removed_even_without_the_filter_that_verifies_tokens() {
    let site = Site::start(|config| {
        let filters = config.http_filters().unwrap();
        filters.retain(|filter| filter["name"] != "envoy.filters.http.jwt_authn");
    })
    .await;
    let forged = forged();
    assert_eq!(site.get("/", &[(HEADER, &forged)]).await.status, 200);
    assert_eq!(site.get("/api/v1/session", &[(HEADER, &forged)]).await.status, 401);
    assert_eq!(site.get("/api/v1/search?since=1h", &[(HEADER, &forged)]).await.status, 401);
}

/// The lines of the file that are comments from this one on, up to the next that is none or ends with `…`, as YAML.
fn commented(from: &str) -> Value {
    let file = fs::read_to_string(checkout().join("envoy/console.yaml")).unwrap();
    let comments = file.lines().map(str::trim_start).skip_while(|line| *line != from);
    let block: Vec<_> = comments.map_while(|line| line.strip_prefix('#')).collect();
    let block = block.split(|line| line.ends_with('…')).next().unwrap();
    serde_saphyr::from_str(&block.join("\n")).unwrap()
}

#[tokio::test]
async fn with_the_blocks_for_tls_clients_and_the_console_speak_to_a_certified_envoy_alone() {
    let directory = tempfile::tempdir().unwrap();
    certificates(directory.path(), "gatelog-console");
    let here = format!("{}/", directory.path().display());
    let file = |name: &str| format!("{here}{name}");
    let environment = vec![
        ("GATELOG_CONSOLE_TLS_CERT".to_owned(), file("tls.crt")),
        ("GATELOG_CONSOLE_TLS_KEY".to_owned(), file("tls.key")),
        ("GATELOG_CONSOLE_TLS_CLIENT_CA".to_owned(), file("ca.crt")),
    ];
    let moved = |block: Value| -> Value {
        serde_json::from_str(&block.to_string().replace("/etc/envoy/tls/", &here)).unwrap()
    };
    let site = Site::start_with(environment, |config| {
        let upstream = moved(commented("#   transport_socket:"));
        config.cluster("console").unwrap()["transport_socket"] =
            upstream["transport_socket"].clone();
        let downstream = moved(commented("#   - transport_socket:"));
        let chain = config.at("/static_resources/listeners/0/filter_chains/0").unwrap();
        chain["transport_socket"] = downstream[0]["transport_socket"].clone();
    })
    .await;
    let port = site.envoy.address().port();
    let own = bearer(&json!({"sub": "ann", "organizations": ["org_7"]}));
    let ask = |url: String, more: &[&str]| {
        let mut curl = tokio::process::Command::new("curl");
        curl.args(["--noproxy", "*", "--silent", "--show-error", "--cacert", &file("ca.crt")]);
        curl.args(["--header", &format!("authorization: {own}")]).args(more).arg(url);
        curl.output()
    };
    let to = format!("gatelog-console:{port}:127.0.0.1");
    let url = format!("https://gatelog-console:{port}/api/v1/session");
    let shown = ask(url, &["--resolve", &to]).await.unwrap();
    let text = String::from_utf8_lossy(&shown.stdout);
    assert!(shown.status.success() && text.contains("org_7"), "{text} {shown:?}");
    // Past Envoy, without its certificate.
    let console = site.console.address();
    let to = format!("gatelog-console:{}:127.0.0.1", console.port());
    let url = format!("https://gatelog-console:{}/api/v1/session", console.port());
    let refused = ask(url, &["--resolve", &to]).await.unwrap();
    assert!(!refused.status.success(), "{refused:?}");
}
