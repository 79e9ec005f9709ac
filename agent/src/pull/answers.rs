//! Answers to inquiries: the plan of a commit that somebody asks about. Nothing is changed, nothing is spooled: what
//! cannot be said before its time is over is never said.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use keel_engine::protocol::environment::short_commit;
use keel_engine::protocol::inquiries::{ANSWER_BYTES_MAX, OpenInquiry, Reply};

use super::home::Home;
use super::node::Node;
use super::pause::Pause;
use super::preview::{self, Subject};
use super::self_check;
use super::server::Server;
use super::settings::AgentSettings;
use super::spool::shortened_report;
use crate::client::Fault;
use crate::error::{Error, Result};
use crate::run::Choice;
use crate::stop::Stop;

/// How long a server that is away is asked what it wants to know.
const PATIENCE: Duration = Duration::from_secs(300);

/// Answers whatever is asked, until nothing is asked any more; says in a few words what was answered.
///
/// # Errors
/// The host has not joined a site, or its server is away.
pub fn make(home: &Home, stop: &Stop, mut told: impl FnMut(&str)) -> Result<()> {
    let settings = AgentSettings::load(home)?;
    let node = Node::load(home)?;
    let server = Server::of(home, &settings, &node).map_err(Error::host)?;
    let mut done = BTreeSet::new();
    while !stop.is_asked() {
        let open = patiently(Instant::now() + PATIENCE, stop, || server.inquiries())?;
        let Some(inquiry) = open.inquiries.into_iter().find(|inquiry| done.insert(inquiry.id.clone())) else { return Ok(()) };
        let until = Instant::now() + Duration::from_millis(inquiry.left_ms);
        let reply = reply(home, &settings, &inquiry, until, stop);
        if stop.is_asked() {
            return Ok(());
        }
        told(&in_words(&inquiry, &reply));
        let body = body(reply)?;
        match patiently(until, stop, || server.answer(&inquiry.id, body.clone())) {
            // Nobody waits for it any more, or the server has answered in the host's place.
            Ok(()) | Err(Fault::Refused { .. }) => {}
            Err(fault) => return Err(fault.into()),
        }
    }
    Ok(())
}

/// The host's answer.
fn reply(home: &Home, settings: &AgentSettings, inquiry: &OpenInquiry, until: Instant, stop: &Stop) -> Reply {
    let allowed =
        Pause::load(home).and_then(|pause| pause.map_or(Ok(()), |pause| Err(pause.refusal()))).and_then(|()| self_check::check(home));
    let planned = allowed.and_then(|()| {
        let subject = Subject::Inquiry { id: &inquiry.id, until };
        preview::make(home, settings, subject, &Choice::default(), &|| stop.is_asked(), &mut |progress| stop.note(progress))
    });
    match planned {
        Ok(report) => Reply::Plan { report: Box::new(report.without_unchanged()) },
        Err(error) => Reply::None { why: error.message },
    }
}

/// An answer as it is sent, shortened where it is too long.
fn body(reply: Reply) -> Result<Vec<u8>> {
    let encoded = |reply: &Reply| serde_json::to_vec(reply).map_err(|error| Error::host(format!("a plan cannot be encoded: {error}")));
    let bytes = encoded(&reply)?;
    match reply {
        Reply::Plan { report } if bytes.len() > ANSWER_BYTES_MAX => {
            let short = encoded(&Reply::Plan { report: Box::new(shortened_report(*report)) })?;
            if short.len() <= ANSWER_BYTES_MAX {
                return Ok(short);
            }
            encoded(&Reply::None {
                why: "the plan is too long to be sent; `keel plan` on the host shows what the next run changes".to_owned(),
            })
        }
        _ => Ok(bytes),
    }
}

/// Asks again and again while the server is away.
fn patiently<T>(until: Instant, stop: &Stop, mut ask: impl FnMut() -> std::result::Result<T, Fault>) -> std::result::Result<T, Fault> {
    loop {
        match ask() {
            Err(fault) if fault.may_pass() && Instant::now() < until && !stop.is_asked() => std::thread::sleep(fault.pause()),
            answer => return answer,
        }
    }
}

/// A line for the journal.
fn in_words(inquiry: &OpenInquiry, reply: &Reply) -> String {
    let answer = match reply {
        Reply::Plan { report } => format!("{} of {} would change", report.totals.would_change, report.totals.resources),
        Reply::None { why } => why.clone(),
        Reply::DoesNotCompile { .. } => "it does not compile".to_owned(),
    };
    format!("{} asks what commit {} would change: {answer}", inquiry.by, short_commit(&inquiry.commit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use keel_engine::digest::Digest;
    use keel_engine::report::{FORMAT_VERSION, Mode, Report, Totals};

    fn report(warnings: Vec<String>) -> Report {
        Report {
            format_version: FORMAT_VERSION.to_owned(),
            run: "1".to_owned(),
            host: "h".to_owned(),
            site: "s".to_owned(),
            catalog: Digest::of(b"c"),
            mode: Mode::Plan,
            started_ms: 0,
            duration_ms: 0,
            totals: Totals::default(),
            resources: Vec::new(),
            owed: Vec::new(),
            released: Vec::new(),
            warnings,
        }
    }

    #[test]
    fn an_answer_fits_or_says_that_it_does_not() {
        let sent = |warnings| serde_json::from_slice::<Reply>(&body(Reply::Plan { report: Box::new(report(warnings)) }).unwrap()).unwrap();
        assert_eq!(sent(vec!["short".to_owned()]), Reply::Plan { report: Box::new(report(vec!["short".to_owned()])) });
        let long = "x".repeat(ANSWER_BYTES_MAX);
        assert!(matches!(sent(vec![long]), Reply::Plan { report } if report.warnings.iter().any(|one| one.contains("was shortened"))));
        let mut huge = report(Vec::new());
        huge.run = "x".repeat(ANSWER_BYTES_MAX);
        let bytes = body(Reply::Plan { report: Box::new(huge) }).unwrap();
        assert!(matches!(serde_json::from_slice(&bytes).unwrap(), Reply::None { why } if why.contains("too long")));
    }

    #[test]
    fn who_is_away_is_asked_again_and_who_refuses_is_not() {
        let stop = Stop::default();
        let until = Instant::now() + Duration::from_secs(60);
        let mut asked = 0;
        let answer = patiently(until, &stop, || {
            asked += 1;
            if asked < 2 { Err(Fault::Away("gone".to_owned())) } else { Ok(asked) }
        });
        assert_eq!(answer, Ok(2));
        let problem = keel_engine::protocol::problem::Problem::new(keel_engine::protocol::problem::Code::NotFound, "no");
        let refused: std::result::Result<(), Fault> =
            patiently(until, &stop, || Err(Fault::Refused { problem: problem.clone(), retry: None }));
        assert!(refused.is_err());
    }
}
