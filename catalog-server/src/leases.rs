//! The keeper of leases: tells agents whether they may interrupt their hosts, and holds their requests until they may.
//! It keeps nothing between two looks at the store.

use std::sync::Arc;
use std::time::Duration;

use keel_engine::guard::{Obstacle, Rule};
use keel_engine::protocol::leases::{LeaseAnswer, LeaseProof, LeaseRequest, NAME_MAX, ProofReceipt, WAIT_S_MAX};
use tokio::time::{Instant, timeout_at};

use crate::gates::CurrentCatalogs;
use crate::store::{Look, Result, Store, StoreError, Topic};

/// Gives leases.
#[derive(Clone)]
pub struct LeaseKeeper {
    store: Store,
    catalogs: Arc<dyn CurrentCatalogs>,
}

impl LeaseKeeper {
    /// A keeper; what guards say it takes from hosts' current catalogs, never from the hosts.
    pub fn new(store: Store, catalogs: Arc<dyn CurrentCatalogs>) -> Self {
        Self { store, catalogs }
    }

    /// Gives a host the lease of one of its guards: at once, when it can be had, or not before the time is over.
    ///
    /// # Errors
    /// A name is too long; the database does not answer.
    pub async fn ask(&self, host: &str, request: &LeaseRequest) -> Result<LeaseAnswer> {
        check_names(&[&request.guard, &request.run])?;
        let rule = match self.rule(host, &request.guard).await? {
            Ok(rule) => rule,
            Err(why) => return Ok(LeaseAnswer::Refused { why }),
        };
        let until = Instant::now() + Duration::from_secs(request.wait_s.min(WAIT_S_MAX));
        let mut look = Look::First;
        loop {
            // The watch comes first, so that nothing is missed between the look and the wait.
            let watch = self.store.watch(vec![Topic::Lease(request.guard.clone())]);
            let Some(obstacle) = self.store.ask_lease(host, request, &rule, look).await? else { return Ok(LeaseAnswer::Held) };
            if look == Look::Last || obstacle == Obstacle::GivenUp {
                return Ok(LeaseAnswer::Refused { why: obstacle.to_string() });
            }
            // With the last look the host is written down as one that no longer asks, and is called from then on.
            look = if timeout_at(until, watch.changed()).await.is_ok() { Look::Again } else { Look::Last };
        }
    }

    /// Takes in how a host is as a member.
    ///
    /// # Errors
    /// As [`LeaseKeeper::ask`].
    pub async fn prove(&self, host: &str, proof: &LeaseProof) -> Result<ProofReceipt> {
        check_names(&[&proof.guard])?;
        Ok(ProofReceipt { held: self.store.prove(host, proof).await? })
    }

    /// The rule of a guard as the host's current catalog has it, or why there is none.
    async fn rule(&self, host: &str, guard: &str) -> Result<std::result::Result<Rule, String>> {
        let Some(node) = self.store.node(host).await? else { return Ok(Err(format!("the server knows no host {host}"))) };
        Ok(match self.catalogs.current(&node).await {
            Ok(current) => {
                let missing = || format!("the host's catalog at the server has no guard {guard}; its next run gets that catalog");
                current.guards.get(guard).cloned().ok_or_else(missing)
            }
            Err(why) => Err(why),
        })
    }
}

fn check_names(names: &[&String]) -> Result<()> {
    match names.iter().find(|name| name.is_empty() || name.len() > NAME_MAX) {
        Some(_) => Err(StoreError::Unprocessable(format!("names have 1 to {NAME_MAX} bytes"))),
        None => Ok(()),
    }
}
