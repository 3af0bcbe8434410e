//! `gatelog-trim IN OUT`: the step of `make wasm` after the linker.
//!
//! The proxy-wasm SDK exports every callback of the ABI, and Envoy enters the VM for each one
//! that is exported: for every chunk of a body, for instance, only to be told to go on. This
//! takes out the exports that the filter has no use for, with the code that only they reach.

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use walrus::ModuleConfig;

/// What the shipped module exports, sorted: the callbacks that the filter acts on, and what a
/// host needs to start it and to hand it memory.
const KEPT: [&str; 14] = [
    "_initialize",
    "memory",
    "proxy_abi_version_0_2_1",
    "proxy_on_configure",
    "proxy_on_context_create",
    "proxy_on_delete",
    "proxy_on_done",
    "proxy_on_http_call_response",
    "proxy_on_log",
    "proxy_on_memory_allocate",
    "proxy_on_request_headers",
    "proxy_on_response_headers",
    "proxy_on_tick",
    "proxy_on_vm_start",
];

/// Why there is no trimmed module.
#[derive(Debug)]
enum TrimError {
    /// Reading, parsing or writing failed.
    Module { path: String, reason: String },
    /// An export is not there.
    Missing(&'static str),
}

impl fmt::Display for TrimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TrimError::Module { path, reason } => write!(f, "\"{path}\": {reason}"),
            TrimError::Missing(name) => write!(
                f,
                "the module does not export \"{name}\": is it a proxy-wasm filter for wasm32-wasip1?"
            ),
        }
    }
}

impl std::error::Error for TrimError {}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(from), Some(to), None) = (arguments.next(), arguments.next(), arguments.next())
    else {
        eprintln!("usage: gatelog-trim IN OUT");
        return ExitCode::from(2);
    };
    match trim(Path::new(&from), Path::new(&to)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn trim(from: &Path, to: &Path) -> Result<(), TrimError> {
    let mut config = ModuleConfig::new();
    config.generate_name_section(false).generate_producers_section(false);
    let mut module = config.parse_file(from).map_err(|error| failed(from, &error))?;
    for name in KEPT {
        if !module.exports.iter().any(|export| export.name == name) {
            return Err(TrimError::Missing(name));
        }
    }
    let surplus: Vec<_> = module
        .exports
        .iter()
        .filter(|export| !KEPT.contains(&export.name.as_str()))
        .map(walrus::Export::id)
        .collect();
    for export in surplus {
        module.exports.delete(export);
    }
    walrus::passes::gc::run(&mut module);
    module.emit_wasm_file(to).map_err(|error| failed(to, &error))
}

fn failed(path: &Path, error: &impl fmt::Display) -> TrimError {
    TrimError::Module { path: path.display().to_string(), reason: format!("{error:#}") }
}
