//! Delivering reports: in order, each until the server has it.

use keel_engine::protocol::problem::Code;

use super::server::Server;
use super::spool::Spool;
use crate::client::Fault;

/// Delivers what waits in the spool. What the server takes is struck out.
///
/// # Errors
/// Says why something still waits; the next round goes on from there.
pub fn deliver(spool: &Spool, server: &Server) -> Result<(), String> {
    let mut refused = Vec::new();
    while let Some(delivery) = spool.oldest()? {
        match server.report(&delivery) {
            Ok(_) => spool.acknowledge(delivery.sequence)?,
            // It came in full before it was shortened here.
            Err(fault) if fault.code() == Some(Code::Conflict) => spool.acknowledge(delivery.sequence)?,
            Err(fault) if is_refused_for_good(&fault) => {
                spool.refuse(delivery.sequence)?;
                refused.push(format!("the server does not take report {}, which was put aside: {fault}", delivery.sequence));
            }
            Err(fault) => return Err(format!("{} reports wait: {fault}", spool.backlog().reports)),
        }
    }
    if refused.is_empty() { Ok(()) } else { Err(refused.join("; ")) }
}

/// Whether a report will never be taken, whoever asks and whenever.
fn is_refused_for_good(fault: &Fault) -> bool {
    matches!(fault.code(), Some(Code::Malformed | Code::TooLarge | Code::Unprocessable))
}
