//! `keel secret`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use keel_engine::secret::{Closed, Secret};

use crate::cli::{Context, print, print_error, print_json};
use crate::error::{Error, Result};
use crate::hidden_input::HiddenInput;
use crate::render::counted;
use crate::secrets::{identity, store};
use crate::site_folder::SiteFolder;

/// Keep a site's secrets: closed in secrets/*.toml with age, one value a key.
///
/// Values come from standard input and never from the command line, where other users could read them.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  keel secret init\n  keel secret set galera/sst < password.txt\n  keel secret generate rabbit/cookie")]
pub struct Arguments {
    /// The site's folder; the nearest one upward that has a keel.toml, if not given.
    #[arg(long, global = true, value_name = "DIR")]
    site: Option<PathBuf>,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make this user's key, if there is none, and let it open the site's secrets from now on.
    #[command(after_help = "Example:\n  keel secret init --site examples/web")]
    Init,
    /// Read a value from standard input and close it. One newline at the end is taken off.
    #[command(after_help = "Example:\n  keel secret set galera/sst < password.txt")]
    Set {
        /// FILE/KEY
        path: String,
    },
    /// Open a secret and print it.
    #[command(after_help = "Example:\n  keel secret get galera/sst")]
    Get {
        /// FILE/KEY
        path: String,
    },
    /// List all secrets, and whether this user's key opens them.
    #[command(after_help = "Example:\n  keel secret list --json")]
    List {
        /// Print as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Make a random value and close it, without showing it.
    #[command(after_help = "Example:\n  keel secret generate rabbit/cookie --length 40")]
    Generate {
        /// FILE/KEY
        path: String,
        /// How many characters; letters and digits, about 6 bits each.
        #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(8..=1024))]
        length: u16,
        /// Replace a value that exists.
        #[arg(long)]
        replace: bool,
    },
    /// Close values anew for the recipients that keel.toml lists now; all values, if none is named.
    #[command(after_help = "Example:\n  keel secret rotate\n  keel secret rotate galera/sst")]
    Rotate {
        /// FILE/KEY
        paths: Vec<String>,
    },
}

/// Runs it.
///
/// # Errors
/// There is no site or no key, or a secret cannot be read, opened or written.
pub fn run(arguments: &Arguments, context: &Context) -> Result<u8> {
    let site = SiteFolder::find(arguments.site.as_deref(), &context.environment.folder)?;
    match &arguments.action {
        Action::Init => init(&site, context)?,
        Action::Set { path } => set(&site, path, context)?,
        Action::Get { path } => get(&site, path, context)?,
        Action::List { json } => list(&site, *json, context)?,
        Action::Generate { path, length, replace } => generate(&site, path, usize::from(*length), *replace)?,
        Action::Rotate { paths } => rotate(&site, paths, context)?,
    }
    Ok(0)
}

fn identity_file(context: &Context) -> Result<PathBuf> {
    let missing = || Error::host("there is no place for this user's key").hint("name a file in KEEL_IDENTITY");
    context.environment.identity_file().ok_or_else(missing)
}

fn init(site: &SiteFolder, context: &Context) -> Result<()> {
    let path = identity_file(context)?;
    let recipient = if path.exists() {
        let keys = identity::load(&path)?;
        keys.first().map(|key| key.to_public().to_string()).unwrap_or_default()
    } else {
        identity::create(&path)?.to_string()
    };
    let added = store::add_recipient(site, &recipient)?;
    let note = if added { "added to keel.toml" } else { "was in keel.toml already" };
    print(&format!("key {}\nrecipient {recipient}, {note}\n", path.display()))?;
    if added && !store::all(site)?.is_empty() {
        print("Secrets that exist are still closed for the others only: somebody who can open them runs `keel secret rotate`.\n")?;
    }
    Ok(())
}

fn from_input() -> Result<Secret> {
    let mut input = std::io::stdin().lock();
    let mut text = String::new();
    let read = if input.is_terminal() {
        print_error("Type the value and press Enter; it is not shown. What has several lines comes from a file.\n");
        let _hidden = HiddenInput::begin()?;
        input.read_line(&mut text)
    } else {
        input.read_to_string(&mut text)
    };
    read.map_err(|error| Error::host(format!("cannot read the value from standard input: {error}")))?;
    if text.ends_with('\n') {
        text.pop();
    }
    if text.is_empty() {
        return Err(Error::usage("the value on standard input is empty").hint("keel secret set FILE/KEY < file"));
    }
    Ok(Secret::new(text))
}

/// The recipients of a site, straight from its `keel.toml`.
fn recipients(site: &SiteFolder) -> Result<Vec<age::x25519::Recipient>> {
    identity::recipients(&store::recipients(site)?)
}

fn write(site: &SiteFolder, path: &str, secret: &Secret) -> Result<()> {
    let closed = identity::close(&recipients(site)?, secret)?;
    store::write(site, &BTreeMap::from([(path.to_owned(), closed)]))
}

/// Closes what standard input says. A value that was there before keeps its state, so that no diff says that it differs.
fn set(site: &SiteFolder, path: &str, context: &Context) -> Result<()> {
    let secret = from_input()?;
    let Some(before) = store::all(site)?.remove(path) else { return write(site, path, &secret) };
    let identities = identity_file(context).and_then(|path| identity::load(&path)).unwrap_or_default();
    match identity::open(&identities, &before) {
        Ok(known) if known == secret => store::write(site, &BTreeMap::from([(path.to_owned(), again(site, &secret, &before)?)])),
        Ok(_) => write(site, path, &secret),
        Err(why) => {
            write(site, path, &secret)?;
            print_error(&format!("the value before could not be compared ({why}), so that `keel diff` says that it differs\n"));
            Ok(())
        }
    }
}

/// Closes a value anew that was closed before; its state stays.
fn again(site: &SiteFolder, secret: &Secret, before: &str) -> Result<String> {
    let closed = identity::close(&recipients(site)?, secret)?;
    Ok(Closed::with_state(&closed, &Closed::parse(before).state()))
}

fn closed_text(site: &SiteFolder, path: &str) -> Result<String> {
    let all = store::all(site)?;
    let hint = keel_manifests::diagnostic::did_you_mean(path, all.keys().map(String::as_str));
    all.get(path).cloned().ok_or_else(|| Error::usage(format!("the site has no secret {path}")).hint_if(hint))
}

fn open(identities: &[age::x25519::Identity], path: &str, closed: &str) -> Result<Secret> {
    identity::open(identities, closed)
        .map_err(|why| Error::host(format!("cannot open secret {path}: {why}")).hint("name the right key file in KEEL_IDENTITY"))
}

fn get(site: &SiteFolder, path: &str, context: &Context) -> Result<()> {
    let closed = closed_text(site, path)?;
    let secret = open(&identity::load(&identity_file(context)?)?, path, &closed)?;
    print(&format!("{}\n", secret.reveal_secret_text()))
}

fn list(site: &SiteFolder, json: bool, context: &Context) -> Result<()> {
    // Without a key the list is still worth having.
    let identities = identity_file(context).and_then(|path| identity::load(&path)).unwrap_or_default();
    let all = store::all(site)?;
    let opens: BTreeMap<&String, bool> = all.iter().map(|(path, closed)| (path, identity::open(&identities, closed).is_ok())).collect();
    if json {
        return print_json(&opens);
    }
    let line = |(path, opens): (&&String, &bool)| format!("{path}  {}\n", if *opens { "opens" } else { "does not open with your key" });
    print(&opens.iter().map(line).collect::<String>())
}

const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

fn generate(site: &SiteFolder, path: &str, length: usize, replace: bool) -> Result<()> {
    if !replace && store::all(site)?.contains_key(path) {
        return Err(Error::usage(format!("secret {path} exists already")).hint("--replace makes a new value for it"));
    }
    write(site, path, &Secret::new(random_text(length)?))
}

/// Letters and digits, each as likely as the others: bytes that would favour some are thrown away.
fn random_text(length: usize) -> Result<String> {
    let failed = |error: std::io::Error| Error::host(format!("cannot read random numbers: {error}"));
    let source = File::open("/dev/urandom").map_err(failed)?;
    let fair = u8::try_from(256 / ALPHABET.len() * ALPHABET.len()).unwrap_or(u8::MAX);
    let mut text = String::with_capacity(length);
    for byte in BufReader::with_capacity(256, source).bytes() {
        let byte = byte.map_err(failed)?;
        if byte < fair {
            text.push(char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]));
        }
        if text.len() == length {
            break;
        }
    }
    Ok(text)
}

fn rotate(site: &SiteFolder, paths: &[String], context: &Context) -> Result<()> {
    let identities = identity::load(&identity_file(context)?)?;
    let recipients = recipients(site)?.len();
    let all = store::all(site)?;
    let chosen: Vec<&String> = if paths.is_empty() { all.keys().collect() } else { paths.iter().collect() };
    let mut closed = BTreeMap::new();
    for path in chosen {
        let before = closed_text(site, path)?;
        let secret = open(&identities, path, &before)?;
        closed.insert(path.clone(), again(site, &secret, &before)?);
    }
    store::write(site, &closed)?;
    print(&format!("{} closed for {}\n", counted(closed.len(), "secret"), counted(recipients, "recipient")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_texts_differ_and_have_the_length_asked_for() {
        let (one, two) = (random_text(32).unwrap(), random_text(32).unwrap());
        assert_eq!(one.len(), 32);
        assert_ne!(one, two);
        assert!(one.bytes().all(|byte| ALPHABET.contains(&byte)));
    }
}
