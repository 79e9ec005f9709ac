//! Scripts of the stock modules, with stand-ins for the programs that they ask.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

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
