//! Scripts of the stock modules, with stand-ins for the programs that they ask, and what the modules refuse.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use keel_tests::program::keel;
use tempfile::TempDir;

/// A script in a folder of its own, in which it finds the paths of a host.
struct Script {
    folder: TempDir,
    text: String,
}

impl Script {
    fn new(file: &str) -> Self {
        let library = Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests/library");
        Self { folder: tempfile::tempdir().unwrap(), text: std::fs::read_to_string(library.join(file)).unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What the script knows as a path of the host is one in its folder.
    fn moved(mut self, from: &str, name: &str) -> Self {
        assert!(self.text.contains(from), "the script does not name {from}");
        self.text = self.text.replace(from, self.path(name).to_str().unwrap());
        self
    }

    fn program(&self, name: &str, text: &str) {
        let path = self.path("bin").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let path = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap());
        let shell = if self.text.starts_with("#!/bin/bash") { "bash" } else { "sh" };
        let mut command = Command::new(shell);
        command.args(["-c", &self.text, "script"]).args(arguments).env("PATH", path);
        command
    }
}

fn printed(script: &Script) -> String {
    String::from_utf8(script.command(&[]).output().unwrap().stdout).unwrap()
}

/// A host on which MariaDB does not run.
fn stopped_member() -> Script {
    let script = Script::new("galera/files/galera-report").moved("/var/lib/mysql", "usual").moved("/var/lib/keel-galera", "kept");
    script.program("systemctl", "test \"$1\" != show || echo inactive");
    script.program("pgrep", "exit 1");
    script.program("my_print_defaults", "exit 1");
    script
}

#[test]
fn a_galera_member_tells_of_the_data_where_its_server_has_them() {
    let script = stopped_member();
    for (folder, uuid) in [("usual/old", "1111"), ("else/shop", "2222")] {
        std::fs::create_dir_all(script.path(folder)).unwrap();
        std::fs::write(script.path(folder).with_file_name("grastate.dat"), format!("uuid: {uuid}\nseqno: 7\n")).unwrap();
    }
    let said = printed(&script);
    assert!(said.contains("\nuuid=1111\n") && said.contains("\ndatabases=old\n") && said.ends_with("end=yes\n"), "{said}");
    let there = script.path("else");
    let options = ["--port=3306", "--datadir=/nonexistent", &format!("--datadir={}/", there.display()), "--user=mysql"];
    for options in [options.join("\n"), options.join("\n").replace("--datadir", "--loose-datadir")] {
        script.program("my_print_defaults", &format!("test \"$1\" = --mysqld && echo '{options}'"));
        let said = printed(&script);
        assert!(said.contains(&format!("\ndatadir={}\n", there.display())), "{said}");
        assert!(said.contains("\nuuid=2222\nseqno=7\n") && said.contains("\ndatabases=shop\n"), "{said}");
    }
}

/// An HAProxy that takes over its settings when it is told to: its next worker has another number.
struct Balancer {
    script: Script,
    process: Child,
}

impl Balancer {
    fn new() -> Self {
        let script = Script::new("haproxy/files/haproxy-reload")
            .moved("/usr/sbin/haproxy", "bin/haproxy")
            .moved("/run/haproxy/admin.sock", "socket")
            .moved("/run/keel-haproxy", "kept");
        drop(UnixListener::bind(script.path("socket")).unwrap());
        script.program("haproxy", "exit 0");
        let [worker, silent] = ["worker", "silent"].map(|name| script.path(name).display().to_string());
        script.program(
            "socat",
            &format!(
                "left=$(cat {silent})\n[ \"$left\" -eq 0 ] || {{ echo $((left - 1)) >{silent}; exit 1; }}\nread -r line\n\
                 [ \"$line\" = 'show info' ] && echo \"Pid: $(cat {worker})\" || printf '1\\n# be_id\\nof worker %s\\n' \"$(cat {worker})\""
            ),
        );
        std::fs::write(&worker, "1\n").unwrap();
        std::fs::create_dir(script.path("kept")).unwrap();
        std::fs::write(script.path("kept/servers"), "as told\n").unwrap();
        let waits = format!("trap 'echo 2 >{worker}' USR2; echo; while :; do sleep 0.05; done");
        let mut process = Command::new("sh").args(["-c", &waits]).stdout(Stdio::piped()).spawn().unwrap();
        // It has said a line once it takes signals.
        process.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        Self { script, process }
    }

    /// A reload, for which the socket is silent that many times.
    fn reload(&self, silent: u32) -> Output {
        std::fs::write(self.script.path("silent"), format!("{silent}\n")).unwrap();
        self.script.command(&[]).env("MAINPID", self.process.id().to_string()).output().unwrap()
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.script.path(name)).unwrap()
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

#[test]
fn a_balancer_that_does_not_say_how_its_servers_stand_is_not_reloaded() {
    let balancer = Balancer::new();
    let output = balancer.reload(1000);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && said.contains("does not say on"), "{}: {said}", output.status);
    assert_eq!((balancer.read("kept/servers").as_str(), balancer.read("worker").as_str()), ("as told\n", "1\n"));
    assert!(!balancer.script.path("kept/servers.new").exists());
    // One that is silent for a moment is asked again.
    assert!(balancer.reload(3).status.success());
    assert_eq!((balancer.read("kept/servers").as_str(), balancer.read("worker").as_str()), ("1\n# be_id\nof worker 1\n", "2\n"));
}

#[test]
fn a_balancer_that_had_no_socket_has_no_states_to_keep() {
    let balancer = Balancer::new();
    std::fs::remove_file(balancer.script.path("socket")).unwrap();
    assert!(balancer.reload(0).status.success());
    assert!(!balancer.script.path("kept/servers").exists());
    assert_eq!(balancer.read("worker"), "2\n");
}

/// What a member of a pair does with the data here.
fn pair_member(origin: &str) -> Script {
    let script = Script::new("mysql_ha/files/mysql-ha-data").moved("/var/lib/mysql", "usual").moved("/etc/default/mysql-ha", "settings");
    std::fs::write(script.path("settings"), format!("ORIGIN={origin}\nPRIMITIVE=database\n")).unwrap();
    std::fs::create_dir(script.path("usual")).unwrap();
    script.program("my_print_defaults", "exit 1");
    script
}

#[test]
fn a_pair_is_not_begun_beside_data_that_are_elsewhere() {
    let script = pair_member("yes");
    let refused = || {
        let output = script.command(&["may"]).output().unwrap();
        (!output.status.success()).then(|| String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(refused(), None);
    std::os::unix::fs::symlink(script.path("usual"), script.path("link")).unwrap();
    let says = |place: &str| script.program("my_print_defaults", &format!("echo --datadir={}", script.path(place).display()));
    says("link/");
    assert_eq!(refused(), None, "it is the same place");
    says("else");
    assert!(refused().is_some_and(|why| why.contains("the server here has its data in")));
}

#[test]
fn a_database_called_test_counts_where_it_holds_something() {
    let (galera, pair) = (stopped_member(), pair_member("no"));
    for script in [&galera, &pair] {
        std::fs::create_dir_all(script.path("usual/test")).unwrap();
        std::fs::write(script.path("usual/test/db.opt"), "").unwrap();
    }
    let may = || pair.command(&["may"]).output().unwrap();
    assert!(printed(&galera).contains("\ndatabases=\n") && may().status.success());
    for script in [&galera, &pair] {
        std::fs::write(script.path("usual/test/t.frm"), "").unwrap();
    }
    assert!(printed(&galera).contains("\ndatabases=test\n"));
    let refused = may();
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("that are no pair's: test."));
}

#[test]
fn where_the_data_are_is_none_of_the_settings() {
    for (site, group, table) in
        [("galera", "db", "[vars.galera.settings]"), ("openstack-ha/01-cluster", "cluster", "[vars.mysql_ha.settings]")]
    {
        let folder = tempfile::tempdir().unwrap();
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(site);
        let copied = folder.path().join("site");
        assert!(Command::new("cp").arg("-r").args([&example, &copied]).status().unwrap().success());
        let vars = copied.join(format!("inventory/groups/{group}.toml"));
        let text = std::fs::read_to_string(&vars).unwrap();
        let with = format!("{table}\ndatadir = '/srv/data'\n");
        let text = if text.contains(table) { text.replace(&format!("{table}\n"), &with) } else { format!("{text}\n{with}") };
        std::fs::write(&vars, text).unwrap();
        let output = Command::new(keel()).arg("check").arg(&copied).output().unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(!output.status.success() && said.contains("datadir is not among"), "{said}");
    }
}
