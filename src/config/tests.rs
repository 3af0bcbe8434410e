#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::compose::redaction::Treatment;
use crate::compose::tenancy::Source;
use crate::envoy::claims::Claim;
use crate::identity::trust::Trust;

fn environment(name: &str) -> Option<String> {
    match name {
        "REGION" => Some("eu".to_owned()),
        "GATELOG_TOKEN" => Some("s3cret".to_owned()),
        _ => None,
    }
}

fn parse(text: &str) -> Result<Config, Vec<String>> {
    Config::parse(text.as_bytes(), &environment)
        .map_err(|faults| faults.iter().map(ToString::to_string).collect())
}

/// The example in the documentation, which uses every section.
const EXAMPLE: &str = r#"{
  "service": "edge",
  "level": "INFO",
  "stdout": true,
  "request_id":     {"header": "x-request-id", "trust": "always", "echo": true},
  "correlation_id": {"header": "x-correlation-id", "trust": ["10.0.0.0/8"], "echo": true, "from_traceparent": true},
  "tenant": {
    "organization_id": [{"jwt_claim": "org_id"}, {"header": "x-organization-id"}],
    "user_id":         [{"jwt_claim": ["https://example.org/user"], "payload": "claims"}, {"value": "nobody"}],
    "conversation_id": [{"header": "X-Conversation-Id"}, {"path": "/api/v1/conversations/{conversation_id}"}],
    "strip_untrusted": false
  },
  "record":  {"request_headers": ["X-Region"], "response_headers": [], "query": true, "slow_ms": 1000, "slow_level": null, "fields": {"region": "${REGION}"}},
  "redact":  {"query": ["Token", "password", "api_key"], "headers": {"authorization": "hash"}, "path": ["/reset/{secret}"]},
  "rules":   [{"match": {"path_prefix": "/health"}, "drop": true},
              {"match": {"path_prefix": "/admin", "status": [404, "5xx", "400-403"]}, "audit": true, "level": "INFO"}],
  "sampling": {"rate": 1.0, "always_from": "WARNING", "always_slower_than": "1s"},
  "delivery": {"cluster": "gatelog_collector", "authority": "gatelog-collector", "path": "/v1/records", "token": "${GATELOG_TOKEN}",
               "flush_interval": "200ms", "timeout": "2s", "batch_max_bytes": 262144, "queue_max_bytes": 8388608,
               "max_in_flight": 4, "retry": {"initial": "200ms", "max": "10s"}}
}"#;

#[test]
fn the_documented_example_is_read_whole() {
    let config = parse(EXAMPLE).unwrap();
    assert_eq!(config.logger_name, "gateway.edge");
    assert_eq!(
        config.identity.correlation.trust,
        Trust::Networks(vec!["10.0.0.0/8".parse().unwrap()])
    );
    let [organization, user, conversation] = &config.tenancy.sources;
    let jwt =
        |payload: &str, claim: &str| Source::JwtClaim(Claim::new(payload, &[claim.to_owned()]));
    assert_eq!(organization[0], jwt("jwt_payload", "org_id"));
    assert_eq!(
        user[..],
        [jwt("claims", "https://example.org/user"), Source::Fixed("nobody".into())]
    );
    assert_eq!(conversation[0], Source::Header("x-conversation-id".into()));
    assert_eq!(config.record.request_headers, ["x-region"]);
    assert_eq!(config.record.fields, [("region".to_owned(), "eu".to_owned())]);
    assert_eq!(config.redaction.parameters, ["token", "password", "api_key"]);
    assert_eq!(config.redaction.headers, [("authorization".to_owned(), Treatment::Hash)]);
    assert_eq!(config.rules[0].drop, Some(true));
    assert_eq!(config.rules[1].matches.statuses, [(404, 404), (500, 599), (400, 403)]);
    assert_eq!(config.delivery.unwrap().token.unwrap(), "s3cret");
}

#[test]
fn an_empty_configuration_works_by_its_defaults() {
    for text in ["", " \n", "{}", "null", " null\n"] {
        let config = parse(text).unwrap();
        assert_eq!(config.logger_name, "gateway.gateway");
        assert_eq!(config.level, Level::Info);
        assert_eq!(config.tenancy.sources[0], [Source::Header("x-organization-id".into())]);
        assert_eq!(config.audit.methods, ["POST", "PUT", "PATCH", "DELETE"]);
        let delivery = config.delivery.unwrap();
        assert_eq!((delivery.cluster.as_str(), delivery.max_in_flight), ("gatelog_collector", 4));
        assert_eq!(delivery.queue_max_bytes, 8 << 20);
    }
}

#[test]
fn every_fault_is_reported_in_one_go_with_name_value_and_remedy() {
    let faults = parse(
        r#"{
          "level": "LOUD", "servce": "x", "stdout": "yes",
          "request_id": {"header": "bad name", "trust": "sometimes"},
          "correlation_id": {"trust": ["10.0.0.0/99"]},
          "tenant": {"user_id": [{"path": "/users/{id}"}, {}, {"header": "a", "value": "b"}]},
          "record": {"slow_ms": -1, "max_bytes": "1KiB", "fields": {"a": "${MISSING}"}},
          "redact": {"headers": {"cookie": "burn"}, "path": ["/plain", "nope"]},
          "rules": [{"match": {"status": ["teapot"], "color": "red"}, "sample": 2}],
          "sampling": {"rate": "half", "always_slower_than": "soon"},
          "delivery": {"flush_interval": "0s", "batch_max_bytes": 9000000, "token": "a b",
                       "retry": {"initial": "10s", "max": "1s"}, "path": "v1"}
        }"#,
    )
    .unwrap_err();
    for expected in [
        "level = \"LOUD\": must be DEBUG, INFO, WARNING, ERROR or CRITICAL",
        "servce: unknown key: must be one of level, service, ",
        "stdout = \"yes\": must be true or false",
        "request_id.header = \"bad name\": must be a valid header name, for example \"x-request-id\"",
        "request_id.trust = \"sometimes\": must be \"always\", \"never\" or a list of networks",
        "correlation_id.trust = [\"10.0.0.0/99\"]: \"10.0.0.0/99\" is not a network",
        "tenant.user_id[0].path = \"/users/{id}\": must have a segment \"{user_id}\"",
        "tenant.user_id[1]: must have exactly one of header, jwt_claim, path, value",
        "tenant.user_id[2]: must have exactly one of header, jwt_claim, path, value",
        "record.slow_ms = -1: must be a whole number, for example 1000",
        "record.max_bytes = \"1KiB\": must be at least 8192 bytes",
        "record.fields.a: environment variable \"MISSING\" is not set",
        "redact.headers = {\"cookie\":\"burn\"}: \"cookie\" must be \"remove\", \"mask\", \"hash\" or \"keep\"",
        "redact.path = [\"/plain\",\"nope\"]: \"/plain\" must have a secret segment",
        "redact.path = [\"/plain\",\"nope\"]: \"nope\" must begin with \"/\"",
        "rules[0].match.status = [\"teapot\"]: rules[0].match.status[0] must be a status, for example 404, \"5xx\" or \"500-503\"",
        "rules[0].match.color: unknown key: must be one of status, host, path_prefix, ",
        "rules[0].sample = 2: must be at most 1",
        "sampling.rate = \"half\": must be a number from 0 to 1, for example 0.1",
        "sampling.always_slower_than = \"soon\": must be a duration with a unit, for example \"1s\"",
        "delivery.flush_interval = \"0s\": must be at least 50ms",
        "delivery.queue_max_bytes = 8388608: must be at least delivery.batch_max_bytes (9000000)",
        "delivery.token: must be printable ASCII without spaces",
        "delivery.retry.max = \"1s\": must be at least delivery.retry.initial (10s)",
        "delivery.path = \"v1\": must begin with \"/\" and be printable ASCII without spaces",
    ] {
        assert!(
            faults.iter().any(|fault| fault.starts_with(expected)),
            "{expected}\nin {faults:#?}"
        );
    }
    assert_eq!(faults.len(), 25, "{faults:#?}");
}

#[test]
fn a_name_given_twice_in_one_object_is_refused_wherever_it_stands() {
    let faults = parse(
        r#"{"redact": {"headers": {"cookie": "keep", "x-a": "mask", "cookie": "remove"}},
            "level": "INFO", "level": "INFO", "\u006cevel": "DEBUG",
            "rules": [{"match": {"path": "/a", "path": "/b"}, "audit": true}, {"drop": true, "drop": false}],
            "redact": {"query": ["pin"]}}"#,
    )
    .unwrap_err();
    let twice = |name: &str| format!("{name}: is given more than once: keep one of them");
    let names = ["redact.headers.cookie", "level", "level", "rules[0].match.path", "rules[1].drop"];
    let expected: Vec<String> = names.into_iter().chain(["redact"]).map(twice).collect();
    assert_eq!(faults, expected);
    assert!(parse(r#"{"rules": [{"drop": true}, {"drop": true}]}"#).is_ok());
    assert!(parse("{} {}").unwrap_err()[0].starts_with("configuration: is not JSON: trailing"));
}

#[test]
fn anything_but_a_json_object_is_rejected_by_name() {
    let structure = b"\n\x0f\n\x07service\x12\x06\x1a\x04edge";
    let fault = &Config::parse(structure, &environment).unwrap_err()[0];
    assert!(
        fault.to_string().starts_with("configuration: is a protobuf Struct: give it as JSON text"),
        "{fault}"
    );
    assert!(parse("[]").unwrap_err()[0].starts_with("configuration = []: must be a JSON object"));
    assert!(parse("{\"a\":").unwrap_err()[0].starts_with("configuration: is not JSON: EOF"));
    assert!(Config::parse(b"\xff\n", &environment).is_err());
    assert!(Config::parse(b"\n", &environment).is_ok());
    let nested = "[".repeat(100_000);
    assert!(parse(&nested).is_err());
}

#[test]
fn the_environment_gives_the_level_and_values() {
    let with = |level: &'static str| {
        Config::parse(br#"{"level": "ERROR"}"#, &move |name| {
            (name == "LOG_LEVEL").then(|| level.to_owned())
        })
    };
    assert_eq!(with("debug").unwrap().level, Level::Debug);
    assert_eq!(with(" ").unwrap().level, Level::Error);
    assert_eq!(
        with("loud").unwrap_err()[0].to_string(),
        "environment variable LOG_LEVEL: unknown level \"loud\": must be DEBUG, INFO, WARNING, ERROR or CRITICAL"
    );
    let service =
        |text: &str| parse(&format!(r#"{{"service": "{text}"}}"#)).map(|config| config.logger_name);
    assert_eq!(service("a-${REGION}-$${REGION}").unwrap(), "gateway.a-eu-${REGION}");
    assert!(service("${REGION").unwrap_err()[0].contains("without its \"}\""));
}

#[test]
fn no_header_that_frames_routes_or_steers_is_written_or_removed() {
    for name in ["content-length", "transfer-encoding", "Host", "x-envoy-retry-on", "grpc-timeout"]
    {
        for section in ["request_id", "correlation_id"] {
            let text = format!(r#"{{"{section}": {{"header": "{name}"}}}}"#);
            let faults = parse(&text).unwrap_err();
            assert!(faults[0].contains("serves another purpose"), "{faults:?}");
        }
        let text = format!(r#"{{"tenant": {{"user_id": [{{"header": "{name}"}}]}}}}"#);
        assert!(parse(&text).is_ok(), "reading it harms nothing");
        let text = text.replace(r#""tenant": {"#, r#""tenant": {"strip_untrusted": true, "#);
        let faults = parse(&text).unwrap_err();
        assert!(faults[0].contains("must not remove"), "{faults:?}");
    }
    for name in [":authority", ":path", ":method", ":status"] {
        let text = format!(r#"{{"request_id": {{"header": "{name}"}}}}"#);
        assert!(parse(&text).unwrap_err()[0].contains("must be a valid header name"));
    }
    let stripped =
        r#"{"tenant": {"strip_untrusted": true, "user_id": [{"header": "x-request-id"}]}}"#;
    assert!(parse(stripped).unwrap_err()[0].contains("it carries an id"));
}

#[test]
fn a_secret_is_never_shown() {
    for text in [
        r#"{"delivery": {"token": ["hunter2"]}}"#,
        r#"{"delivery": {"token": "hunter2 "}}"#,
        r#"{"delivery": {"token": "${hunter2"}}"#,
        r#"{"redact": {"salt": {"hunter2": 1}}}"#,
        r#"{"redact": {"salt": 1}, "hunter2": 1}"#.trim_end_matches("\"hunter2\": 1}"),
    ] {
        let faults = parse(text).unwrap_err();
        assert!(!format!("{faults:?}").contains("hunter2"), "{faults:?}");
    }
    let config =
        parse(r#"{"delivery": {"token": "hunter2"}, "redact": {"salt": "hunter2"}}"#).unwrap();
    let shown = format!("{config:?}");
    assert!(!shown.contains("hunter2") && !shown.contains(&format!("{:?}", b"hunter2")));
}

#[test]
fn what_the_environment_gave_is_not_quoted() {
    let secrets = |name: &str| (name != "LOG_LEVEL").then(|| format!("hunter2 of {name}"));
    let text = br#"{"request_id": {"trust": ["${A}"]}, "redact": {"path": ["/${B}", "${C}"]},
                    "record": {"request_headers": ["${D}"]}}"#;
    let faults = Config::parse(text, &secrets).unwrap_err();
    assert_eq!(faults.len(), 4, "{faults:?}");
    for fault in faults {
        let line = fault.to_string();
        assert!(line.contains("a value from the environment"), "{line}");
        assert!(!line.contains("hunter2"), "{line}");
    }
}

#[test]
fn a_fault_is_one_short_line_for_any_key() {
    let faults = parse(r#"{"a\r\nb": 1}"#).unwrap_err();
    assert!(faults[0].starts_with("a\\r\\nb: unknown key"), "{faults:?}");
    let long = format!("{}\\n", "k".repeat(10_000));
    let all = format!(
        r#"{{"{long}": 1, "service": "${{{long}}}", "redact": {{"headers": {{" {long}": "mask"}}}},
            "record": {{"fields": {{"{long}": "v"}}, "request_headers": [" {long}"]}}}}"#
    );
    let faults = parse(&all).unwrap_err();
    assert_eq!(faults.len(), 5, "{faults:?}");
    for fault in faults {
        assert!(fault.contains("kkk…") && !fault.contains('\n'), "{fault}");
        assert!(fault.len() < 400, "{fault}");
    }
}

#[test]
fn the_number_of_reported_faults_is_bounded() {
    let many: Vec<_> = (0..200).map(|n| format!("\"k{n}\": {n}")).collect();
    let faults = parse(&format!("{{{}}}", many.join(","))).unwrap_err();
    assert_eq!(faults.len(), 51);
    assert_eq!(faults[50], "configuration: 150 more faults, fix the first ones");
}

#[test]
fn what_would_harm_later_is_refused_at_once() {
    for (text, expected) in [
        (
            r#"{"tenant": {"user_id": [{"header": "Authorization"}]}}"#,
            "tenant.user_id[0].header = \"Authorization\": holds a credential",
        ),
        (
            r#"{"request_id": {"header": "cookie"}}"#,
            "request_id.header = \"cookie\": holds a credential",
        ),
        (
            r#"{"redact": {"headers": {"x ssn": "mask"}}}"#,
            "redact.headers = {\"x ssn\":\"mask\"}: \"x ssn\" is not a valid header name",
        ),
        (
            r#"{"record": {"fields": {"a.b": "x"}}}"#,
            "record.fields = {\"a.b\":\"x\"}: \"a.b\" must have 1 to 64 letters",
        ),
        (
            r#"{"rules": [{"tenant": {"user_id": ""}}]}"#,
            "rules[0].tenant.user_id = \"\": must have 1 to 256 bytes",
        ),
        (
            r#"{"audit": {"statuses": [99]}}"#,
            "audit.statuses = [99]: audit.statuses[0] must be a status, for example 401",
        ),
        (
            r#"{"rules": [{"match": {"status": ["0-999"]}, "drop": true}]}"#,
            "rules[0].match.status = [\"0-999\"]: rules[0].match.status[0] must be a status, for example 404",
        ),
        (
            r#"{"delivery": {"authority": "a\r\nb"}}"#,
            "delivery.authority = \"a\\r\\nb\": must be printable ASCII without spaces",
        ),
        (
            r#"{"delivery": {"path": "/a b"}}"#,
            "delivery.path = \"/a b\": must begin with \"/\" and be printable ASCII",
        ),
    ] {
        let faults = parse(text).unwrap_err();
        assert!(faults.len() == 1 && faults[0].starts_with(expected), "{expected}\nin {faults:?}");
    }
}

#[test]
fn no_text_from_the_environment_is_quoted_wherever_it_stands() {
    let secret = |name: &str| (name == "A").then(|| "hunter2 \n".to_owned());
    let texts = [
        r#"{"level": "${A}", "service": "${A}"}"#,
        r#"{"request_id": {"header": "${A}", "trust": "${A}"}, "correlation_id": {"trust": ["${A}"]}}"#,
        r#"{"tenant": {"user_id": [{"path": "${A}"}, {"header": "${A}"}, {"jwt_claim": "${A}"}]}}"#,
        r#"{"record": {"slow_level": "${A}", "max_bytes": "${A}", "value_max_bytes": "${A}"}}"#,
        r#"{"record": {"request_headers": ["${A}"], "fields": {"a": "${A}"}}}"#,
        r#"{"redact": {"headers": {"cookie": "${A}"}, "path": ["${A}"], "parameters": ["${A}"]}}"#,
        r#"{"audit": {"paths": ["${A}"], "methods": ["${A}"], "statuses": ["${A}"]}}"#,
        r#"{"health_checks": {"paths": ["${A}"]}}"#,
        r#"{"rules": [{"match": {"status": ["${A}"], "path": "${A}"}, "level": "${A}"}]}"#,
        r#"{"sampling": {"always_from": "${A}", "always_slower_than": "${A}"}}"#,
        r#"{"delivery": {"cluster": "${A}", "path": "${A}", "authority": "${A}", "token": "${A}"}}"#,
        r#"{"delivery": {"timeout": "${A}", "queue_max_bytes": "${A}", "retry": {"max": "${A}"}}}"#,
    ];
    for text in texts {
        let faults = Config::parse(text.as_bytes(), &secret).err().unwrap_or_default();
        for fault in faults {
            assert!(!fault.to_string().contains("hunter2"), "{fault}");
        }
    }
}

#[test]
fn every_text_may_come_from_the_environment() {
    let parse = |text: &str| {
        Config::parse(text.as_bytes(), &|name| {
            let value = match name {
                "SIZE" => "1MiB",
                "WAIT" => "3s",
                "TRUST" => "never",
                "LEVEL" => "ERROR",
                _ => return None,
            };
            Some(value.to_owned())
        })
    };
    let config = parse(
        r#"{"sampling": {"always_from": "${LEVEL}"}, "request_id": {"trust": "${TRUST}"},
            "delivery": {"timeout": "${WAIT}", "batch_max_bytes": "${SIZE}"}}"#,
    )
    .unwrap();
    assert_eq!(config.sampling.always_from, Level::Error);
    assert_eq!(config.identity.request.trust, Trust::Never);
    let delivery = config.delivery.unwrap();
    assert_eq!((delivery.timeout_ns, delivery.batch_max_bytes), (3 * SECOND, 1 << 20));
}

/// Each of these is refused with just one fault, which begins with this.
fn assert_refused(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        let faults = parse(text).err().unwrap_or_default();
        assert!(
            faults.len() == 1 && faults[0].starts_with(expected),
            "{text}\n{expected}\nin {faults:?}"
        );
    }
}

#[test]
fn a_queue_in_which_the_longest_record_does_not_fit_is_refused() {
    assert_refused(&[
        (
            r#"{"record": {"max_bytes": "1MiB"}, "delivery": {"queue_max_bytes": 65536, "batch_max_bytes": 65536}}"#,
            "delivery.queue_max_bytes = 65536: must be at least 1048640, which is record.max_bytes \
             (1048576) and 64 bytes that each record takes in the queue",
        ),
        (
            r#"{"record": {"max_bytes": 65536}, "delivery": {"queue_max_bytes": 65599, "batch_max_bytes": 1024}}"#,
            "delivery.queue_max_bytes = 65599: must be at least 65600",
        ),
    ]);
    let fits = r#"{"record": {"max_bytes": 65536}, "delivery": {"queue_max_bytes": 65600, "batch_max_bytes": 1024}}"#;
    assert!(parse(fits).is_ok());
}

#[test]
fn a_key_without_the_one_it_needs_is_refused() {
    assert_refused(&[
        (
            r#"{"tenant": {"user_id": [{"header": "x-a", "payload": "p"}]}}"#,
            "tenant.user_id[0].payload = \"p\": must be used with jwt_claim: remove it",
        ),
        (
            r#"{"request_id": {"echo": false, "expose": true}}"#,
            "request_id.expose = true: must be used with \"echo\": true, because",
        ),
        (
            r#"{"correlation_id": {"echo": false, "expose": true}}"#,
            "correlation_id.expose = true: must be used with \"echo\": true, because",
        ),
    ]);
    assert!(parse(r#"{"request_id": {"echo": false, "expose": false}}"#).is_ok());
}

#[test]
fn what_can_never_have_an_effect_is_refused() {
    let nothing = "must have at least one of drop, level, audit, sample, tenant";
    let empty = format!("rules[0]: sets nothing: {nothing}");
    let conditions_only = format!("rules[1]: sets nothing: {nothing}");
    assert_refused(&[
        (r#"{"rules": [{}]}"#, &empty),
        (r#"{"rules": [{"match": {"method": ["GET"]}, "tenant": {}, "drop": null}]}"#, &empty),
        (r#"{"rules": [{"drop": true}, {"match": {"path_prefix": "/a"}}]}"#, &conditions_only),
        (
            r#"{"audit": {"methods": ["GE T"]}}"#,
            "audit.methods = [\"GE T\"]: \"GE T\" is not a method",
        ),
        (r#"{"audit": {"methods": [""]}}"#, "audit.methods = [\"\"]: \"\" is not a method"),
        (
            r#"{"redact": {"query": [""]}}"#,
            "redact.query = [\"\"]: \"\" is not the name of a parameter",
        ),
        (
            r#"{"health_checks": {"paths": ["healthz"]}}"#,
            "health_checks.paths = [\"healthz\"]: \"healthz\" must begin with \"/\" and have no query",
        ),
        (
            r#"{"health_checks": {"paths": ["/healthz?full"]}}"#,
            "health_checks.paths = [\"/healthz?full\"]: \"/healthz?full\" must begin with \"/\" and have no query",
        ),
    ]);
    let with =
        |condition: &str| format!(r#"{{"rules": [{{"match": {{{condition}}}, "drop": true}}]}}"#);
    for (condition, expected) in [
        (r#""method": ["GE T"]"#, "rules[0].match.method = [\"GE T\"]: \"GE T\" is not a method"),
        (
            r#""path_prefix": """#,
            "rules[0].match.path_prefix = \"\": must begin with \"/\" and have no query",
        ),
        (
            r#""path_prefix": "admin""#,
            "rules[0].match.path_prefix = \"admin\": must begin with \"/\"",
        ),
        (
            r#""path_prefix": "/a?b""#,
            "rules[0].match.path_prefix = \"/a?b\": must begin with \"/\"",
        ),
    ] {
        assert_refused(&[(&with(condition), expected)]);
    }
    for host in [
        "*",
        "*.",
        "",
        "*example.org",
        "a.*.org",
        "a.example.org:8080",
        "https://a",
        "a b",
        "*.a:1",
    ] {
        let expected = format!("rules[0].match.host = [\"{host}\"]: \"{host}\" is not a host");
        assert_refused(&[(&with(&format!(r#""host": ["{host}"]"#)), &expected)]);
    }
    for good in [
        r#""host": ["example.org", "*.Example.org", "localhost", "10.0.0.1", "[::1]", "[fd00::1]"]"#,
        r#""method": ["get", "M-SEARCH"], "path_prefix": "/""#,
    ] {
        assert!(parse(&with(good)).is_ok(), "{good}");
    }
}

#[test]
fn a_fault_in_a_default_shows_the_default() {
    assert_refused(&[
        (
            r#"{"request_id": {"header": "x-correlation-id"}}"#,
            "correlation_id.header = \"x-correlation-id\": must differ from request_id.header",
        ),
        (
            r#"{"correlation_id": {"header": "X-Request-Id"}}"#,
            "correlation_id.header = \"X-Request-Id\": must differ from request_id.header",
        ),
        (
            r#"{"delivery": {"retry": {"initial": "20s"}}}"#,
            "delivery.retry.max = \"10s\": must be at least delivery.retry.initial (20s)",
        ),
        (
            r#"{"sampling": {"rate": "0.5"}}"#,
            "sampling.rate = \"0.5\": must be a number from 0 to 1, for example 0.1",
        ),
    ]);
}
