//! Reports on their way into SQLite: those that arrive while others are being written are kept together, so
//! that many hosts share what a commit costs. Each is acknowledged after that commit.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use keel_engine::digest::Digest;
use keel_engine::protocol::reports::{Delivery, Receipt};
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use super::{Result, Store, StoreError};

/// The most reports of one commit: the last one waits for all of them.
const TOGETHER_MAX: usize = 64;

/// A report that waits to be kept.
pub(super) struct Arrival {
    pub(super) host: String,
    pub(super) delivery: Delivery,
    pub(super) digest: Digest,
}

/// The reports that wait, with who is to be told.
#[derive(Default)]
pub(super) struct Arrivals {
    waiting: Mutex<VecDeque<(Arrival, oneshot::Sender<Result<Receipt>>)>>,
    turn: tokio::sync::Mutex<()>,
}

impl Arrivals {
    fn waiting(&self) -> MutexGuard<'_, VecDeque<(Arrival, oneshot::Sender<Result<Receipt>>)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    /// Keeps a report with those that wait beside it.
    pub(super) async fn keep_with_others(&self, arrival: Arrival) -> Result<Receipt> {
        let arrivals = &self.inner.arrivals;
        let (reply, mut answer) = oneshot::channel();
        arrivals.waiting().push_back((arrival, reply));
        let turn = arrivals.turn.lock().await;
        loop {
            match answer.try_recv() {
                Ok(kept) => return kept,
                Err(TryRecvError::Closed) => return Err(interrupted()),
                Err(TryRecvError::Empty) => {}
            }
            let together: Vec<_> = {
                let mut waiting = arrivals.waiting();
                let count = waiting.len().min(TOGETHER_MAX);
                waiting.drain(..count).collect()
            };
            if together.is_empty() {
                break;
            }
            let store = self.clone();
            // A task of its own: whoever hangs up must not take the others' reports along.
            let _ = tokio::spawn(async move { store.keep_together(together).await }).await;
        }
        drop(turn);
        answer.await.unwrap_or_else(|_| Err(interrupted()))
    }

    async fn keep_together(&self, together: Vec<(Arrival, oneshot::Sender<Result<Receipt>>)>) {
        let (arrivals, replies): (Vec<_>, Vec<_>) = together.into_iter().unzip();
        let kept = match self.keep_all(&arrivals).await {
            Ok(kept) => kept,
            Err(error) => arrivals.iter().map(|_| Err(error.clone())).collect(),
        };
        for (reply, kept) in replies.into_iter().zip(kept) {
            // Who hung up sends it again, and is told that it is there.
            let _ = reply.send(kept);
        }
    }

    /// Keeps reports in one transaction. What is wrong with one of them is its own; where the database fails, none is kept.
    pub(super) async fn keep_all(&self, arrivals: &[Arrival]) -> Result<Vec<Result<Receipt>>> {
        let mut write = self.begin().await?;
        let mut kept = Vec::with_capacity(arrivals.len());
        for arrival in arrivals {
            kept.push(match write.keep_report(arrival).await {
                // Nothing was written yet when such a one is refused.
                Err(error @ (StoreError::Conflict(_) | StoreError::Forbidden(_) | StoreError::Unprocessable(_))) => Err(error),
                Err(error) => return Err(error),
                Ok(receipt) => Ok(receipt),
            });
        }
        write.commit().await?;
        Ok(kept)
    }
}

fn interrupted() -> StoreError {
    StoreError::Unavailable("the report was not written to its end".to_owned())
}
