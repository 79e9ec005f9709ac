//! What evaluations came to, kept for the other hosts for which they come to the same: most of a fleet's
//! catalogs are equal to a neighbour's.
//!
//! For each thing that is evaluated there is a tree of questions. With the answers so far the next question is certain,
//! so walking it asks exactly what an evaluation would ask, and ends at what it would come to.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use foldhash::HashMap;

use crate::reads::{Answer, Question, Reads, ask};
use crate::scope::Scope;

/// The most results that a site keeps.
const RESULTS_MAX: usize = 20_000;
/// After so many hosts for which nothing was found it is decided whether looking is worth it.
const TRIAL_HOSTS: u32 = 32;

/// What evaluations of a site came to.
pub(crate) struct Sharing<T> {
    /// By the place in memory of what is evaluated.
    trees: RwLock<HashMap<usize, Tree<T>>>,
    results: AtomicUsize,
    compiles: AtomicU32,
}

impl<T> Default for Sharing<T> {
    fn default() -> Self {
        Self { trees: RwLock::default(), results: AtomicUsize::new(0), compiles: AtomicU32::new(0) }
    }
}

/// What was found.
pub(crate) enum Found<T> {
    /// What the evaluation comes to.
    Result(Arc<T>),
    /// Nothing yet.
    Nothing,
    /// Nothing, and there will hardly ever be anything.
    Hopeless,
}

struct Tree<T> {
    root: Option<Step<T>>,
    hopeless: bool,
    found: AtomicU32,
    missed: u32,
    /// How many hosts missed something here, and the compile of the last one.
    hosts: u32,
    last: u32,
    results: usize,
}

impl<T> Default for Tree<T> {
    fn default() -> Self {
        Self { root: None, hopeless: false, found: AtomicU32::new(0), missed: 0, hosts: 0, last: 0, results: 0 }
    }
}

enum Step<T> {
    /// The next question, and where each answer to it leads.
    Ask(Question, Answers<T>),
    /// Nothing more is asked.
    Result(Arc<T>),
}

/// Where the answers to a question lead.
enum Answers<T> {
    /// Most questions have few answers, which are sooner compared than hashed.
    Few(Vec<(Answer, Option<Step<T>>)>),
    Many(HashMap<Answer, Option<Step<T>>>),
}

/// The most answers that are compared one by one.
const FEW: usize = 4;

impl<T> Answers<T> {
    fn get(&self, answer: &Answer) -> Option<&Step<T>> {
        match self {
            Answers::Few(few) => few.iter().find(|(known, _)| known == answer)?.1.as_ref(),
            Answers::Many(many) => many.get(answer)?.as_ref(),
        }
    }

    /// Where an answer leads, perhaps nowhere yet.
    fn entry(&mut self, answer: Answer) -> &mut Option<Step<T>> {
        if let Answers::Few(few) = self
            && few.len() >= FEW
            && !few.iter().any(|(known, _)| *known == answer)
        {
            *self = Answers::Many(std::mem::take(few).into_iter().collect());
        }
        match self {
            Answers::Many(many) => many.entry(answer).or_default(),
            Answers::Few(few) => {
                let at = few.iter().position(|(known, _)| *known == answer).unwrap_or(few.len());
                if at == few.len() {
                    few.reserve_exact(1);
                    few.push((answer, None));
                }
                &mut few[at].1
            }
        }
    }
}

impl<T> Sharing<T> {
    /// Begins the compile of another host, and numbers it.
    pub(crate) fn begin(&self) -> u32 {
        self.compiles.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// What something at a place comes to in a scope, if that is known.
    pub(crate) fn find(&self, place: usize, scope: &Scope) -> Found<T> {
        let trees = self.trees.read().unwrap_or_else(PoisonError::into_inner);
        let Some(tree) = trees.get(&place) else { return Found::Nothing };
        if tree.hopeless {
            return Found::Hopeless;
        }
        let mut step = tree.root.as_ref();
        loop {
            match step {
                Some(Step::Ask(question, answers)) => step = ask(scope, question).and_then(|answer| answers.get(&answer)),
                Some(Step::Result(known)) => {
                    tree.found.fetch_add(1, Ordering::Relaxed);
                    return Found::Result(Arc::clone(known));
                }
                None => return Found::Nothing,
            }
        }
    }

    /// Keeps what something at a place came to after these questions and answers; without them it is only counted.
    pub(crate) fn keep(&self, place: usize, reads: Option<Reads>, result: &Arc<T>, compile: u32) {
        let mut trees = self.trees.write().unwrap_or_else(PoisonError::into_inner);
        let tree = trees.entry(place).or_default();
        tree.missed = tree.missed.saturating_add(1);
        tree.hosts += u32::from(tree.last != compile);
        tree.last = compile;
        if tree.hosts >= TRIAL_HOSTS && *tree.found.get_mut() < tree.missed {
            self.results.fetch_sub(tree.results, Ordering::Relaxed);
            *tree = Tree { hopeless: true, ..Tree::default() };
            return;
        }
        if let Some(reads) = reads.filter(|_| self.results.load(Ordering::Relaxed) < RESULTS_MAX)
            && insert(&mut tree.root, reads, result)
        {
            tree.results += 1;
            self.results.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Adds a way through a tree, and says whether it is a new one.
fn insert<T>(root: &mut Option<Step<T>>, reads: Reads, result: &Arc<T>) -> bool {
    let mut step = root;
    for (question, answer) in reads {
        // Not `get_or_insert_with`: what is there may be another question, where evaluations are not certain after all.
        let node = step.get_or_insert_with(|| Step::Ask(question.clone(), Answers::Few(Vec::new())));
        let Step::Ask(known, answers) = node else { return false };
        if *known != question {
            return false;
        }
        step = answers.entry(answer);
    }
    let new = step.is_none();
    step.get_or_insert_with(|| Step::Result(Arc::clone(result)));
    new
}
