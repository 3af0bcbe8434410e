//! Properties and filter state.

use wasmi::{Caller, Error, Linker, errors::LinkerError};

use crate::mock_host::guest::{Guest, State};
use crate::mock_host::status::Status;

pub(super) fn link(linker: &mut Linker<State>) -> Result<(), LinkerError> {
    linker.func_wrap("env", "proxy_get_property", get)?;
    linker.func_wrap("env", "proxy_set_property", set)?;
    Ok(())
}

/// A path as Envoy's documentation writes it: on the ABI, NULs separate its parts.
fn path(guest: &mut Guest<'_>, at: u32, len: u32) -> Result<String, Error> {
    Ok(guest.text(at, len)?.replace('\0', "."))
}

fn get(caller: Caller<'_, State>, at: u32, at_len: u32, data: u32, len: u32) -> Result<u32, Error> {
    let mut guest = Guest::new(caller);
    let path = path(&mut guest, at, at_len)?;
    guest.hostcall("proxy_get_property", path.clone(), |guest| {
        match guest.world().property(&path).cloned() {
            Some(value) => guest.give(&value, data, len),
            None => Ok(Status::NOT_FOUND),
        }
    })
}

fn set(
    caller: Caller<'_, State>,
    at: u32,
    at_len: u32,
    value: u32,
    value_len: u32,
) -> Result<u32, Error> {
    let mut guest = Guest::new(caller);
    let path = path(&mut guest, at, at_len)?;
    let value = guest.bytes(value, value_len)?;
    guest.hostcall("proxy_set_property", path.clone(), |guest| {
        let world = guest.world();
        if !world.view.filter_state {
            return Ok(Status::NOT_FOUND);
        }
        Ok(match world.stream_mut() {
            Some(stream) => {
                stream.filter_state.insert(path, value);
                Status::OK
            }
            None => Status::NOT_FOUND,
        })
    })
}
