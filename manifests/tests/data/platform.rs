//! The operations platform of the project's second seed document: its groups of four kinds, its variables and
//! its template resolve as it says. Hosts there are called by their addresses; here they have names, and the
//! address is `host.address`.

use keel_engine::value::Value;
use keel_manifests::scope::Scope;
use keel_manifests::site_data::SiteInput;

use crate::support::load;

const SITE: [(&str, &str); 9] = [
    ("keel.toml", include_str!("../platform/keel.toml")),
    ("inventory/hosts.toml", include_str!("../platform/inventory/hosts.toml")),
    ("inventory/groups/all.toml", include_str!("../platform/inventory/groups/all.toml")),
    ("inventory/groups/js.toml", include_str!("../platform/inventory/groups/js.toml")),
    ("inventory/groups/bj.toml", include_str!("../platform/inventory/groups/bj.toml")),
    ("inventory/groups/set1.toml", include_str!("../platform/inventory/groups/set1.toml")),
    ("inventory/groups/mongodb.toml", include_str!("../platform/inventory/groups/mongodb.toml")),
    ("inventory/groups/new.toml", include_str!("../platform/inventory/groups/new.toml")),
    ("modules/web/templates/main.j2", include_str!("../platform/modules/web/templates/main.j2")),
];

fn host(name: &str, run: &[&str]) -> Scope {
    let (site, out) = load(&SITE, SiteInput { run_variables: run.iter().map(|text| (*text).to_owned()).collect(), ..SiteInput::default() });
    assert_eq!(out, []);
    site.scope(name).unwrap()
}

#[test]
fn a_region_is_a_table_used_by_its_dotted_names() {
    let scope = host("mongo-0", &[]);
    assert_eq!(scope.lookup("region.id"), Ok(Some(Value::Int(7001))));
    assert_eq!(scope.lookup("region.name"), Ok(Some(Value::from("js"))));
    assert_eq!(scope.lookup("region.mongodb.hosts"), Ok(Some(Value::from(vec!["172.27.117.201", "172.27.117.202", "172.27.117.203"]))));
    assert_eq!(scope.lookup("region.mongodb.port"), Ok(Some(Value::Int(27017))));
    assert_eq!(
        scope.evaluate("region.mongodb.hosts | map('regex_replace', '$', ':' ~ region.mongodb.port) | join(',')"),
        Ok(Value::from("172.27.117.201:27017,172.27.117.202:27017,172.27.117.203:27017"))
    );
}

#[test]
fn each_kind_of_group_beats_the_one_before() {
    // global < IDC < Set < custom < host < task
    for (name, run, expected) in [
        ("spare-0", &[][..], "global"),
        ("bj-0", &[], "idc"),
        ("set-0", &[], "set"),
        ("mongo-1", &[], "custom"),
        ("mongo-0", &[], "host"),
        ("mongo-0", &["level=task"], "task"),
    ] {
        assert_eq!(host(name, run).lookup("level"), Ok(Some(Value::from(expected))), "{name}");
    }
}

#[test]
fn hosts_of_one_set_have_their_roles() {
    for (name, id, priority, arbiter, role) in
        [("mongo-0", 0, 2, false, "primary"), ("mongo-1", 1, 1, false, "secondary"), ("mongo-2", 2, 0, true, "arbiter")]
    {
        let scope = host(name, &[]);
        assert_eq!(scope.lookup("id"), Ok(Some(Value::Int(id))));
        assert_eq!(scope.lookup("priority"), Ok(Some(Value::Int(priority))));
        assert_eq!(scope.lookup("arbiterOnly"), Ok(Some(Value::Bool(arbiter))));
        assert_eq!(scope.lookup("role"), Ok(Some(Value::from(role))));
    }
}

#[test]
fn the_template_is_filled_for_each_host() {
    let expected = |region: &str, set: &str, instance: &str, address: &str, limit: &str| {
        format!(
            "[common]\nregion = {region}\nset = {set}\ninstance = {instance}\n[network]\nlisten-ip = {address}\nfile_ulimit = {limit}\n"
        )
    };
    let render = |name: &str, run: &[&str]| host(name, run).render("web", "main.j2").unwrap().to_string();
    assert_eq!(render("mongo-0", &[]), expected("7001", "1", "0", "172.27.117.252", "65535"));
    assert_eq!(render("mongo-2", &[]), expected("7001", "1", "2", "172.27.117.247", "65535"));
    assert_eq!(render("bj-0", &[]), expected("7002", "0", "0", "10.7.0.1", "65535"));
    assert_eq!(render("mongo-0", &["global.file_ulimit=1024"]), expected("7001", "1", "0", "172.27.117.252", "1024"), "for one task");
}

#[test]
fn a_dynamic_group_takes_new_machines_by_itself() {
    let scope = host("bj-0", &[]);
    let members: Vec<_> = scope.site().inventory.members("new").iter().map(|host| host.name.to_string()).collect();
    assert_eq!(members, ["bj-0", "bj-1"]);
    assert_eq!(scope.lookup("state"), Ok(Some(Value::from("deploying"))));
}
