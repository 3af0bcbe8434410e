//! Log lines, the clock, the tick, contexts.

use wasmi::{Caller, Error, Linker, errors::LinkerError};

use crate::mock_host::guest::{Guest, State};
use crate::mock_host::status::{LogLevel, Status};
use crate::mock_host::world::LogLine;

pub(super) fn link(linker: &mut Linker<State>) -> Result<(), LinkerError> {
    linker.func_wrap("env", "proxy_log", log)?;
    linker.func_wrap("env", "proxy_get_log_level", get_log_level)?;
    linker.func_wrap("env", "proxy_get_current_time_nanoseconds", get_current_time)?;
    linker.func_wrap("env", "proxy_set_tick_period_milliseconds", set_tick_period)?;
    linker.func_wrap("env", "proxy_set_effective_context", set_effective_context)?;
    linker.func_wrap("env", "proxy_done", done)?;
    Ok(())
}

fn log(caller: Caller<'_, State>, level: u32, at: u32, len: u32) -> Result<u32, Error> {
    let mut guest = Guest::new(caller);
    let Some(level) = LogLevel::from_abi(level) else {
        return Err(guest.violation(format!("logs with the level {level}, which there is not")));
    };
    let text = String::from_utf8_lossy(&guest.bytes(at, len)?).into_owned();
    // A line is kept even if the call is not allowed: it may report a panic.
    guest.world().logs.push(LogLine { level, text });
    guest.hostcall("proxy_log", level.to_string(), |_| Ok(Status::OK))
}

fn get_log_level(caller: Caller<'_, State>, level_at: u32) -> Result<u32, Error> {
    Guest::new(caller).hostcall("proxy_get_log_level", "", |guest| {
        guest.write_u32(level_at, LogLevel::Info.to_abi())?;
        Ok(Status::OK)
    })
}

fn get_current_time(caller: Caller<'_, State>, time_at: u32) -> Result<u32, Error> {
    Guest::new(caller).hostcall("proxy_get_current_time_nanoseconds", "", |guest| {
        let now = guest.world().wall_ns;
        guest.write(time_at, &now.to_le_bytes())?;
        Ok(Status::OK)
    })
}

fn set_tick_period(caller: Caller<'_, State>, milliseconds: u32) -> Result<u32, Error> {
    let name = "proxy_set_tick_period_milliseconds";
    Guest::new(caller).hostcall(name, milliseconds.to_string(), |guest| {
        guest.world().tick_period_ms = Some(milliseconds);
        Ok(Status::OK)
    })
}

fn set_effective_context(caller: Caller<'_, State>, context: u32) -> Result<u32, Error> {
    Guest::new(caller).hostcall("proxy_set_effective_context", context.to_string(), |guest| {
        if !guest.state().contexts.contains(&context) {
            return Ok(Status::BAD_ARGUMENT);
        }
        let world = guest.world();
        if world.view.context != context {
            let stream = world.streams.contains_key(&context).then_some(context);
            world.view.context = context;
            world.view.stream = stream;
            world.view.filter_state = stream.is_some();
            world.view.readable = &[];
            world.view.writable = &[];
        }
        Ok(Status::OK)
    })
}

fn done(caller: Caller<'_, State>) -> Result<u32, Error> {
    Guest::new(caller).hostcall("proxy_done", "", |guest| {
        let world = guest.world();
        let context = world.view.context;
        Ok(if world.pending_done.remove(&context) {
            world.finished.push(context);
            Status::OK
        } else {
            Status::NOT_FOUND
        })
    })
}
