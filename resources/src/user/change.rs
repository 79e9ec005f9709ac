//! Changes a user with the tools of the shadow suite. Passwords go through a pipe, never as arguments.

use keel_engine::resource::{Failure, Work};
use keel_engine::secret::Secret;
use keel_engine::text::Text;

use super::{Ensure, GroupName, ObservedUser, User, UserType, wanted_groups};
use crate::accounts;
use crate::host::Host;
use crate::host::command::Command;

/// The hash as the shadow file holds it.
pub(super) fn password_text(password: &Text) -> Option<Secret> {
    match password {
        Text::Plain(text) => Some(Secret::new(text.to_string())),
        Text::Secret(secret) => Some(secret.clone()),
        Text::Blob(_) => None,
    }
}

pub(super) fn apply(host: &Host, work: &Work<'_, UserType>) -> Result<(), Failure> {
    let (user, observed) = (work.desired, work.observed);
    if user.ensure == Ensure::Absent {
        return remove(host, user);
    }
    if let Some(group) = observed.unknown_groups.first() {
        return Err(no_group(user, group));
    }
    let changed = |attribute: &str| work.changes.iter().any(|change| change.attribute == attribute);
    let command = if changed("ensure") { Some(create(host, user, observed)) } else { modify(host, user, observed, &changed) };
    if let Some(command) = command {
        command.argument(&user.name).succeed()?;
    }
    if changed("password")
        && let Some(password) = user.password.as_ref().and_then(password_text)
    {
        let line = format!("{}:{}\n", user.name, password.reveal_secret_text());
        accounts::tool(host, "chpasswd").argument("-e").input(line).conceal(&password).succeed()?;
    }
    let ages = [
        ("password_max_age", "-M", user.password_max_age),
        ("password_min_age", "-m", user.password_min_age),
        ("password_warn_days", "-W", user.password_warn_days),
    ];
    let ages: Vec<String> = ages
        .into_iter()
        .filter(|(attribute, ..)| changed(attribute))
        .filter_map(|(_, option, days)| Some([option.to_owned(), days?.to_string()]))
        .flatten()
        .collect();
    if !ages.is_empty() {
        accounts::tool(host, "chage").arguments(ages).argument(&user.name).succeed()?;
    }
    Ok(())
}

pub(super) fn no_group(user: &User, group: &str) -> Failure {
    Failure::new(format!("there is no group {group} for the user {}", user.name)).help(format!("declare (group){group}"))
}

fn remove(host: &Host, user: &User) -> Result<(), Failure> {
    let command = accounts::tool(host, "userdel");
    let command = if user.managehome { command.argument("-r") } else { command };
    let result = command.argument(&user.name).succeed().map(drop);
    result.map_err(|failure| {
        if failure.message.contains("currently used by process") {
            failure.help("stop what runs as that user first, for instance with a service that this resource requires")
        } else {
            failure
        }
    })
}

fn create(host: &Host, user: &User, observed: &ObservedUser) -> Command {
    let mut command = accounts::tool(host, "useradd").argument(if user.managehome { "-m" } else { "-M" });
    if user.system {
        command = command.argument("-r");
    }
    // Without a group of its own given, one that is there is taken; the tool would refuse.
    let primary = user.gid.as_ref().map(|gid| gid.0.as_str()).or(observed.has_namesake.then_some(user.name.as_str()));
    if let Some(primary) = primary {
        command = command.argument("-g").argument(primary);
    }
    let groups: Vec<String> = user.groups.iter().filter(|group| Some(group.as_str()) != primary).cloned().collect();
    if !groups.is_empty() {
        command = command.argument("-G").argument(groups.join(","));
    }
    with_fields(command, user, &|_| true)
}

/// The command that changes what differs; none if that is nothing that `usermod` knows.
fn modify(host: &Host, user: &User, observed: &ObservedUser, changed: &dyn Fn(&str) -> bool) -> Option<Command> {
    if !["uid", "gid", "groups", "home", "shell", "comment", "expiry"].into_iter().any(changed) {
        return None;
    }
    let mut command = accounts::tool(host, "usermod");
    if let Some(GroupName(gid)) = user.gid.as_ref().filter(|_| changed("gid")) {
        command = command.argument("-g").argument(gid);
    }
    if changed("groups") {
        let groups: Vec<String> = wanted_groups(user, observed).into_iter().collect();
        command = command.argument("-G").argument(groups.join(","));
    }
    if changed("home") && user.managehome {
        command = command.argument("-m");
    }
    Some(with_fields(command, user, changed))
}

/// The options that `useradd` and `usermod` share.
fn with_fields(mut command: Command, user: &User, changed: &dyn Fn(&str) -> bool) -> Command {
    let expiry = user.expiry.as_deref().map(|expiry| if expiry == "never" { "" } else { expiry }.to_owned());
    let fields = [
        ("uid", "-u", user.uid.map(|uid| uid.to_string())),
        ("home", "-d", user.home.as_ref().map(|home| home.to_string())),
        ("shell", "-s", user.shell.as_ref().map(|shell| shell.to_string())),
        ("comment", "-c", user.comment.clone()),
        ("expiry", "-e", expiry),
    ];
    for (attribute, option, value) in fields {
        if let Some(value) = value.filter(|_| changed(attribute)) {
            command = command.argument(option).argument(value);
        }
    }
    if user.uid.is_some() && user.allowdupe && changed("uid") {
        command = command.argument("-o");
    }
    command
}
