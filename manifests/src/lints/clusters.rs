//! Members of one cluster whose manifests do not fit together: they declare the same thing differently, share an id,
//! have an even number of votes, or several of them begin the cluster.

use std::collections::{BTreeMap, BTreeSet};

use crate::cluster_part::{ClusterPart, Corosync, Galera, Shared, Spot};
use crate::codes;
use crate::diagnostic::Diagnostic;

/// A host with its part in clusters.
type Part<'p> = (&'p str, &'p ClusterPart);

pub(super) fn check(parts: &[Part<'_>]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for cluster in corosync_clusters(parts) {
        found.extend(members_disagree(&cluster));
        found.extend(disagreements(&cluster));
        found.extend(shared_ids(&cluster));
        found.extend(even_votes(&cluster));
    }
    for (name, members) in galera_clusters(parts) {
        let arbitrators = parts.iter().filter(|(_, part)| part.arbitrates.as_deref() == Some(name)).count();
        found.extend(seeds(name, &members));
        found.extend(even_members(name, &members, arbitrators));
    }
    found
}

/// A member of a Corosync cluster.
struct Member<'p> {
    host: &'p str,
    corosync: &'p Corosync,
    shared: &'p [Shared],
}

/// Two that have a name in common, and members: what is called alike elsewhere is another cluster.
fn corosync_clusters<'p>(parts: &[Part<'p>]) -> Vec<Vec<Member<'p>>> {
    let mut clusters: Vec<(BTreeSet<&str>, Vec<Member<'p>>)> = Vec::new();
    for &(host, part) in parts {
        let Some(corosync) = &part.corosync else { continue };
        let names: BTreeSet<&str> = corosync.members.iter().map(|member| member.name.as_str()).collect();
        let member = Member { host, corosync, shared: &part.shared };
        let is_its = |(known, members): &&mut (BTreeSet<&str>, Vec<Member<'_>>)| {
            members.first().is_some_and(|first| first.corosync.name == corosync.name) && !known.is_disjoint(&names)
        };
        match clusters.iter_mut().find(is_its) {
            Some((known, members)) => {
                known.extend(names);
                members.push(member);
            }
            None => clusters.push((names, vec![member])),
        }
    }
    clusters.into_iter().map(|(_, members)| members).collect()
}

fn galera_clusters<'p>(parts: &[Part<'p>]) -> BTreeMap<&'p str, Vec<(&'p str, &'p Galera)>> {
    let mut clusters: BTreeMap<&str, Vec<(&str, &Galera)>> = BTreeMap::new();
    for &(host, part) in parts {
        if let Some(galera) = &part.galera {
            clusters.entry(&galera.name).or_default().push((host, galera));
        }
    }
    clusters
}

/// A warning with a label for each member that it is about.
fn warning(code: &'static str, message: String, at: &[(&Option<Spot>, String)]) -> Diagnostic {
    let mut diagnostic = Diagnostic::warning(code, message);
    for (spot, text) in at {
        if let Some((file, span)) = spot.as_ref().map(Spot::label) {
            let known = diagnostic.labels.iter().any(|label| label.file == file && label.span == span);
            diagnostic = if known { diagnostic } else { diagnostic.at(&file, span, text) };
        }
    }
    diagnostic
}

/// Members that name other members than the first one does.
fn members_disagree(cluster: &[Member<'_>]) -> Option<Diagnostic> {
    let (first, rest) = cluster.split_first()?;
    let sorted = |corosync: &Corosync| {
        let mut members: Vec<_> = corosync.members.iter().map(|member| (member.name.clone(), member.id, member.votes)).collect();
        members.sort();
        members
    };
    let other = rest.iter().find(|other| sorted(other.corosync) != sorted(first.corosync))?;
    let (one, two, name) = (first.host, other.host, &first.corosync.name);
    let message = format!("{one} and {two} do not name the same members of the cluster {name}");
    let at = [(&first.corosync.spot, format!("the members by {one}")), (&other.corosync.spot, format!("and by {two}"))];
    Some(warning(codes::CLUSTER_DISAGREES, message, &at).help("give the members once, in the variables of a group that all of them are in"))
}

/// What two members declare differently, once for each thing.
fn disagreements(cluster: &[Member<'_>]) -> Vec<Diagnostic> {
    let mut first: BTreeMap<_, (&str, &Shared)> = BTreeMap::new();
    let mut said = BTreeSet::new();
    let mut found = Vec::new();
    for member in cluster {
        for shared in member.shared {
            let (host, known) = *first.entry(&shared.address).or_insert((member.host, shared));
            if known.attributes == shared.attributes || !said.insert(&shared.address) {
                continue;
            }
            let names: BTreeSet<&String> = known.attributes.keys().chain(shared.attributes.keys()).collect();
            let differing = names.into_iter().filter(|name| known.attributes.get(*name) != shared.attributes.get(*name));
            let differing: Vec<String> = differing.map(|name| format!("`{name}`")).collect();
            let (other, cluster) = (member.host, &member.corosync.name);
            let message =
                format!("{host} and {other} declare {} of the cluster {cluster} with another {}", shared.address, differing.join(", "));
            let at = [(&known.spot, format!("so by {host}")), (&shared.spot, format!("and so by {other}"))];
            let help = "the member that acts makes it so, and the next one undoes it: give it the same value on all of them";
            found.push(warning(codes::CLUSTER_DISAGREES, message, &at).help(help));
        }
    }
    found
}

/// Two members with one id.
fn shared_ids(cluster: &[Member<'_>]) -> Option<Diagnostic> {
    let mut owners: BTreeMap<u64, (&str, &Member<'_>)> = BTreeMap::new();
    for member in cluster {
        for one in &member.corosync.members {
            let Some(id) = one.id else { continue };
            let (owner, known) = *owners.entry(id).or_insert((&one.name, member));
            if owner != one.name {
                let (name, other) = (&member.corosync.name, &one.name);
                let message = format!("{owner} and {other} of the cluster {name} have the same node id {id}");
                let at = [(&known.corosync.spot, format!("{id} is {owner}")), (&member.corosync.spot, format!("{id} is {other}"))];
                return Some(warning(codes::CLUSTER_NODE_ID, message, &at).help("give each member an id of its own, once and for all"));
            }
        }
    }
    None
}

/// Votes that can stand against each other.
fn even_votes(cluster: &[Member<'_>]) -> Option<Diagnostic> {
    let first = cluster.first()?.corosync;
    let votes: u64 = first.members.iter().map(|member| member.votes).sum();
    if votes == 0 || votes % 2 == 1 || first.tie_breaker {
        return None;
    }
    let message = format!("the members of the cluster {} have {votes} votes, and neither half can go on without the other", first.name);
    let help = "add a member or a quorum device, or let `auto_tie_breaker` decide";
    Some(warning(codes::CLUSTER_EVEN_VOTERS, message, &[(&first.spot, "these members".to_owned())]).help(help))
}

/// Several members that begin a cluster of their own.
fn seeds(name: &str, members: &[(&str, &Galera)]) -> Option<Diagnostic> {
    let seeds: Vec<_> = members.iter().filter(|(_, galera)| galera.addresses.is_empty()).collect();
    let [(one, first), (two, second), ..] = seeds.as_slice() else { return None };
    let message = format!("{one} and {two} each begin a cluster {name} of their own: `gcomm://` names nobody to join");
    let at = [(&first.spot, format!("by {one}")), (&second.spot, format!("by {two}"))];
    Some(warning(codes::CLUSTER_SEEDS, message, &at).help("name the addresses of all members, on all of them"))
}

fn even_members(name: &str, members: &[(&str, &Galera)], arbitrators: usize) -> Option<Diagnostic> {
    let voters = members.len() + arbitrators;
    let (_, first) = members.first()?;
    if voters % 2 == 1 || members.iter().any(|(_, galera)| galera.weighted) {
        return None;
    }
    let message = format!("the cluster {name} has {voters} voters, and neither half can go on without the other");
    let help = "add a member, or an arbitrator (garbd) on a host elsewhere";
    Some(warning(codes::CLUSTER_EVEN_VOTERS, message, &[(&first.spot, "the settings of its members".to_owned())]).help(help))
}
