//! Delivering reports: in order, each until the server has it.

use keel_engine::host_name::HostName;
use keel_engine::protocol::problem::Code;

use super::server::Server;
use super::spool::Spool;
use crate::client::Fault;

/// Delivers what waits in the spool. What the server takes is struck out; what it will never take is put aside, and
/// so is what this host wrote before it joined under another name.
///
/// # Errors
/// Says why something still waits; the next round goes on from there.
pub fn deliver(spool: &Spool, host: &HostName, server: &Server) -> Result<(), String> {
    let mut refused = Vec::new();
    while let Some(delivery) = spool.oldest()? {
        if delivery.report.host != host.as_str() {
            spool.refuse(delivery.sequence)?;
            let (sequence, other) = (delivery.sequence, &delivery.report.host);
            refused.push(format!("report {sequence} was put aside: it was written as {other}, and this host is {host} now"));
            continue;
        }
        match server.report(&delivery) {
            Ok(_) => spool.acknowledge(delivery.sequence)?,
            // It came in full before it was shortened here.
            Err(fault) if fault.code() == Some(Code::Conflict) => spool.acknowledge(delivery.sequence)?,
            Err(fault) if is_refused_for_good(&fault) => {
                spool.refuse(delivery.sequence)?;
                refused.push(format!("the server does not take report {}, which was put aside: {fault}", delivery.sequence));
            }
            Err(fault) => {
                let waiting = match spool.backlog().reports {
                    1 => "1 report waits".to_owned(),
                    count => format!("{count} reports wait"),
                };
                return Err(format!("{waiting}: {fault}"));
            }
        }
    }
    if refused.is_empty() { Ok(()) } else { Err(refused.join("; ")) }
}

/// Whether a report will never be taken, whoever asks and whenever.
fn is_refused_for_good(fault: &Fault) -> bool {
    matches!(fault.code(), Some(Code::Malformed | Code::TooLarge | Code::Unprocessable))
}
