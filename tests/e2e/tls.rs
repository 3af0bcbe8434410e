//! TLS between Envoy and the collector, as documented in docs/operations.md.

use std::fs;
use std::path::Path;

use gatelog_testkit::{
    Collector, CollectorOptions, Database, Envoy, EnvoyConfig, EnvoyOptions, SampleService,
    checkout,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::Value;

use crate::SHELL;
use crate::stored::exactly;

/// The cluster on the page, with its files in `directory`.
fn documented_cluster(directory: &Path) -> Value {
    let page = fs::read_to_string(checkout().join("docs/operations.md")).unwrap();
    let section = page.split("\n## TLS between Envoy and collector\n").nth(1).unwrap();
    let snippet = section.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let here = format!("{}/", directory.display());
    let clusters: Value =
        serde_saphyr::from_str(&snippet.replace("/etc/envoy/tls/", &here)).unwrap();
    clusters[0].clone()
}

/// A certificate for `name` with its key, signed by a new authority, as the files that the page names.
pub(crate) fn certificates(directory: &Path, name: &str) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // The names differ, or the certificate would look self-signed.
    authority.distinguished_name.push(DnType::CommonName, "an authority for tests");
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    fs::write(directory.join("ca.crt"), authority.pem()).unwrap();
    fs::write(directory.join("tls.crt"), certificate.pem()).unwrap();
    fs::write(directory.join("tls.key"), key.serialize_pem()).unwrap();
}

#[tokio::test]
async fn with_the_documented_cluster_batches_go_by_mutual_tls() {
    let directory = tempfile::tempdir().unwrap();
    certificates(directory.path(), "gatelog-collector");
    let file = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let environment = vec![
        ("GATELOG_TLS_CERT".to_owned(), file("tls.crt")),
        ("GATELOG_TLS_KEY".to_owned(), file("tls.key")),
        ("GATELOG_TLS_CLIENT_CA".to_owned(), file("ca.crt")),
    ];
    let database = Database::fresh().await.unwrap();
    let collector = Collector::start(&database, CollectorOptions { environment }).await.unwrap();
    // No other client is accepted.
    assert!(collector.get("/healthz").await.is_err());

    let service = SampleService::echo().await.unwrap();
    let mut config = EnvoyConfig::built(SHELL).unwrap();
    config.cluster_at("messages", service.address()).unwrap();
    *config.cluster("gatelog_collector").unwrap() = documented_cluster(directory.path());
    config.cluster_at("gatelog_collector", collector.address()).unwrap();
    let envoy = Envoy::start(EnvoyOptions::new(config)).await.unwrap();
    let client = gatelog_testkit::Client::default();
    client.get(envoy.address(), "/api/v1/messages").await.unwrap();
    exactly(&database, "info_logs", 1).await.unwrap();

    // What a health check in a container runs, by the name of the certificate.
    let port = collector.address().port();
    let url = format!("https://localhost:{port}");
    let asked = collector.command(&["health", "--url", &url, "--ca", &file("ca.crt")]).unwrap();
    let mut asked = tokio::process::Command::from(asked);
    let refused = asked.output().await.unwrap();
    assert_eq!(refused.status.code(), Some(1), "{}", String::from_utf8_lossy(&refused.stderr));
}
