//! How many attempts to sign in may fail: of one peer, and of all together.
//!
//! Only failures count. Each takes a token from two buckets that refill with time; where one is empty,
//! nobody is let try, so that guessing is slow whatever the guess.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Failures that one peer may have at once, and how long one takes to be forgotten.
const OF_PEER: Rate = Rate { burst: 10, refill: Duration::from_secs(6) };
/// The same of all peers together.
const OF_ALL: Rate = Rate { burst: 300, refill: Duration::from_millis(200) };
/// Maximum peers remembered; at the bound, the one that has the fewest failures left is forgotten.
const PEERS: usize = 10_000;

#[derive(Clone, Copy, Debug)]
struct Rate {
    burst: u32,
    refill: Duration,
}

/// Failures that have not been forgotten, as the time at which all of them will be.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    clear_at: Instant,
}

impl Rate {
    /// How long to wait until another failure fits.
    fn wait(self, bucket: Bucket, now: Instant) -> Option<Duration> {
        let full = self.refill.saturating_mul(self.burst.saturating_sub(1));
        let left = bucket.clear_at.saturating_duration_since(now);
        left.checked_sub(full).filter(|wait| !wait.is_zero())
    }

    fn add(self, bucket: &mut Bucket, now: Instant) {
        let from = bucket.clear_at.max(now);
        bucket.clear_at = from.checked_add(self.refill).unwrap_or(from);
    }
}

/// Too many attempts failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany {
    /// After how long another may be made.
    pub retry_after: Duration,
}

/// The attempts that failed lately.
#[derive(Debug)]
pub struct Attempts {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    peers: HashMap<IpAddr, Bucket>,
    all: Bucket,
}

impl Default for Attempts {
    fn default() -> Self {
        let all = Bucket { clear_at: Instant::now() };
        Self { state: Mutex::new(State { peers: HashMap::new(), all }) }
    }
}

impl Attempts {
    /// Whether this peer may try.
    ///
    /// # Errors
    ///
    /// Too many attempts of this peer, or of all, have failed.
    pub fn allowed(&self, from: IpAddr) -> Result<(), TooMany> {
        let (state, now) = (self.state(), Instant::now());
        let of_peer = state.peers.get(&place(from)).and_then(|it| OF_PEER.wait(*it, now));
        match of_peer.max(OF_ALL.wait(state.all, now)) {
            Some(retry_after) => Err(TooMany { retry_after }),
            None => Ok(()),
        }
    }

    /// An attempt of this peer failed.
    pub fn failed(&self, from: IpAddr) {
        let (mut state, now) = (self.state(), Instant::now());
        let place = place(from);
        if state.peers.len() >= PEERS && !state.peers.contains_key(&place) {
            state.peers.retain(|_, bucket| bucket.clear_at > now);
            if state.peers.len() >= PEERS {
                let least = state.peers.iter().min_by_key(|(_, bucket)| bucket.clear_at);
                if let Some(least) = least.map(|(place, _)| *place) {
                    state.peers.remove(&least);
                }
            }
        }
        OF_PEER.add(state.peers.entry(place).or_insert(Bucket { clear_at: now }), now);
        OF_ALL.add(&mut state.all, now);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An address, or the network that one of IPv6 belongs to: a host has as many of these as it likes.
fn place(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(number: u32) -> IpAddr {
        IpAddr::V4(number.into())
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_failed_ten_times_waits_and_others_do_not() {
        let attempts = Attempts::default();
        for _ in 0..10 {
            assert_eq!(attempts.allowed(peer(1)), Ok(()));
            attempts.failed(peer(1));
        }
        let told = attempts.allowed(peer(1)).unwrap_err();
        assert_eq!(told.retry_after, OF_PEER.refill);
        assert_eq!(attempts.allowed(peer(2)), Ok(()));
        tokio::time::advance(told.retry_after).await;
        assert_eq!(attempts.allowed(peer(1)), Ok(()));
        attempts.failed(peer(1));
        assert!(attempts.allowed(peer(1)).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn many_peers_together_are_limited_and_remembered_within_a_bound() {
        let attempts = Attempts::default();
        for number in 0..OF_ALL.burst {
            assert_eq!(attempts.allowed(peer(number)), Ok(()), "{number}");
            attempts.failed(peer(number));
        }
        assert!(attempts.allowed(peer(9_999)).is_err());
        for number in 0..u32::try_from(PEERS).unwrap() + 10 {
            attempts.failed(peer(number));
        }
        assert_eq!(attempts.state().peers.len(), PEERS);
    }

    #[test]
    fn a_network_of_ipv6_is_one_peer() {
        let at = |text: &str| place(text.parse().unwrap());
        assert_eq!(at("2001:db8::1"), at("2001:db8::ffff:2"));
        assert_ne!(at("2001:db8::1"), at("2001:db8:0:1::1"));
        assert_eq!(at("::ffff:10.0.0.1"), at("10.0.0.1"));
    }
}
