//! A scratch cluster of PostgreSQL: a folder, a unix socket in it, and an end.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use nix::unistd::{User, geteuid};
use tempfile::TempDir;

/// A running cluster; it stops and goes away when dropped.
pub struct Cluster {
    folder: TempDir,
    programs: PathBuf,
    /// Root may not run PostgreSQL itself; the package's user does.
    user: Option<User>,
}

impl Cluster {
    /// Starts one, or says why not. In CI it has to start.
    ///
    /// # Panics
    /// There is none to be had, in CI.
    pub fn start() -> Option<Self> {
        match Self::try_start() {
            Ok(cluster) => Some(cluster),
            Err(why) => {
                assert!(std::env::var("CI").as_deref() != Ok("true"), "no PostgreSQL on this machine, and in CI nothing is skipped: {why}");
                eprintln!("skipped: {why}");
                None
            }
        }
    }

    fn try_start() -> Result<Self, String> {
        let programs = programs().ok_or("PostgreSQL is not installed (Debian's package postgresql)")?;
        let user = match geteuid().is_root() {
            true => Some(User::from_name("postgres").ok().flatten().ok_or("there is no user postgres to run PostgreSQL as")?),
            false => None,
        };
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        if let Some(user) = &user {
            chown(folder.path(), Some(user.uid.as_raw()), Some(user.gid.as_raw())).map_err(|error| error.to_string())?;
        }
        let cluster = Self { folder, programs, user };
        cluster.program("initdb", &["--auth=trust", "--username=keel", "--encoding=UTF8", "--locale=C", "--no-sync"])?;
        cluster.up();
        Ok(cluster)
    }

    /// Starts the servers of the cluster, and returns when they answer.
    ///
    /// # Panics
    /// They do not start.
    pub fn up(&self) {
        let socket = self.folder.path().display();
        let options = format!("-c listen_addresses='' -c fsync=off -c max_connections=60 -k {socket}");
        self.program("pg_ctl", &["start", "--wait", "--silent", "--log", "/dev/null", "--options", &options]).unwrap();
    }

    /// Stops them as a crash does.
    ///
    /// # Panics
    /// They do not run.
    pub fn down(&self) {
        self.program("pg_ctl", &["stop", "--wait", "--silent", "--mode", "immediate"]).unwrap();
    }

    /// Runs a program for the cluster's folder.
    fn program(&self, name: &str, arguments: &[&str]) -> Result<(), String> {
        let data = self.folder.path().join("data").display().to_string();
        self.run(name, &[arguments, &["--pgdata", &data]].concat())
    }

    fn run(&self, name: &str, arguments: &[&str]) -> Result<(), String> {
        let mut command = Command::new(self.programs.join(name));
        command.args(arguments).current_dir("/");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if let Some(user) = &self.user {
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        let status = command.status().map_err(|error| format!("{name} does not start: {error}"))?;
        if status.success() { Ok(()) } else { Err(format!("{name} failed: {status}")) }
    }

    /// The URL of an empty database of that name.
    ///
    /// # Panics
    /// It cannot be made.
    pub fn database(&self, name: &str) -> String {
        // Names have an end in PostgreSQL.
        let name: String = name.chars().take(60).collect();
        let socket = self.folder.path().display().to_string();
        self.run("createdb", &["--host", &socket, "--username=keel", &name]).unwrap();
        format!("postgres:///{name}?host={socket}&user=keel")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // The folder goes away in any case, and with it the servers find their end.
        let _ = self.program("pg_ctl", &["stop", "--wait", "--silent", "--mode", "immediate"]);
    }
}

/// The folder with the programs of the newest version.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = versions.map(|entry| entry.path().join("bin")).filter(|bin| bin.join("initdb").exists()).collect();
    folders.sort();
    folders.pop()
}
