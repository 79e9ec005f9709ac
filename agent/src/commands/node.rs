//! `keel node`.

use clap::{Args, Subcommand};
use keel_engine::host_name::HostName;
use keel_engine::protocol::enrolment::shown_id;
use keel_engine::protocol::fleet::{RunAnswer, RunRequest};
use keel_engine::protocol::nodes::{
    Approval, Follow, Node, NodeDetail, NodeList, NodeState, Revocation, TokenAnswer, TokenRequest, WaitingNode,
};
use reqwest::Method;

use crate::cli::{Context, print, print_json};
use crate::error::{Error, Result};
use crate::operator::{Operator, ServerArguments};
use crate::render::moment::moment;
use crate::render::paint::{Paint, printable};
use crate::render::table;

/// Manage the hosts that the server knows: let them in, look at them, shut them out, ask them to run.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  keel node list\n  keel node approve db-1 --id 9aea4c1b02d7f38e\n  keel node revoke db-1 --why stolen\n  keel node run db-1 db-2"
)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
    /// Print as JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(flatten)]
    server: ServerArguments,
}

/// A host, by name.
#[derive(Debug, Args)]
struct Named {
    /// The host.
    #[arg(value_parser = |name: &str| HostName::new(name))]
    host: HostName,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List all hosts, and who waits for approval.
    #[command(after_help = "Example:\n  keel node list")]
    List,
    /// Show one host with its certificates.
    #[command(after_help = "Example:\n  keel node show db-1")]
    Show(Named),
    /// Let a waiting host in, once its id is the one that the host itself shows.
    #[command(after_help = "Example:\n  keel node approve db-1 --id 9aea4c1b02d7f38e")]
    Approve {
        #[command(flatten)]
        named: Named,
        /// The id that `keel agent enroll` shows on the host: anybody can ask under its name, and nobody else has its key.
        #[arg(long)]
        id: Option<String>,
        /// The environment that it is to follow, instead of the default.
        #[arg(long)]
        environment: Option<String>,
    },
    /// Shut a host out, with all its certificates. Its reports stay.
    #[command(after_help = "Example:\n  keel node revoke db-1 --why stolen")]
    Revoke {
        #[command(flatten)]
        named: Named,
        /// Why, for whoever asks later.
        #[arg(long, value_name = "TEXT")]
        why: String,
    },
    /// Forget a host with everything it said, or turn away who waits under its name.
    #[command(after_help = "Example:\n  keel node purge db-1")]
    Purge(Named),
    /// Let a host follow another environment.
    #[command(after_help = "Example:\n  keel node follow db-1 staging")]
    Follow {
        #[command(flatten)]
        named: Named,
        /// The environment.
        environment: String,
    },
    /// Ask hosts to run at once.
    #[command(after_help = "Example:\n  keel node run db-1 db-2")]
    Run {
        /// The hosts.
        #[arg(required = true, value_parser = |name: &str| HostName::new(name))]
        hosts: Vec<HostName>,
    },
    /// Make a one-time token that lets a host in, and print the command to use it with.
    #[command(after_help = "Example:\n  keel node token --host db-3")]
    Token {
        /// The only host that may use it.
        #[arg(long, value_parser = |name: &str| HostName::new(name))]
        host: Option<HostName>,
        /// The environment that the host is to follow.
        #[arg(long)]
        environment: Option<String>,
        /// How long it is good, in seconds.
        #[arg(long, default_value_t = 600, value_name = "SECONDS")]
        valid: u64,
    },
}

/// Runs it.
///
/// # Errors
/// The server is away or refuses.
pub fn run(arguments: &Arguments, context: &Context) -> Result<u8> {
    let operator = Operator::connect(&arguments.server, context)?;
    let (json, paint) = (arguments.json, context.paint());
    match &arguments.action {
        Action::List => {
            let list = all(&operator)?;
            if json { print_json(&list)? } else { print(&list_text(&list, paint))? }
        }
        Action::Show(Named { host }) => {
            let detail: NodeDetail = operator.get(&path(host, ""), &[])?;
            if json { print_json(&detail)? } else { print(&detail_text(host, &detail, paint))? }
        }
        Action::Approve { named, id, environment } => {
            let Some(id) = id else { return Err(name_the_id(&named.host, &operator.get(&path(&named.host, ""), &[])?)) };
            let approval = Approval { id: Some(id.clone()), environment: environment.clone() };
            said(json, &operator.send(Method::POST, &path(&named.host, "/approve"), &approval)?, "is in and follows")?;
        }
        Action::Revoke { named, why } => {
            let revocation = Revocation { why: why.clone() };
            said(json, &operator.send(Method::POST, &path(&named.host, "/revoke"), &revocation)?, "is shut out and followed")?;
        }
        Action::Follow { named, environment } => {
            let follow = Follow { environment: environment.clone() };
            said(json, &operator.send(Method::PUT, &path(&named.host, "/environment"), &follow)?, "follows")?;
        }
        Action::Purge(Named { host }) => {
            operator.delete(&path(host, ""))?;
            if json { print_json(&serde_json::json!({ "purged": host }))? } else { print(&format!("{host} is forgotten\n"))? }
        }
        Action::Run { hosts } => ask_to_run(&operator, hosts, json)?,
        Action::Token { host, environment, valid } => {
            let request = TokenRequest { host: host.clone(), environment: environment.clone(), valid_s: Some(*valid) };
            let answer: TokenAnswer = operator.send(Method::POST, "/operator/v1/tokens", &request)?;
            let text = format!("good once, until {}; on the host:\n\n  {}\n", moment(answer.expires_ms), printable(&answer.command));
            if json { print_json(&answer)? } else { print(&text)? }
        }
    }
    Ok(0)
}

fn path(host: &HostName, rest: &str) -> String {
    format!("/operator/v1/nodes/{host}{rest}")
}

/// All hosts, page by page.
fn all(operator: &Operator) -> Result<NodeList> {
    let mut list: NodeList = operator.get("/operator/v1/nodes", &[("limit", "1000")])?;
    while let Some(after) = list.after.take() {
        let page: NodeList = operator.get("/operator/v1/nodes", &[("limit", "1000"), ("after", &after)])?;
        list.nodes.extend(page.nodes);
        list.after = page.after;
    }
    Ok(list)
}

fn said(json: bool, node: &Node, what: &str) -> Result<()> {
    if json { print_json(node) } else { print(&format!("{} {what} {}\n", node.host, printable(&node.environment))) }
}

/// Whoever waits is shown, for the operator to compare with what the host shows.
fn name_the_id(host: &HostName, detail: &NodeDetail) -> Error {
    let ids: Vec<String> = detail.waiting.iter().map(|one| printable(shown_id(&one.id))).collect();
    if ids.is_empty() {
        return Error::host(format!("nobody waits under the name {host}")).hint("run `keel agent enroll` on the host first");
    }
    let waits = if ids.len() == 1 { "one host waits" } else { "several hosts wait" };
    let error = Error::usage(format!("{waits} under the name {host}; compare the id with the one that `keel agent enroll` shows there"));
    ids.iter().fold(error, |error, id| error.hint(format!("keel node approve {host} --id {id}")))
}

fn ask_to_run(operator: &Operator, hosts: &[HostName], json: bool) -> Result<()> {
    let answer: RunAnswer = operator.send(Method::POST, "/operator/v1/run", &RunRequest { hosts: hosts.to_vec() })?;
    if json {
        print_json(&answer)?;
    } else if !answer.told.is_empty() {
        print(&format!("told, for when they listen: {}\n", answer.told.join(", ")))?;
    }
    let unknown: Vec<&str> = hosts.iter().map(HostName::as_str).filter(|host| !answer.told.iter().any(|told| told == host)).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    Err(Error::host(format!("no such host is let in: {}", unknown.join(", "))).hint("keel node list"))
}

fn list_text(list: &NodeList, paint: Paint) -> String {
    let mut text = String::new();
    if !list.waiting.is_empty() {
        let rows: Vec<Vec<String>> = list.waiting.iter().map(waiting_row).collect();
        text.push_str(&headed(&["WAITING", "ASKED", "ID"], &rows, paint));
        text.push_str("keel node approve HOST --id ID lets one in, keel node purge HOST turns it away\n\n");
    }
    let rows: Vec<Vec<String>> = list.nodes.iter().map(node_row).collect();
    text + &headed(&["HOST", "STATE", "ENVIRONMENT", "SINCE", "BY"], &rows, paint)
}

fn headed(head: &[&str], rows: &[Vec<String>], paint: Paint) -> String {
    let lines = table::lines(head, rows);
    let painted = lines.first().map(|head| paint.bold(head)).into_iter().chain(lines.iter().skip(1).cloned());
    painted.map(|line| line + "\n").collect()
}

fn waiting_row(waiting: &WaitingNode) -> Vec<String> {
    vec![printable(&waiting.host), moment(waiting.asked_ms), printable(shown_id(&waiting.id))]
}

fn node_row(node: &Node) -> Vec<String> {
    let by = node.approved_by.as_deref().unwrap_or("-");
    vec![node.host.clone(), state(node.state).to_owned(), printable(&node.environment), moment(node.since_ms), printable(by)]
}

fn state(state: NodeState) -> &'static str {
    match state {
        NodeState::Active => "active",
        NodeState::Revoked => "revoked",
    }
}

fn detail_text(host: &HostName, detail: &NodeDetail, paint: Paint) -> String {
    let mut text = format!("{}\n", paint.bold(host.as_str()));
    if let Some(node) = &detail.node {
        text.push_str(&format!("  {}, follows {}\n", state(node.state), printable(&node.environment)));
        let by = node.approved_by.as_deref().map(|by| format!(" by {}", printable(by))).unwrap_or_default();
        text.push_str(&format!("  let in {}{by}\n", moment(node.since_ms)));
        text.extend(node.revoked.iter().map(|revoked| format!("  shut out {}: {}\n", moment(revoked.at_ms), printable(&revoked.why))));
    }
    let certificate = |serial: &str, expires_ms| format!("  certificate {}, good until {}\n", printable(serial), moment(expires_ms));
    text.extend(detail.certificates.iter().map(|one| certificate(&one.serial, one.expires_ms)));
    text.extend(
        detail
            .waiting
            .iter()
            .map(|one| format!("  waits for approval since {}, id {}\n", moment(one.asked_ms), printable(shown_id(&one.id)))),
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detail(ids: &[&str]) -> NodeDetail {
        let waiting = ids.iter().map(|id| WaitingNode { host: "db-1".to_owned(), id: id.repeat(32), asked_ms: 0 }).collect();
        NodeDetail { node: None, certificates: Vec::new(), waiting }
    }

    #[test]
    fn nobody_is_let_in_whose_id_was_not_compared() {
        let host = HostName::new("db-1").unwrap();
        let error = name_the_id(&host, &detail(&["9a"]));
        assert!(error.message.contains("one host waits under the name db-1; compare the id"), "{error}");
        assert_eq!(error.hints, [format!("keel node approve db-1 --id {}", "9a".repeat(8))]);
        assert_eq!(name_the_id(&host, &detail(&["9a", "0b"])).hints.len(), 2);
        assert!(name_the_id(&host, &detail(&[])).message.contains("nobody waits"));
        let list = NodeList { waiting: detail(&["9a"]).waiting, nodes: Vec::new(), after: None };
        let text = list_text(&list, Paint { colour: false });
        assert!(text.contains("--id ID") && text.contains(&format!("{}\n", "9a".repeat(8))), "{text}");
    }
}
