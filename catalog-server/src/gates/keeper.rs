//! The gatekeeper: answers agents that ask for gates and listen for news, and holds their requests until
//! there is something to say. It keeps nothing between two looks at the store.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use keel_engine::definitions::Definitions;
use keel_engine::protocol::fleet::Wait;
use keel_engine::protocol::gates::{self, AskedGate, GateStanding, GatesAnswer, GatesRequest, Standing};
use keel_engine::protocol::news::{self, NewsAnswer, NewsRequest};
use tokio::time::{Instant, timeout_at};

use super::rule::{Other, standing};
use crate::store::{Node, NodeState, Result, Store, StoreError, Topic, Watch};

/// What a host's current catalog declares, or why nobody knows.
pub type Current<'a> = Pin<Box<dyn Future<Output = std::result::Result<Arc<Definitions>, String>> + Send + 'a>>;

/// Who knows which catalog a host should converge to now.
pub trait CurrentCatalogs: Send + Sync {
    /// What the catalog declares that the host would get now.
    fn current<'a>(&'a self, node: &'a Node) -> Current<'a>;
}

/// Answers agents that wait for something.
#[derive(Clone)]
pub struct GateKeeper {
    store: Store,
    catalogs: Arc<dyn CurrentCatalogs>,
}

impl GateKeeper {
    /// A gatekeeper.
    pub fn new(store: Store, catalogs: Arc<dyn CurrentCatalogs>) -> Self {
        Self { store, catalogs }
    }

    /// Takes in what has settled, and tells how the gates stand: when one of them is open, or the time is over.
    ///
    /// # Errors
    /// More is asked than one may ask; the database does not answer.
    pub async fn gates(&self, host: &str, request: &GatesRequest) -> Result<GatesAnswer> {
        if request.asked.len() > gates::ASKED_MAX || request.settled.len() > gates::SETTLED_MAX {
            return Err(StoreError::Unprocessable(format!(
                "at most {} gates are asked and {} resources settled in one request",
                gates::ASKED_MAX,
                gates::SETTLED_MAX
            )));
        }
        self.store.keep_settled(host, request).await?;
        let until = Instant::now() + Duration::from_secs(request.wait_s.min(gates::WAIT_S_MAX));
        let watch = self.store.watch(self.topics_of(request.asked.iter().map(|gate| gate.host.as_str())).await?);
        loop {
            let standings = self.standings(&request.asked).await?;
            let answer = || GatesAnswer { gates: request.asked.iter().zip(standings.iter().cloned()).map(gate_standing).collect() };
            if standings.iter().any(Standing::is_open) || request.asked.is_empty() || !changes(&watch, until).await {
                return Ok(answer());
            }
        }
    }

    /// What a host should hear: at once if there is anything, otherwise when there is, or the time is over.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn news(&self, host: &str, request: NewsRequest) -> Result<NewsAnswer> {
        let until = Instant::now() + Duration::from_secs(request.wait_s.min(news::WAIT_S_MAX));
        loop {
            // The watch comes first, so that nothing is missed between the look and the wait.
            let own = self.store.watch(vec![Topic::News(host.to_owned()), Topic::Word(host.to_owned())]);
            let awaited = self.store.awaited(host).await?;
            let others = self.store.watch(self.topics_of(awaited.iter().map(|wait| wait.host.as_str())).await?);
            self.announce_open(host, &awaited).await?;
            let mut answer = self.store.news(host, request.after).await?;
            answer.demands = self.store.demands(host, request.demands_after).await?;
            if !answer.news.is_empty() || !answer.demands.is_empty() {
                return Ok(answer);
            }
            let changed = async {
                tokio::select! {
                    () = own.changed() => {}
                    () = others.changed() => {}
                }
            };
            if timeout_at(until, changed).await.is_err() {
                return Ok(answer);
            }
        }
    }

    /// Turns what a host's last run waited for, and what is open now, into news; each once.
    async fn announce_open(&self, host: &str, awaited: &[Wait]) -> Result<()> {
        let asked = |wait: &Wait| AskedGate { host: wait.host.clone(), target: wait.target.clone(), optional: false };
        let asked: Vec<AskedGate> = awaited.iter().map(asked).collect();
        let standings = self.standings(&asked).await?;
        let open: Vec<Wait> =
            awaited.iter().zip(&standings).filter(|(_, standing)| standing.is_open()).map(|(wait, _)| wait.clone()).collect();
        if open.is_empty() { Ok(()) } else { self.store.announce_gates(host, &open).await }
    }

    /// What may open gates to these hosts: what they say, their records, and the environments they follow.
    async fn topics_of(&self, hosts: impl Iterator<Item = &str>) -> Result<Vec<Topic>> {
        let mut topics = Vec::new();
        for host in hosts.collect::<BTreeSet<&str>>() {
            topics.extend([Topic::Word(host.to_owned()), Topic::Node(host.to_owned())]);
            topics.extend(self.store.node(host).await?.map(|node| Topic::Environment(node.environment)));
        }
        Ok(topics)
    }

    /// How gates stand, each host looked at once.
    async fn standings(&self, asked: &[AskedGate]) -> Result<Vec<Standing>> {
        let mut by_host: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (position, gate) in asked.iter().enumerate() {
            by_host.entry(&gate.host).or_default().push(position);
        }
        let mut standings = vec![Standing::Closed { reason: String::new() }; asked.len()];
        for (host, positions) in by_host {
            let known = self.look_at(host).await?;
            for position in positions {
                if let (Some(gate), Some(place)) = (asked.get(position), standings.get_mut(position)) {
                    *place = known.judge(gate);
                }
            }
        }
        Ok(standings)
    }

    async fn look_at(&self, host: &str) -> Result<Known> {
        let unknown = |why: String| Ok(Known::Nothing(why));
        match self.store.node(host).await? {
            None => unknown(format!("the server knows no host {host}")),
            Some(node) if node.state == NodeState::Revoked => unknown(format!("{host} is revoked")),
            Some(node) => {
                let word = self.store.word(host).await?;
                let current = match self.catalogs.current(&node).await {
                    Ok(current) => current,
                    Err(why) => return unknown(why),
                };
                let earlier = self.store.declared(host).await?;
                Ok(Known::Host(Box::new(HostKnown { word, current, earlier })))
            }
        }
    }
}

/// What the gatekeeper sees of a host.
enum Known {
    Nothing(String),
    Host(Box<HostKnown>),
}

struct HostKnown {
    word: super::Word,
    current: Arc<Definitions>,
    earlier: BTreeMap<keel_engine::digest::Digest, super::Fingerprints>,
}

impl Known {
    fn judge(&self, gate: &AskedGate) -> Standing {
        match self {
            Known::Nothing(why) => standing(gate, Err(why.clone())),
            Known::Host(known) => standing(gate, Ok(&Other { word: &known.word, current: &known.current, earlier: &known.earlier })),
        }
    }
}

fn gate_standing((gate, standing): (&AskedGate, Standing)) -> GateStanding {
    GateStanding { host: gate.host.clone(), target: gate.target.clone(), standing }
}

/// Whether something may have changed before the time was over.
async fn changes(watch: &Watch, until: Instant) -> bool {
    timeout_at(until, watch.changed()).await.is_ok()
}
