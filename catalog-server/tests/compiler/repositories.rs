//! Repositories that mean harm: nothing outside them is read or written, and it is said what is wrong.

use keel_server::repository::FILE_BYTES_MAX;

use crate::stage::Stage;

async fn reason(stage: &Stage) -> String {
    let refused = stage.state().refused.unwrap();
    let findings: Vec<String> = refused.findings.iter().map(|finding| finding.message.clone()).collect();
    format!("{}: {}", refused.reason, findings.join("; "))
}

#[tokio::test(flavor = "multi_thread")]
async fn links_and_submodules_are_inert_and_said() {
    let mut stage = Stage::new().await;
    stage.write("manifests/site.kdl", "group web {\n    file \"/x\" source=\"passwd\"\n}\n");
    stage.write_entry("files/passwd", 0o120_000, b"/etc/passwd");
    stage.push().await;
    assert!(reason(&stage).await.contains("symbolic link"), "{}", reason(&stage).await);
    stage.write_entry("files/passwd", 0o160_000, b"");
    stage.push().await;
    assert!(reason(&stage).await.contains("submodule"), "{}", reason(&stage).await);
    stage.write("files/passwd", "fine");
    stage.write_entry("vendor", 0o160_000, b"");
    stage.write_entry("docs/link", 0o120_000, b"../../../etc");
    let commit = stage.push().await;
    assert_eq!(stage.state().commit, Some(commit), "what no manifest needs is left alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn links_among_manifests_are_errors() {
    let mut stage = Stage::new().await;
    stage.write_entry("manifests/other.kdl", 0o120_000, b"/etc/hostname");
    stage.push().await;
    assert!(reason(&stage).await.contains("symbolic link"), "{}", reason(&stage).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_lead_elsewhere_refuse_the_commit() {
    let stage = Stage::new().await;
    let good = stage.state().commit;
    let blob = stage.blob(b"x");
    for name in ["..", ".git", "GIT~1", "a\\b", "a\nb"] {
        let inner = stage.raw_tree(&[("100644", name, blob)]);
        stage.push_tree(stage.raw_tree(&[("40000", "files", inner), ("100644", "keel.toml", blob)])).await;
        assert_eq!(stage.state().commit, good);
        assert!(reason(&stage).await.contains("the name"), "{}", reason(&stage).await);
    }
    let mut deep = stage.raw_tree(&[("100644", "x", blob)]);
    for _ in 0..40 {
        deep = stage.raw_tree(&[("40000", "d", deep)]);
    }
    stage.push_tree(deep).await;
    assert!(reason(&stage).await.contains("nested"));
}

#[tokio::test(flavor = "multi_thread")]
async fn huge_files_are_refused_by_size_and_only_where_they_are_needed() {
    let mut stage = Stage::new().await;
    let huge = vec![0; usize::try_from(FILE_BYTES_MAX).unwrap() + 1];
    stage.write_entry("files/huge", 0o100_644, &huge);
    let commit = stage.push().await;
    assert_eq!(stage.state().commit, Some(commit));
    stage.write("manifests/site.kdl", "group web {\n    file \"/x\" source=\"huge\"\n}\n");
    stage.push().await;
    assert!(reason(&stage).await.contains("up to 64 MiB"), "{}", reason(&stage).await);
}
