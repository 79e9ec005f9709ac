//! What hosts get after a push, after new facts, and after a restart.

use keel_engine::digest::Digest;
use keel_engine::protocol::environment::Verdict;
use keel_server::compiler::NoCatalog;

use crate::stage::Stage;

#[tokio::test(flavor = "multi_thread")]
async fn a_push_changes_only_its_hosts_catalogs() {
    let mut stage = Stage::new().await;
    let before = [stage.id("web-1").await, stage.id("web-2").await, stage.id("db-1").await];
    stage.announced.lock().unwrap().clear();
    stage.write(
        "manifests/site.kdl",
        "group web {\n    file \"/etc/web\" content=\"on {{ facts.os }}\"\n}\ngroup db {\n    file \"/etc/db\" content=y\n}\n",
    );
    let commit = stage.push().await;
    assert_eq!(*stage.announced.lock().unwrap(), ["db-1"], "who has to hear of it");
    let after = [stage.id("web-1").await, stage.id("web-2").await, stage.id("db-1").await];
    assert_eq!(before[..2], after[..2]);
    assert_ne!(before[2], after[2]);
    assert_eq!(stage.content("db-1").await, "y");
    assert_eq!(*stage.deliver("web-1").await.unwrap().brief.commit, *commit, "the same catalog, of the new commit");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_commit_is_refused_and_visible_and_hosts_keep_the_last_good_one() {
    let mut stage = Stage::new().await;
    let (good, before) = (stage.state().commit, stage.id("web-1").await);
    stage.write("manifests/site.kdl", "group web {\n    file \"/etc/web\" contnet=x\n}\n");
    let bad = stage.push().await;
    let state = stage.state();
    let refused = state.refused.unwrap();
    assert_eq!((state.commit, &refused.commit), (good.clone(), &bad));
    let finding = &refused.findings[0];
    assert!(finding.error && finding.help.iter().any(|help| help.contains("content")), "{finding:?}");
    assert_eq!((finding.places[0].file.as_str(), finding.places[0].line), ("manifests/site.kdl", 2));
    assert_eq!(stage.id("web-1").await, before);
    stage.restart().await;
    assert_eq!(stage.state().refused.unwrap().commit, bad, "kept over a restart");
    assert_eq!(stage.id("web-1").await, before);

    stage.write("manifests/site.kdl", "group web {\n    file \"/etc/web\" content=x\n}\n");
    let mended = stage.push().await;
    assert_eq!((stage.state().commit, stage.state().refused), (Some(mended), None));
    assert_eq!(stage.content("web-1").await, "x");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_host_that_does_not_compile_refuses_the_commit_by_name() {
    let mut stage = Stage::new().await;
    stage.write("manifests/site.kdl", "host web-2 {\n    fail \"not here\"\n}\n");
    stage.push().await;
    let refused = stage.state().refused.unwrap();
    assert_eq!(refused.reason, "web-2 does not compile");
    assert_eq!(refused.findings[0].host.as_deref(), Some("web-2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_facts_that_a_catalog_depends_on_change_it() {
    let stage = Stage::new().await;
    let (web, db) = (stage.id("web-1").await, stage.id("db-1").await);
    let commit = stage.deliver("web-1").await.unwrap().brief.commit;
    stage.send("web-1", r#"{"os": "debian", "uptime": 5}"#);
    assert_eq!(stage.id("web-1").await, web);
    stage.send("web-1", r#"{"os": "devuan"}"#);
    assert_eq!(stage.content("web-1").await, "on devuan");
    stage.send("db-1", r#"{"os": "devuan"}"#);
    assert_eq!(stage.id("db-1").await, db);
    assert_eq!(stage.deliver("web-1").await.unwrap().brief.commit, commit);
}

#[tokio::test(flavor = "multi_thread")]
async fn facts_that_are_not_there_are_asked_for() {
    let stage = Stage::new().await;
    let unknown = stage.compiler.catalog("main", "web-1", Digest::of(b"other")).await;
    assert_eq!(unknown.unwrap_err(), NoCatalog::FactsNeeded("web-1".to_owned()));
    // Who is here before the first commit leaves its facts, too, to be told of it then.
    let early = stage.compiler.catalog("nowhere", "web-1", Digest::of(b"other")).await;
    assert_eq!(early.unwrap_err(), NoCatalog::FactsNeeded("web-1".to_owned()));
    stage.send("web-1", r#"{"os": "debian"}"#);
    let nowhere = stage.compiler.catalog("nowhere", "web-1", Digest::of(br#"{"os": "debian"}"#)).await;
    assert_eq!(nowhere.unwrap_err(), NoCatalog::NoCommit("nowhere".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_whose_own_facts_do_not_compile_is_alone_with_it() {
    let mut stage = Stage::new().await;
    let good = stage.id("web-1").await;
    stage.send("web-1", "{}");
    assert_eq!(stage.id("web-1").await, good, "it keeps what it had");
    let failed = stage.compiler.failed_hosts();
    assert_eq!(failed.iter().map(|failed| failed.host.as_str()).collect::<Vec<_>>(), ["web-1"]);
    assert!(!failed[0].findings.is_empty());
    assert_eq!(stage.content("web-2").await, "on debian");
    stage.write("manifests/site.kdl", "group web {\n    file \"/etc/web\" content=\"new on {{ facts.os }}\"\n}\n");
    let commit = stage.push().await;
    assert_eq!(stage.state().commit, Some(commit), "it does not keep the others from what is new");
    assert_eq!(stage.content("web-2").await, "new on debian");
    stage.send("web-1", r#"{"os": "debian"}"#);
    assert_eq!(stage.content("web-1").await, "new on debian");
    assert_eq!(stage.compiler.failed_hosts(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_that_never_came_do_not_hold_up_a_commit() {
    let mut stage = Stage::new().await;
    stage.write("inventory/hosts.toml", "[hosts.web-1]\ngroups = [\"web\"]\n[hosts.web-9]\ngroups = [\"web\"]\n");
    let commit = stage.push().await;
    assert_eq!(stage.state().commit, Some(commit));
    assert!(stage.deliver("web-1").await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn facts_of_other_hosts_reach_the_catalogs_that_read_them() {
    let mut stage = Stage::new().await;
    stage.write(
        "manifests/site.kdl",
        "host db-1 {\n    file \"/x\" content=\"{{ hosts['web-1'].facts.os }}\"\n}\nhost web-2 {\n    file \"/x\"\n}\n",
    );
    stage.push().await;
    assert_eq!(stage.content("db-1").await, "debian");
    let other = stage.id("web-2").await;
    stage.send("web-1", r#"{"os": "devuan"}"#);
    assert_eq!(stage.content("db-1").await, "devuan");
    assert_eq!(stage.id("web-2").await, other);
    stage.restart().await;
    stage.send("web-1", r#"{"os": "arch"}"#);
    assert_eq!(stage.content("db-1").await, "arch");
    stage.send("web-1", "{}");
    assert_eq!(stage.content("db-1").await, "arch", "what fails now leaves what was");
    stage.send("web-1", r#"{"os": "mint"}"#);
    assert_eq!(stage.content("db-1").await, "mint", "and is tried again");
}

#[tokio::test(flavor = "multi_thread")]
async fn facts_put_hosts_into_groups_for_everybody() {
    let mut stage = Stage::new().await;
    stage.write("inventory/groups/new.toml", "match = \"facts.os == 'devuan'\"\n");
    stage.write("manifests/site.kdl", "group all {\n    file \"/x\" content=\"{{ groups.new.hosts | join(' ') }}\"\n}\n");
    stage.push().await;
    for host in ["web-1", "web-2", "db-1"] {
        assert_eq!(stage.content(host).await, "");
    }
    stage.send("web-1", r#"{"os": "devuan"}"#);
    assert_eq!(stage.content("web-1").await, "web-1");
    for host in ["web-2", "db-1", "web-1"] {
        assert_eq!(stage.content(host).await, "web-1", "{host}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn relations_between_hosts_are_judged_before_anybody_gets_them() {
    let mut stage = Stage::new().await;
    let manifest = |target: &str| {
        format!(
            "group web {{\n    file \"/etc/web\" content=x {{\n        require (file)\"{target}\" host=db-1\n    }}\n}}\ngroup db {{\n    file \"/etc/db\" content=x\n}}\n"
        )
    };
    stage.write("manifests/site.kdl", &manifest("/etc/nothing"));
    stage.push().await;
    let refused = stage.state().refused.unwrap();
    assert!(refused.reason.contains("between hosts"), "{}", refused.reason);
    stage.write("manifests/site.kdl", &manifest("/etc/db"));
    let good = stage.push().await;
    assert_eq!(stage.state().commit, Some(good));
    assert_eq!(stage.catalog("web-1").await.gates.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_serves_what_was_there_and_damage_is_compiled_anew() {
    let mut stage = Stage::new().await;
    let delivered = stage.deliver("web-1").await.unwrap();
    stage.restart().await;
    assert_eq!(stage.deliver("web-1").await.unwrap().bytes(), delivered.bytes());
    assert_eq!(stage.compiler.workers_stopped(), 0);
    for (path, _) in stage.left_on_disk() {
        std::fs::write(path, b"rubbish").unwrap();
    }
    assert_eq!(stage.deliver("web-1").await.unwrap().bytes(), delivered.bytes(), "same inputs, same bytes");
    stage.restart().await;
    assert_eq!(stage.deliver("web-2").await.unwrap().bytes().unwrap().len(), delivered.bytes().unwrap().len());
}

#[tokio::test(flavor = "multi_thread")]
async fn contents_are_served_to_who_names_them_now_or_named_them_last() {
    let mut stage = Stage::new().await;
    let one = Digest::of(b"one\n");
    stage.write("manifests/site.kdl", "group web {\n    file \"/x\" source=\"x\"\n}\n");
    stage.write("files/x", "one\n");
    stage.push().await;
    stage.deliver("web-1").await.unwrap();
    stage.deliver("db-1").await.unwrap();
    assert_eq!(stage.compiler.content("web-1", one).await.unwrap().unwrap().0.size, 4);
    assert!(stage.compiler.content("db-1", one).await.unwrap().is_none(), "not his");
    assert!(stage.compiler.content("web-1", Digest::of(b"absent")).await.unwrap().is_none());
    for text in ["two\n", "three\n"] {
        assert!(stage.compiler.content("web-1", one).await.unwrap().is_some(), "the catalog before may still be under way");
        stage.write("files/x", text);
        stage.push().await;
        stage.deliver("web-1").await.unwrap();
    }
    assert!(stage.compiler.content("web-1", one).await.unwrap().is_none());
    let two = Digest::of(b"three\n");
    for (path, bytes) in stage.left_on_disk() {
        if bytes == b"three\n" {
            std::fs::remove_file(path).unwrap();
        }
    }
    assert!(stage.compiler.content("web-1", two).await.unwrap().is_some(), "what got lost is compiled again");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_could_judge_is_judged_when_somebody_can() {
    let mut stage = Stage::new().await;
    let good = stage.state().commit;
    let folder = stage.path("compiled/catalogs");
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::write(&folder, "no folder").unwrap();
    stage.write("manifests/site.kdl", "group web {\n    file \"/etc/web\" content=new\n}\n");
    let commit = stage.push().await;
    let refused = stage.state().refused.unwrap();
    assert_eq!((refused.verdict, refused.commit.as_str(), stage.state().commit), (Verdict::CannotTell, commit.as_str(), good));
    assert!(refused.reason.contains("folder of catalogs"), "{}", refused.reason);
    std::fs::remove_file(&folder).unwrap();
    std::fs::create_dir(&folder).unwrap();
    stage.look_until_it_follows(&commit).await;
    assert_eq!(stage.content("web-1").await, "new");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_that_goes_away_leaves_who_follows_it_deserted() {
    let stage = Stage::new().await;
    let is_deserted = |name: &str| stage.environments.is_deserted(name);
    assert!(!is_deserted("main") && is_deserted("nothing-like-it"));
    assert!(stage.environments.missing().is_empty(), "a pattern may wait for its first branch");
    let good = stage.id("web-1").await;
    stage.git().find_reference("refs/heads/main").unwrap().delete().unwrap();
    stage.look().await;
    assert!(is_deserted("main"));
    assert_eq!(stage.id("web-1").await, good, "hosts keep what they have");
}
