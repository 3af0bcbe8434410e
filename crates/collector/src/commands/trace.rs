//! `trace`: prints one flow as a tree.

use std::io::{self, ErrorKind, IsTerminal, Write};

use clap::{Args, ValueEnum};

use super::Failure;
use crate::config::StoreArgs;
use crate::flow::{self, Style};
use crate::store::Store;

/// Which flow to print, and how.
#[derive(Args, Clone, Debug)]
pub struct TraceArgs {
    /// The correlation id of the flow, or the id of one of its requests: X-Correlation-ID or
    /// X-Request-ID of a response
    id: String,
    /// Whether to use colours
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    color: When,
    #[command(flatten)]
    store: StoreArgs,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum When {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    Always,
    Never,
}

impl When {
    fn style(self) -> Style {
        let wanted = match self {
            When::Always => true,
            When::Never => false,
            // As https://no-color.org asks.
            When::Auto => {
                io::stdout().is_terminal()
                    && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            }
        };
        if wanted { Style::Coloured } else { Style::Plain }
    }
}

/// Prints the flow.
///
/// # Errors
///
/// The database cannot be asked, or has no record of the flow.
pub async fn run(args: &TraceArgs) -> Result<(), Failure> {
    let options = args.store.options()?;
    let store = Store::connect(&options).await.map_err(Failure::failed)?;
    let id = &args.id;
    let drawn = flow::trace(&store, id, args.color.style()).await.map_err(Failure::failed)?;
    let Some(text) = drawn else {
        return Err(Failure::failed(format!(
            "no record in \"{}\" has the correlation id or request id \"{}\": it may be too old, or \
             still wait in a spool",
            options.database,
            id.escape_debug()
        )));
    };
    match io::stdout().write_all(text.as_bytes()) {
        // A pager that was closed.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        done => done.map_err(Failure::failed),
    }
}
