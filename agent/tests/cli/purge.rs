//! What no resource declares and a manifest purges.

use crate::stage::Stage;

const HOSTS: &str = "127.0.0.1\tlocalhost\n::1\tip6-localhost\n10.0.0.9\th\n10.0.0.1\tdb-1\n10.0.0.2\told-1\n10.0.0.3\told-2\n";

fn stage(manifest: &str) -> Stage {
    let stage = Stage::new(manifest);
    stage.write("root/etc/hosts", HOSTS);
    stage.write("root/etc/hostname", "h\n");
    stage
}

#[test]
fn what_nobody_declares_is_planned_with_its_cause_and_removed() {
    let stage = stage("purge host max=5\nhost db-1 ip=\"10.0.0.1\"");
    let plan = stage.run("plan", &["--detailed-exitcode"]).expect(2);
    assert!(plan.out.contains("- host \"old-1\"") && plan.out.contains("purge  manifests/site.kdl:2"), "{}", plan.out);
    assert!(!plan.out.contains("db-1") && !plan.out.contains("localhost") && !plan.out.contains("host \"h\""), "{}", plan.out);
    assert_eq!(stage.read("etc/hosts").as_deref(), Some(HOSTS));
    stage.run("apply", &[]).expect(0);
    assert_eq!(stage.read("etc/hosts").unwrap(), HOSTS.lines().take(4).map(|line| format!("{line}\n")).collect::<String>());
    stage.run("apply", &["--detailed-exitcode"]).expect(0);
    let explained = stage.keel(&["explain", "(host)old-1", "--host", "h", "--root", stage.root().to_str().unwrap()]).expect(0);
    assert!(
        explained.out.contains("not declared, purged by manifests/site.kdl:2") && explained.out.contains("10.0.0.2"),
        "{}",
        explained.out
    );
}

#[test]
fn over_the_limit_an_apply_changes_nothing_and_names_the_flag() {
    let stage = stage("purge host max=1\nhost db-1 ip=\"10.0.0.7\"");
    let plan = stage.run("plan", &[]).expect(0);
    assert!(plan.out.contains("--purge-max host=2") && plan.out.contains("- host \"old-2\""), "{}", plan.out);
    let refused = stage.run("apply", &[]).expect(1);
    assert!(refused.err.contains("may purge 1 (manifests/site.kdl:2)") && refused.err.contains("--purge-max host=2"), "{}", refused.err);
    assert_eq!(stage.read("etc/hosts").as_deref(), Some(HOSTS), "not even what is declared");
    // What is allowed of one type is not allowed of others.
    stage.run("apply", &["--purge-max", "cron=9"]).expect(1);
    let wrong = stage.run("apply", &["--purge-max", "2"]).expect(64);
    assert!(wrong.err.contains("host=3"), "{}", wrong.err);
    let unknown = stage.run("apply", &["--purge-max", "hots=2"]).expect(64);
    assert!(unknown.err.contains("there is no resource type hots") && unknown.err.contains("host"), "{}", unknown.err);
    let never = stage.run("apply", &["--purge-max", "exec=2"]).expect(64);
    assert!(never.err.contains("nothing of the type exec is ever purged") && never.err.contains("host"), "{}", never.err);
    // Who leaves the removals out is not held up by them.
    stage.run("apply", &["--skip", "purge"]).expect(0);
    assert!(stage.read("etc/hosts").unwrap().contains("10.0.0.7\tdb-1") && stage.read("etc/hosts").unwrap().contains("old-1"));
    stage.run("apply", &["--purge-max", "host=2"]).expect(0);
    assert!(!stage.read("etc/hosts").unwrap().contains("old-1"));
}

#[test]
fn what_another_site_declares_on_the_host_stays() {
    let stage = stage("host old-1 ip=\"10.0.0.2\"");
    stage.run("apply", &[]).expect(0);
    stage.write("site/keel.toml", "name = \"another\"\n");
    stage.manifest("purge host max=5");
    stage.run("apply", &[]).expect(0);
    let hosts = stage.read("etc/hosts").unwrap();
    assert!(hosts.contains("old-1") && !hosts.contains("old-2"), "{hosts}");
}

#[test]
fn nothing_goes_while_it_cannot_be_told_what_another_site_declares() {
    let stage = stage("host old-1 ip=\"10.0.0.2\"");
    stage.run("apply", &[]).expect(0);
    let states = std::fs::read_dir(stage.root().join("var/lib/keel")).unwrap().flatten();
    let catalogs: Vec<_> = states.map(|state| state.path().join("catalog.bin")).filter(|file| file.exists()).collect();
    assert_eq!(catalogs.len(), 1, "{catalogs:?}");
    std::fs::write(&catalogs[0], "torn").unwrap();
    stage.write("site/keel.toml", "name = \"another\"\n");
    stage.manifest("purge host max=5");
    let done = stage.run("apply", &[]).expect(0);
    assert!(done.out.contains("nothing is purged") && done.out.contains("catalog.bin"), "{}", done.out);
    assert_eq!(stage.read("etc/hosts").as_deref(), Some(HOSTS));
}

#[test]
fn names_to_keep_stay() {
    let stage = stage("let site=old\npurge host max=5 {\n keep \"db-*\" \"{{ site }}-2\"\n}");
    stage.run("apply", &[]).expect(0);
    let hosts = stage.read("etc/hosts").unwrap();
    assert!(hosts.contains("db-1") && hosts.contains("old-2") && !hosts.contains("old-1"), "{hosts}");
}

#[test]
fn a_module_that_is_noop_or_out_of_its_hours_removes_nothing() {
    for how in ["noop=#true", "schedule=never"] {
        let stage = stage(&format!("schedule never range=\"00:00-00:01\" days=\"mon\" timezone=\"UTC\"\nuse m {how}"));
        stage.write("site/modules/m/module.kdl", "module m {\n    purge host max=5\n}\n");
        stage.run("apply", &["--only", "m"]).expect(0);
        assert_eq!(stage.read("etc/hosts").as_deref(), Some(HOSTS), "{how}");
        assert!(stage.run("plan", &[]).expect(0).out.contains("old-1"), "{how}");
    }
}

#[test]
fn what_a_package_brought_stays_and_what_was_removed_comes_back() {
    let stage = Stage::new("purge limits max=5\nlimits mine domain=\"*\" {\n both { nofile 1024; }\n}");
    stage.write("root/etc/security/limits.d/packaged.conf", "* - nproc 1\n");
    stage.write("root/etc/security/limits.d/stray.conf", "* - nproc 2\n");
    stage.write("root/var/lib/dpkg/info/p.list", "/etc/security/limits.d/packaged.conf\n");
    stage.run("apply", &[]).expect(0);
    let there = |name: &str| stage.root().join(format!("etc/security/limits.d/{name}.conf")).exists();
    assert!(there("packaged") && there("mine") && !there("stray"));
    let undone = stage.keel(&["undo", "last", "--root", stage.root().to_str().unwrap()]).expect(0);
    assert!(there("stray"), "{}", undone.out);
}

#[test]
fn what_cannot_be_listed_loses_nothing_and_the_rest_goes_on() {
    let stage = stage("purge host max=5\nfile \"/a\" content=\"a\"");
    std::fs::write(stage.root().join("etc/hosts"), b"10.0.0.2\told-1\n\xff\xfe\n").unwrap();
    let done = stage.run("apply", &[]).expect(0);
    assert!(done.out.contains("warning: nothing of the type host is purged"), "{}", done.out);
    assert_eq!((stage.read("a").as_deref(), std::fs::read(stage.root().join("etc/hosts")).unwrap().len()), (Some("a"), 18));
}
