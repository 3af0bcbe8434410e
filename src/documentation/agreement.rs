//! Which configurations the schema and the code accept.

use serde_json::json;

use super::schema::{Judge, compile};

#[test]
fn schema_and_code_judge_alike() {
    let judge = Judge::new();
    let alike = [
        (json!({}), true),
        (json!({"servce": "x"}), false),
        (json!({"service": ""}), false),
        (json!({"service": 7}), false),
        (json!({"service": "x".repeat(129)}), false),
        (json!({"level": "LOUD"}), false),
        (json!({"stdout": "yes"}), false),
        (json!({"request_id": []}), false),
        (json!({"request_id": {"header": "bad name"}}), false),
        (json!({"request_id": {"header": "authorization"}}), false),
        (json!({"request_id": {"header": "x".repeat(129)}}), false),
        (json!({"request_id": {"trust": "sometimes"}}), false),
        (json!({"request_id": {"trust": []}}), true),
        (json!({"request_id": {"trust": ["10.0.0.1"]}}), false),
        (json!({"request_id": {"trust": ["fd00::/8", "10.0.0.0/8"]}}), true),
        (json!({"request_id": {"from_traceparent": true}}), false),
        (json!({"request_id": {"echo": false, "expose": true}}), false),
        (json!({"correlation_id": {"echo": false, "expose": true}}), false),
        (json!({"correlation_id": {"echo": false, "expose": false}}), true),
        (json!({"tenant": {"user_id": []}}), true),
        (json!({"tenant": {"user_id": {}}}), false),
        (json!({"tenant": {"user_id": [{}]}}), false),
        (json!({"tenant": {"user_id": [{"header": "a", "value": "b"}]}}), false),
        (json!({"tenant": {"user_id": [{"payload": "a"}]}}), false),
        (json!({"tenant": {"user_id": [{"header": "a", "payload": "a"}]}}), false),
        (json!({"tenant": {"user_id": [{"jwt_claim": "a.b"}]}}), true),
        (json!({"tenant": {"user_id": [{"jwt_claim": ["https://a.b/c"], "payload": "p"}]}}), true),
        (json!({"tenant": {"user_id": [{"jwt_claim": []}]}}), false),
        (json!({"tenant": {"user_id": [{"jwt_claim": 1}]}}), false),
        (json!({"tenant": {"user_id": [{"path": "users/{user_id}"}]}}), false),
        (json!({"tenant": {"user_id": [{"value": ""}]}}), false),
        (json!({"record": {"slow_ms": 0}}), false),
        (json!({"record": {"slow_ms": 1.5}}), false),
        (json!({"record": {"max_bytes": "32KB"}}), false),
        (json!({"record": {"max_bytes": "32 KiB"}}), true),
        (json!({"record": {"request_headers": "x"}}), false),
        (json!({"record": {"request_headers": ["a b"]}}), false),
        (json!({"record": {"request_headers": vec!["x"; 65]}}), false),
        (json!({"record": {"fields": {"a.b": "x"}}}), false),
        (json!({"record": {"fields": {"a": 1}}}), false),
        (json!({"audit": {"statuses": [99]}}), false),
        (json!({"audit": {"statuses": ["401"]}}), false),
        (json!({"audit": {"methods": ["GE T"]}}), false),
        (json!({"audit": {"methods": [""]}}), false),
        (json!({"health_checks": {"paths": ["healthz"]}}), false),
        (json!({"redact": {"query": [""]}}), false),
        (json!({"redact": {"headers": {"cookie": "burn"}}}), false),
        (json!({"redact": {"headers": {"x ssn": "mask"}}}), false),
        (json!({"redact": {"query": vec!["x"; 257]}}), false),
        (json!({"redact": {"path": ["/a?b"]}}), false),
        (json!({"redact": {"salt": 1}}), false),
        (json!({"rules": {}}), false),
        (json!({"rules": [{}]}), false),
        (json!({"rules": [{"match": {"path_prefix": "/a"}}]}), false),
        (json!({"rules": [{"tenant": {}}]}), false),
        (json!({"rules": [{"tenant": {"user_id": "a"}}]}), true),
        (json!({"rules": [{"drop": true}]}), true),
        (json!({"rules": [{"drop": true, "match": {"path_prefix": "a"}}]}), false),
        (json!({"rules": [{"drop": true, "match": {"path_prefix": "/a?b"}}]}), false),
        (json!({"rules": [{"drop": true, "match": {"method": ["GE T"]}}]}), false),
        (json!({"rules": [{"drop": true, "match": {"method": ["M-SEARCH"]}}]}), true),
        (json!({"rules": [{"drop": true, "match": {"host": ["*"]}}]}), false),
        (json!({"rules": [{"drop": true, "match": {"host": ["a:80"]}}]}), false),
        (json!({"rules": [{"drop": true, "match": {"host": ["*.a.b", "c", "[::1]"]}}]}), true),
        (json!({"rules": [{"drop": true, "match": {"color": "red"}}]}), false),
        (json!({"rules": [{"drop": true, "match": {"status": [404, "5xx", "500-503"]}}]}), true),
        (json!({"rules": [{"drop": true, "match": {"status": ["teapot"]}}]}), false),
        (json!({"rules": [{"drop": true, "match": {"status": ["6xx"]}}]}), false),
        (json!({"rules": [{"drop": true, "match": {"status": [1000]}}]}), false),
        (json!({"rules": [{"drop": true, "match": {"path": "users"}}]}), false),
        (json!({"rules": [{"drop": true, "match": {"slower_than": "soon"}}]}), false),
        (json!({"rules": [{"sample": 2}]}), false),
        (json!({"rules": [{"tenant": {"user_id": ""}}]}), false),
        (json!({"rules": [{"tenant": {"customer": "x"}}]}), false),
        (json!({"sampling": {"rate": "half"}}), false),
        (json!({"sampling": {"rate": -0.1}}), false),
        (json!({"sampling": {"rate": 0}}), true),
        (json!({"sampling": {"always_slower_than": 5}}), false),
        (json!({"sampling": {"always_slower_than": "1.5 s"}}), true),
        (json!({"sampling": {"always_slower_than": "-1s"}}), false),
        (json!({"sampling": {"always_slower_than": "1.0000000001s"}}), false),
        (json!({"delivery": {"authority": "a b"}}), false),
        (json!({"delivery": {"path": "v1"}}), false),
        (json!({"delivery": {"path": "/a b"}}), false),
        (json!({"delivery": {"token": "a b"}}), false),
        (json!({"delivery": {"token": ["a"]}}), false),
        (json!({"delivery": {"max_in_flight": 0}}), false),
        (json!({"delivery": {"retry": {"times": 3}}}), false),
        (json!([]), false),
    ];
    for (configuration, good) in alike {
        let compiled = compile(&configuration);
        assert_eq!(compiled.is_ok(), good, "code on {configuration}: {compiled:?}");
        assert_eq!(judge.takes(&configuration), good, "schema on {configuration}");
    }
}

/// Rules that the schema cannot express, or deliberately states more strictly.
#[test]
fn where_schema_and_code_differ_is_known() {
    let judge = Judge::new();
    let (schema_only, code_only) = (true, false);
    for (configuration, refused_by, why) in [
        (json!({"level": "warn"}), schema_only, "one spelling in files, any in LOG_LEVEL"),
        (json!({"level": null}), schema_only, "null stands for nothing"),
        (json!({"tenant": {"user_id": [{"header": "a", "value": null}]}}), schema_only, "as above"),
        (json!({"level": "${LEVEL}"}), code_only, "what the environment gives is not known"),
        (json!({"service": "${REGION"}), code_only, "as above"),
        (json!({"service": "é".repeat(100)}), code_only, "bytes are not characters"),
        (json!({"request_id": {"header": "Cookie"}}), code_only, "a name in any case"),
        (json!({"request_id": {"trust": ["10.0.0.0/99"]}}), code_only, "numbers within a text"),
        (json!({"sampling": {"always_slower_than": "25h"}}), code_only, "as above"),
        (json!({"delivery": {"flush_interval": "0s"}}), code_only, "as above"),
        (json!({"record": {"max_bytes": "1KiB"}}), code_only, "as above"),
        (json!({"record": {"max_bytes": 1}}), code_only, "one definition for every size"),
        (
            json!({"rules": [{"drop": true, "match": {"status": ["503-500"]}}]}),
            code_only,
            "order within a text",
        ),
        (
            json!({"tenant": {"user_id": [{"path": "/users/{id}"}]}}),
            code_only,
            "the name depends on the field",
        ),
        (json!({"redact": {"path": ["/plain"]}}), code_only, "the same pattern for every template"),
        (
            json!({"rules": [{"drop": true, "match": {"path": "/a/{"}}]}),
            code_only,
            "the grammar of templates",
        ),
        (
            json!({"request_id": {"header": "x-a"}, "correlation_id": {"header": "x-a"}}),
            code_only,
            "two keys at once",
        ),
        (
            json!({"delivery": {"batch_max_bytes": 16_777_216}}),
            code_only,
            "two keys at once: no larger than the queue",
        ),
        (
            json!({"record": {"max_bytes": "1MiB"}, "delivery": {"queue_max_bytes": 1_000_000}}),
            code_only,
            "two keys at once: the longest record fits into the queue",
        ),
        (json!({"delivery": {"retry": {"initial": "20s"}}}), code_only, "two keys at once"),
    ] {
        assert_eq!(judge.takes(&configuration), !refused_by, "schema on {configuration}: {why}");
        assert_eq!(compile(&configuration).is_ok(), refused_by, "code on {configuration}: {why}");
    }
}
