//! Rounds of the real agent with the real server: what is pushed arrives, what is touched is mended.

use keel_tests::agent::{stage, text, until};

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
    agent.signal(nix::sys::signal::Signal::SIGHUP);
    until("the command has begun", || begun.exists());
    agent.signal(nix::sys::signal::Signal::SIGTERM);
    until("the run knows", || agent.log().contains("asked to stop"));
    std::fs::write(&go, "").unwrap();
    assert_eq!(agent.end(), Some(0));
    assert_eq!(host.read("etc/slow"), "x\n", "what had begun was finished");
    assert!(!host.path("etc/after").exists(), "and nothing new was begun");
    assert_eq!(host.waiting_reports(), 0);
}
