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
