//! The type `wait`: holds up what requires it until something is so.

use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use keel_engine::attributes;
use keel_engine::attributes::{AbsolutePath, AttributeError, Span};
use keel_engine::change::Change;
use keel_engine::footprint::Footprint;
use keel_engine::resource::{Failure, ObserveError, Reliance, ResourceType, Work};

use crate::host::Host;
use crate::host::attend::pause;

/// How long one look may take.
const LOOK_TIMEOUT: Duration = Duration::from_secs(10);

attributes! {
    /// Holds up what requires it until something is so.
    ///
    /// It never changes anything. What it waits for is a port, paths, a command or several of them; all
    /// have to be so at once. In a plan it says what it would wait for. When the time is up it fails,
    /// and what requires it is skipped.
    ///
    ///     wait "database" tcp="db-1:3306" timeout="2m"
    ///     wait "leader" {
    ///         command "/usr/bin/app-status" "--leader"
    ///     }
    pub struct Wait: "wait" {
        /// What people call it.
        [title] pub name: String,
        /// A TCP port that takes connections, `host:port` or `[address]:port`.
        pub tcp: Option<String>,
        /// Paths that exist.
        pub paths: Vec<AbsolutePath>,
        /// Paths that do not exist.
        pub absent: Vec<AbsolutePath>,
        /// A command that succeeds, as a list of arguments, the program first. It must only look.
        pub command: Vec<String>,
        /// How long to wait at most; at least a second.
        [how] pub timeout: Span = Span(Duration::from_secs(300)),
        /// How long to wait between two looks.
        [how] pub interval: Span = Span(Duration::from_secs(2)),
    }
    check |desired| {
        let mut errors = Vec::new();
        if desired.tcp.is_none() && desired.paths.is_empty() && desired.absent.is_empty() && desired.command.is_empty() {
            errors.push(AttributeError::new("name", "waits for nothing").help("give it `tcp`, `paths`, `absent` or `command`"));
        }
        if desired.tcp.as_deref().is_some_and(|tcp| split_port(tcp).is_none()) {
            errors.push(AttributeError::new("tcp", "is no `host:port`").help("such as \"db-1:3306\" or \"[::1]:80\""));
        }
        if desired.timeout.0.is_zero() {
            errors.push(AttributeError::new("timeout", "is 0").help("a second or more; \"1s\" fails almost at once"));
        }
        if desired.interval.0.is_zero() {
            errors.push(AttributeError::new("interval", "is 0").help("a second or more"));
        }
        errors
    }
}

pub(crate) fn split_port(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host = bare.or((!host.contains([':', '[', ']'])).then_some(host))?;
    let port = port.parse().ok().filter(|port| *port != 0)?;
    (!host.is_empty()).then_some((host, port))
}

impl Wait {
    /// What is not so yet; none if all is.
    fn lacks(&self, host: &Host, patience: Duration) -> Result<Option<String>, ObserveError> {
        for path in &self.paths {
            if host.stat_followed(path.as_path())?.is_none() {
                return Ok(Some(format!("{path} is not there")));
            }
        }
        for path in &self.absent {
            if host.stat(path.as_path())?.is_some() {
                return Ok(Some(format!("{path} is still there")));
            }
        }
        if let Some((name, port)) = self.tcp.as_deref().and_then(split_port)
            && let Err(reason) = connect(name, port, patience)
        {
            return Ok(Some(format!("{name}:{port} takes no connection: {reason}")));
        }
        if let Some((program, arguments)) = self.command.split_first() {
            let command = host.command(program).arguments(arguments.iter().cloned()).timeout(Some(patience));
            let output = command.run()?;
            if !output.is_success() {
                return Ok(Some(output.failure().message));
            }
        }
        Ok(None)
    }
}

/// Tries all addresses of a name.
fn connect(name: &str, port: u16, timeout: Duration) -> Result<(), String> {
    let addresses: Vec<SocketAddr> = (name, port).to_socket_addrs().map_err(|error| error.to_string())?.collect();
    let mut last = "the name has no address".to_owned();
    for address in addresses {
        match TcpStream::connect_timeout(&address, timeout.max(Duration::from_millis(1))) {
            Ok(_) => return Ok(()),
            Err(error) => last = error.to_string(),
        }
    }
    Err(last)
}

/// The type `wait`.
pub struct WaitType;

impl ResourceType for WaitType {
    type Host = Host;
    type Desired = Wait;
    /// What is not so yet.
    type Observed = Option<String>;

    fn observe(&self, host: &Host, desired: &[&Wait]) -> Vec<Result<Option<String>, ObserveError>> {
        desired.iter().map(|wait| wait.lacks(host, LOOK_TIMEOUT)).collect()
    }

    fn diff(&self, desired: &Wait, observed: &Option<String>) -> Vec<Change> {
        observed.iter().map(|lack| Change::run("wait", lack.as_str(), format!("up to {}", desired.timeout))).collect()
    }

    fn apply(&self, host: &Host, work: &Work<'_, Self>) -> Result<(), Failure> {
        let wait = work.desired;
        let began = Instant::now();
        loop {
            let left = wait.timeout.0.saturating_sub(began.elapsed());
            // A program that a package has yet to bring is waited for like everything else.
            let lack = match wait.lacks(host, left.clamp(Duration::from_secs(1), LOOK_TIMEOUT)) {
                Ok(None) => return Ok(()),
                Ok(Some(lack)) => lack,
                Err(error) => error.failure().message.clone(),
            };
            if left.is_zero() {
                return Err(Failure::new(format!("after {} {lack}", wait.timeout)));
            }
            if !pause(wait.interval.0.min(left)) {
                return Err(Failure::new(format!("no longer waited for, because the run was asked twice to stop: {lack}")));
            }
        }
    }

    fn footprint(&self, desired: &Wait) -> Footprint {
        desired.command.first().into_iter().fold(Footprint::default(), |footprint, program| footprint.need(format!("path:{program}")))
    }

    fn reliance(&self, _desired: &Wait, _observed: &Option<String>) -> Reliance {
        Reliance::UntilAny
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use keel_engine::value::Value;

    use super::*;
    use crate::trial::{Trial, list};

    #[test]
    fn waits_until_a_port_takes_connections() {
        let trial = Trial::new();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let tcp = [("tcp", Value::from(address.as_str())), ("interval", Value::Int(1)), ("timeout", Value::Int(1))];
        assert_eq!(trial.converge(&WaitType, "port", &tcp).unwrap(), [""; 0]);
        drop(listener);
        let error = trial.converge(&WaitType, "port", &tcp).unwrap_err();
        assert!(error.starts_with(&format!("after 1s {address} takes no connection")), "{error}");
    }

    #[test]
    fn waits_for_paths_that_come_and_go() {
        let trial = Trial::new();
        trial.write("/here", "");
        assert_eq!(trial.plan(&WaitType, "x", &[("paths", list(&["/here"])), ("absent", list(&["/gone"]))]).unwrap(), [""; 0]);
        assert_eq!(trial.plan(&WaitType, "x", &[("absent", list(&["/here"]))]).unwrap(), ["! wait: /here is still there -> up to 5m"]);
        let late = trial.path("/late");
        let writer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(300));
            std::fs::write(late, "").unwrap();
        });
        let made = trial.converge(&WaitType, "x", &[("paths", list(&["/late"])), ("interval", Value::Int(1))]).unwrap();
        assert_eq!(made, ["! wait: /late is not there -> up to 5m"]);
        writer.join().unwrap();
    }

    #[test]
    fn waits_for_a_command() {
        let trial = Trial::new();
        assert_eq!(trial.plan(&WaitType, "x", &[("command", list(&["true"]))]).unwrap(), [""; 0]);
        assert_eq!(trial.plan(&WaitType, "x", &[("command", list(&["false"]))]).unwrap().len(), 1);
        assert!(trial.plan(&WaitType, "x", &[("command", list(&["no-such-program"]))]).is_err());
    }

    #[test]
    fn what_cannot_be_waited_for_is_refused() {
        assert!(Trial::refuses::<WaitType>("x", &[]).contains("waits for nothing"));
        for tcp in ["db", "db:", "db:0", "db:70000", ":80", "::1:80", "[::1]"] {
            assert!(Trial::refuses::<WaitType>("x", &[("tcp", Value::from(tcp))]).contains("is no `host:port`"), "{tcp}");
        }
        let never = [("paths", Value::from("/x")), ("timeout", Value::Int(0))];
        assert!(Trial::refuses::<WaitType>("x", &never).contains("timeout is 0"));
    }
}
