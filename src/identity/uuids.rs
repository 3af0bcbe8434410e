//! Generates ids: UUID version 7 (source: RFC 9562 §5.7), and the random bits of traces and spans.

use gatelog_record::Uuid;

use crate::host::Host;

/// Random bytes requested from the host at once: one hostcall per hundred ids.
const POOL_BYTES: usize = 1_024;

/// Random bytes in one id.
const ID_BYTES: usize = 10;

/// Generates ids from the wall clock and a pool of the host's random bytes.
#[derive(Debug)]
pub struct Uuids {
    pool: Vec<u8>,
}

impl Uuids {
    /// An empty pool, filled at first use.
    pub const fn new() -> Self {
        Self { pool: Vec::new() }
    }

    /// A new id for this instant. No random byte is used twice.
    pub fn fresh(&mut self, host: &dyn Host, unix_nanos: u64) -> Uuid {
        let random = self.random::<ID_BYTES>(host);
        uuid::Builder::from_unix_timestamp_millis(unix_nanos / 1_000_000, &random).into_uuid()
    }

    /// Random bits for jitter.
    pub fn bits(&mut self, host: &dyn Host) -> u32 {
        u32::from_le_bytes(self.random::<4>(host))
    }

    /// Random bits of a trace id or a span id.
    pub fn wide_bits(&mut self, host: &dyn Host) -> u64 {
        u64::from_le_bytes(self.random::<8>(host))
    }

    fn random<const N: usize>(&mut self, host: &dyn Host) -> [u8; N] {
        if self.pool.len() < N {
            self.pool.resize(POOL_BYTES, 0);
            host.random(&mut self.pool);
        }
        let rest = self.pool.len().saturating_sub(N);
        let mut bytes = [0; N];
        for (byte, random) in bytes.iter_mut().zip(self.pool.drain(rest..)) {
            *byte = random;
        }
        bytes
    }
}

impl Default for Uuids {
    fn default() -> Self {
        Self::new()
    }
}
