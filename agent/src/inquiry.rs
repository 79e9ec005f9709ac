//! An inquiry's outcome as a preview: what hosts answered, and who did not.

use keel_engine::difference::{Difference, TypeTraits};
use keel_engine::preview::{HostPreview, HostState, Level, Place, Preview, Problem, Revision, Subject};
use keel_engine::protocol::environment::Finding;
use keel_engine::protocol::inquiries::{AskedHost, Inquiry, Reply};

/// The preview. Who has not answered is silent, whatever is known of it.
pub fn preview(inquiry: &Inquiry, hosts: Vec<AskedHost>, types: &dyn TypeTraits) -> Preview {
    let of = Revision { name: inquiry.reference.clone(), commit: Some(inquiry.commit.clone()) };
    let hosts = hosts.into_iter().map(|host| host_preview(inquiry, host, types)).collect();
    let problems = inquiry.findings.iter().map(problem).collect();
    Preview::fold(&inquiry.site, Subject::Plan { of }, hosts, problems)
}

fn host_preview(inquiry: &Inquiry, asked: AskedHost, types: &dyn TypeTraits) -> HostPreview {
    let AskedHost { host, groups, told, heard, reply } = asked;
    let without = |state, problems| HostPreview { host, groups: groups.clone(), state, difference: Difference::default(), problems };
    match reply {
        Some(Reply::Plan { report }) => HostPreview::of_report(&report, groups, types),
        Some(Reply::None { why }) => without(HostState::Broken, vec![error(why, "keel status HOST; keel plan on the host itself")]),
        Some(Reply::DoesNotCompile { findings }) => without(HostState::Broken, findings.iter().map(problem).collect()),
        None if !told => {
            let message = "no such host is let in, so that nobody could be asked".to_owned();
            without(HostState::Silent, vec![error(message, "keel node list")])
        }
        None => {
            let what = if heard { "its agent heard of it and made no plan" } else { "its agent did not ask what it was wanted for" };
            let message = format!("no answer within {} s: {what}", inquiry.deadline_s);
            let help = if heard { "give it longer with --deadline SECONDS" } else { "does the agent run? keel status HOST" };
            without(HostState::Silent, vec![error(message, help)])
        }
    }
}

fn error(message: String, help: &str) -> Problem {
    Problem { level: Level::Error, code: None, message, help: vec![help.to_owned()], place: None, in_base: false }
}

/// What the compiler found, as previews show it.
fn problem(finding: &Finding) -> Problem {
    let number = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let place = finding.places.first();
    Problem {
        level: if finding.error { Level::Error } else { Level::Warning },
        code: Some(finding.code.clone()),
        message: finding.message.clone(),
        help: finding.help.clone(),
        place: place.map(|place| Place { file: place.file.clone(), line: number(place.line), column: number(place.column) }),
        in_base: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::type_traits::TypeTraits;

    fn asked(host: &str, told: bool, heard: bool, reply: Option<Reply>) -> AskedHost {
        AskedHost { host: host.to_owned(), groups: vec!["all".to_owned()], told, heard, reply }
    }

    #[test]
    fn who_does_not_answer_is_silent_and_never_unchanged() {
        let inquiry = Inquiry {
            id: "1".to_owned(),
            reference: "next".to_owned(),
            commit: "c0ffee".to_owned(),
            site: "s".to_owned(),
            by: "kim".to_owned(),
            deadline_s: 30,
            findings: Vec::new(),
            hosts: 4,
            answered: 1,
            over: true,
        };
        let disabled = Reply::None { why: "kim disabled the agent: repairs".to_owned() };
        let hosts = vec![
            asked("a", true, false, None),
            asked("b", true, true, None),
            asked("c", false, false, None),
            asked("d", true, true, Some(disabled)),
        ];
        let preview = preview(&inquiry, hosts, &TypeTraits::of_all());
        assert!(preview.unchanged.is_empty() && preview.has_failures() && !preview.has_changes());
        assert_eq!((preview.totals.state(HostState::Silent), preview.totals.state(HostState::Broken)), (3, 1));
        let said: Vec<(&str, &str)> =
            preview.entries.iter().map(|entry| (entry.hosts[0].as_str(), entry.problems[0].message.as_str())).collect();
        let expected = [
            ("d", "kim disabled the agent: repairs"),
            ("a", "no answer within 30 s: its agent did not ask what it was wanted for"),
            ("b", "no answer within 30 s: its agent heard of it and made no plan"),
            ("c", "no such host is let in, so that nobody could be asked"),
        ];
        assert_eq!(said, expected);
    }
}
