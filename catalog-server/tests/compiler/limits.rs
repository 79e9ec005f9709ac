//! Manifests that eat what they can get: only their worker dies, and it is said of what.

use std::time::Duration;

use crate::stage::{SITE, Stage};

/// A file of a hundred thousand branches takes far longer than a moment to compile.
fn slow() -> String {
    let steps: String = (0..40).map(|_| "for a in=\"range(100)\" {\n".to_owned()).chain((0..40).map(|_| "}\n".to_owned())).collect();
    format!("host web-2 {{\n{steps}\n}}\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compile_that_takes_too_long_kills_its_worker_and_is_said() {
    let mut stage = Stage::empty(Duration::from_secs(2)).await;
    SITE.iter().for_each(|(path, text)| stage.write(path, text));
    ["web-1", "web-2", "db-1"].iter().for_each(|host| stage.send(host, r#"{"os": "debian"}"#));
    stage.push().await;
    let before = stage.id("web-1").await;
    stage.write("manifests/site.kdl", &slow());
    stage.push().await;
    let refused = stage.state().refused.unwrap();
    assert_eq!(refused.reason, "compiling web-2 took longer than 2 s and was stopped");
    assert_eq!(stage.compiler.workers_stopped(), 1);
    assert_eq!(stage.id("web-1").await, before);
    stage.send("web-1", r#"{"os": "devuan"}"#);
    assert_eq!(stage.content("web-1").await, "on devuan", "the next worker serves");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compile_that_takes_too_much_memory_kills_its_worker_and_is_said() {
    let mut stage = Stage::new().await;
    let before = stage.id("web-1").await;
    let texts: String = (0..1200).map(|number| format!("    let a{number}=\"{{{{ 'x' * (1000000 - {number}) }}}}\"\n")).collect();
    stage.write("manifests/site.kdl", &format!("host web-2 {{\n{texts}}}\n"));
    stage.push().await;
    assert_eq!(stage.state().refused.unwrap().reason, "compiling web-2 needed more than 1024 MiB of memory and was stopped");
    assert_eq!(stage.id("web-1").await, before);
    assert_eq!(stage.content("db-1").await, "x");
}

/// The workers of this process, as the kernel describes them; each test is a process of its own.
fn workers() -> Vec<String> {
    let ids = std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let own = format!("PPid:\t{}\n", std::process::id());
    let status = |id: String| std::fs::read_to_string(format!("/proc/{id}/status")).ok();
    ids.filter(|id| id.parse::<u32>().is_ok()).filter_map(status).filter(|status| status.contains(&own)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_workers_that_compile_are_confined() {
    let stage = Stage::new().await;
    stage.id("web-1").await;
    let workers = workers();
    assert!(!workers.is_empty());
    for worker in workers {
        assert!(worker.contains("NoNewPrivs:\t1\n") && worker.contains("Seccomp:\t2\n"), "{worker}");
    }
}
