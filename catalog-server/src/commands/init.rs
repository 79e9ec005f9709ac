//! `keel-server init`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::wait_for;
use crate::authority::Authority;
use crate::cli::{Context, print};
use crate::error::{Error, Result};
use crate::owner::become_owner_of;
use crate::server::now_s;
use crate::settings::Settings;
use crate::store::Store;

/// Make what a new server needs: its settings, the keys of its authority, and its database.
///
/// What is there already is kept; an authority is never made a second time.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  keel-server init --name keel.example.org --repository /srv/git/site.git")]
pub struct Arguments {
    /// A name or address under which hosts reach this server; may be given several times.
    #[arg(long = "name", value_name = "NAME")]
    names: Vec<String>,
    /// The site: a bare git repository.
    #[arg(long, value_name = "DIR")]
    repository: Option<PathBuf>,
}

/// Runs it.
///
/// # Errors
/// Settings, keys or database cannot be written, or there is an authority already.
pub fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let config = context.config();
    write_settings(config, arguments)?;
    let settings = Settings::load(config)?;
    if settings.names.is_empty() {
        return Err(Error::usage("the server has no name yet").hint("say with --name under which name hosts reach it"));
    }
    become_owner_of(&settings.state)?;
    let authority = Authority::create(settings.authority(), now_s())?;
    // A name that cannot stand in a certificate is found out now and not when the server starts.
    authority.certify_server(&settings.names, now_s())?;
    wait_for(async { Ok(Store::open(&settings.database()?).await?) })?;
    let folder = settings.authority();
    print(&format!(
        "settings     {}\nauthority    {}\nfingerprint  {}\n\nNext:\n  keep {} somewhere else: it is only needed every other year\n  \
         keel-server operator add NAME --role admin\n  keel-server serve\n",
        config.display(),
        folder.display(),
        authority.published().fingerprint,
        folder.join("root.key").display(),
    ))
}

/// Puts what was said on the command line into the settings, and leaves the rest of the file as it is.
fn write_settings(path: &Path, arguments: &Arguments) -> Result<()> {
    let trouble = |why: String| Error::trouble(format!("{}: {why}", path.display()));
    let before = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        other => other.map_err(|error| trouble(error.to_string()))?,
    };
    let after = with_arguments(&before, arguments).map_err(trouble)?;
    if after == before && path.exists() {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| trouble(error.to_string()))?;
    }
    std::fs::write(path, after).map_err(|error| trouble(error.to_string()))
}

fn with_arguments(text: &str, arguments: &Arguments) -> std::result::Result<String, String> {
    let mut document: toml_edit::DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| error.to_string())?;
    if !arguments.names.is_empty() {
        document["names"] = toml_edit::value(arguments.names.iter().map(String::as_str).collect::<toml_edit::Array>());
    }
    if let Some(repository) = &arguments.repository {
        document["repository"] = toml_edit::value(repository.to_string_lossy().as_ref());
    }
    Ok(document.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_goes_into_the_settings_and_the_rest_stays() {
        let arguments = Arguments { names: vec!["keel.example.org".to_owned()], repository: Some(PathBuf::from("/srv/site.git")) };
        let text = with_arguments("# ours\nstate = '/x' # moved\n", &arguments).unwrap();
        assert_eq!(text, "# ours\nstate = '/x' # moved\nnames = [\"keel.example.org\"]\nrepository = \"/srv/site.git\"\n");
        let settings = Settings::parse(&text).unwrap();
        assert_eq!((settings.names.len(), settings.state), (1, PathBuf::from("/x")));
        let nothing = Arguments { names: Vec::new(), repository: None };
        assert_eq!(with_arguments(&text, &nothing).unwrap(), text);
    }
}
