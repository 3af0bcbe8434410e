//! Any text is a query or is refused with one short line at a place within it. A query's canonical
//! text is the same query. Whatever it asks, testing a record never fails, what matches does not
//! match the contrary, and a scope without organizations admits nothing.
#![no_main]

use std::sync::LazyLock;

use gatelog_record::{DecodeLimits, Decoded, Uuid, decode_record};
use gatelog_search::limits::QUERY_BYTES;
use gatelog_search::{Query, Scope};
use libfuzzer_sys::fuzz_target;

static RECORD: LazyLock<Decoded> = LazyLock::new(|| {
    let line = r#"{"timestamp":"2026-01-26T02:11:57Z","level":"ERROR","message":"GET /a -> 503",
        "logger_name":"gateway.edge","context":{"user_id":"17","organization_id":"org_1"},
        "http":{"method":"GET","path":"/a/b.json","status":503,"attempts":2},
        "trace":{"execution_time_ms":45.23},"error":{"flags":["UF"],"details":"via_upstream"},
        "extra":{"a":[1,{"b":"x"},[2.5,null]],"n":9223372036854775807,"t":true},"audit":true}"#;
    decode_record(line.as_bytes(), &DecodeLimits::default(), Uuid::nil()).expect("a record")
});

fuzz_target!(|text: &str| {
    let query = match text.parse::<Query>() {
        Ok(query) => query,
        Err(error) => {
            let line = error.to_string();
            assert!(line.len() < 2_048 && !line.contains(['\n', '\r', '\u{1b}']), "{line:?}");
            assert!(error.at() <= text.chars().count(), "{error}");
            return;
        }
    };
    let canonical = query.to_string();
    if canonical.len() <= QUERY_BYTES {
        let again = canonical.parse::<Query>();
        assert_eq!(again.as_ref(), Ok(&query), "{canonical}");
        assert_eq!(again.expect("a query").to_string(), canonical);
    }
    let matches = Scope::ALL.select(query.clone()).matches(&RECORD);
    if let Ok(contrary) = format!("-({text}\n)").parse::<Query>() {
        assert_ne!(Scope::ALL.select(contrary).matches(&RECORD), matches, "{text:?}");
    }
    let nobody = Scope::organizations([]).expect("none are few enough");
    assert!(!nobody.select(query).matches(&RECORD));
});
