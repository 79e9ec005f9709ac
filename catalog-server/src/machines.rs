//! Which machine speaks for a host: a copy with the same key is refused.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::http::HeaderMap;
use keel_engine::protocol::machine::{MACHINE_HEADER, is_machine};
use keel_engine::protocol::problem::Code;

use crate::audit::{Act, Outcome, record};
use crate::refusal::Refusal;
use crate::store::{Meeting, Store, now_ms};

/// How long a host is believed to be the machine that it was. A copy that another server refuses bites after this.
const FRESH: Duration = Duration::from_secs(10);

/// The machines that spoke for hosts lately.
#[derive(Debug, Default)]
pub struct Machines {
    met: Mutex<HashMap<String, (String, Instant)>>,
}

impl Machines {
    fn met(&self) -> MutexGuard<'_, HashMap<String, (String, Instant)>> {
        self.met.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses a machine that is a copy of the host's. Who does not say which one it is may be any.
    ///
    /// # Errors
    /// It is a copy, or the header is none.
    pub async fn check(&self, store: &Store, host: &str, headers: &HeaderMap) -> Result<(), Refusal> {
        let Some(value) = headers.get(MACHINE_HEADER) else { return Ok(()) };
        let machine = value.to_str().ok().filter(|text| is_machine(text));
        let Some(machine) = machine else { return Err(Refusal::new(Code::Malformed, format!("{MACHINE_HEADER} names no machine"))) };
        let is_known = |(known, asked): &(String, Instant)| known == machine && asked.elapsed() < FRESH;
        if self.met().get(host).is_some_and(is_known) {
            return Ok(());
        }
        match store.meet(host, machine).await {
            Ok(Meeting::Copy) => Err(refused(host)),
            Ok(Meeting::Host) => {
                self.met().insert(host.to_owned(), (machine.to_owned(), Instant::now()));
                Ok(())
            }
            // A database that is away, or only read, keeps no host from what else can be answered.
            Err(_) => Ok(()),
        }
    }
}

fn refused(host: &str) -> Refusal {
    let detail = "another machine had the certificate first";
    record(now_ms(), &Act { act: "copy", actor: format!("host {host}"), object: host, outcome: Outcome::Refused, detail });
    Refusal::new(Code::Forbidden, format!("another machine is {host}, and this one has a copy of its key"))
        .hint("remove /var/lib/keel on the copy, give it a name of its own and enrol it with `keel agent enroll`")
}
