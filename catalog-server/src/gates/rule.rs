//! Whether a gate is open, and if not, why.

use std::collections::BTreeMap;

use keel_engine::address::Address;
use keel_engine::definitions::Definitions;
use keel_engine::digest::Digest;
use keel_engine::protocol::gates::{AskedGate, Standing};
use keel_engine::report::Outcome;

use super::fingerprints::Fingerprints;
use super::word::Word;

/// What is known of the host that a gate points at.
pub struct Other<'a> {
    /// What it said.
    pub word: &'a Word,
    /// The catalog that it should converge to now.
    pub current: &'a Definitions,
    /// What its earlier catalogs declared.
    pub earlier: &'a BTreeMap<Digest, Fingerprints>,
}

/// How a gate stands. An `Err` as `other` says why nothing is known of the host.
pub fn standing(gate: &AskedGate, other: Result<&Other<'_>, String>) -> Standing {
    let other = match other {
        Ok(other) => other,
        Err(reason) => return Standing::Closed { reason },
    };
    let Some(behind) = other.current.behind(&gate.target) else {
        return if gate.optional {
            Standing::Open { token: Digest::of(b"absent") }
        } else {
            Standing::Closed { reason: format!("the catalog of {} does not have {}", gate.host, gate.target) }
        };
    };
    match behind.iter().find_map(|address| not_ready(address, other)) {
        Some(why) => Standing::Closed { reason: why },
        None => Standing::Open { token: token(&behind, other.word) },
    }
}

/// Why a resource is not ready, if it is not.
fn not_ready(address: &Address, other: &Other<'_>) -> Option<String> {
    let Some(said) = other.word.of(address) else {
        return Some("it has not reported yet".to_owned());
    };
    let definition = other.current.resources.get(address)?;
    if said.catalog != other.current.catalog {
        match other.earlier.get(&said.catalog) {
            Some(earlier) if earlier.declares(address, definition) => {}
            Some(earlier) if earlier.has(address) => return Some(format!("{address} is declared anew, and it has not run since")),
            Some(_) => return Some(format!("{address} is new, and it has not run since")),
            None => return Some(format!("it spoke of {address} under a catalog that is not known here")),
        }
    }
    let how = match said.outcome {
        Outcome::Unchanged | Outcome::Changed => return None,
        Outcome::Failed => "failed",
        Outcome::Skipped => "was skipped",
        Outcome::Waiting => "waits itself",
        Outcome::WouldChange => "differs and is not changed",
        Outcome::Unknown => "cannot be told yet",
    };
    Some(format!("{address} {how}"))
}

/// Another one whenever one of the resources was changed.
fn token(behind: &[&Address], word: &Word) -> Digest {
    let lines: String =
        behind.iter().map(|address| format!("{}\0{}\0{}\n", address.type_name, address.title, word.changed_in(address))).collect();
    Digest::of(lines.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use keel_engine::protocol::gates::Settled;
    use keel_engine::report::Reason;

    use super::super::word::tests::report;
    use super::*;

    fn address(title: &str) -> Address {
        Address::new("file", title)
    }

    /// A catalog with a module `m` of the resources, each with its definition.
    fn definitions(id: &str, resources: &[(&str, &str)]) -> Definitions {
        Definitions {
            catalog: Digest::of(id.as_bytes()),
            resources: resources.iter().map(|(title, said)| (address(title), Digest::of(said.as_bytes()))).collect(),
            modules: BTreeMap::from([(Arc::from("m"), resources.iter().map(|(title, _)| address(title)).collect())]),
            guards: BTreeMap::new(),
        }
    }

    fn asked(target: Address, optional: bool) -> AskedGate {
        AskedGate { host: "db-1".to_owned(), target, optional }
    }

    fn judge(word: &Word, current: &Definitions, past: &[&Definitions], gate: &AskedGate) -> Standing {
        let earlier = past.iter().map(|one| (one.catalog, Fingerprints::of(one))).collect();
        standing(gate, Ok(&Other { word, current, earlier: &earlier }))
    }

    fn reason(standing: Standing) -> String {
        match standing {
            Standing::Closed { reason } => reason,
            Standing::Open { .. } => "open".to_owned(),
        }
    }

    fn module() -> Address {
        Address::new("module", "m")
    }

    fn heard(catalog: &Definitions, listed: &[(&str, Outcome, Option<Reason>)]) -> Word {
        let mut word = Word::default();
        word.hear_report(&report("1", catalog.catalog, listed));
        word
    }

    #[test]
    fn a_host_of_which_nothing_is_known_is_not_ready() {
        let unknown = standing(&asked(address("/a"), true), Err("there is no host db-1".to_owned()));
        assert_eq!(reason(unknown), "there is no host db-1");
        let current = definitions("c", &[("/a", "1")]);
        assert!(reason(judge(&Word::default(), &current, &[], &asked(address("/a"), false))).contains("not reported"));
    }

    #[test]
    fn a_target_is_as_ready_as_its_outcome() {
        let current = definitions("c", &[("/a", "1"), ("/b", "1")]);
        let cases = [
            (Outcome::Unchanged, "open"),
            (Outcome::Changed, "open"),
            (Outcome::Failed, "failed"),
            (Outcome::Skipped, "was skipped"),
            (Outcome::Waiting, "waits itself"),
            (Outcome::WouldChange, "differs"),
            (Outcome::Unknown, "cannot be told"),
        ];
        for (outcome, expected) in cases {
            let word = heard(&current, &[("/a", outcome, None)]);
            for target in [address("/a"), module()] {
                let found = reason(judge(&word, &current, &[], &asked(target, false)));
                assert!(found.contains(expected), "{outcome:?}: {found}");
            }
            assert_eq!(reason(judge(&word, &current, &[], &asked(address("/b"), false))), "open", "the neighbour is not touched");
        }
    }

    #[test]
    fn one_failing_resource_shuts_its_module_and_is_named() {
        let current = definitions("c", &[("/a", "1"), ("/b", "1"), ("/c", "1")]);
        let word = heard(&current, &[("/b", Outcome::Failed, None)]);
        assert_eq!(reason(judge(&word, &current, &[], &asked(module(), false))), "file \"/b\" failed");
        assert!(judge(&heard(&current, &[]), &current, &[], &asked(module(), false)).is_open());
    }

    #[test]
    fn what_an_old_catalog_said_counts_for_what_is_declared_the_same() {
        let old = definitions("old", &[("/a", "1"), ("/b", "1")]);
        let new = definitions("new", &[("/a", "1"), ("/b", "2"), ("/c", "1")]);
        let word = heard(&old, &[]);
        let ask = |target| reason(judge(&word, &new, &[&old], &asked(target, false)));
        assert_eq!(ask(address("/a")), "open");
        assert!(ask(address("/b")).contains("declared anew"));
        assert!(ask(address("/c")).contains("is new"));
        assert!(ask(module()).contains("/b"));
        assert!(reason(judge(&word, &new, &[], &asked(address("/a"), false))).contains("not known here"));
    }

    #[test]
    fn an_optional_target_may_be_missing() {
        let current = definitions("c", &[]);
        let word = heard(&current, &[]);
        assert!(judge(&word, &current, &[], &asked(address("/a"), true)).is_open());
        assert!(reason(judge(&word, &current, &[], &asked(address("/a"), false))).contains("does not have"));
        let failing = definitions("c", &[("/a", "1")]);
        let word = heard(&failing, &[("/a", Outcome::Failed, None)]);
        assert!(!judge(&word, &failing, &[], &asked(address("/a"), true)).is_open(), "optional and there: it has to be ready");
    }

    #[test]
    fn what_settles_in_the_middle_of_a_run_counts_at_once() {
        let (old, new) = (definitions("old", &[("/a", "1")]), definitions("new", &[("/a", "2")]));
        let mut word = heard(&old, &[]);
        let gate = asked(address("/a"), false);
        assert!(!judge(&word, &new, &[&old], &gate).is_open());
        word.hear_settled("2", new.catalog, &[Settled { address: address("/a"), outcome: Outcome::Changed }]);
        let open = judge(&word, &new, &[&old], &gate);
        assert!(open.is_open());
        word.hear_report(&report("2", new.catalog, &[("/a", Outcome::Changed, None)]));
        assert_eq!(judge(&word, &new, &[&old], &gate), open, "the report of the same run is no other change");
        word.hear_settled("3", new.catalog, &[Settled { address: address("/a"), outcome: Outcome::Failed }]);
        assert!(!judge(&word, &new, &[&old], &gate).is_open());
    }

    #[test]
    fn the_token_is_another_one_once_a_change() {
        let current = definitions("c", &[("/a", "1"), ("/b", "1")]);
        let mut word = heard(&current, &[]);
        let token = |word: &Word, target: Address| match judge(word, &current, &[], &asked(target, false)) {
            Standing::Open { token } => token,
            Standing::Closed { reason } => panic!("{reason}"),
        };
        let before = [token(&word, address("/a")), token(&word, address("/b")), token(&word, module())];
        word.hear_report(&report("2", current.catalog, &[("/a", Outcome::Changed, None)]));
        let after = [token(&word, address("/a")), token(&word, address("/b")), token(&word, module())];
        assert_eq!([before[0] != after[0], before[1] != after[1], before[2] != after[2]], [true, false, true]);
        word.hear_report(&report("3", current.catalog, &[]));
        assert_eq!(after, [token(&word, address("/a")), token(&word, address("/b")), token(&word, module())]);
    }
}
