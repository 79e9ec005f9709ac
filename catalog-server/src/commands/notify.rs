//! `keel-server notify`.

use clap::Args;

use crate::cli::{Context, print};
use crate::error::Result;
use crate::nudge;

/// Tell the running server to look at the repository at once, as a hook does after a push.
///
/// Says which commits hosts get now, and which are refused and why; git shows that to who pushed. Without it the server sees a push within seconds all the same, because it looks regularly.
#[derive(Debug, Args)]
#[command(after_help = "Example, as hooks/post-receive of the site's repository:\n  #!/bin/sh\n  exec keel-server notify")]
pub struct Arguments {}

/// Runs it.
///
/// # Errors
/// No server listens.
pub fn run(_: &Arguments, context: &Context) -> Result<()> {
    print(&nudge::send(&context.settings()?.socket())?)
}
