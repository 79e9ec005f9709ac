//! The process of a round: started in a group of its own, and what it says of its end.

use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use nix::unistd::Pid;
use tokio::sync::mpsc::UnboundedSender;

use super::order::Order;
use super::service::Event;

/// The exit code of a round that found another one under way.
const BUSY: i32 = 75;
/// The exit codes of a round that was made, whatever came of its resources.
const MADE: [i32; 2] = [0, 4];
/// The most bytes of what a round says of its end.
const SAID_BYTES: u64 = 4096;

/// What the process is to do.
#[derive(Debug, Clone, Copy)]
pub enum Task<'o> {
    /// Make a round.
    Round(&'o Order),
    /// Deliver the reports that wait, and nothing else.
    Delivery,
    /// Answer what the server asks about commits, which changes nothing and may go on beside a round.
    Answers,
}

/// How the process ended.
#[derive(Debug)]
pub struct Ended {
    status: std::io::Result<ExitStatus>,
    /// Why the run did not happen, in its own words.
    said: String,
}

/// What that means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The run was made.
    Made,
    /// Somebody else was running.
    Busy,
    /// The run did not happen; why, in its own words, which it wrote for the journal, too.
    Refused(String),
    /// The process ended as none should; why.
    Broken(String),
}

/// Starts the process; its own group keeps it from signals that are meant for the agent.
///
/// # Errors
/// The system has no process for it.
pub fn start(program: &Path, root: &Path, task: Task<'_>, events: &UnboundedSender<Event>) -> std::io::Result<Option<Pid>> {
    let mut command = Command::new(program);
    let word = if matches!(task, Task::Answers) { "answer" } else { "round" };
    command.args(["agent", word, "--root"]).arg(root);
    if let Task::Round(order) = task {
        command.arg("--trigger").arg(serde_json::to_string(&order.trigger)?);
        command.args(order.choice.filter.only.iter().flat_map(|word| ["--only", word]));
    }
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LANG", "C.UTF-8").env("HOME", "/root");
    command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0);
    let child = command.spawn()?;
    let process = i32::try_from(child.id()).ok().map(Pid::from_raw);
    let events = events.clone();
    let event = if matches!(task, Task::Answers) { Event::Answered } else { Event::Ended };
    // A thread that sleeps until the process ends costs less than a look every now and then.
    std::thread::Builder::new().name("round".to_owned()).spawn(move || drop(events.send(event(wait(child)))))?;
    Ok(process)
}

fn wait(mut child: Child) -> Ended {
    let mut said = Vec::new();
    if let Some(output) = child.stdout.take() {
        // What cannot be read is not said; the journal has it.
        let _ = output.take(SAID_BYTES).read_to_end(&mut said);
    }
    Ended { status: child.wait(), said: String::from_utf8_lossy(&said).trim().to_owned() }
}

impl Ended {
    /// What its end means.
    pub fn ending(self) -> Ending {
        let status = match self.status {
            Ok(status) => status,
            Err(error) => return Ending::Broken(format!("its end was missed: {error}")),
        };
        match (status.code(), status.signal()) {
            (Some(BUSY), _) => Ending::Busy,
            (Some(code), _) if MADE.contains(&code) => Ending::Made,
            (_, Some(signal)) => Ending::Broken(format!("it was ended by signal {signal}; the next one goes on where it left off")),
            _ if self.said.is_empty() => Ending::Broken(format!("{status}; the journal says more")),
            _ => Ending::Refused(self.said),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ending(script: &str) -> Ending {
        let child = Command::new("/bin/sh").args(["-c", script]).stdout(Stdio::piped()).spawn().unwrap();
        wait(child).ending()
    }

    #[test]
    fn only_a_run_that_was_made_is_well() {
        assert_eq!(ending("exit 0"), Ending::Made);
        assert_eq!(ending("exit 4"), Ending::Made);
        assert_eq!(ending("echo busy; exit 75"), Ending::Busy);
        assert_eq!(ending("echo no catalog; exit 1"), Ending::Refused("no catalog".to_owned()));
        assert!(matches!(ending("exit 1"), Ending::Broken(why) if why.contains('1') && why.contains("journal")));
        assert!(matches!(ending("kill -9 $$"), Ending::Broken(why) if why.contains("signal 9")));
    }
}
