//! `docs/metrics.md` against the stats that the filter defines.

use super::page::{blocks, code, rows};
use crate::host::MetricKind;
use crate::metrics::definitions;

const PAGE: &str = include_str!("../../docs/metrics.md");

#[test]
fn every_stat_stands_on_the_page_with_its_kind_and_its_prometheus_name() {
    let documented: Vec<_> = rows(PAGE, &["stat", "kind", "in Prometheus", "meaning"])
        .iter()
        .map(|row| {
            [0, 2]
                .map(|cell| code(&row[cell]).unwrap().to_owned())
                .into_iter()
                .chain([row[1].clone()])
                .collect::<Vec<_>>()
        })
        .collect();
    let defined: Vec<_> = definitions()
        .map(|(kind, name)| {
            let kind = match kind {
                MetricKind::Counter => "counter",
                MetricKind::Gauge => "gauge",
                MetricKind::Histogram => "histogram",
            };
            vec![name.to_owned(), name.replace('.', "_"), kind.to_owned()]
        })
        .collect();
    assert_eq!(documented, defined);
}

#[test]
fn the_output_shown_has_every_stat() {
    let output = blocks(PAGE, "text").concat();
    for (kind, name) in definitions() {
        let name = name.replace('.', "_");
        let sample = match kind {
            MetricKind::Histogram => format!("{name}_bucket{{le=\""),
            MetricKind::Counter | MetricKind::Gauge => format!("{name}{{}} "),
        };
        assert!(output.contains(&sample), "{sample}");
    }
}
