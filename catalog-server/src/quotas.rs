//! Quotas: how much one peer may ask, so that it cannot starve the others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How many peers are remembered before those that are owed nothing are forgotten.
const PEERS_MAX: usize = 50_000;
const MINUTE: Duration = Duration::from_secs(60);

/// What every peer has used lately.
#[derive(Debug, Default)]
pub struct Quotas {
    peers: Mutex<HashMap<String, Used>>,
}

#[derive(Debug)]
struct Used {
    /// Requests that are still to be had, in sixty-thousandths: it fills by `per_minute` each millisecond.
    left: u64,
    filled: Instant,
    at_once: u32,
}

/// What a peer may have.
#[derive(Debug, Clone, Copy)]
pub struct Quota {
    /// In a minute.
    pub per_minute: u32,
    /// At once.
    pub at_once: u32,
}

impl Quotas {
    fn peers(&self) -> MutexGuard<'_, HashMap<String, Used>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one request from a peer's quota, until the returned value is dropped; nothing if it has had its share.
    pub fn take(self: &Arc<Self>, peer: &str, quota: Quota, now: Instant) -> Option<Taken> {
        let full = u64::from(quota.per_minute) * MINUTE.as_millis() as u64;
        let mut peers = self.peers();
        if peers.len() >= PEERS_MAX {
            peers.retain(|_, used| used.at_once > 0 || now.saturating_duration_since(used.filled) < MINUTE);
        }
        let used = peers.entry(peer.to_owned()).or_insert(Used { left: full, filled: now, at_once: 0 });
        let passed = now.saturating_duration_since(used.filled).min(MINUTE).as_millis() as u64;
        used.left = full.min(used.left + passed * u64::from(quota.per_minute));
        used.filled = now;
        let price = MINUTE.as_millis() as u64;
        if used.left < price || used.at_once >= quota.at_once {
            return None;
        }
        used.left -= price;
        used.at_once += 1;
        Some(Taken { quotas: Arc::clone(self), peer: peer.to_owned() })
    }
}

/// A request that counts against a quota while it lasts.
#[derive(Debug)]
pub struct Taken {
    quotas: Arc<Quotas>,
    peer: String,
}

impl Drop for Taken {
    fn drop(&mut self) {
        if let Some(used) = self.quotas.peers().get_mut(&self.peer) {
            used.at_once = used.at_once.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_has_its_share_and_others_have_theirs() {
        let quotas = Arc::new(Quotas::default());
        let (quota, begin) = (Quota { per_minute: 60, at_once: 100 }, Instant::now());
        let had = (0..100).filter(|_| quotas.take("db-1", quota, begin).is_some()).count();
        assert_eq!(had, 60);
        assert!(quotas.take("db-2", quota, begin).is_some());
        assert!(quotas.take("db-1", quota, begin + Duration::from_millis(900)).is_none());
        assert!(quotas.take("db-1", quota, begin + Duration::from_millis(1000)).is_some());
        let later = begin + Duration::from_secs(3600);
        assert_eq!((0..100).filter(|_| quotas.take("db-1", quota, later).is_some()).count(), 60);
    }

    #[test]
    fn what_goes_on_at_once_is_bounded_and_given_back() {
        let quotas = Arc::new(Quotas::default());
        let (quota, now) = (Quota { per_minute: 600, at_once: 2 }, Instant::now());
        let first = quotas.take("db-1", quota, now);
        let second = quotas.take("db-1", quota, now);
        assert!(first.is_some() && second.is_some() && quotas.take("db-1", quota, now).is_none());
        drop(first);
        assert!(quotas.take("db-1", quota, now).is_some());
    }
}
