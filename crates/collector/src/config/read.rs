//! Reads values within ranges and collects faults.

use std::net::{SocketAddr, ToSocketAddrs};
use std::ops::RangeInclusive;
use std::time::Duration;

use gatelog_record::units::{parse_duration, parse_size, show_duration, show_size};

use super::faults::Faults;

/// Reads values; on a fault it continues with a substitute value.
#[derive(Default)]
pub struct Reader {
    /// What was wrong so far.
    pub faults: Faults,
}

impl Reader {
    /// The result, or the collected faults.
    pub fn done<T>(self, value: T) -> Result<T, Faults> {
        if self.faults.is_empty() { Ok(value) } else { Err(self.faults) }
    }

    /// A whole number within this range.
    pub fn count(&mut self, name: &str, text: &str, range: RangeInclusive<usize>) -> usize {
        let (least, most) = (*range.start(), *range.end());
        let value = text.trim().parse::<usize>().ok().filter(|value| range.contains(value));
        let value = value.ok_or_else(|| format!("must be {least} to {most}"));
        self.faults.take(name, text, value).unwrap_or(least)
    }

    /// A size within this range, in bytes.
    pub fn size(&mut self, name: &str, text: &str, range: RangeInclusive<u64>) -> u64 {
        let (least, most) = (*range.start(), *range.end());
        let value = parse_size(text).map_err(|error| error.to_string()).and_then(|value| {
            let refused = || format!("must be {} to {}", show_size(least), show_size(most));
            if range.contains(&value) { Ok(value) } else { Err(refused()) }
        });
        // Where there is a fault already, the greatest value causes no further one.
        self.faults.take(name, text, value).unwrap_or(most)
    }

    /// A size within this range, in bytes, of memory.
    pub fn bytes(&mut self, name: &str, text: &str, range: RangeInclusive<usize>) -> usize {
        let wide = |value: usize| u64::try_from(value).unwrap_or(u64::MAX);
        let value = self.size(name, text, wide(*range.start())..=wide(*range.end()));
        usize::try_from(value).unwrap_or(usize::MAX)
    }

    /// A duration. `range` is in milliseconds.
    pub fn time(&mut self, name: &str, text: &str, range: RangeInclusive<u64>) -> Duration {
        let least = Duration::from_millis(*range.start());
        let most = Duration::from_millis(*range.end());
        let value = parse_duration(text).map_err(|error| error.to_string()).and_then(|value| {
            let refused = || format!("must be {} to {}", show_duration(least), show_duration(most));
            if (least..=most).contains(&value) { Ok(value) } else { Err(refused()) }
        });
        self.faults.take(name, text, value).unwrap_or(most)
    }

    /// The name of a database.
    pub fn database(&mut self, name: &str, text: &str) -> String {
        if text.is_empty()
            || text.len() > 63
            || text.contains(['/', '\\', '.', ' ', '"', '$', '\0'])
        {
            let reason = "must be 1 to 63 bytes without / \\ . \" $ or blanks";
            self.faults.add(name, text, reason);
        }
        text.to_owned()
    }

    pub(super) fn switch(&mut self, name: &str, text: &str) -> bool {
        let value = match text.trim() {
            "on" => Ok(true),
            "off" => Ok(false),
            _ => Err("must be on or off"),
        };
        self.faults.take(name, text, value).unwrap_or_default()
    }

    /// The addresses of a `HOST:PORT`.
    pub fn addresses(&mut self, name: &str, text: &str) -> Vec<SocketAddr> {
        let found = text.to_socket_addrs().map(Iterator::collect::<Vec<_>>);
        let found = found.ok().filter(|addresses| !addresses.is_empty());
        let found = found.ok_or("must be an address and a port, for example 0.0.0.0:8686");
        self.faults.take(name, text, found).unwrap_or_default()
    }
}
