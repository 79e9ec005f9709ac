//! `keel agent disable`: a note on disk that keeps the agent from running, with who wrote it and why.

use serde::{Deserialize, Serialize};

use super::home::Home;
use crate::error::{Error, Result};
use crate::render::paint::printable;
use crate::state::{read_if_there, replace};

/// Why there are no runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// In somebody's words.
    pub reason: String,
    /// Who said so.
    pub by: String,
    /// Since when, in milliseconds since 1970.
    pub since_ms: u64,
}

impl Pause {
    /// The pause of a host, if there is one. A note that cannot be read counts as one: somebody meant something by it.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn load(home: &Home) -> Result<Option<Self>> {
        let Some(bytes) = read_if_there(&home.kept.join(FILE)).map_err(Error::host)? else { return Ok(None) };
        let unreadable = || Self { reason: format!("{FILE} cannot be understood"), by: "nobody known".to_owned(), since_ms: 0 };
        Ok(Some(serde_json::from_slice(&bytes).unwrap_or_else(|_| unreadable())))
    }

    /// Why there is no run, for whoever wants one.
    pub fn refusal(&self) -> Error {
        let (by, reason) = (printable(&self.by), printable(&self.reason));
        Error::host(format!("{by} disabled the agent: {reason}")).hint("keel agent enable")
    }

    /// Writes the note.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn keep(&self, home: &Home) -> Result<()> {
        let text = serde_json::to_vec_pretty(self).map_err(|error| Error::host(error.to_string()))?;
        replace(&home.kept.join(FILE), &text).map_err(Error::host)
    }

    /// Takes the note away; says whether there was one.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn end(home: &Home) -> Result<bool> {
        match std::fs::remove_file(home.kept.join(FILE)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Error::host(format!("cannot remove {}: {error}", home.kept.join(FILE).display()))),
        }
    }
}

const FILE: &str = "disabled.json";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_lasts_until_it_is_ended() {
        let root = tempfile::tempdir().unwrap();
        let home = Home::below(root.path()).unwrap();
        home.make_folders().unwrap();
        assert_eq!(Pause::load(&home).unwrap(), None);
        let pause = Pause { reason: "repairs".to_owned(), by: "kim".to_owned(), since_ms: 7 };
        pause.keep(&home).unwrap();
        assert_eq!(Pause::load(&home).unwrap(), Some(pause));
        std::fs::write(home.kept.join(FILE), "{").unwrap();
        assert!(Pause::load(&home).unwrap().unwrap().reason.contains("cannot be understood"));
        assert!(Pause::end(&home).unwrap());
        assert!(!Pause::end(&home).unwrap());
    }
}
