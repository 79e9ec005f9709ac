//! The list of certificates that are let in, as the store has it, remembered for a moment.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::store::{Listed, Store, StoreError};

/// How long an answer of the store is believed. A revocation on another server bites after this.
const FRESH: Duration = Duration::from_secs(10);
/// How long it is believed while the database is away; revocations have to bite within a minute.
const STALE: Duration = Duration::from_secs(50);
/// How many answers are remembered before old ones are forgotten.
const REMEMBERED_MAX: usize = 50_000;

/// What the store said lately about serial numbers.
#[derive(Debug, Default)]
pub struct Allowed {
    remembered: Mutex<HashMap<String, Remembered>>,
}

#[derive(Debug, Clone)]
struct Remembered {
    asked: Instant,
    listed: Option<Listed>,
}

impl Allowed {
    fn remembered(&self) -> MutexGuard<'_, HashMap<String, Remembered>> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the list says of a serial number.
    ///
    /// # Errors
    /// The database does not answer, and nothing recent enough is remembered.
    pub async fn look(&self, store: &Store, serial: &str) -> Result<Option<Listed>, StoreError> {
        let now = Instant::now();
        let known = self.remembered().get(serial).cloned();
        let age = known.as_ref().map(|known| now.saturating_duration_since(known.asked));
        if let (Some(known), true) = (&known, age.is_some_and(|age| age < FRESH)) {
            return Ok(known.listed.clone());
        }
        match store.listed(serial).await {
            Ok(listed) => {
                self.remember(serial, Remembered { asked: now, listed: listed.clone() });
                Ok(listed)
            }
            Err(StoreError::Unavailable(_)) if age.is_some_and(|age| age < STALE) => Ok(known.and_then(|known| known.listed)),
            Err(error) => Err(error),
        }
    }

    fn remember(&self, serial: &str, answer: Remembered) {
        let mut remembered = self.remembered();
        if remembered.len() >= REMEMBERED_MAX {
            remembered.retain(|_, known| answer.asked.saturating_duration_since(known.asked) < STALE);
        }
        remembered.insert(serial.to_owned(), answer);
    }

    /// Forgets what is known of a host's certificates: its record was changed.
    pub fn forget(&self, host: &str) {
        self.remembered().retain(|_, known| known.listed.as_ref().is_some_and(|listed| listed.host != host));
    }
}
