//! A run's gates, asked for at the server: a long poll in a thread of its own while the run goes on, cut
//! short and asked anew when something has settled that another host may wait for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use keel_engine::catalog::{Catalog, Gate};
use keel_engine::digest::Digest;
use keel_engine::protocol::gates::{ASKED_MAX, AskedGate, GATES_PATH, GatesAnswer, GatesRequest, SETTLED_MAX, Settled, Standing};
use keel_engine::walk::{Answer, GateState, Gates, Question};
use reqwest::Method;
use tokio::sync::watch;

use super::home::Home;
use super::race::{First, race};
use crate::client::{Client, Fault, Limits};
use crate::state::{read_if_there, replace};

/// How long the server may hold an answer.
const HOLD: Duration = Duration::from_secs(25);
/// How long where one request cannot ask for all gates.
const HOLD_OF_MANY: Duration = Duration::from_secs(5);
/// How much longer than that an answer may take.
const MARGIN: Duration = Duration::from_secs(15);
/// How long news of what has settled may gather before they are told.
const GATHER: Duration = Duration::from_millis(500);
/// From one try to the next while the server is away.
const RETRY: Duration = Duration::from_secs(2);

/// The gates of one run.
pub struct ServerGates {
    questions: watch::Sender<Question>,
    answers: Mutex<Receiver<Vec<Answer>>>,
    tokens: Mutex<Tokens>,
    keys: Vec<String>,
}

impl ServerGates {
    /// The gates of a catalog, for the run of this name. Nothing is asked yet.
    ///
    /// # Errors
    /// The tokens of earlier runs cannot be read, or the system has no thread.
    pub fn begin(home: &Home, client: Client, run: &str, catalog: &Catalog, id: Digest) -> Result<Self, String> {
        let (questions, heard) = watch::channel(Question::default());
        let (sender, answers) = std::sync::mpsc::channel();
        let matter = Matter { run: run.to_owned(), catalog: id, gates: catalog.gates.clone(), told: 0, first: true };
        let desk = Desk { client, matter, sender };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| format!("cannot prepare to ask about gates: {error}"))?;
        let work = move || runtime.block_on(desk.work(heard));
        std::thread::Builder::new().name("gates".to_owned()).spawn(work).map_err(|error| format!("cannot ask about gates: {error}"))?;
        let keys = catalog.gates.iter().map(|gate| key(catalog, gate)).collect();
        Ok(Self { questions, answers: Mutex::new(answers), tokens: Mutex::new(Tokens::load(home)?), keys })
    }
}

impl Gates for ServerGates {
    fn ask(&self, question: Question) {
        self.questions.send_replace(question);
    }

    fn wait(&self, at_most: Duration) -> Vec<Answer> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        match answers.recv_timeout(at_most) {
            Ok(answers) => answers,
            Err(RecvTimeoutError::Timeout) => Vec::new(),
            Err(RecvTimeoutError::Disconnected) => {
                // The desk closes when it is asked nothing more; if it broke down, waiting goes on as before.
                if !self.questions.borrow().gates.is_empty() {
                    std::thread::sleep(at_most);
                }
                Vec::new()
            }
        }
    }

    fn last_token(&self, gate: usize) -> Option<String> {
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.known.get(self.keys.get(gate)?).cloned()
    }

    fn keep_token(&self, gate: usize, token: &str) -> Result<(), String> {
        let Some(key) = self.keys.get(gate) else { return Ok(()) };
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner).keep(key, token)
    }
}

/// Forgets gates that a catalog no longer has: who gets them again knows as little of the other thing as who never had
/// them.
///
/// # Errors
/// The tokens cannot be read or written.
pub fn forget_all_but(home: &Home, catalog: &Catalog) -> Result<(), String> {
    let mut tokens = Tokens::load(home)?;
    let keys: BTreeSet<String> = catalog.gates.iter().map(|gate| key(catalog, gate)).collect();
    if tokens.known.keys().all(|key| keys.contains(key)) {
        return Ok(());
    }
    tokens.known.retain(|key, _| keys.contains(key));
    tokens.write()
}

/// What names a gate from one run to the next: who waits, for whom, for what.
fn key(catalog: &Catalog, gate: &Gate) -> String {
    format!("{} <- {}: {}", catalog.address(gate.node), gate.host, gate.target)
}

/// The tokens with which gates were last found open, on disk.
struct Tokens {
    path: PathBuf,
    known: BTreeMap<String, String>,
}

impl Tokens {
    fn load(home: &Home) -> Result<Self, String> {
        let path = home.kept.join("gates.json");
        let bytes = read_if_there(&path)?;
        // Without the tokens each gate counts as seen for the first time, which refreshes nobody.
        let known = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        Ok(Self { path, known })
    }

    fn keep(&mut self, key: &str, token: &str) -> Result<(), String> {
        self.known.insert(key.to_owned(), token.to_owned());
        self.write()
    }

    fn write(&self) -> Result<(), String> {
        let text = serde_json::to_vec_pretty(&self.known).map_err(|error| error.to_string())?;
        replace(&self.path, &text)
    }
}

/// The other side: it asks the server for as long as there are questions.
struct Desk {
    client: Client,
    matter: Matter,
    sender: Sender<Vec<Answer>>,
}

/// What a run has to ask and to tell.
struct Matter {
    run: String,
    catalog: Digest,
    gates: Vec<Gate>,
    /// How much of what has settled the server knows.
    told: usize,
    /// Whether nothing has been answered yet: the first answer is not held.
    first: bool,
}

impl Desk {
    async fn work(mut self, mut heard: watch::Receiver<Question>) {
        if heard.changed().await.is_err() {
            return;
        }
        let mut open = BTreeSet::new();
        loop {
            let question = heard.borrow_and_update().clone();
            let asked: Vec<usize> = question.gates.iter().copied().filter(|gate| !open.contains(gate)).collect();
            if question.gates.is_empty() {
                return;
            }
            let news = async {
                let heard = heard.changed().await;
                tokio::time::sleep(GATHER).await;
                heard
            };
            if asked.is_empty() {
                // All are open; there may be something to tell yet, and then the end.
                if news.await.is_err() {
                    return;
                }
                continue;
            }
            let answers = match race(self.ask(&question, &asked), news).await {
                First::Other(Ok(())) => continue,
                First::Other(Err(_)) => return,
                First::One(Ok(answers)) => {
                    self.matter.told = question.settled.len();
                    self.matter.first = false;
                    answers
                }
                First::One(Err(fault)) => {
                    let why = fault.to_string();
                    let shut = asked.iter().map(|&gate| Answer { gate, state: GateState::Shut { why: why.clone() } }).collect();
                    // Who is refused for good is not let in by asking again.
                    if self.sender.send(shut).is_err() || !fault.may_pass() {
                        return;
                    }
                    tokio::time::sleep(RETRY).await;
                    continue;
                }
            };
            open.extend(answers.iter().filter(|answer| matches!(answer.state, GateState::Open { .. })).map(|answer| answer.gate));
            if self.sender.send(answers).is_err() {
                return;
            }
        }
    }

    /// Asks, in as many requests as the server's limits make of it.
    async fn ask(&self, question: &Question, asked: &[usize]) -> Result<Vec<Answer>, Fault> {
        let mut found: Vec<Answer> = Vec::new();
        for (part, mut request) in self.matter.requests(question, asked) {
            if found.iter().any(|one| matches!(one.state, GateState::Open { .. })) {
                // There is something to say already.
                request.wait_s = 0;
            }
            let limits = Limits { deadline: Duration::from_secs(request.wait_s) + MARGIN, ..Limits::SMALL };
            let request = self.client.request(Method::POST, GATES_PATH).json(&request);
            found.extend(answers(part, &self.client.send_for_json(request, limits).await?));
        }
        Ok(found)
    }
}

impl Matter {
    /// The requests of one turn, each with the gates that it asks for. Only the last one may be held, and of several
    /// not for long: the others' gates may open meanwhile.
    fn requests<'q>(&self, question: &'q Question, asked: &'q [usize]) -> Vec<(&'q [usize], GatesRequest)> {
        let untold = question.settled.get(self.told..).unwrap_or_default();
        let count = asked.len().div_ceil(ASKED_MAX).max(untold.len().div_ceil(SETTLED_MAX)).max(1);
        let request = |turn: usize| {
            let part = asked.chunks(ASKED_MAX).nth(turn).unwrap_or_default();
            let settled = untold.chunks(SETTLED_MAX).nth(turn).unwrap_or_default();
            let settled = settled.iter().map(|one| Settled { address: one.address.clone(), outcome: one.outcome }).collect();
            let gate = |gate: &Gate| AskedGate { host: gate.host.clone(), target: gate.target.clone(), optional: gate.optional };
            let gates = part.iter().filter_map(|&position| self.gates.get(position)).map(gate).collect();
            let is_last = turn + 1 == count;
            let hold = if self.first || !is_last {
                Duration::ZERO
            } else if count > 1 {
                HOLD_OF_MANY
            } else {
                HOLD
            };
            (part, GatesRequest { run: self.run.clone(), catalog: self.catalog, settled, asked: gates, wait_s: hold.as_secs() })
        };
        (0..count).map(request).collect()
    }
}

/// The server's answers, which stand in the order of the questions. What it left out is not open.
fn answers(asked: &[usize], answer: &GatesAnswer) -> Vec<Answer> {
    let silent = || GateState::Shut { why: "the server said nothing of it".to_owned() };
    let state = |standing: &Standing| match standing {
        Standing::Open { token } => GateState::Open { token: token.to_string() },
        Standing::Closed { reason } => GateState::Shut { why: reason.clone() },
    };
    let standings = answer.gates.iter().map(|one| state(&one.standing)).chain(std::iter::repeat_with(silent));
    asked.iter().copied().zip(standings).map(|(gate, state)| Answer { gate, state }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use keel_engine::address::Address;
    use keel_engine::catalog::{Node, Origin, RelationWord};
    use keel_engine::protocol::gates::GateStanding;
    use keel_engine::report::Outcome;

    #[test]
    fn what_the_server_leaves_out_is_not_open() {
        let token = Digest::of(b"t");
        let (host, target) = ("db-1".to_owned(), Address::new("file", "/a"));
        let answer = GatesAnswer { gates: vec![GateStanding { host, target, standing: Standing::Open { token } }] };
        let answers = answers(&[4, 7], &answer);
        assert_eq!(answers[0], Answer { gate: 4, state: GateState::Open { token: token.to_string() } });
        assert!(matches!(answers[1], Answer { gate: 7, state: GateState::Shut { .. } }));
    }

    #[test]
    fn whatever_is_too_much_for_one_request_is_asked_and_told_in_several() {
        let gate = |number: usize| Gate {
            node: Node::Resource(0),
            host: format!("db-{number}"),
            target: Address::new("file", "/a"),
            notify: None,
            optional: false,
            word: RelationWord::Require,
            origin: Origin::default(),
        };
        let gates: Vec<Gate> = (0..ASKED_MAX + 1).map(gate).collect();
        let matter = Matter { run: "r".to_owned(), catalog: Digest::of(b"c"), gates, told: 1, first: false };
        let settled =
            |number: usize| keel_engine::walk::Settled { address: Address::new("file", format!("/{number}")), outcome: Outcome::Changed };
        let question = |count: usize| Question { gates: Vec::new(), settled: (0..count).map(settled).collect() };
        let sizes = |asked: usize, count: usize| -> Vec<(usize, usize, u64)> {
            let (question, asked) = (question(count), (0..asked).collect::<Vec<_>>());
            let requests = matter.requests(&question, &asked);
            requests.iter().map(|(part, one)| (part.len(), one.settled.len(), one.wait_s)).collect()
        };
        assert_eq!(sizes(1, 3), [(1, 2, 25)]);
        assert_eq!(sizes(ASKED_MAX + 1, 1), [(ASKED_MAX, 0, 0), (1, 0, 5)]);
        assert_eq!(sizes(1, SETTLED_MAX + 2), [(1, SETTLED_MAX, 0), (0, 1, 5)]);
    }

    #[test]
    fn tokens_survive_the_process() {
        let root = tempfile::tempdir().unwrap();
        let home = Home::below(root.path()).unwrap();
        home.make_folders().unwrap();
        Tokens::load(&home).unwrap().keep("a <- b: c", "1").unwrap();
        assert_eq!(Tokens::load(&home).unwrap().known.get("a <- b: c").map(String::as_str), Some("1"));
        forget_all_but(&home, &Catalog::empty("h", "s")).unwrap();
        assert_eq!(Tokens::load(&home).unwrap().known, BTreeMap::new(), "the catalog has no such gate any more");
    }
}
