//! The five levels, ordered from the least to the most severe.

use std::fmt;
use std::str::FromStr;

/// The severity of a record. Determines its collection and its retention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// A second record with headers and timing phases, made only when the level asks for it.
    Debug,
    /// An ordinary exchange.
    Info,
    /// The client's fault: 4xx, a gRPC client-fault code, a client that disconnected.
    Warning,
    /// A server's fault: 5xx, an upstream reset, a gRPC server-fault code.
    Error,
    /// The platform's fault: no healthy upstream, overload, a failed filter.
    Critical,
}

impl Level {
    /// All levels, least severe first.
    pub const ALL: [Level; 5] =
        [Level::Debug, Level::Info, Level::Warning, Level::Error, Level::Critical];

    /// The name used in records: `DEBUG`, `INFO`, `WARNING`, `ERROR` or `CRITICAL`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Level::Debug => "DEBUG",
            Level::Info => "INFO",
            Level::Warning => "WARNING",
            Level::Error => "ERROR",
            Level::Critical => "CRITICAL",
        }
    }

    /// The position in [`Level::ALL`], 0 to 4.
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is not the name of a level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseLevelError(String);

impl ParseLevelError {
    /// What must be there instead, without the text, which may be a secret.
    pub const REMEDY: &'static str = "must be DEBUG, INFO, WARNING, ERROR or CRITICAL";
}

impl fmt::Display for ParseLevelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown level \"{}\": {}", self.0.escape_debug(), Self::REMEDY)
    }
}

impl std::error::Error for ParseLevelError {}

impl FromStr for Level {
    type Err = ParseLevelError;

    /// Reads a level's name, case-insensitive; `WARN` and `FATAL` are accepted as aliases.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = Level::ALL.into_iter().find(|level| text.eq_ignore_ascii_case(level.as_str()));
        match named {
            Some(level) => Ok(level),
            None if text.eq_ignore_ascii_case("WARN") => Ok(Level::Warning),
            None if text.eq_ignore_ascii_case("FATAL") => Ok(Level::Critical),
            None => Err(ParseLevelError(text.chars().take(64).collect())),
        }
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn every_level_reads_back_from_its_name_in_any_case() {
        for level in Level::ALL {
            assert_eq!(level.as_str().parse(), Ok(level));
            assert_eq!(level.as_str().to_lowercase().parse(), Ok(level));
        }
        assert_eq!("warn".parse(), Ok(Level::Warning));
        assert_eq!("Fatal".parse(), Ok(Level::Critical));
    }

    #[test]
    fn levels_are_ordered_by_severity() {
        assert!(Level::ALL.is_sorted());
        assert!(Level::Error < Level::Critical);
    }

    #[test]
    fn an_unknown_level_is_named_in_the_error() {
        let error = "LOUD".parse::<Level>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "unknown level \"LOUD\": must be DEBUG, INFO, WARNING, ERROR or CRITICAL"
        );
    }
}
