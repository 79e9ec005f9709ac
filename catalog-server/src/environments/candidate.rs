//! A commit that somebody names: any of the repository's, as long as it is signed where commits have to be.

use std::sync::Arc;

use keel_engine::protocol::problem::Code;

use super::{Environments, read};
use crate::compiler::Commit;
use crate::log::printable;
use crate::refusal::Refusal;
use crate::repository::RepositoryError;

impl Environments {
    /// The commit that a name means, ready to be compiled. Nobody follows it for that.
    ///
    /// # Errors
    /// There is none, or nobody who may has signed it; guards of its manifests run on hosts that plan it.
    pub async fn candidate(&self, name: &str) -> Result<Arc<Commit>, Refusal> {
        let signers = self.signers().await.map_err(|why| {
            crate::log::warning("the signers cannot be read", &[("why", &why)]);
            Refusal::new(Code::Unavailable, "the server cannot read whose signatures it goes by").hint("its log says why")
        })?;
        let (repository, wanted) = (self.compiler.repository().clone(), name.to_owned());
        let look = move || {
            let Some(id) = repository.resolve(&wanted).map_err(|error| error.to_string())? else { return Ok(None) };
            let checked = signers.iter().try_for_each(|signers| signers.check(&repository, id));
            match checked {
                Err(RepositoryError::Refused(why)) => Ok(Some((id, Err(why)))),
                checked => checked.map(|()| Some((id, Ok(())))).map_err(|error| error.to_string()),
            }
        };
        let found = read(look).await.map_err(|why| {
            crate::log::warning("the repository cannot be read", &[("why", &why)]);
            Refusal::new(Code::Unavailable, "the server cannot read the repository now").hint("its log says why")
        })?;
        let unknown = || {
            let detail = format!("the repository has no branch, tag or commit {}", printable(name));
            Refusal::new(Code::NotFound, detail).hint("push it to the server's repository first; no environment has to follow it")
        };
        let (id, checked) = found.ok_or_else(unknown)?;
        checked.map_err(|why| Refusal::new(Code::Unprocessable, format!("the commit {id} is not taken: {}", printable(&why))))?;
        Ok(self.compiler.candidate(&id.to_string()).await?)
    }
}
