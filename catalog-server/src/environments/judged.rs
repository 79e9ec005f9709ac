//! What this process has judged: a verdict holds while nothing else decides than did, and what nobody could
//! judge is tried again. After a restart, perhaps as another version, every refused commit is judged once more.

use std::time::{Duration, Instant};

use crate::repository::AllowedSigners;

/// A commit that nobody can judge takes at most this share of the compilers' time.
const SHARE: u32 = 10;

/// Whose signatures let commits in: nobody's need where none are listed, or why the list cannot be read.
pub(super) type Signers = Result<Option<AllowedSigners>, String>;

/// A judgement of an environment's newest commit.
#[derive(Debug, Clone)]
pub(super) struct Judged {
    commit: String,
    signers: Signers,
    /// When it is judged again, if nobody could tell.
    again: Option<Instant>,
}

impl Judged {
    /// A verdict on a commit.
    pub(super) fn verdict(commit: &str, signers: &Signers) -> Self {
        Self { commit: commit.to_owned(), signers: signers.clone(), again: None }
    }

    /// Nobody could tell, and the try took so long.
    pub(super) fn undecided(commit: &str, signers: &Signers, ended: Instant, took: Duration) -> Self {
        let again = ended.checked_add(took.saturating_mul(SHARE));
        Self { again: again.or(Some(ended)), ..Self::verdict(commit, signers) }
    }

    /// Whether the commit is not to be judged now.
    pub(super) fn holds(&self, commit: &str, signers: &Signers, now: Instant) -> bool {
        self.commit == commit && self.signers == *signers && self.again.is_none_or(|again| now < again)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_holds_for_its_commit_and_signers() {
        let now = Instant::now();
        let judged = Judged::verdict("a", &Ok(None));
        assert!(judged.holds("a", &Ok(None), now) && judged.holds("a", &Ok(None), now + Duration::from_secs(1 << 20)));
        assert!(!judged.holds("b", &Ok(None), now));
        assert!(!judged.holds("a", &Ok(Some(AllowedSigners::default())), now));
        assert!(!judged.holds("a", &Err("gone".to_owned()), now));
    }

    #[test]
    fn what_nobody_could_judge_is_tried_again_and_the_longer_it_took_the_later() {
        let now = Instant::now();
        let second = Duration::from_secs(1);
        let judged = |took| Judged::undecided("a", &Ok(None), now, took);
        assert!(!judged(Duration::ZERO).holds("a", &Ok(None), now));
        assert!(judged(second).holds("a", &Ok(None), now + 9 * second));
        assert!(!judged(second).holds("a", &Ok(None), now + 10 * second));
        assert!(!judged(second).holds("b", &Ok(None), now), "another commit does not wait");
    }
}
