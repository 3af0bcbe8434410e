//! The settings of the live tail.

use std::path::PathBuf;

use clap::Args;
use gatelog_collector::config::Reader;
use gatelog_delivery::client::{Client, Target};

use super::given;

/// Maximum names of collectors.
const NAMES: usize = 64;

/// Which collectors are followed.
#[derive(Args, Clone, Debug)]
pub(super) struct TailArgs {
    /// Collectors whose records are shown as they arrive: http://host:port or https://host:port. A
    /// name that stands for several addresses stands for as many collectors
    #[arg(
        id = "tail",
        long,
        value_name = "URL,…",
        env = "GATELOG_CONSOLE_TAIL",
        default_value = "",
        hide_default_value = true,
        help_heading = "Live records"
    )]
    tail: String,
    /// File with a bearer token of these collectors that may read
    #[arg(
        long,
        value_name = "FILE",
        env = "GATELOG_CONSOLE_TAIL_TOKEN_FILE",
        help_heading = "Live records"
    )]
    tail_token_file: Option<PathBuf>,
    /// CA certificates (PEM) for their certificates; required for https
    #[arg(
        long,
        value_name = "FILE",
        env = "GATELOG_CONSOLE_TAIL_CA",
        help_heading = "Live records"
    )]
    tail_ca: Option<PathBuf>,
}

impl TailArgs {
    pub(super) fn compile(&self, read: &mut Reader) -> Vec<Target> {
        let urls = self.tail.split(',').map(str::trim).filter(|url| !url.is_empty());
        let targets: Vec<_> = urls
            .map(|url| Target {
                url: url.to_owned(),
                token_file: given(self.tail_token_file.as_ref()),
                ca: given(self.tail_ca.as_ref()),
                ..Target::default()
            })
            .collect();
        if targets.len() > NAMES {
            read.faults.add_rule(format!("GATELOG_CONSOLE_TAIL: at most {NAMES} collectors"));
        }
        for target in targets.iter().take(NAMES) {
            if let Err(text) = Client::new(target) {
                read.faults.add_rule(format!("GATELOG_CONSOLE_TAIL: {text}"));
            }
        }
        targets
    }
}
