//! `gatelog-postlink IN OUT`: the post-link step of `make wasm`.
//!
//! - The module exports the guard (`gatelog_on_…`) under the callbacks' own names (`proxy_on_…`),
//!   replacing the SDK's dispatcher, which only the guard calls.
//! - Callbacks that the filter does not use are not exported: Envoy enters the VM for every
//!   exported callback, on every chunk of a body, only to be told to continue.
//! - Hostcalls that the SDK pulls in but the filter does not use are removed: the module does not
//!   import them, so it cannot make them, whatever a client sends. Each is replaced by a function
//!   that returns [`UNIMPLEMENTED`].

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use walrus::{ImportKind, Module, ModuleConfig};

/// The callbacks that the filter uses, without their prefix.
const CALLBACKS: [&str; 9] = [
    "context_create",
    "configure",
    "tick",
    "http_call_response",
    "request_headers",
    "response_headers",
    "log",
    "done",
    "delete",
];

/// What a host needs besides the callbacks, to start the module and to allocate memory in it.
const KEPT: [&str; 4] =
    ["_initialize", "memory", "proxy_abi_version_0_2_1", "proxy_on_memory_allocate"];

/// The hostcalls that the filter makes. WASI's are not listed: they do not reach Envoy's state.
const HOSTCALLS: [&str; 16] = [
    "proxy_call_foreign_function",
    "proxy_define_metric",
    "proxy_done",
    "proxy_get_buffer_bytes",
    "proxy_get_current_time_nanoseconds",
    "proxy_get_header_map_pairs",
    "proxy_get_header_map_value",
    "proxy_get_property",
    "proxy_http_call",
    "proxy_increment_metric",
    "proxy_log",
    "proxy_record_metric",
    "proxy_remove_header_map_value",
    "proxy_replace_header_map_value",
    "proxy_set_property",
    "proxy_set_tick_period_milliseconds",
];

/// The module that proxy-wasm's hostcalls are imported from.
const ENVIRONMENT: &str = "env";

/// The status that a removed hostcall returns. Source: proxy-wasm/spec, `proxy_status_t`.
const UNIMPLEMENTED: i32 = 12;

/// Why the module could not be produced.
#[derive(Debug)]
enum PostlinkError {
    /// Reading, parsing or writing failed.
    Module { path: String, reason: String },
    /// The linked module lacks this export.
    Missing(String),
}

impl fmt::Display for PostlinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PostlinkError::Module { path, reason } => write!(f, "\"{path}\": {reason}"),
            PostlinkError::Missing(name) => write!(
                f,
                "the module does not export \"{name}\": is it gatelog, built for wasm32-wasip1?"
            ),
        }
    }
}

impl std::error::Error for PostlinkError {}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(from), Some(to), None) = (arguments.next(), arguments.next(), arguments.next())
    else {
        eprintln!("usage: gatelog-postlink IN OUT");
        return ExitCode::from(2);
    };
    match finish(Path::new(&from), Path::new(&to)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn finish(from: &Path, to: &Path) -> Result<(), PostlinkError> {
    let mut config = ModuleConfig::new();
    config.generate_name_section(false).generate_producers_section(false);
    let mut module = config.parse_file(from).map_err(|error| failed(from, &error))?;
    export_the_guard(&mut module)?;
    drop_other_exports(&mut module)?;
    walrus::passes::gc::run(&mut module);
    cut_off_other_hostcalls(&mut module).map_err(|error| failed(from, &error))?;
    walrus::passes::gc::run(&mut module);
    module.emit_wasm_file(to).map_err(|error| failed(to, &error))
}

/// Replaces the dispatcher's exports with the guard's.
fn export_the_guard(module: &mut Module) -> Result<(), PostlinkError> {
    for callback in CALLBACKS {
        let (guard, exported) = (format!("gatelog_on_{callback}"), format!("proxy_on_{callback}"));
        let function =
            module.exports.get_func(&guard).map_err(|_| PostlinkError::Missing(guard.clone()))?;
        module.exports.remove(&guard).map_err(|_| PostlinkError::Missing(guard))?;
        // The SDK exports its own; it does not matter if it stops exporting one.
        let _ = module.exports.remove(&exported);
        module.exports.add(&exported, function);
    }
    Ok(())
}

fn drop_other_exports(module: &mut Module) -> Result<(), PostlinkError> {
    let wanted = |name: &str| {
        KEPT.contains(&name)
            || name.strip_prefix("proxy_on_").is_some_and(|name| CALLBACKS.contains(&name))
    };
    for name in KEPT {
        if !module.exports.iter().any(|export| export.name == name) {
            return Err(PostlinkError::Missing(name.to_owned()));
        }
    }
    let others: Vec<_> = module
        .exports
        .iter()
        .filter(|export| !wanted(&export.name))
        .map(walrus::Export::id)
        .collect();
    for export in others {
        module.exports.delete(export);
    }
    Ok(())
}

fn cut_off_other_hostcalls(module: &mut Module) -> walrus::Result<()> {
    let others: Vec<_> = module
        .imports
        .iter()
        .filter(|import| import.module == ENVIRONMENT && !HOSTCALLS.contains(&import.name.as_str()))
        .filter_map(|import| match import.kind {
            ImportKind::Function(function) => Some(function),
            _ => None,
        })
        .collect();
    for function in others {
        module.replace_imported_func(function, |(body, _)| {
            body.i32_const(UNIMPLEMENTED);
        })?;
    }
    Ok(())
}

fn failed(path: &Path, error: &impl fmt::Display) -> PostlinkError {
    PostlinkError::Module { path: path.display().to_string(), reason: format!("{error:#}") }
}
