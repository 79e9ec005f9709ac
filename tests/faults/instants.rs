//! A run of 500 resources is killed at random instants, again and again, on its way from one state to another: every
//! resource is in the one or the other, the next run completes, and every refresh that is owed is paid.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::unistd::geteuid;

use super::scratch::{Done, Scratch, strays_below};
use super::seed::Seed;

/// How many kills there are, and how many with KEEL_FAULTS=all.
const KILLS: (usize, usize) = (30, 1000);
const FILES: usize = 380;
const FOLDERS: usize = 20;
const LINKS: usize = 20;
const LINES: usize = 40;
const SETTINGS: usize = 20;
/// How many commands are told of changes.
const TOLD: usize = 20;

/// The host, which is entered where this user may.
struct Host {
    scratch: Scratch,
    entered: bool,
}

fn content(file: usize, turn: usize) -> String {
    format!("turn {turn} of file {file}\n").repeat(1 + file % 40)
}

/// The manifest of a turn: 500 resources, of which only the folders stay as they are.
fn manifest(turn: usize, entered: bool) -> String {
    let mut text = String::new();
    for folder in 0..FOLDERS {
        writeln!(text, "file \"/srv/{folder}\" ensure=directory").unwrap();
    }
    for file in 0..FILES {
        let told = if entered && file < TOLD { format!(" {{ notify (exec)told-{file}; }}") } else { String::new() };
        writeln!(text, "file \"/srv/{}/{file}\" content={:?}{told}", file % FOLDERS, content(file, turn)).unwrap();
    }
    for link in 0..LINKS {
        writeln!(text, "file \"/srv/{link}/link\" target=\"turn-{turn}\"").unwrap();
    }
    for line in 0..LINES {
        writeln!(text, "line \"line {line}\" path=\"/etc/lines-{}\" line=\"key{line}={turn}\" match=\"^key{line}=\"", line % 4).unwrap();
    }
    for setting in 0..SETTINGS {
        writeln!(text, "ini \"/srv/{setting}/app.ini\" {{ section main {{ turn \"{turn}\"; }}; }}").unwrap();
    }
    for told in 0..TOLD {
        if entered {
            writeln!(text, "exec told-{told} refresh_only=#true shell=\"echo {turn} >>/var/log/told-{told}\"").unwrap();
        } else {
            writeln!(text, "host told-{told} ip=\"10.0.{turn}.{told}\"").unwrap();
        }
    }
    text
}

/// What the files hold that belong to one resource alone.
fn expected(turn: usize) -> BTreeMap<PathBuf, String> {
    let files = (0..FILES).map(|file| (format!("srv/{}/{file}", file % FOLDERS), content(file, turn)));
    let links = (0..LINKS).map(|link| (format!("srv/{link}/link"), format!("turn-{turn}")));
    let settings = (0..SETTINGS).map(|setting| (format!("srv/{setting}/app.ini"), format!("[main]\nturn = {turn}\n")));
    files.chain(links).chain(settings).map(|(path, text)| (PathBuf::from(path), text)).collect()
}

impl Host {
    fn new() -> Self {
        let (scratch, entered) = (Scratch::new(""), geteuid().is_root());
        if entered {
            scratch.furnish();
        } else {
            println!("skipped for want of root: commands that are told of changes");
            scratch.lay(&[("/etc/", ""), ("/srv/", "")]);
        }
        for file in 0..4 {
            std::fs::write(scratch.path(&format!("etc/lines-{file}")), "").unwrap();
        }
        std::fs::write(scratch.path("etc/hosts"), "").unwrap();
        Self { scratch, entered }
    }

    fn command(&self) -> Command {
        let line = if self.entered { self.scratch.line_inside("apply") } else { self.scratch.line("apply") };
        let mut command = Command::new(&line[0]);
        command.args(&line[1..]).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").current_dir("/").stdin(Stdio::null());
        command
    }

    /// Runs to the end.
    fn apply(&self, when: &str) {
        Done::of(&mut self.command()).expect(0, when);
    }

    fn kill_after(&self, time: Duration) {
        let mut child = self.command().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(time);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    fn read(&self, path: &PathBuf) -> Option<String> {
        let path = self.scratch.root().join(path);
        let target = std::fs::read_link(&path).ok().map(|target| target.to_string_lossy().into_owned());
        target.or_else(|| std::fs::read_to_string(path).ok())
    }

    /// The files that hold neither of these turns' content whole.
    fn torn(&self, turns: &[usize]) -> Vec<PathBuf> {
        let wanted: Vec<_> = turns.iter().map(|turn| expected(*turn)).collect();
        let paths = wanted[0].keys().filter(|path| {
            let now = self.read(path);
            !wanted.iter().any(|wanted| wanted.get(*path) == now.as_ref())
        });
        paths.cloned().collect()
    }

    /// How often each command was told.
    fn told(&self) -> Vec<usize> {
        let count = |told| self.read(&format!("var/log/told-{told}").into()).map_or(0, |text| text.lines().count());
        (0..if self.entered { TOLD } else { 0 }).map(count).collect()
    }

    /// Candidates in the folders that resources write in, and in the agent's own.
    fn strays(&self) -> Vec<PathBuf> {
        let folders = ["srv", "etc", "var"].map(|folder| self.scratch.path(folder));
        folders.iter().flat_map(|folder| strays_below(folder)).collect()
    }
}

#[test]
fn killed_at_random_instants_a_run_of_500_resources_ends_as_it_should() {
    let mut seed = Seed::new();
    let kills = if super::is_thorough() { KILLS.1 } else { KILLS.0 };
    let host = Host::new();
    host.scratch.manifest(&manifest(0, host.entered));
    let clock = Instant::now();
    host.apply("the first run");
    let whole = clock.elapsed();
    for kill in 1..=kills {
        host.scratch.manifest(&manifest(kill % 200, host.entered));
        let (before, told) = ((kill - 1) % 200, host.told());
        host.kill_after(whole.mul_f64(seed.fraction()));
        assert_eq!(host.torn(&[before, kill % 200]), Vec::<PathBuf>::new(), "kill {kill} of {seed:?}");
        host.apply(&format!("after kill {kill} of {seed:?}"));
        assert_eq!(host.torn(&[kill % 200]), Vec::<PathBuf>::new(), "kill {kill} of {seed:?}");
        assert_eq!(host.strays(), Vec::<PathBuf>::new(), "kill {kill} of {seed:?}");
        let untold: Vec<usize> = (0..told.len()).filter(|at| host.told()[*at] <= told[*at]).collect();
        assert_eq!(untold, Vec::<usize>::new(), "never told after kill {kill} of {seed:?}");
    }
    println!("{kills} kills, {seed:?}");
}
