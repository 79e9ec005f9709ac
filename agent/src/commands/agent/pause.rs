//! `keel agent disable` and `keel agent enable`.

use clap::Args;

use crate::cli::{Context, print, print_json};
use crate::error::{Error, Result};
use crate::pull::home::Home;
use crate::pull::pause::Pause;
use crate::pull::round::now;
use crate::render::moment::moment;
use crate::render::paint::printable;

/// Keep the agent from running, until `keel agent enable`.
///
/// A run that is under way is finished.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  keel agent disable --reason \"moving the database, ask Kim\"")]
pub(super) struct DisableArguments {
    /// Why, for whoever finds the host so.
    #[arg(long)]
    reason: String,
    /// Print as JSON.
    #[arg(long)]
    json: bool,
}

/// Let the agent run again.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  keel agent enable")]
pub(super) struct EnableArguments {
    /// Print as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn disable(arguments: &DisableArguments, home: &Home, context: &Context) -> Result<u8> {
    let reason = arguments.reason.trim();
    if reason.is_empty() {
        return Err(Error::usage("a reason is for whoever finds the host disabled; it cannot be empty"));
    }
    home.make_folders()?;
    let earlier = Pause::load(home)?;
    let pause = Pause { reason: reason.to_owned(), by: user(context), since_ms: u64::try_from(now().as_millis()).unwrap_or(u64::MAX) };
    pause.keep(home)?;
    if arguments.json {
        print_json(&serde_json::json!({ "disabled": pause, "earlier": earlier }))?;
        return Ok(0);
    }
    if let Some(Pause { reason, by, since_ms }) = earlier {
        let since = moment(i64::try_from(since_ms).unwrap_or(i64::MAX));
        print(&format!("it was disabled already, by {} since {since}: {}\n", printable(&by), printable(&reason)))?;
    }
    print(&format!("the agent makes no runs until `keel agent enable`: {}\n", printable(reason)))?;
    Ok(0)
}

pub(super) fn enable(arguments: &EnableArguments, home: &Home) -> Result<u8> {
    let was_disabled = Pause::end(home)?;
    if arguments.json {
        print_json(&serde_json::json!({ "was_disabled": was_disabled }))?;
        return Ok(0);
    }
    let text = if was_disabled { "the agent runs again, from its next interval on\n" } else { "the agent was not disabled\n" };
    print(text)?;
    Ok(0)
}

/// Who types; behind sudo, who typed that.
fn user(context: &Context) -> String {
    let behind = context.environment.sudo_user.clone();
    let own = || nix::unistd::User::from_uid(nix::unistd::getuid()).ok().flatten().map(|user| user.name);
    behind.or_else(own).unwrap_or_else(|| "somebody".to_owned())
}
