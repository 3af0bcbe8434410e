//! What one variant adds as a fraction of what another adds in the same run: absolute times differ
//! fivefold between machines, ratios hold.

use crate::report::{Report, Target};
use crate::variants::{AWAY, MODULE_AWAY};

/// What a variant adds to Envoy without a filter.
pub(crate) struct Added {
    pub(crate) name: &'static str,
    /// Processor time per request over HTTP/1 and HTTP/2, in microseconds.
    pub(crate) cpu: [f64; 2],
    /// Latency in microseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

/// At most how much of another's processor time.
const CPU: [(&str, &str, f64); 4] = [
    ("gatelog", "lua", 1.4),
    ("gatelog", "plain", 0.5),
    ("module", "lua", 0.8),
    ("module", "gatelog", 0.3),
];

/// At most how much of another's latency: p50 and p99.
const LATENCY: [(&str, &str, f64, f64); 2] =
    [("module", "lua", 1.0, 1.5), (MODULE_AWAY, "lua", 1.0, 1.5)];

/// The variants that Envoy runs with a full queue: the most mebibytes that it may add.
pub(crate) const FULL_QUEUE: [(&str, f64); 2] = [(AWAY, 50.0), (MODULE_AWAY, 20.0)];

/// What the other adds at least, in microseconds: below it a ratio says nothing.
const LEAST_CPU: f64 = 0.1;
const LEAST_LATENCY: f64 = 10.0;

/// Reports each ratio whose variants were measured.
pub(crate) fn report(report: &mut Report, added: &[Added]) {
    let of = |name: &str| added.iter().find(|one| one.name == name);
    for (name, other, most) in CPU {
        let (Some(own), Some(others)) = (of(name), of(other)) else { continue };
        for ((protocol, own), others) in ["http1", "http2"].iter().zip(own.cpu).zip(others.cpu) {
            let row = format!("{name}.{protocol}.cpu_added_to_{other}");
            ratio(report, &row, (own, others, LEAST_CPU), most);
        }
    }
    for (name, other, p50, p99) in LATENCY {
        let (Some(own), Some(others)) = (of(name), of(other)) else { continue };
        for (which, own, others, most) in
            [("p50", own.p50, others.p50, p50), ("p99", own.p99, others.p99, p99)]
        {
            let row = format!("{name}.latency_{which}_added_to_{other}");
            ratio(report, &row, (own, others, LEAST_LATENCY), most);
        }
    }
}

fn ratio(report: &mut Report, row: &str, (own, others, least): (f64, f64, f64), most: f64) {
    if others < least {
        println!("{row}: not measurable in this run: the other added {others:.1} us");
        return;
    }
    report.target(row, own / others, "ratio", Target::AtMost(most));
}
