//! The one place that reads the environment.

use std::io::IsTerminal;
use std::path::PathBuf;

/// What the environment says.
#[derive(Debug, Clone)]
pub struct Environment {
    /// Whether standard output is a terminal.
    pub stdout_is_terminal: bool,
    /// Whether standard error is a terminal.
    pub stderr_is_terminal: bool,
    /// `NO_COLOR` is set and not empty, or the terminal is dumb.
    pub no_color: bool,
    /// Whether the user is root.
    pub is_root: bool,
    /// The folder that the command was started in.
    pub folder: PathBuf,
    /// `KEEL_IDENTITY`: the file with the key that opens secrets.
    pub identity: Option<PathBuf>,
    /// The user's folder for settings: `XDG_CONFIG_HOME`, else `~/.config`.
    pub user_config: Option<PathBuf>,
    /// The user's folder for what can be made anew: `XDG_CACHE_HOME`, else `~/.cache`.
    pub user_cache: Option<PathBuf>,
    /// Where scratch folders go: `TMPDIR`, else memory if there is such a folder, else `/tmp`.
    pub scratch: PathBuf,
    /// `SUDO_USER`: who typed the command, if it runs behind sudo.
    pub sudo_user: Option<String>,
}

fn in_memory() -> Option<PathBuf> {
    Some(PathBuf::from("/dev/shm")).filter(|folder| folder.is_dir())
}

impl Environment {
    /// Reads it.
    pub fn read() -> Self {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let at_home = |folder: &str| variable("HOME").map(|home| PathBuf::from(home).join(folder));
        Self {
            stdout_is_terminal: std::io::stdout().is_terminal(),
            stderr_is_terminal: std::io::stderr().is_terminal(),
            no_color: variable("NO_COLOR").is_some() || variable("TERM").is_some_and(|term| term == "dumb"),
            is_root: nix::unistd::geteuid().is_root(),
            folder: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
            identity: variable("KEEL_IDENTITY").map(PathBuf::from),
            user_config: variable("XDG_CONFIG_HOME").map(PathBuf::from).or_else(|| at_home(".config")),
            user_cache: variable("XDG_CACHE_HOME").map(PathBuf::from).or_else(|| at_home(".cache")).filter(|path| path.is_absolute()),
            scratch: variable("TMPDIR").map(PathBuf::from).unwrap_or_else(|| in_memory().unwrap_or_else(|| PathBuf::from("/tmp"))),
            sudo_user: variable("SUDO_USER").and_then(|name| name.into_string().ok()),
        }
    }

    /// The file that holds the key for secrets: `KEEL_IDENTITY`, for root `/etc/keel/identity`, for
    /// others `keel/identity` below their own settings.
    pub fn identity_file(&self) -> Option<PathBuf> {
        let system = || self.is_root.then(|| PathBuf::from("/etc/keel/identity"));
        let own = || self.user_config.as_ref().map(|folder| folder.join("keel/identity"));
        self.identity.clone().or_else(system).or_else(own)
    }
}
