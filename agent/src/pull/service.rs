//! The agent as a service: one loop that waits for time, signals, the server and the host, and starts
//! rounds in a process of their own.

use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use keel_engine::address::Address;
use keel_engine::protocol::news::News;
use keel_engine::protocol::reports::Trigger;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sd_notify::NotifyState;
use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::course::Course;
use super::home::Home;
use super::listeners::Listeners;
use super::news;
use super::node::Node;
use super::pause::Pause;
use super::round::{Order, now};
use super::schedule::Schedule;
use super::settings::AgentSettings;
use super::signals;
use super::standing::Standing;
use super::watch::WatchList;
use crate::cli::print_error;
use crate::error::{Error, Result};
use crate::state::lock::Lock;

/// How long a run may finish what it has begun, once the agent is asked to stop; less than the unit's TimeoutStopSec.
const STOP_PATIENCE: Duration = Duration::from_secs(8 * 60);

/// The exit code of a round that found another one under way.
const BUSY: i32 = 75;

/// What the agent waits for.
#[derive(Debug)]
pub enum Event {
    /// TERM or INT, or HUP.
    Signal(Signal),
    /// The round's process has ended.
    Ended(std::io::Result<ExitStatus>),
    /// The server has something to say.
    News(Vec<News>),
    /// The server cannot be reached any more; why.
    ServerAway(String),
    /// It can again.
    ServerBack,
    /// Files or services that the catalog manages were touched.
    Touched(Vec<Address>),
}

/// Stays until it is asked to stop.
///
/// # Errors
/// Another agent is there, or this one cannot begin.
pub fn run(home: &Home, settings: AgentSettings) -> Result<u8> {
    let node = Node::load(home)?;
    let _lock = Lock::take_file(&home.agent_lock(), "keel agent")?;
    let program = std::env::current_exe().map_err(|error| Error::host(format!("cannot tell which program this is: {error}")))?;
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::host(format!("cannot begin: {error}")))?;
    runtime.block_on(async {
        let (sender, receiver) = unbounded_channel();
        signals::listen(&sender)?;
        let mut service = Service::new(home, settings, &node, program, sender);
        service.say(&[NotifyState::Ready]);
        log(&format!("the agent of {} runs every {} with {}", node.host, span(service.settings.interval), service.settings.server));
        service.serve(receiver).await
    })
}

/// Writes a line for the journal.
fn log(line: &str) {
    print_error(&format!("keel: {line}\n"));
}

struct Service<'a> {
    home: &'a Home,
    settings: AgentSettings,
    program: PathBuf,
    clock: Instant,
    course: Course,
    /// The round's process.
    child: Option<Pid>,
    /// Since when the agent is to stop, by the clock of the course.
    stopping: Option<Duration>,
    sender: UnboundedSender<Event>,
    listeners: Listeners,
    standing: Standing,
}

impl<'a> Service<'a> {
    fn new(home: &'a Home, settings: AgentSettings, node: &Node, program: PathBuf, sender: UnboundedSender<Event>) -> Self {
        let host = node.host.as_str();
        let schedule = Schedule::new(host, settings.interval, Duration::ZERO, now());
        let since_last = super::catalogs::Catalogs::of(home, host).age();
        // A run leaves the list of what to watch; without it the last run is as good as long ago.
        let is_blind = settings.watch && WatchList::load(home).is_none();
        let since_last = since_last.map(|since| if is_blind { since.max(settings.interval) } else { since });
        let course = Course::new(schedule, schedule.first(host, Duration::ZERO, since_last));
        let standing = Standing::new(host);
        let listeners = Listeners::begin(home, &settings, &sender);
        let (clock, child, stopping) = (Instant::now(), None, None);
        Self { home, settings, program, clock, course, child, stopping, sender, listeners, standing }
    }

    async fn serve(&mut self, mut events: UnboundedReceiver<Event>) -> Result<u8> {
        let watchdog = sd_notify::watchdog_enabled().map(|limit| limit / 2);
        loop {
            self.start_what_is_due();
            self.note();
            if self.stopping.is_some() && self.child.is_none() {
                self.say(&[NotifyState::Stopping]);
                return Ok(0);
            }
            let wait = self.patience().min(self.course.next()).saturating_sub(self.clock.elapsed());
            let wait = watchdog.map_or(wait, |watchdog| wait.min(watchdog)).min(Duration::from_secs(86_400));
            match tokio::time::timeout(wait, events.recv()).await {
                Ok(Some(event)) => self.take_in(event),
                Ok(None) => return Err(Error::host("the agent lost its own thread")),
                Err(_) => {}
            }
            self.say(&[NotifyState::Watchdog]);
        }
    }

    /// When a run that was asked to stop has had its time: its commands are then ended, before systemd
    /// ends everything.
    fn patience(&mut self) -> Duration {
        let Some((since, child)) = self.stopping.zip(self.child) else { return Duration::MAX };
        let end = since + STOP_PATIENCE;
        if self.clock.elapsed() < end {
            return end;
        }
        let _ = kill(child, Signal::SIGTERM);
        // Asked once more after as long again, should that not have been enough.
        self.stopping = Some(self.clock.elapsed());
        self.clock.elapsed() + STOP_PATIENCE
    }

    fn start_what_is_due(&mut self) {
        if self.stopping.is_some() {
            return;
        }
        let Some(order) = self.course.start(self.clock.elapsed()) else { return };
        match Pause::load(self.home) {
            Ok(None) => {}
            Ok(Some(pause)) => {
                log(&format!("no run: {} disabled the agent: {}", pause.by, pause.reason));
                return self.course.ended(self.clock.elapsed());
            }
            Err(error) => log(&error.message),
        }
        if let Err(error) = self.start(&order) {
            log(&format!("the run could not be started: {error}"));
            self.course.ended(self.clock.elapsed());
        }
    }

    /// Starts a round; its own process group keeps it from signals that are meant for the agent.
    fn start(&mut self, order: &Order) -> std::io::Result<()> {
        let mut command = Command::new(&self.program);
        command.args(["agent", "round", "--root"]).arg(&self.home.root);
        command.arg("--trigger").arg(serde_json::to_string(&order.trigger)?);
        command.args(order.choice.filter.only.iter().flat_map(|word| ["--only", word]));
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LANG", "C.UTF-8").env("HOME", "/root");
        command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).process_group(0);
        let mut child = command.spawn()?;
        self.child = i32::try_from(child.id()).ok().map(Pid::from_raw);
        let sender = self.sender.clone();
        // A thread that sleeps until the process ends costs less than a look every now and then.
        std::thread::Builder::new().name("round".to_owned()).spawn(move || drop(sender.send(Event::Ended(child.wait()))))?;
        Ok(())
    }

    fn take_in(&mut self, event: Event) {
        match event {
            Event::Signal(Signal::SIGHUP) => self.reload(),
            Event::Signal(signal) => {
                self.stopping.get_or_insert(self.clock.elapsed());
                // The first one lets the run finish what it has begun, the second one ends its commands.
                if let Some(child) = self.child {
                    let _ = kill(child, signal);
                }
            }
            Event::Ended(status) => self.end(status),
            Event::News(news) => {
                log(&format!("the server says: {}", news::in_words(&news)));
                self.course.hear(&news);
            }
            Event::ServerAway(why) => {
                log(&why);
                self.standing.server_away = Some(why);
            }
            Event::ServerBack => {
                log("the server is back");
                self.standing.server_away = None;
            }
            Event::Touched(addresses) => self.course.touch(self.clock.elapsed(), addresses),
        }
    }

    fn end(&mut self, status: std::io::Result<ExitStatus>) {
        self.child = None;
        match status {
            Ok(status) if status.code() == Some(BUSY) => self.course.was_busy(self.clock.elapsed()),
            Ok(status) => {
                if let Some(signal) = status.signal() {
                    log(&format!("the run was ended by signal {signal}; the next one goes on where it left off"));
                }
                self.course.ended(self.clock.elapsed());
            }
            Err(error) => {
                log(&format!("the run's end was missed: {error}"));
                self.course.ended(self.clock.elapsed());
            }
        }
        self.listeners.look_again(self.home, &self.settings, &self.sender);
        self.standing.last_end_ms = u64::try_from(now().as_millis()).ok();
    }

    /// Reads the settings again, and runs at once. Settings that cannot be read change nothing.
    fn reload(&mut self) {
        match AgentSettings::load(self.home) {
            Ok(settings) if settings != self.settings => {
                log("the settings are other ones now");
                let host = self.standing.host.clone();
                let passed = self.clock.elapsed();
                self.course.reschedule(Schedule::new(&host, settings.interval, passed, now()), passed);
                self.settings = settings;
                self.listeners = Listeners::begin(self.home, &self.settings, &self.sender);
            }
            Ok(_) => {}
            Err(error) => log(&format!("the settings stay as they were: {error}")),
        }
        self.course.want(Trigger::Local);
    }

    /// Notes how the agent stands, for `keel agent status`.
    fn note(&mut self) {
        let until = self.course.due().saturating_sub(self.clock.elapsed());
        self.standing.next_run_ms = u64::try_from((now() + until).as_millis()).ok();
        self.standing.running = self.child.is_some();
        if self.standing.keep(self.home) {
            let line = self.standing.line();
            self.say(&[NotifyState::Status(&line)]);
        }
    }

    /// Tells systemd; where there is none, nobody.
    fn say(&self, states: &[NotifyState<'_>]) {
        let _ = sd_notify::notify(states);
    }
}

/// A length of time as people say it.
fn span(span: Duration) -> String {
    match span.as_secs() {
        seconds if seconds > 0 && seconds % 3600 == 0 => format!("{} h", seconds / 3600),
        seconds if seconds > 0 && seconds % 60 == 0 => format!("{} min", seconds / 60),
        seconds => format!("{seconds} s"),
    }
}
