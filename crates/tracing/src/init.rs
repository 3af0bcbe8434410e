//! The subscriber for those who need nothing else.

use std::env;

use gatelog_record::Level;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::TARGET;
use crate::build_error::BuildError;
use crate::builder::Builder;
use crate::guard::Guard;

/// Says what is logged, as for the filter and the collector.
const LOG_LEVEL: &str = "LOG_LEVEL";

impl Builder {
    /// Makes the layer and logs everything with it from now on, from the level of the `LOG_LEVEL` environment
    /// variable up: `INFO` if it is not set; `DEBUG`, `WARNING`, …, or targets with levels as in
    /// `info,hyper=warn,orders::stock=debug`.
    ///
    /// ```
    /// let _guard = gatelog_tracing::builder("orders").writer(std::io::sink()).init()?;
    /// tracing::info!("started");
    /// # Ok::<(), gatelog_tracing::BuildError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// What [`layer`](Self::layer) says; an invalid `LOG_LEVEL`; or there is a global subscriber already.
    pub fn init(self) -> Result<Guard, BuildError> {
        let text = env::var(LOG_LEVEL).unwrap_or_default();
        let filter = filter(&text).map_err(BuildError::one)?;
        let (layer, guard) = self.layer()?;
        let subscriber = tracing_subscriber::registry().with(layer.with_filter(filter));
        subscriber.try_init().map_err(|error| BuildError::one(format!("init: {error}")))?;
        Ok(guard)
    }
}

fn filter(text: &str) -> Result<Targets, String> {
    let targets = match text.parse::<Level>() {
        _ if text.trim().is_empty() => Targets::new().with_default(LevelFilter::INFO),
        Ok(level) => Targets::new().with_default(match level {
            Level::Debug => LevelFilter::DEBUG,
            Level::Info => LevelFilter::INFO,
            Level::Warning => LevelFilter::WARN,
            Level::Error | Level::Critical => LevelFilter::ERROR,
        }),
        Err(_) => text.parse().map_err(|error| {
            format!(
                "{LOG_LEVEL} = \"{}\": {error}: must be a level, or targets with levels, for example \
                 info,hyper=warn",
                text.chars().take(128).collect::<String>().escape_debug()
            )
        })?,
    };
    // Without its spans, no record would have the ids of its request.
    if targets.would_enable(TARGET, &tracing::Level::ERROR) {
        Ok(targets)
    } else {
        Ok(targets.with_target(TARGET, LevelFilter::INFO))
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn levels_and_targets_are_read_and_the_layers_own_spans_stay() {
        for (text, target, level, enabled) in [
            ("", "orders", Level::INFO, true),
            ("", "orders", Level::DEBUG, false),
            ("WARNING", "orders", Level::INFO, false),
            ("critical", "orders", Level::ERROR, true),
            ("orders=debug", "orders::stock", Level::DEBUG, true),
            ("orders=debug", "hyper", Level::ERROR, false),
            ("orders=debug", TARGET, Level::ERROR, true),
            ("off", TARGET, Level::ERROR, true),
        ] {
            assert_eq!(
                filter(text).unwrap().would_enable(target, &level),
                enabled,
                "{text} {target}"
            );
        }
        let error = filter("orders=loud").unwrap_err();
        assert!(error.starts_with("LOG_LEVEL = \"orders=loud\": "), "{error}");
    }
}
