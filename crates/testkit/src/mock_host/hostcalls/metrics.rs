//! Envoy's stats.

use wasmi::{Caller, Error, Linker, errors::LinkerError};

use crate::mock_host::guest::{Guest, State};
use crate::mock_host::status::{MetricKind, Status};
use crate::mock_host::world::Metric;

pub(super) fn link(linker: &mut Linker<State>) -> Result<(), LinkerError> {
    linker.func_wrap("env", "proxy_define_metric", define)?;
    linker.func_wrap("env", "proxy_increment_metric", increment)?;
    linker.func_wrap("env", "proxy_record_metric", record)?;
    linker.func_wrap("env", "proxy_get_metric", get)?;
    Ok(())
}

fn metric<'a>(guest: &'a mut Guest<'_>, id: u32) -> Option<&'a mut Metric> {
    guest.world().metrics.get_mut(usize::try_from(id).ok()?)
}

fn name(guest: &mut Guest<'_>, id: u32) -> String {
    metric(guest, id).map_or_else(|| format!("unknown metric {id}"), |metric| metric.name.clone())
}

fn define(
    caller: Caller<'_, State>,
    kind: u32,
    at: u32,
    len: u32,
    id_at: u32,
) -> Result<u32, Error> {
    let mut guest = Guest::new(caller);
    let name = guest.text(at, len)?;
    guest.hostcall("proxy_define_metric", name.clone(), |guest| {
        let Some(kind) = MetricKind::from_abi(kind) else { return Ok(Status::BAD_ARGUMENT) };
        let metrics = &mut guest.world().metrics;
        let id = metrics.iter().position(|have| have.name == name && have.kind == kind);
        let id = id.unwrap_or_else(|| {
            metrics.push(Metric { kind, name, value: 0, recorded: Vec::new() });
            metrics.len().saturating_sub(1)
        });
        guest.write_u32(id_at, u32::try_from(id).unwrap_or(u32::MAX))?;
        Ok(Status::OK)
    })
}

fn increment(caller: Caller<'_, State>, id: u32, offset: i64) -> Result<u32, Error> {
    let mut guest = Guest::new(caller);
    let name = name(&mut guest, id);
    guest.hostcall("proxy_increment_metric", name, |guest| {
        let Some(metric) = metric(guest, id) else { return Ok(Status::NOT_FOUND) };
        // A counter must increase; a histogram cannot be incremented at all.
        if metric.kind == MetricKind::Histogram
            || (metric.kind == MetricKind::Counter && offset <= 0)
        {
            return Ok(Status::BAD_ARGUMENT);
        }
        metric.value += offset;
        Ok(Status::OK)
    })
}

fn record(caller: Caller<'_, State>, id: u32, value: u64) -> Result<u32, Error> {
    let mut guest = Guest::new(caller);
    let name = name(&mut guest, id);
    guest.hostcall("proxy_record_metric", name, |guest| {
        let Some(metric) = metric(guest, id) else { return Ok(Status::NOT_FOUND) };
        let signed = i64::try_from(value).unwrap_or(i64::MAX);
        match metric.kind {
            MetricKind::Counter => metric.value = metric.value.saturating_add(signed),
            MetricKind::Gauge => metric.value = signed,
            MetricKind::Histogram => {
                metric.recorded.push(value);
                metric.value += 1;
            }
        }
        Ok(Status::OK)
    })
}

fn get(caller: Caller<'_, State>, id: u32, value_at: u32) -> Result<u32, Error> {
    let mut guest = Guest::new(caller);
    let name = name(&mut guest, id);
    guest.hostcall("proxy_get_metric", name, |guest| {
        let Some(metric) = metric(guest, id) else { return Ok(Status::NOT_FOUND) };
        if metric.kind == MetricKind::Histogram {
            return Ok(Status::BAD_ARGUMENT);
        }
        let value = metric.value;
        guest.write(value_at, &value.to_le_bytes())?;
        Ok(Status::OK)
    })
}
