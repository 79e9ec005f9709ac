//! A full disk under the agent: the report of the run that met it is kept all the same.

use std::process::Command;

use keel_tests::agent::{AgentHost, Line};
use keel_tests::server::CatalogServer;

/// Runs the agent on a small disk that is full; everything happens in a mount namespace that ends with it.
const SCRIPT: &str = r#"
set -e
mount -t tmpfs -o size=6m none "$DISK"
cp -a "$KEPT/." "$DISK/"
run() { "$KEEL" agent --once --root "$ROOT" >/dev/null 2>&1 || true; }
run
dd if=/dev/zero of="$DISK/fill" bs=4k 2>/dev/null || true
before=$(ls "$SPOOL" | grep -c '\.full$' || true)
run
after=$(ls "$SPOOL" | grep -c '\.full$' || true)
rm "$DISK/fill"
run
echo "$before $after $(ls "$SPOOL" | grep -c '\.full$' || true) $(ls "$SPOOL" | grep -c '^reserve$' || true)"
"#;

#[test]
fn a_report_finds_room_on_a_full_disk() {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: only root can mount a small disk");
        return;
    }
    let mut server = CatalogServer::start();
    let line = Line::to(server.agents_address());
    let host = AgentHost::join_over(&line, &server, "db-1");
    server.kill();
    let kept = host.path("kept");
    assert!(Command::new("cp").arg("-a").args([host.path("var"), kept.clone()]).status().unwrap().success());
    let root = host.path("");
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", SCRIPT]).env("KEEL", keel_tests::program::keel()).env("ROOT", &root);
    command.env("DISK", host.path("var")).env("KEPT", kept).env("SPOOL", host.path("var/lib/keel/agent/spool"));
    let output = command.output().unwrap();
    let counts = String::from_utf8_lossy(&output.stdout);
    assert_eq!(
        counts.trim(),
        "1 2 3 1",
        "waiting before, on the full disk, after it; and the reserve is back: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
