//! Metrics of a response's `Server-Timing` header.
//!
//! Source: W3C Server Timing, §3 "The Server-Timing Header Field": a list of metrics, each a token
//! with `;name=value` parameters; `dur` is a number of milliseconds.

use gatelog_record::limits::PAIRS;

/// Maximum metrics read from one response: one more than a record holds, so that the encoder sees, and
/// counts, that some are left out.
pub const METRICS_MAX: usize = PAIRS + 1;

/// Maximum bytes of a metric's name; a longer one is ignored.
pub const NAME_BYTES_MAX: usize = 64;

/// Reads the metrics that have a duration, in order, the first of a name only.
///
/// A dot in a name, and a dollar sign at its start, become `_`: MongoDB's query language gives
/// them a special meaning.
pub fn parse(value: &[u8]) -> Vec<(String, f64)> {
    let text = String::from_utf8_lossy(value);
    let mut metrics: Vec<(String, f64)> = Vec::new();
    for metric in split_unquoted(&text, ',') {
        if metrics.len() == METRICS_MAX {
            break;
        }
        let mut parts = split_unquoted(metric, ';');
        let name = parts.next().unwrap_or_default().trim();
        let duration = parts.find_map(duration);
        let known = name.len() <= NAME_BYTES_MAX && !name.is_empty() && name.bytes().all(is_token);
        if let (true, Some(duration)) = (known, duration) {
            let name = safe_name(name);
            if metrics.iter().all(|(seen, _)| *seen != name) {
                metrics.push((name, duration));
            }
        }
    }
    metrics
}

fn duration(parameter: &str) -> Option<f64> {
    let (name, value) = parameter.split_once('=')?;
    let number = value.trim().trim_matches('"').parse::<f64>().ok()?;
    (name.trim().eq_ignore_ascii_case("dur") && number.is_finite()).then_some(number)
}

fn safe_name(name: &str) -> String {
    let dotless = name.replace('.', "_");
    match dotless.strip_prefix('$') {
        Some(rest) => format!("_{rest}"),
        None => dotless,
    }
}

/// A byte of an HTTP token (RFC 9110 §5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Splits at a separator outside of quoted strings.
fn split_unquoted(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let mut escaped = false;
    text.split(move |character| {
        if escaped {
            escaped = false;
            return false;
        }
        match character {
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => return !quoted && character == separator,
        }
        false
    })
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn read(value: &str) -> Vec<(String, f64)> {
        parse(value.as_bytes())
    }

    #[test]
    fn durations_are_read_among_any_other_parameters() {
        let cases: &[(&str, &[(&str, f64)])] = &[
            ("db;dur=53.2", &[("db", 53.2)]),
            ("db;dur=53, app;dur=47.2", &[("db", 53.0), ("app", 47.2)]),
            ("miss, db;dur=5", &[("db", 5.0)]),
            ("cache;desc=\"Cache, \\\"Read\\\"; dur=9\";dur=23.2", &[("cache", 23.2)]),
            (" a ; DUR = 1 ,b;x=y;dur=\"2\"", &[("a", 1.0), ("b", 2.0)]),
            ("db;dur=1,db;dur=2", &[("db", 1.0)]),
            ("a.b;dur=1,$c;dur=2", &[("a_b", 1.0), ("_c", 2.0)]),
        ];
        for (value, metrics) in cases {
            let metrics: Vec<_> = metrics.iter().map(|(n, d)| ((*n).to_owned(), *d)).collect();
            assert_eq!(read(value), metrics, "{value}");
        }
    }

    #[test]
    fn an_invalid_metric_is_ignored() {
        for value in [
            "",
            ",",
            ";;;",
            "a;dur=",
            "a;dur=x",
            "a;dur=inf",
            "a;dur=NaN",
            "é;dur=1",
            "a b;dur=1",
            "\"a;dur=1",
        ] {
            assert_eq!(read(value), [], "{value}");
        }
        assert_eq!(parse(b"\xff;dur=1"), []);
        assert_eq!(read(&format!("{};dur=1", "a".repeat(65))), []);
    }

    #[test]
    fn the_number_of_metrics_is_bounded() {
        let many: Vec<_> = (0..100).map(|n| format!("m{n};dur={n}")).collect();
        assert_eq!(read(&many.join(",")).len(), METRICS_MAX);
    }
}
