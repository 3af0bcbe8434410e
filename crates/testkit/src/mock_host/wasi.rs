//! The imports of module `wasi_snapshot_preview1` for which Envoy returns more than an error.
//! Source: proxy-wasm-cpp-host, `src/exports.cc`.

use wasmi::{Caller, Error, Linker, errors::LinkerError};

use super::guest::{Guest, State};
use super::status::{Clock, LogLevel, Status};
use super::world::LogLine;

const MODULE: &str = "wasi_snapshot_preview1";

/// A WASI errno: bad file descriptor.
const BAD_FILE: Status = Status(8);
/// A WASI errno: not supported.
const NOT_SUPPORTED: Status = Status(58);

/// Defines the modelled calls.
pub(super) fn link(linker: &mut Linker<State>) -> Result<(), LinkerError> {
    linker.func_wrap(MODULE, "fd_write", fd_write)?;
    linker.func_wrap(MODULE, "environ_get", environ_get)?;
    linker.func_wrap(MODULE, "environ_sizes_get", environ_sizes_get)?;
    linker.func_wrap(MODULE, "clock_time_get", clock_time_get)?;
    linker.func_wrap(MODULE, "random_get", random_get)?;
    linker.func_wrap(MODULE, "sched_yield", sched_yield)?;
    linker.func_wrap(MODULE, "proc_exit", proc_exit)?;
    Ok(())
}

/// Calls that Envoy has and this host does not model: calling one fails the test.
pub(super) const NOT_MODELLED: [&str; 16] = [
    "args_get",
    "args_sizes_get",
    "clock_res_get",
    "fd_close",
    "fd_fdstat_get",
    "fd_fdstat_set_flags",
    "fd_filestat_get",
    "fd_prestat_dir_name",
    "fd_prestat_get",
    "fd_read",
    "fd_readdir",
    "fd_seek",
    "path_filestat_get",
    "path_open",
    "path_readlink",
    "poll_oneoff",
];

fn fd_write(
    caller: Caller<'_, State>,
    fd: u32,
    vectors_at: u32,
    vectors: u32,
    written_at: u32,
) -> Result<u32, Error> {
    let mut guest = Guest::new(caller);
    let (name, level) = match fd {
        1 => ("stdout", LogLevel::Info),
        2 => ("stderr", LogLevel::Error),
        _ => return Ok(BAD_FILE.0),
    };
    let mut bytes = Vec::new();
    let table = guest.bytes(vectors_at, vectors.saturating_mul(8))?;
    for vector in table.chunks_exact(8) {
        let number = |part: Option<&[u8]>| {
            part.and_then(<[u8]>::first_chunk).map_or(0, |bytes| u32::from_le_bytes(*bytes))
        };
        bytes.extend(guest.bytes(number(vector.get(..4)), number(vector.get(4..)))?);
    }
    let written = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let text = String::from_utf8_lossy(&bytes).trim_end().to_owned();
    guest.world().logs.push(LogLine { level, text });
    guest.hostcall("fd_write", name, |guest| {
        guest.write_u32(written_at, written)?;
        Ok(Status::OK)
    })
}

/// The environment's entries as `environ_get` returns them, each terminated by a NUL.
fn environment(guest: &mut Guest<'_>) -> Vec<String> {
    guest.world().environment.iter().map(|(name, value)| format!("{name}={value}\0")).collect()
}

fn environ_get(caller: Caller<'_, State>, pointers: u32, bytes: u32) -> Result<u32, Error> {
    Guest::new(caller).hostcall("environ_get", "", |guest| {
        let (mut pointer, mut at) = (pointers, bytes);
        for entry in environment(guest) {
            guest.write_u32(pointer, at)?;
            guest.write(at, entry.as_bytes())?;
            pointer += 4;
            at = at.saturating_add(u32::try_from(entry.len()).unwrap_or(u32::MAX));
        }
        Ok(Status::OK)
    })
}

fn environ_sizes_get(caller: Caller<'_, State>, count_at: u32, size_at: u32) -> Result<u32, Error> {
    Guest::new(caller).hostcall("environ_sizes_get", "", |guest| {
        let entries = environment(guest);
        let size = entries.iter().map(String::len).sum::<usize>();
        guest.write_u32(count_at, u32::try_from(entries.len()).unwrap_or(u32::MAX))?;
        guest.write_u32(size_at, u32::try_from(size).unwrap_or(u32::MAX))?;
        Ok(Status::OK)
    })
}

fn clock_time_get(
    caller: Caller<'_, State>,
    id: u32,
    _precision: u64,
    time_at: u32,
) -> Result<u32, Error> {
    let clock = match id {
        0 => Clock::Wall,
        1 => Clock::Monotonic,
        _ => return Ok(NOT_SUPPORTED.0),
    };
    Guest::new(caller).hostcall("clock_time_get", clock.to_string(), |guest| {
        let world = guest.world();
        let now = match clock {
            Clock::Wall => world.wall_ns,
            Clock::Monotonic => world.monotonic_ns,
        };
        guest.write(time_at, &now.to_le_bytes())?;
        Ok(Status::OK)
    })
}

fn random_get(caller: Caller<'_, State>, at: u32, len: u32) -> Result<u32, Error> {
    Guest::new(caller).hostcall("random_get", len.to_string(), |guest| {
        let bytes = guest.world().random(usize::try_from(len).unwrap_or(usize::MAX));
        guest.write(at, &bytes)?;
        Ok(Status::OK)
    })
}

fn sched_yield(caller: Caller<'_, State>) -> Result<u32, Error> {
    Guest::new(caller).hostcall("sched_yield", "", |_| Ok(Status::OK))
}

fn proc_exit(caller: Caller<'_, State>, code: u32) -> Result<(), Error> {
    Err(Guest::new(caller).violation(format!("exits with code {code}")))
}
