//! Guards: the rules for what interrupts a member of a cluster.
//!
//! A restart, a stop or a change of software under a guard is made only with a *lease*: while all other
//! members answer and are ready, and so that no more than a number of them are down at once.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::attributes::Span;
use crate::turns::Turns;
use crate::value::Map;

/// The rule for one cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Guard {
    /// How resources name it.
    pub name: String,
    /// The hosts that are its members, each once, in the order of their names.
    pub members: Vec<String>,
    /// How many of them may be interrupted at once.
    pub max: u32,
    /// How a member sees that it and its cluster are well: the attributes of a `wait`.
    pub ready: Map,
    /// How a member leaves service before it is interrupted; none where nobody has to know.
    pub withdrawal: Option<Withdrawal>,
    /// How members keep out of each other's way without a server; none where nobody said it.
    pub turns: Option<Turns>,
}

/// How a member leaves service, such as that behind a load balancer, and comes back. Both are commands, the program first,
/// and may be run more often than once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdrawal {
    /// Run with the lease, before the first thing that interrupts the member.
    pub drain: Vec<String>,
    /// Run once the member is ready again, before the lease goes back.
    pub undrain: Vec<String>,
}

/// Who is interrupted together with whom, and how many may be at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// [`Guard::members`].
    pub members: Vec<String>,
    /// [`Guard::max`].
    pub max: u32,
}

impl Guard {
    /// The part of it that is not a member's own.
    pub fn rule(&self) -> Rule {
        Rule { members: self.members.clone(), max: self.max }
    }
}

/// How a member found itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "readiness", rename_all = "snake_case")]
pub enum Readiness {
    /// It and its cluster are well.
    Ready,
    /// They are not.
    NotReady {
        /// Why, in a few words.
        why: String,
    },
}

/// What is known of a guard at one moment, as seen from the member that asks.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// The rule, with the member that asks.
    pub rule: &'a Rule,
    /// The other hosts that hold a lease of it.
    pub holders: &'a [String],
    /// How other members found themselves since they were asked. Who is not in it has not answered.
    pub answers: &'a BTreeMap<String, Readiness>,
}

/// Why there is no lease now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// As many as may hold one do.
    Held {
        /// One of them.
        by: String,
    },
    /// A member is not ready.
    NotReady {
        /// Who.
        member: String,
        /// Why.
        why: String,
    },
    /// Members have not answered.
    Silent {
        /// Who.
        members: Vec<String>,
    },
    /// Who asks is no member.
    Stranger,
    /// Somebody ended the waiting of who asks.
    GivenUp,
}

impl Obstacle {
    /// Whether another answer of a member may clear it.
    pub fn may_be_answered(&self) -> bool {
        matches!(self, Obstacle::NotReady { .. } | Obstacle::Silent { .. })
    }
}

/// What stands between a member and its lease; nothing, if it may have it. All other members have to be ready, but
/// for those that are interrupted with a lease of their own: these are what `max` is for.
pub fn obstacle(host: &str, scene: &Scene<'_>) -> Option<Obstacle> {
    if !scene.rule.members.iter().any(|member| member == host) {
        return Some(Obstacle::Stranger);
    }
    let others = || scene.rule.members.iter().filter(|member| *member != host);
    let holders: Vec<&String> = scene.holders.iter().filter(|holder| *holder != host).collect();
    if let Some(by) = holders.first().filter(|_| holders.len() >= scene.rule.max as usize) {
        return Some(Obstacle::Held { by: (*by).clone() });
    }
    let judged = || others().filter(|member| !holders.contains(member));
    let not_ready = judged().find_map(|member| match scene.answers.get(member) {
        Some(Readiness::NotReady { why }) => Some(Obstacle::NotReady { member: member.clone(), why: why.clone() }),
        _ => None,
    });
    let silent: Vec<String> = judged().filter(|member| !scene.answers.contains_key(*member)).cloned().collect();
    not_ready.or_else(|| (!silent.is_empty()).then_some(Obstacle::Silent { members: silent }))
}

/// One sentence, for reports and `keel status`.
impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Obstacle::Held { by } => write!(f, "{by} holds the lease"),
            Obstacle::NotReady { member, why } => write!(f, "{member} is not ready: {why}"),
            Obstacle::Silent { members } if members.len() == 1 => write!(f, "{} does not answer", members.join("")),
            Obstacle::Silent { members } => write!(f, "{} do not answer", members.join(" and ")),
            Obstacle::Stranger => f.write_str("this host is none of its members"),
            Obstacle::GivenUp => f.write_str("its waiting was ended"),
        }
    }
}

/// As a manifest says it: `max 1 of db-1, db-2, db-3, ready: {...}`.
impl fmt::Display for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "max {} of {}, ready:", self.max, self.members.join(", "))?;
        self.ready.iter().try_for_each(|(name, value)| write!(f, " {name}={value}"))?;
        if let Some(Withdrawal { drain, undrain }) = &self.withdrawal {
            write!(f, ", drain: {}, undrain: {}", drain.join(" "), undrain.join(" "))?;
        }
        let Some(turns) = &self.turns else { return Ok(()) };
        write!(f, ", turn: {}", Span(turns.turn()))?;
        turns.asks.iter().try_for_each(|(member, ask)| {
            write!(f, ", ask {member}:")?;
            ask.iter().try_for_each(|(name, value)| write!(f, " {name}={value}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    /// What `a` of four members hears; an answer is empty where the member is ready.
    fn heard(max: u32, holders: &[&str], answers: &[(&str, &str)]) -> String {
        let readiness = |why: &str| if why.is_empty() { Readiness::Ready } else { Readiness::NotReady { why: why.to_owned() } };
        let answers = answers.iter().map(|(member, why)| ((*member).to_owned(), readiness(why))).collect();
        let (rule, holders) = (Rule { members: names(&["a", "b", "c", "d"]), max }, names(holders));
        let scene = Scene { rule: &rule, holders: &holders, answers: &answers };
        obstacle("a", &scene).map_or_else(|| "lease".to_owned(), |obstacle| obstacle.to_string())
    }

    #[test]
    fn everybody_else_answers_and_is_ready_or_there_is_no_lease() {
        assert_eq!(heard(1, &[], &[("b", ""), ("c", ""), ("d", "")]), "lease");
        assert_eq!(heard(1, &[], &[("b", ""), ("c", "")]), "d does not answer");
        assert_eq!(heard(1, &[], &[("b", "")]), "c and d do not answer");
        assert_eq!(heard(1, &[], &[("b", ""), ("d", "2 of 3 nodes")]), "d is not ready: 2 of 3 nodes");
    }

    #[test]
    fn no_more_than_max_hold_it_and_who_holds_one_need_not_be_ready() {
        let all = [("b", ""), ("c", ""), ("d", "")];
        assert_eq!(heard(1, &["c"], &all), "c holds the lease");
        assert_eq!(heard(2, &["c"], &[("b", ""), ("d", "")]), "lease");
        assert_eq!(heard(2, &["c"], &[("b", "")]), "d does not answer");
        assert_eq!(heard(2, &["c", "d"], &all), "c holds the lease");
        assert_eq!(heard(1, &["a"], &all), "lease", "its own from before, which a killed run left");
    }

    #[test]
    fn one_that_holds_a_lease_counts_also_where_the_asker_does_not_know_it() {
        assert_eq!(heard(1, &["gone"], &[("b", ""), ("c", ""), ("d", "")]), "gone holds the lease");
    }

    #[test]
    fn strangers_get_nothing() {
        let rule = Rule { members: names(&["b"]), max: 1 };
        let scene = Scene { rule: &rule, holders: &[], answers: &BTreeMap::new() };
        assert_eq!(obstacle("a", &scene), Some(Obstacle::Stranger));
        assert_eq!(obstacle("b", &scene), None, "alone there is nobody to ask");
    }
}
