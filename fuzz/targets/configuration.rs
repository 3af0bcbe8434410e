//! Any bytes are either a valid configuration or are refused with every fault named, on lines of
//! bounded length; no secret from the environment appears in them.
#![no_main]

use gatelog::config::Config;
use libfuzzer_sys::fuzz_target;

const SECRET: &str = "hunter2-of-the-environment";

fuzz_target!(|bytes: &[u8]| {
    let environment = |name: &str| match name {
        "LOG_LEVEL" => None,
        _ if name.starts_with('N') => None,
        _ => Some(SECRET.to_owned()),
    };
    if let Err(faults) = Config::parse(bytes, &environment) {
        assert!(!faults.is_empty());
        for fault in faults {
            let line = fault.to_string();
            assert!(!line.contains(SECRET), "{line}");
            assert!(!line.contains(['\n', '\r']), "{line:?}");
            assert!(line.len() < 4_096, "{} bytes", line.len());
        }
    }
});
