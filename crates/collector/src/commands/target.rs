//! Flags of the commands that ask a collector which serves.

use std::path::PathBuf;

use clap::Args;

use gatelog_delivery::client::Target;

/// Where a collector serves, and how to be let in by TLS.
#[derive(Args, Clone, Debug)]
pub(super) struct TargetArgs {
    /// URL of the collector
    #[arg(long, value_name = "URL", env = "GATELOG_URL", default_value = "http://127.0.0.1:8686")]
    url: String,
    /// CA certificates (PEM) for the collector's certificate; required for https
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Client certificate (PEM), if the collector requires one
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// Private key of the client certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
}

impl TargetArgs {
    /// The target, asked with the first token of this file.
    pub(super) fn with_token(&self, token_file: Option<PathBuf>) -> Target {
        Target {
            url: self.url.clone(),
            token_file,
            token: None,
            ca: self.ca.clone(),
            identity: self.cert.clone().zip(self.key.clone()),
        }
    }
}
