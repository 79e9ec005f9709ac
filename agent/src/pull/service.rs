//! The agent as a service: one loop that waits for time, signals, the server and the host, and starts
//! rounds in a process of their own.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use keel_engine::address::Address;
use keel_engine::protocol::leases::Demand;
use keel_engine::protocol::news::News;
use keel_engine::protocol::reports::Trigger;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sd_notify::NotifyState;
use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::course::Course;
use super::grid::Grid;
use super::home::Home;
use super::leases::prover;
use super::listeners::Listeners;
use super::news;
use super::node::Node;
use super::openings;
use super::pause::Pause;
use super::round::now;
use super::round_process::{self, Ended, Ending, Task};
use super::settings::AgentSettings;
use super::signals;
use super::spool::Spool;
use super::standing::{LastRound, Standing};
use super::watch::WatchList;
use crate::cli::print_error;
use crate::error::{Error, Result};
use crate::state::lock::Lock;

/// How long a run may finish what it has begun, once the agent is asked to stop; less than the unit's TimeoutStopSec.
const STOP_PATIENCE: Duration = Duration::from_secs(8 * 60);

/// What the agent waits for.
#[derive(Debug)]
pub enum Event {
    /// TERM or INT, or HUP.
    Signal(Signal),
    /// The round's process has ended.
    Ended(Ended),
    /// The process has ended that answers inquiries.
    Answered(Ended),
    /// The server has something to say.
    News(Vec<News>),
    /// Other members of a cluster want to know how this one is.
    Demands(Vec<Demand>),
    /// The process has ended that looks how this host is as a member.
    Proved,
    /// An earlier run holds a lease that may go back by now.
    HoldsLease,
    /// The server cannot be reached any more; why.
    ServerAway(String),
    /// It can again.
    ServerBack,
    /// Files or services that the catalog manages were touched.
    Touched(Vec<Address>),
    /// So much was touched at once that the kernel lost count: any of these may have been.
    Missed(Vec<Address>),
    /// Why files that the catalog manages cannot be watched; none if all of them are.
    Unwatched(Option<String>),
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
        log(&format!("the agent of {} runs every {} with {}", node.host, in_words(service.settings.interval), service.settings.server));
        service.serve(receiver).await
    })
}

/// Has the agent that stays on this host, if there is one, look at everything again.
pub fn hang_up(home: &Home) {
    let standing = Standing::load(home).filter(|_| Lock::is_held(&home.agent_lock()));
    let process = standing.and_then(|standing| i32::try_from(standing.process).ok()).filter(|process| *process > 1);
    if let Some(process) = process {
        // One that is gone by now has nothing to look at.
        let _ = kill(Pid::from_raw(process), Signal::SIGHUP);
    }
}

/// Writes a line for the journal.
fn log(line: &str) {
    print_error(&format!("keel: {line}\n"));
}

/// How the answers to inquiries stand.
#[derive(Debug, Default)]
struct Answering {
    /// The process that makes them.
    child: Option<Pid>,
    /// Whether there is one that it may not have seen.
    wanted: bool,
}

/// How the looks stand at how this host is as a member. One is made after the other: each notes what it found.
#[derive(Debug, Default)]
struct Proving {
    /// Whether a process is at it.
    runs: bool,
    /// What it has not heard of, the newest of each guard.
    demands: Vec<Demand>,
    /// Whether a lease may go back.
    settles: bool,
}

struct Service<'a> {
    home: &'a Home,
    settings: AgentSettings,
    program: PathBuf,
    clock: Instant,
    course: Course,
    /// The round's process.
    child: Option<Pid>,
    /// Whether it only delivers reports.
    delivering: bool,
    answering: Answering,
    proving: Proving,
    /// Whether reports may wait for a server that is back.
    owes_delivery: bool,
    /// Since when the agent is to stop, by the clock of the course.
    stopping: Option<Duration>,
    sender: UnboundedSender<Event>,
    listeners: Listeners,
    standing: Standing,
}

impl<'a> Service<'a> {
    fn new(home: &'a Home, settings: AgentSettings, node: &Node, program: PathBuf, sender: UnboundedSender<Event>) -> Self {
        let host = node.host.as_str();
        let grid = Grid::new(host, settings.interval, Duration::ZERO, now());
        let since_last = super::catalogs::Catalogs::of(home, host).age();
        // A run leaves the list of what to watch; without it the last run is as good as long ago.
        let is_blind = settings.watch && WatchList::load(home).is_none();
        let since_last = since_last.map(|since| if is_blind { since.max(settings.interval) } else { since });
        let mut course = Course::new(grid, grid.first(host, Duration::ZERO, since_last));
        course.open_at(openings::until_next(home));
        if prover::owes(home) {
            // A run was killed in the middle of what it interrupted: nobody else of the cluster can go on before it ends.
            course.want(Trigger::Start);
        }
        let standing = Standing::new(host);
        let listeners = Listeners::begin(home, &settings, &sender);
        let (clock, child, stopping) = (Instant::now(), None, None);
        let (delivering, owes_delivery, answering, proving) = (false, false, Answering::default(), Proving::default());
        Self {
            home,
            settings,
            program,
            clock,
            course,
            child,
            delivering,
            answering,
            proving,
            owes_delivery,
            stopping,
            sender,
            listeners,
            standing,
        }
    }

    async fn serve(&mut self, mut events: UnboundedReceiver<Event>) -> Result<u8> {
        let watchdog = sd_notify::watchdog_enabled().map(|limit| limit / 2);
        loop {
            self.start_what_is_due();
            self.deliver();
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
        let order = self.course.start(self.clock.elapsed());
        let held_back = self.course.is_held_back();
        if held_back && !self.standing.held_back {
            log("what is watched was touched too often lately: until it gets quieter, only the usual runs look at it");
        }
        self.standing.held_back = held_back;
        let Some(order) = order else { return };
        if !self.start(Task::Round(&order)) {
            self.course.ended(self.clock.elapsed());
        }
    }

    /// Delivers what waits, now that the server is back.
    fn deliver(&mut self) {
        if !self.owes_delivery || self.stopping.is_some() || !self.course.may_deliver(self.clock.elapsed()) {
            return;
        }
        self.owes_delivery = false;
        self.delivering = Spool::backlog_of(self.home).reports > 0 && self.start(Task::Delivery);
        if !self.delivering {
            self.course.ended(self.clock.elapsed());
        }
    }

    /// Starts the process that answers inquiries, if there are any and it does not run already.
    fn answer(&mut self) {
        if self.stopping.is_some() || self.answering.child.is_some() || !std::mem::take(&mut self.answering.wanted) {
            return;
        }
        match round_process::start(&self.program, &self.home.root, Task::Answers, &self.sender) {
            Ok(process) => self.answering.child = process,
            Err(error) => log(&format!("an inquiry cannot be answered: {error}")),
        }
    }

    /// Starts the process of a round; says whether it runs.
    fn start(&mut self, task: Task<'_>) -> bool {
        match round_process::start(&self.program, &self.home.root, task, &self.sender) {
            Ok(process) => self.child = process,
            Err(error) => {
                let why = format!("the run could not be started: {error}");
                log(&why);
                self.standing.last_round = Some(LastRound { ended_ms: now_ms(), failure: Some(why) });
                return false;
            }
        }
        true
    }

    fn take_in(&mut self, event: Event) {
        match event {
            Event::Signal(Signal::SIGHUP) => self.reload(),
            Event::Signal(signal) => {
                self.stopping.get_or_insert(self.clock.elapsed());
                // A plan changes nothing, so that it may end anywhere.
                if let Some(child) = self.answering.child {
                    let _ = kill(child, Signal::SIGTERM);
                }
                // The first one lets the run finish what it has begun, the second one ends its commands.
                if let Some(child) = self.child {
                    let _ = kill(child, signal);
                }
            }
            Event::Ended(ended) => self.end(ended),
            Event::Answered(ended) => {
                self.answering.child = None;
                if let Ending::Refused(why) | Ending::Broken(why) = ended.ending() {
                    log(&format!("an inquiry was not answered: {why}"));
                }
                self.answer();
            }
            Event::News(news) => {
                log(&format!("the server says: {}", news::in_words(&news)));
                self.course.hear(&news);
                self.answering.wanted |= news.contains(&News::Inquiry);
                self.answer();
            }
            Event::Demands(demands) => {
                self.proving.demands.retain(|known| demands.iter().all(|demand| demand.guard != known.guard));
                self.proving.demands.extend(demands);
                self.prove();
            }
            Event::Proved => {
                self.proving.runs = false;
                self.prove();
                self.listeners.look_at_leases(self.home, &self.sender);
            }
            Event::HoldsLease if self.child.is_some() => {}
            Event::HoldsLease => self.settle_leases(),
            Event::ServerAway(why) => {
                log(&why);
                self.standing.server_away = Some(why);
            }
            Event::ServerBack => {
                log("the server is back");
                self.standing.server_away = None;
                self.owes_delivery = true;
                if let Some(guard) = prover::unanswered(self.home) {
                    self.course.want(Trigger::Lease { guard });
                }
            }
            Event::Touched(addresses) => self.touch(addresses),
            Event::Missed(addresses) => {
                log("more files were touched at once than the kernel can tell of: all that are watched are looked at");
                self.touch(addresses);
            }
            Event::Unwatched(why) => {
                if let Some(why) = why.as_ref().filter(|why| self.standing.unwatched.as_ref() != Some(why)) {
                    log(why);
                }
                self.standing.unwatched = why;
            }
        }
    }

    /// Proves what is held, or has a run ask for what was never answered.
    fn settle_leases(&mut self) {
        match prover::unanswered(self.home) {
            None => {
                self.proving.settles = true;
                self.prove();
            }
            // A proof would also end the waiting: a run asks once more, when there is somebody to ask.
            Some(guard) if self.standing.server_away.is_none() => self.course.want(Trigger::Lease { guard }),
            Some(_) => {}
        }
    }

    /// On a host that is disabled nobody looks, and the server is not told of it again and again.
    fn touch(&mut self, addresses: Vec<Address>) {
        if matches!(Pause::load(self.home), Ok(None)) {
            self.course.touch(self.clock.elapsed(), addresses);
        }
    }

    /// Has another process look how the host is as a member, once the one before has ended.
    fn prove(&mut self) {
        if self.proving.runs || self.proving.demands.is_empty() && !std::mem::take(&mut self.proving.settles) {
            return;
        }
        let (demands, sender) = (std::mem::take(&mut self.proving.demands), self.sender.clone());
        // Without a receiver the agent is gone.
        let ended = move || drop(sender.send(Event::Proved));
        match prover::start(&self.program, &self.home.root, &demands, ended) {
            Ok(()) => self.proving.runs = true,
            Err(error) => log(&format!("nobody could look how this host is as a member of its cluster: {error}")),
        }
    }

    fn end(&mut self, ended: Ended) {
        self.child = None;
        let was_run = !std::mem::take(&mut self.delivering);
        let failure = match ended.ending() {
            Ending::Busy => {
                self.course.was_busy(self.clock.elapsed());
                return self.listeners.look_again(self.home, &self.settings, &self.sender);
            }
            Ending::Made => None,
            Ending::Refused(why) => Some(why),
            Ending::Broken(why) => {
                log(&format!("the run did not come to its end: {why}"));
                Some(why)
            }
        };
        self.course.ended(self.clock.elapsed());
        if was_run {
            self.standing.last_round = Some(LastRound { ended_ms: now_ms(), failure });
        }
        self.course.open_at(openings::until_next(self.home).map(|until| self.clock.elapsed() + until));
        self.listeners.look_again(self.home, &self.settings, &self.sender);
        // The round may have reached the server, or have got another certificate.
        self.listeners.try_server();
    }

    /// Reads the settings again, and runs at once. Settings that cannot be read change nothing.
    fn reload(&mut self) {
        match AgentSettings::load(self.home) {
            Ok(settings) if settings != self.settings => {
                log("the settings are other ones now");
                let host = self.standing.host.clone();
                let passed = self.clock.elapsed();
                self.course.follow(Grid::new(&host, settings.interval, passed, now()), passed);
                self.settings = settings;
                self.listeners = Listeners::begin(self.home, &self.settings, &self.sender);
                // The listener is a new one, and knows of no server that was away; it says so if this one is.
                self.owes_delivery |= self.standing.server_away.take().is_some();
            }
            Ok(_) => {}
            Err(error) => log(&format!("the settings stay as they were: {error}")),
        }
        self.course.want(Trigger::Local);
        self.listeners.try_server();
    }

    /// Notes how the agent stands, for `keel agent status`.
    fn note(&mut self) {
        let until = self.course.due().saturating_sub(self.clock.elapsed());
        self.standing.next_run_ms = u64::try_from((now() + until).as_millis()).ok();
        self.standing.running = self.child.is_some() && !self.delivering;
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

fn now_ms() -> u64 {
    u64::try_from(now().as_millis()).unwrap_or(u64::MAX)
}

/// An interval exactly as it was set, in its largest unit.
fn in_words(span: Duration) -> String {
    match span.as_secs() {
        seconds if seconds > 0 && seconds % 3600 == 0 => format!("{} h", seconds / 3600),
        seconds if seconds > 0 && seconds % 60 == 0 => format!("{} min", seconds / 60),
        seconds => format!("{seconds} s"),
    }
}
