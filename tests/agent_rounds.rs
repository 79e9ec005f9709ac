//! Rounds of the real agent with the real server: what is pushed arrives, what is touched is mended.

use std::os::unix::fs::PermissionsExt;

use keel_tests::agent::{Agent, AgentHost, stage, text, until};
use keel_tests::server::CatalogServer;
use nix::sys::signal::Signal;

fn motd(text: &str) -> String {
    format!("host \"db-1\" {{\n    file \"/etc/motd\" content=\"{text}\\n\"\n}}\n")
}

#[test]
fn what_is_pushed_arrives_and_a_plan_says_so_before() {
    let (server, host) = stage(&motd("one"));
    let plan = host.keel(&["plan"]);
    assert!(text(&plan).contains("/etc/motd") && !host.path("etc/motd").exists(), "{}", text(&plan));
    assert!(!host.path("var/lib/keel/agent/catalogs").exists(), "a plan writes nothing");
    let output = host.once();
    assert_eq!((output.status.code(), host.read("etc/motd").as_str()), (Some(0), "one\n"), "{}", text(&output));
    server.site.write("manifests/site.kdl", &motd("two")).push("two");
    server.command(&["notify"]);
    until("the new catalog arrives", || {
        host.once();
        host.read("etc/motd") == "two\n"
    });
    let status = text(&host.keel(&["agent", "status"]));
    assert!(status.contains("environment production") && status.contains("all delivered"), "{status}");
}

#[test]
fn the_agent_hears_of_a_push_at_once() {
    let (server, host) = stage(&motd("one"));
    host.set("interval = \"1d\"");
    let agent = host.start();
    until("the first run", || host.read("etc/motd") == "one\n");
    server.site.write("manifests/site.kdl", &motd("two")).push("two");
    server.command(&["notify"]);
    until("the push arrives long before the interval is over", || host.read("etc/motd") == "two\n");
    assert_eq!(agent.stop(), Some(0));
}

#[test]
fn what_is_touched_is_mended_at_once_even_in_the_middle_of_a_run_and_the_mending_is_no_news() {
    let (server, host) = stage(&motd("one"));
    // This run was not asked to leave word of what to watch, so that another one has to come soon.
    host.once();
    host.set("interval = \"1m\"\nwatch = true");
    let agent = host.start();
    let is_quiet = || std::fs::read_to_string(host.path("run/keel/agent.json")).unwrap_or_default().contains("\"running\":false");
    until("it is known what to watch", || host.path("run/keel/watch.json").exists() && is_quiet());
    // As soon as it is mended it is touched again, while the run that mended it is not over yet.
    for turn in 1..=4 {
        std::fs::write(host.path("etc/motd"), format!("drift {turn}\n")).unwrap();
        until("it is mended", || host.read("etc/motd") == "one\n");
    }
    // What only looked is told to nobody.
    until("all is quiet", || host.waiting_reports() == 0 && is_quiet());
    let operator = server.add_operator("vera", "viewer");
    let reports = operator.get("/operator/v1/reports?host=db-1").unwrap().json();
    let reports = reports["reports"].as_array().unwrap();
    assert!((3..=8).contains(&reports.len()), "{reports:?}\n{}", agent.log());
    assert_eq!(agent.stop(), Some(0));
}

/// A host that is watched, with an agent that has made a run.
fn watched(manifest: &str) -> (CatalogServer, AgentHost, Agent) {
    let (server, host) = stage(manifest);
    host.set("interval = \"1d\"\nwatch = true");
    host.once();
    let agent = host.start();
    agent.signal(Signal::SIGHUP);
    until("the first run is over", || host.status()["running"] == false && !host.status()["last_round"].is_null());
    (server, host, agent)
}

#[test]
fn a_folder_that_goes_or_is_opened_is_mended_with_all_that_is_in_it() {
    let manifest = "host \"db-1\" {\n    file \"/srv\" ensure=directory mode=\"0750\"\n    \
        file \"/srv/a\" content=\"a\\n\"\n    file \"/srv/b\" content=\"b\\n\"\n}\n";
    let (_server, host, agent) = watched(manifest);
    let folder = host.path("srv");
    let is_whole = || {
        let mode = std::fs::metadata(&folder).map_or(0, |folder| folder.permissions().mode() & 0o777);
        mode == 0o750 && host.read("srv/a") == "a\n" && host.read("srv/b") == "b\n"
    };
    let is_mended = || is_whole() && host.status()["running"] == false && host.status()["last_run"]["failed"] == 0;
    std::fs::remove_dir_all(&folder).unwrap();
    until("what was removed is there again", is_mended);
    std::fs::rename(&folder, host.path("elsewhere")).unwrap();
    until("what was renamed is there again", is_mended);
    std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o777)).unwrap();
    until("its mode is the declared one", is_mended);
    assert_eq!(agent.stop(), Some(0));
}

#[test]
fn a_disabled_host_does_not_tell_of_each_touch() {
    let (server, host, agent) = watched(&motd("one"));
    assert!(host.keel(&["agent", "disable", "--reason", "repairs"]).status.success());
    for turn in 1..=3 {
        std::fs::write(host.path("etc/motd"), format!("repaired {turn}\n")).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(400));
    }
    let operator = server.add_operator("vera", "viewer");
    let reports = operator.get("/operator/v1/reports?host=db-1").unwrap().json();
    let failed = reports["reports"].as_array().unwrap().iter().filter(|report| !report["failure"].is_null()).count();
    assert_eq!(failed, 0, "{reports}");
    assert!(host.keel(&["agent", "enable"]).status.success());
    std::fs::write(host.path("etc/motd"), "drift\n").unwrap();
    until("it is mended again", || host.read("etc/motd") == "one\n");
    assert_eq!(agent.stop(), Some(0));
}

#[test]
fn a_stop_lets_a_long_command_finish_and_the_run_is_reported() {
    let flags = tempfile::tempdir().unwrap();
    let (begun, go) = (flags.path().join("begun"), flags.path().join("go"));
    let wait = format!("touch {}; while [ ! -e {} ]; do sleep 0.05; done", begun.display(), go.display());
    let manifest = format!(
        "host \"db-1\" {{\n    file \"/etc/slow\" content=\"x\\n\" {{\n        validate sh \"-c\" \"{wait}\" \"%\"\n    }}\n    \
         file \"/etc/after\" content=\"y\\n\" {{\n        require (file)\"/etc/slow\"\n    }}\n}}\n"
    );
    let (_server, host) = stage(&manifest);
    let agent = host.start();
    agent.signal(Signal::SIGHUP);
    until("the command has begun", || begun.exists());
    agent.signal(Signal::SIGTERM);
    until("the run knows", || agent.log().contains("asked to stop"));
    std::fs::write(&go, "").unwrap();
    assert_eq!(agent.end(), Some(0));
    assert_eq!(host.read("etc/slow"), "x\n", "what had begun was finished");
    assert!(!host.path("etc/after").exists(), "and nothing new was begun");
    assert_eq!(host.waiting_reports(), 0);
}
