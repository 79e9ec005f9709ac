//! `keel-server init`.

use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::wait_for;
use crate::authority::{self, Authority};
use crate::cli::{Context, print, print_json};
use crate::error::{Error, Result};
use crate::owner::become_owner_of;
use crate::server::now_s;
use crate::settings::Settings;
use crate::store::Store;

/// Make what a new server needs: its settings, the keys of its authority, and its database.
///
/// What is there already is kept, so the command can be repeated; an authority is never made a second time.
/// Nothing is written before what was said has been found to be right.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  keel-server init --name keel.example.org --repository /srv/git/site.git")]
pub struct Arguments {
    /// A name or address under which hosts reach this server; may be given several times.
    #[arg(long = "name", value_name = "NAME")]
    names: Vec<String>,
    /// The site: a bare git repository.
    #[arg(long, value_name = "DIR")]
    repository: Option<PathBuf>,
    /// Where the server keeps its authority and its database.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// What the command did.
#[derive(Debug, Serialize)]
struct Initialised {
    settings: PathBuf,
    settings_written: bool,
    authority: PathBuf,
    authority_made: bool,
    fingerprint: String,
}

/// Runs it.
///
/// # Errors
/// What was said is wrong, or settings, keys or database cannot be written.
pub fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let config = context.config();
    let before = read_settings(config)?;
    let trouble = |why: String| Error::trouble(format!("{}: {why}", config.display()));
    let after = with_arguments(before.as_deref().unwrap_or_default(), arguments).map_err(trouble)?;
    let settings = Settings::parse(&after).map_err(trouble)?;
    if settings.names.is_empty() {
        return Err(Error::usage("the server has no name yet").hint("say with --name under which name hosts reach it"));
    }
    authority::check_names(&settings.names)?;
    // From here on the owner of the state acts, who may not write settings.
    let settings_written = before.as_ref() != Some(&after);
    if settings_written {
        write_settings(config, &after).map_err(trouble)?;
    }
    become_owner_of(&settings.state)?;
    let folder = settings.authority();
    make_state(&settings.state)?;
    wait_for(async { Ok(Store::open(&settings.database()?).await?) })?;
    let authority_made = !folder.exists();
    let authority = if authority_made { Authority::create(folder.clone(), now_s())? } else { Authority::open(folder.clone(), now_s())? };
    let fingerprint = authority.published().fingerprint;
    let done = Initialised { settings: config.to_owned(), settings_written, authority: folder, authority_made, fingerprint };
    if arguments.json { print_json(&done) } else { print(&text(&done)) }
}

fn text(done: &Initialised) -> String {
    let kept = |is_new: bool| if is_new { "" } else { "  (kept as it was)" };
    let mut text = format!(
        "settings     {}{}\nauthority    {}{}\nfingerprint  {}\n",
        done.settings.display(),
        kept(done.settings_written),
        done.authority.display(),
        kept(done.authority_made),
        done.fingerprint
    );
    text.push_str(&match done.authority_made {
        true => format!(
            "\nNext:\n  keep {} somewhere else: it is only needed every other year\n  keel-server operator add NAME --role admin\n  systemctl enable --now keel-server    (without systemd: keel-server serve)\n",
            done.authority.join("root.key").display()
        ),
        false if done.settings_written => "\nNext:\n  start the server again, so that it reads its settings\n".to_owned(),
        false => String::new(),
    });
    text
}

fn read_settings(path: &Path) -> Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some).map_err(|error| Error::trouble(format!("{}: {error}", path.display()))),
    }
}

/// The folder of the state, for its owner alone.
fn make_state(path: &Path) -> Result<()> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| {
        Error::trouble(format!("cannot make the folder {}: {error}", path.display())).hint("name another one with --state")
    })
}

fn write_settings(path: &Path, text: &str) -> std::result::Result<(), String> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    }
    replace(path, text).map_err(|error| error.to_string())
}

/// Writes a file whole or not at all; what is there already keeps its owner and its mode.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let written = std::fs::File::create(&beside).and_then(|mut file| {
        if let Ok(before) = std::fs::metadata(path) {
            std::os::unix::fs::fchown(&file, Some(before.uid()), Some(before.gid()))?;
            file.set_permissions(before.permissions())?;
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    let replaced = written.and_then(|()| std::fs::rename(&beside, path));
    replaced.inspect_err(|_| drop(std::fs::remove_file(&beside)))
}

/// Puts what was said on the command line into the settings, and leaves the rest of the file as it is.
fn with_arguments(text: &str, arguments: &Arguments) -> std::result::Result<String, String> {
    let mut document: toml_edit::DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| error.to_string())?;
    if !arguments.names.is_empty() {
        document["names"] = toml_edit::value(arguments.names.iter().map(String::as_str).collect::<toml_edit::Array>());
    }
    if let Some(repository) = &arguments.repository {
        document["repository"] = toml_edit::value(repository.to_string_lossy().as_ref());
    }
    if let Some(state) = &arguments.state {
        document["state"] = toml_edit::value(state.to_string_lossy().as_ref());
    }
    Ok(document.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(folder: &Path, name: &str) -> Arguments {
        Arguments { names: vec![name.to_owned()], repository: None, state: Some(folder.join("state")), json: true }
    }

    #[test]
    fn what_is_said_goes_into_the_settings_and_the_rest_stays() {
        let said =
            Arguments { repository: Some(PathBuf::from("/srv/site.git")), state: None, ..arguments(Path::new("/"), "keel.example.org") };
        let text = with_arguments("# ours\nstate = '/x' # moved\n", &said).unwrap();
        assert_eq!(text, "# ours\nstate = '/x' # moved\nnames = [\"keel.example.org\"]\nrepository = \"/srv/site.git\"\n");
        let settings = Settings::parse(&text).unwrap();
        assert_eq!((settings.names.len(), settings.state), (1, PathBuf::from("/x")));
        let nothing = Arguments { names: Vec::new(), repository: None, state: None, json: false };
        assert_eq!(with_arguments(&text, &nothing).unwrap(), text);
    }

    #[test]
    fn settings_are_written_whole_or_not_at_all_and_stay_as_private_as_they_were() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server.toml");
        std::fs::write(&path, "a = 1\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        replace(&path, "a = 2\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a = 2\n");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        // Something stands in the way of the new text: the old one stays.
        std::fs::create_dir(folder.path().join("server.toml.new")).unwrap();
        assert!(replace(&path, "a = 3\n").is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a = 2\n");
    }

    #[test]
    fn a_wrong_name_leaves_nothing_behind_and_the_right_one_then_works_twice() {
        let scratch = tempfile::tempdir().unwrap();
        let context = Context::of(scratch.path().join("server.toml"));
        let wrong = run(&arguments(scratch.path(), "bad name!"), &context).unwrap_err();
        assert!(wrong.to_string().contains("bad name!"), "{wrong}");
        assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0);
        let right = arguments(scratch.path(), "keel.example.org");
        run(&right, &context).unwrap();
        let made = |name: &str| std::fs::read_to_string(scratch.path().join(name)).unwrap();
        let (settings, root) = (made("server.toml"), made("state/authority/root.pem"));
        run(&right, &context).unwrap();
        assert_eq!((made("server.toml"), made("state/authority/root.pem")), (settings, root), "what is there is kept");
        run(&arguments(scratch.path(), "other name"), &context).unwrap_err();
        assert!(made("server.toml").contains("keel.example.org"), "and a wrong name changes nothing");
    }
}
