//! Taking this host out of service before it is interrupted, and bringing it back, by the commands of a guard.

use std::path::Path;
use std::time::Duration;

use keel_resources::host::Host;

/// Runs one of the two commands. It may be run again: what a killed run began, a later one does once more.
pub fn run(root: &Path, command: &[String], time_max: Duration) -> Result<(), String> {
    let Some((program, arguments)) = command.split_first() else { return Ok(()) };
    let host = Host::new(root);
    let command = host.command(program).arguments(arguments.iter().cloned()).timeout(Some(time_max));
    command.succeed().map(drop).map_err(|failure| failure.message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_command_says_is_the_reason() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let run = |command: &[&str]| run(Path::new("/"), &words(command), Duration::from_secs(60));
        assert_eq!(run(&["/bin/true"]), Ok(()));
        assert!(run(&["/bin/sh", "-c", "echo no balancer answers >&2; exit 1"]).is_err_and(|why| why.contains("no balancer answers")));
        assert!(run(&["/nonexistent/program"]).is_err_and(|why| why.contains("/nonexistent/program")));
    }
}
