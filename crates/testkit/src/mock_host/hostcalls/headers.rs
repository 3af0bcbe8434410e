//! Header maps and buffers.

use wasmi::{Caller, Error, Linker, errors::LinkerError};

use crate::mock_host::guest::{Guest, State};
use crate::mock_host::headers::Headers;
use crate::mock_host::status::{Buffer, Map, Status};

pub(super) fn link(linker: &mut Linker<State>) -> Result<(), LinkerError> {
    linker.func_wrap("env", "proxy_get_header_map_pairs", get_pairs)?;
    linker.func_wrap("env", "proxy_set_header_map_pairs", set_pairs)?;
    linker.func_wrap("env", "proxy_get_header_map_value", get)?;
    linker.func_wrap("env", "proxy_replace_header_map_value", replace)?;
    linker.func_wrap("env", "proxy_add_header_map_value", add)?;
    linker.func_wrap("env", "proxy_remove_header_map_value", remove)?;
    linker.func_wrap("env", "proxy_get_buffer_bytes", get_buffer)?;
    Ok(())
}

fn map(guest: &mut Guest<'_>, number: u32) -> Result<Map, Error> {
    Map::from_abi(number)
        .ok_or_else(|| guest.violation(format!("names the map {number}, which is not modelled")))
}

/// Applies `change` to a map that the callback can change.
fn change(guest: &mut Guest<'_>, map: Map, change: impl FnOnce(&mut Headers)) -> Status {
    match guest.world().map_mut(map) {
        Ok(headers) => {
            change(headers);
            Status::OK
        }
        Err(status) => status,
    }
}

fn get_pairs(caller: Caller<'_, State>, number: u32, data: u32, len: u32) -> Result<u32, Error> {
    let mut guest = Guest::new(caller);
    let map = map(&mut guest, number)?;
    guest.hostcall("proxy_get_header_map_pairs", map.to_string(), |guest| {
        // A map that the callback lacks is passed as an empty one.
        let bytes = match guest.world().map(map) {
            Ok(headers) if !headers.is_empty() => headers.encode(),
            _ => Vec::new(),
        };
        guest.give(&bytes, data, len)
    })
}

fn set_pairs(caller: Caller<'_, State>, number: u32, data: u32, len: u32) -> Result<u32, Error> {
    let mut guest = Guest::new(caller);
    let map = map(&mut guest, number)?;
    let bytes = guest.bytes(data, len)?;
    let pairs = Headers::decode(&bytes)
        .map_err(|error| guest.violation(format!("passes a malformed map: {error}")))?;
    guest.hostcall("proxy_set_header_map_pairs", map.to_string(), |guest| {
        Ok(change(guest, map, |headers| *headers = pairs))
    })
}

fn get(
    caller: Caller<'_, State>,
    number: u32,
    key: u32,
    key_len: u32,
    data: u32,
    len: u32,
) -> Result<u32, Error> {
    let mut guest = Guest::new(caller);
    let map = map(&mut guest, number)?;
    let name = guest.text(key, key_len)?;
    guest.hostcall("proxy_get_header_map_value", format!("{map}: {name}"), |guest| {
        let found = guest.world().map(map).map(|headers| headers.get(&name).map(<[u8]>::to_vec));
        match found {
            Ok(Some(value)) => guest.give(&value, data, len),
            Ok(None) => Ok(Status::NOT_FOUND),
            Err(status) => Ok(status),
        }
    })
}

/// A name and a value, as passed by a hostcall that changes a map.
type Pair = (u32, u32, u32, u32);

fn replace(
    caller: Caller<'_, State>,
    map: u32,
    key: u32,
    key_len: u32,
    value: u32,
    value_len: u32,
) -> Result<u32, Error> {
    let pair = (key, key_len, value, value_len);
    put(caller, "proxy_replace_header_map_value", map, pair, Headers::set)
}

fn add(
    caller: Caller<'_, State>,
    map: u32,
    key: u32,
    key_len: u32,
    value: u32,
    value_len: u32,
) -> Result<u32, Error> {
    let pair = (key, key_len, value, value_len);
    put(caller, "proxy_add_header_map_value", map, pair, Headers::add)
}

fn put(
    caller: Caller<'_, State>,
    hostcall: &'static str,
    number: u32,
    (key, key_len, value, value_len): Pair,
    put: fn(&mut Headers, &str, Vec<u8>),
) -> Result<u32, Error> {
    let mut guest = Guest::new(caller);
    let map = map(&mut guest, number)?;
    let name = guest.text(key, key_len)?;
    let value = guest.bytes(value, value_len)?;
    guest.hostcall(hostcall, format!("{map}: {name}"), |guest| {
        Ok(change(guest, map, |headers| put(headers, &name, value)))
    })
}

fn remove(caller: Caller<'_, State>, number: u32, key: u32, key_len: u32) -> Result<u32, Error> {
    let mut guest = Guest::new(caller);
    let map = map(&mut guest, number)?;
    let name = guest.text(key, key_len)?;
    guest.hostcall("proxy_remove_header_map_value", format!("{map}: {name}"), |guest| {
        Ok(change(guest, map, |headers| headers.remove(&name)))
    })
}

fn get_buffer(
    caller: Caller<'_, State>,
    number: u32,
    start: u32,
    max: u32,
    data: u32,
    len: u32,
) -> Result<u32, Error> {
    let mut guest = Guest::new(caller);
    let Some(buffer) = Buffer::from_abi(number) else {
        return Err(guest.violation(format!("names the buffer {number}, which is not modelled")));
    };
    guest.hostcall("proxy_get_buffer_bytes", buffer.to_string(), |guest| {
        let Some(end) = start.checked_add(max) else { return Ok(Status::BAD_ARGUMENT) };
        let world = guest.world();
        let whole = match buffer {
            Buffer::CalloutBody => world.view.answer.as_ref().map(|answer| &answer.body),
            Buffer::VmConfiguration => Some(&world.vm_configuration),
            Buffer::PluginConfiguration => {
                world.view.configuring.then_some(&world.plugin_configuration)
            }
        };
        let Some(whole) = whole else { return Ok(Status::NOT_FOUND) };
        let bound = |at: u32| usize::try_from(at).unwrap_or(usize::MAX).min(whole.len());
        let part = whole.get(bound(start)..bound(end)).unwrap_or_default().to_vec();
        guest.give(&part, data, len)
    })
}
