//! What hosts' current catalogs declare, for those who judge whether a gate is open.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use keel_engine::catalog::Catalog;
use keel_engine::definitions::Definitions;
use keel_engine::digest::Digest;

use super::Compiler;
use crate::gates::{Current, CurrentCatalogs};
use crate::store::{Node, Store};

/// How many catalogs' definitions are kept: those of the few hosts that many wait for.
const KEPT: usize = 64;

/// Looks into current catalogs.
pub struct Declared {
    compiler: Compiler,
    store: Store,
    kept: Mutex<VecDeque<Arc<Definitions>>>,
}

impl Declared {
    /// Over a compiler, with the facts that a store has.
    pub fn new(compiler: Compiler, store: Store) -> Self {
        Self { compiler, store, kept: Mutex::default() }
    }

    async fn definitions(&self, node: &Node) -> Result<Arc<Definitions>, String> {
        let facts = self.store.facts_digest(&node.name).await.map_err(|error| error.to_string())?;
        let facts = facts.ok_or_else(|| format!("{} has not said anything of itself yet", node.name))?;
        let current = self.compiler.current(&node.environment, &node.name, facts).await.map_err(|error| error.to_string())?;
        if let Some(known) = self.known(&current.id) {
            return Ok(known);
        }
        let delivered = self.compiler.catalog(&node.environment, &node.name, facts).await.map_err(|error| error.to_string())?;
        let id = delivered.brief.id;
        let read = tokio::task::spawn_blocking(move || {
            let catalog = Catalog::from_bytes(&delivered.bytes()?).map_err(|error| error.to_string())?;
            Ok::<_, String>(Arc::new(Definitions::of(id, &catalog)))
        });
        let definitions = read.await.map_err(|error| error.to_string())??;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_front(Arc::clone(&definitions));
        kept.truncate(KEPT);
        Ok(definitions)
    }

    fn known(&self, id: &Digest) -> Option<Arc<Definitions>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|one| one.catalog == *id)?;
        let found = kept.remove(at)?;
        kept.push_front(Arc::clone(&found));
        Some(found)
    }
}

impl CurrentCatalogs for Declared {
    fn current<'a>(&'a self, node: &'a Node) -> Current<'a> {
        Box::pin(self.definitions(node))
    }
}
