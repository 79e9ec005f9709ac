//! Catalogs converged on files by Pacemaker's own tools.

use super::super::tree::Node;
use super::*;

const EMPTY: &str = r#"<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" epoch="1" num_updates="0" admin_epoch="0">
  <configuration><crm_config/><nodes/><resources/><constraints/></configuration><status/></cib>"#;
const CIB: &str = "/var/lib/pacemaker/cib/cib.xml";

/// A scratch host with this configuration; none, with a word on it, where Pacemaker's tools are not installed.
fn cluster(cib: &str) -> Option<Trial> {
    let trial = Trial::with_pacemaker()?;
    trial.write(CIB, cib);
    Some(trial)
}

fn read(trial: &Trial) -> Cib {
    Cib::parse(&trial.read(CIB)).unwrap()
}

type Looks = Vec<Result<Vec<Change>, String>>;

fn look(host: &Host, resources: &[Resource]) -> Looks {
    let group = TYPES[0]
        .group(&resources.iter().collect::<Vec<_>>())
        .unwrap_or_else(|(at, errors)| panic!("{}: {errors:?}", resources[at].address));
    let members: Vec<usize> = (0..resources.len()).collect();
    group.observe(host, &members).into_iter().map(|look| look.map_err(|error| format!("{:?}", error.failure()))).collect()
}

/// Makes it so, all at once, and checks that nothing is left to do.
fn converge(host: &Host, resources: &[Resource]) -> Vec<Vec<Change>> {
    let group = TYPES[0]
        .group(&resources.iter().collect::<Vec<_>>())
        .unwrap_or_else(|(at, errors)| panic!("{}: {errors:?}", resources[at].address));
    let changes: Vec<Vec<Change>> = look(host, resources).into_iter().map(|look| look.unwrap()).collect();
    let works: Vec<(usize, &[Change])> =
        changes.iter().enumerate().filter(|(_, changes)| !changes.is_empty()).map(|(at, changes)| (at, changes.as_slice())).collect();
    group.observe(host, &(0..resources.len()).collect::<Vec<_>>());
    if !works.is_empty() {
        assert_eq!(group.apply(host, &works), vec![Ok(()); works.len()]);
    }
    for (look, resource) in look(host, resources).into_iter().zip(resources) {
        assert_eq!(look, Ok(vec![]), "{} is not as it was made", resource.address);
    }
    changes
}

fn address(id: &str, ip: &str) -> Resource {
    let attributes = [
        ("agent", Value::from("ocf:heartbeat:IPaddr2")),
        ("params", table(&[("ip", Value::from(ip))])),
        ("op", table(&[("monitor", table(&[("interval", Value::from("10s"))]))])),
    ];
    resource("pcmk_primitive", id, map(&attributes))
}

#[test]
fn two_hundred_elements_come_in_one_patch() {
    let Some(trial) = cluster(EMPTY) else { return };
    let mut resources = Vec::new();
    for number in 0..100 {
        resources.push(address(&format!("vip-{number}"), &format!("10.0.0.{number}")));
        let attributes = [("rsc", Value::from(format!("vip-{number}"))), ("node", Value::from("n1")), ("score", Value::Int(number))];
        resources.push(resource("pcmk_location", &format!("where-{number}"), map(&attributes)));
    }
    converge(&trial.host, &resources);
    assert_eq!(read(&trial).version(), (0, 2), "one epoch after the first");
}

#[test]
fn resources_move_between_groups_and_clones_and_keep_their_ids() {
    let Some(trial) = cluster(EMPTY) else { return };
    let group = |members: &[&str]| resource("pcmk_group", "g", map(&[("members", Value::from(members.to_vec()))]));
    let clone = |attributes: &[(&str, Value)]| resource("pcmk_clone", "c", map(attributes));
    let [a, b] = [address("a", "10.0.0.1"), address("b", "10.0.0.2")];
    converge(&trial.host, &[group(&["a", "b"]), clone(&[("resource", Value::from("g"))]), a.clone(), b.clone()]);
    let inside = |cib: &Cib, id: &str| cib.with_id(id)[0].children.iter().filter_map(Node::id).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!((inside(&read(&trial), "c"), inside(&read(&trial), "g")), (vec!["g".to_owned()], vec!["a".to_owned(), "b".to_owned()]));

    // Ids that others gave stay when values change.
    let renamed = trial.read(CIB).replace("a-instance_attributes-ip", "made-by-hand");
    trial.write(CIB, &renamed);
    let changes = converge(&trial.host, &[group(&["b"]), clone(&[("ensure", Value::from("absent"))]), address("a", "10.0.0.9"), b]);
    assert_eq!(changes[2][0].attribute, "params.ip");
    assert_eq!(inside(&read(&trial), "g"), ["b"]);
    assert!(read(&trial).with_id("c").is_empty());
    assert!(read(&trial).with_id("made-by-hand")[0].attribute("value") == Some("10.0.0.9"));
    let top: Vec<String> = read(&trial).section("resources").unwrap().children.iter().filter_map(Node::id).map(str::to_owned).collect();
    assert_eq!(top, ["g", "a"]);
}

#[test]
fn settings_go_into_their_sets_and_out_again() {
    let Some(trial) = cluster(EMPTY) else { return };
    let property = |value: Value| resource("pcmk_property", "stonith-enabled", map(&[("value", value)]));
    let night = [
        ("name", Value::from("resource-stickiness")),
        ("value", Value::Int(0)),
        ("set", Value::from("night")),
        ("score", Value::Int(10)),
        ("rule", Value::from("date spec hours=2-4")),
    ];
    let night = resource("pcmk_rsc_default", "at night", map(&night));
    let node = resource("pcmk_node", "n1", map(&[("id", Value::Int(1)), ("standby", Value::Bool(true))]));
    let rack = resource("pcmk_node_attribute", "rack", map(&[("node", Value::from("n1")), ("value", Value::from("a"))]));
    converge(&trial.host, &[property(Value::Bool(true)), night.clone(), node, rack]);
    let changes = converge(&trial.host, &[property(Value::Bool(false)), night]);
    assert_eq!(changes[0][0].attribute, "value");
    let gone = resource(
        "pcmk_rsc_default",
        "at night",
        map(&[("name", Value::from("resource-stickiness")), ("set", Value::from("night")), ("ensure", Value::from("absent"))]),
    );
    converge(&trial.host, &[gone]);
    assert!(read(&trial).with_id("night").is_empty());
    assert_eq!(read(&trial).node("n1").unwrap().child("instance_attributes").unwrap().children.len(), 2);
}

#[test]
fn a_user_may_be_called_what_a_resource_is_called() {
    let Some(trial) = cluster(EMPTY) else { return };
    let permission = table(&[("all", table(&[("kind", Value::from("read")), ("xpath", Value::from("/cib"))]))]);
    let role = resource("pcmk_acl", "operator", map(&[("kind", Value::from("role")), ("permission", permission)]));
    let user = |ensure: &str| {
        let attributes = [("kind", Value::from("user")), ("roles", Value::from(vec!["operator"])), ("ensure", Value::from(ensure))];
        resource("pcmk_acl", "vip", map(&attributes))
    };
    converge(&trial.host, &[address("vip", "10.0.0.1"), role, user("present")]);
    assert_eq!(read(&trial).section("acls").unwrap().children.iter().filter_map(Node::id).collect::<Vec<_>>(), ["operator", "vip"]);
    converge(&trial.host, &[user("absent")]);
    assert_eq!(read(&trial).section("acls").unwrap().children.iter().filter_map(Node::id).collect::<Vec<_>>(), ["operator"]);
    assert_eq!(read(&trial).with_id("vip").len(), 1);
}

#[test]
fn what_is_wrong_is_told_and_the_cluster_is_not_touched() {
    let Some(trial) = cluster(EMPTY) else { return };
    let primitive = |agent: &str, parameter: &str| {
        resource(
            "pcmk_primitive",
            "x",
            map(&[("agent", Value::from(agent)), ("params", table(&[("ip", Value::from("10.0.0.1")), (parameter, Value::Int(1))]))]),
        )
    };
    let colocation = |with: &str| {
        resource(
            "pcmk_colocation",
            "together",
            map(&[("rsc", Value::from("a")), ("with_rsc", Value::from(with)), ("score", Value::from("INFINITY"))]),
        )
    };
    let tag = |id: &str, of: &str| resource("pcmk_tag", id, map(&[("resources", Value::from(of))]));
    let before = trial.read(CIB);
    for (resources, part) in [
        (vec![primitive("ocf:heartbeat:Nope", "nic")], "there is no agent ocf:heartbeat:Nope on this host"),
        (vec![primitive("ocf:heartbeat:IPaddr2", "ipp")], "the agent ocf:heartbeat:IPaddr2 has no parameter ipp"),
        (vec![address("a", "10.0.0.1"), colocation("nothing")], "with_rsc names nothing, and there is no such resource"),
        (vec![address("a", "10.0.0.1"), address("b", "10.0.0.2"), tag("a", "b")], "the id a is that of"),
        (vec![resource("pcmk_group", "g", map(&[("members", Value::from("g"))]))], "g stands in itself"),
        (vec![resource("pcmk_clone", "c", Map::new())], "Pacemaker refuses the configuration: "),
        (vec![resource("pcmk_node", "n9", map(&[("standby", Value::Bool(true))]))], "the cluster does not know a node n9"),
    ] {
        let looks = look(&trial.host, &resources);
        let last = looks.last().unwrap().clone().unwrap_err();
        assert!(last.contains(part), "{part:?} is not in {last}");
        // What nothing is wrong with stays out too, but for what waits for a node or an agent.
        let may_come = part.contains("node n9") || part.contains("there is no agent");
        let resources = if may_come { resources } else { [vec![address("first", "10.0.0.3")], resources].concat() };
        let group = TYPES[0].group(&resources.iter().collect::<Vec<_>>()).unwrap_or_else(|_| panic!());
        let members: Vec<usize> = (0..resources.len()).collect();
        let looks = group.observe(&trial.host, &members);
        let differ = |member: &usize| matches!(&looks[*member], Ok(changes) if !changes.is_empty()) && group.held(*member).is_none();
        assert_eq!(members.iter().copied().filter(differ).count(), 0, "{part}: {looks:?}");
        if !last.contains("agent") {
            let works: Vec<(usize, &[Change])> = members.iter().map(|&member| (member, &[][..])).collect();
            assert!(group.apply(&trial.host, &works).iter().all(Result::is_err), "{part}");
        }
    }
    assert_eq!(trial.read(CIB), before);
    let errors =
        |attributes: Map| TYPES[0].group(&[&resource("pcmk_primitive", "x", attributes)]).err().map(|(_, errors)| format!("{errors:?}"));
    let odd = map(&[("agent", Value::from("ocf:heartbeat:Dummy")), ("op", table(&[("monitor", table(&[("intervall", Value::Int(1))]))]))]);
    assert!(errors(odd).unwrap().contains("has no `intervall`"));
    assert!(errors(map(&[("agent", Value::from("IPaddr2"))])).unwrap().contains("is no agent"));
}

#[test]
fn of_many_that_go_together_the_one_that_is_refused_says_why() {
    let Some(trial) = cluster(EMPTY) else { return };
    let mut resources: Vec<Resource> = (0..20).map(|number| address(&format!("vip-{number}"), &format!("10.0.0.{number}"))).collect();
    resources.insert(13, resource("pcmk_clone", "c", Map::new()));
    let group = TYPES[0].group(&resources.iter().collect::<Vec<_>>()).unwrap_or_else(|_| panic!());
    let members: Vec<usize> = (0..resources.len()).collect();
    let looks = group.observe(&trial.host, &members);
    for (at, look) in looks.iter().enumerate() {
        match (at, look) {
            (13, Err(error)) => assert!(error.failure().message.starts_with("Pacemaker refuses the configuration"), "{error:?}"),
            (_, Ok(changes)) => assert_eq!(changes[0].attribute, "ensure"),
            (_, Err(error)) => panic!("{at}: {error:?}"),
        }
    }
    let held: Vec<usize> = members.iter().copied().filter(|&member| group.held(member).is_some()).collect();
    assert_eq!(held, members.iter().copied().filter(|&member| member != 13).collect::<Vec<_>>());
    assert!(group.held(0).unwrap().ends_with("with the clone c, which is refused"), "{:?}", group.held(0));
    let works: Vec<(usize, &[Change])> = members.iter().map(|&member| (member, &[][..])).collect();
    let told: Vec<String> = group.apply(&trial.host, &works).into_iter().map(|done| done.unwrap_err().message).collect();
    assert_eq!(told.iter().filter(|message| message.starts_with("Pacemaker refuses")).count(), 1, "{told:?}");
    assert_eq!(read(&trial).version(), (0, 1), "nothing was changed");
    // Without it the others are there at the next look.
    resources.remove(13);
    converge(&trial.host, &resources);
}

#[test]
fn what_nobody_declares_is_listed_for_a_purge_without_what_the_cluster_keeps_for_itself() {
    let keeps = r#"<crm_config><cluster_property_set id="o"><nvpair id="v" name="dc-version" value="2"/><nvpair id="q" name="no-quorum-policy" value="stop"/></cluster_property_set></crm_config>"#;
    let nodes = r#"<nodes><node id="1" uname="n1"><instance_attributes id="a"><nvpair id="s" name="standby" value="on"/><nvpair id="r" name="rack" value="1"/></instance_attributes></node></nodes>"#;
    let resources = r#"<resources><primitive id="vip" class="ocf" provider="heartbeat" type="IPaddr2"/></resources>"#;
    let text = EMPTY.replace("<crm_config/>", keeps).replace("<nodes/>", nodes).replace("<resources/>", resources);
    let Some(trial) = cluster(&text) else { return };
    let mut listed: Vec<String> = Vec::new();
    for kind in TYPES {
        let Some(list) = kind.removable() else { continue };
        for Described { title, attributes } in list(&trial.host).unwrap().things {
            let mut attributes = attributes;
            attributes.insert("ensure".to_owned(), Value::from("absent"));
            listed.push(format!("{} {title}", kind.name));
            converge(&trial.host, &[resource(kind.name, &title, attributes)]);
        }
    }
    assert_eq!(listed, ["pcmk_property no-quorum-policy", "pcmk_node_attribute n1 rack", "pcmk_primitive vip"]);
    let left = described(&read(&trial)).unwrap();
    let left: Vec<String> = left.iter().map(|resource| resource.address.to_string()).collect();
    assert_eq!(left, [r#"pcmk_property "dc-version""#, r#"pcmk_node "n1""#, r#"pcmk_node_attribute "n1 standby""#]);
}

/// Two nodes on which a resource runs.
fn running() -> String {
    let state = |id: &str, history: &str| {
        format!(
            r#"<node_state id="{id}" uname="n{id}" in_ccm="true" crmd="online" join="member" expected="member"><lrm id="{id}"><lrm_resources>{history}</lrm_resources></lrm></node_state>"#
        )
    };
    let operation = |kind: &str, rc: u32, interval: u32| {
        format!(
            r#"<lrm_rsc_op id="vip_{kind}" operation_key="vip_{kind}_{interval}" operation="{kind}" crm_feature_set="3.16.1" transition-key="1:1:0:a" transition-magic="0:{rc};1:1:0:a" call-id="1" rc-code="{rc}" op-status="0" interval="{interval}" on_node="n1"/>"#
        )
    };
    let on =
        |operations: &str| format!(r#"<lrm_resource id="vip" class="ocf" provider="heartbeat" type="IPaddr2">{operations}</lrm_resource>"#);
    let status = state("1", &on(&operation("start", 0, 0))) + &state("2", &on(&operation("monitor", 7, 0)));
    EMPTY
        .replace("<nodes/>", r#"<nodes><node id="1" uname="n1"/><node id="2" uname="n2"/></nodes>"#)
        .replace("<crm_config/>", r#"<crm_config><cluster_property_set id="o"><nvpair id="s" name="stonith-enabled" value="false"/></cluster_property_set></crm_config>"#)
        .replace("<resources/>", r#"<resources><primitive id="vip" class="ocf" provider="heartbeat" type="IPaddr2"><instance_attributes id="i"><nvpair id="ip" name="ip" value="10.0.0.1"/></instance_attributes></primitive></resources>"#)
        .replace("<status/>", &format!("<status>{status}</status>"))
        .replace(r#"admin_epoch="0""#, r#"admin_epoch="0" have-quorum="1" dc-uuid="1""#)
}

#[test]
fn a_plan_says_what_pacemaker_would_do_and_refuses_what_nobody_asked_for() {
    let Some(trial) = cluster(&running()) else { return };
    let location = |may_stop: &[&str], rsc: &str| {
        resource(
            "pcmk_location",
            "off",
            map(&[
                ("rsc", Value::from(rsc)),
                ("node", Value::from("n1")),
                ("score", Value::from("-INFINITY")),
                ("may_stop", Value::from(may_stop.to_vec())),
            ]),
        )
    };
    let said = |looks: &Looks| {
        looks
            .iter()
            .flatten()
            .flatten()
            .filter(|change| change.attribute == "then")
            .map(|change| change.after.summary())
            .collect::<Vec<_>>()
    };
    // What names a resource may move it.
    let looks = look(&trial.host, &[location(&[], "vip"), address("other", "10.0.0.2")]);
    let said_of = said(&looks);
    assert!(
        said_of.contains(&"move vip from n1 to n2".to_owned()) && said_of.iter().any(|said| said.starts_with("start other on")),
        "{looks:?}"
    );

    let property = |may_stop: &[&str]| {
        resource("pcmk_property", "stop-all-resources", map(&[("value", Value::Bool(true)), ("may_stop", Value::from(may_stop.to_vec()))]))
    };
    let refused = look(&trial.host, &[property(&[])]).remove(0).unwrap_err();
    assert!(refused.contains("Pacemaker would stop vip on n1"), "{refused}");
    assert_eq!(said(&look(&trial.host, &[property(&["vip"])])), ["stop vip on n1"]);

    let group = TYPES[0].group(&[&property(&[])]).unwrap_or_else(|_| panic!());
    group.observe(&trial.host, &[0]);
    assert_eq!(group.warnings().len(), 1, "fencing is off");
    assert!(group.apply(&trial.host, &[(0, &[])])[0].is_err());
    assert_eq!(read(&trial).version(), (0, 1), "nothing was changed");
}

#[test]
fn what_runs_can_be_removed_though_pacemaker_warns_of_it() {
    let Some(trial) = cluster(&running()) else { return };
    let gone = resource("pcmk_primitive", "vip", map(&[("ensure", Value::from("absent"))]));
    converge(&trial.host, &[gone]);
    assert!(read(&trial).with_id("vip").is_empty());
}

#[test]
fn a_node_that_nobody_wants_fenced_is_not() {
    let lost = r#"uname="n2" in_ccm="false" crmd="offline" join="member" expected="member""#;
    let text = running().replace(r#"uname="n2" in_ccm="true" crmd="online" join="member" expected="member""#, lost);
    let text = text.replace("</resources>", r#"<primitive id="device" class="stonith" type="fence_xvm"/></resources>"#);
    let Some(trial) = cluster(&text) else { return };
    let fencing = |may_stop: &[&str]| {
        let attributes = [("value", Value::Bool(true)), ("may_stop", Value::from(may_stop.to_vec()))];
        look(&trial.host, &[resource("pcmk_property", "stonith-enabled", map(&attributes))]).remove(0)
    };
    let refused = fencing(&["vip", "device"]).unwrap_err();
    assert!(refused.contains("the node n2") && refused.contains("fence"), "{refused}");
    let allowed = fencing(&["n2", "vip", "device"]).unwrap();
    assert!(allowed.iter().any(|change| change.after.summary().contains("the node n2")), "{allowed:?}");
}

#[test]
fn secrets_go_into_the_cluster_and_nowhere_else() {
    let Some(trial) = cluster(EMPTY) else { return };
    let secret = |text: &str| Value::Secret(keel_engine::secret::Secret::new(text.to_owned()));
    let with = |text: &str| {
        resource(
            "pcmk_primitive",
            "db",
            map(&[
                ("agent", Value::from("ocf:heartbeat:mysql")),
                ("params", table(&[("test_passwd", secret(text)), ("user", secret("ada-7f3a"))])),
            ]),
        )
    };
    let first = converge(&trial.host, &[with("canary-1")]);
    let second = converge(&trial.host, &[with("canary-2")]);
    let shown = format!("{first:?} {second:?}");
    assert!(!shown.contains("canary") && !shown.contains("ada-7f3a"), "{shown}");
    assert!(trial.read(CIB).contains("canary-2"));
}

#[test]
fn what_the_tools_made_is_described_and_means_nothing_to_do() {
    let Some(trial) = cluster(&running()) else { return };
    let resources = described(&read(&trial)).unwrap();
    assert!(resources.iter().any(|resource| &*resource.address.title == "vip"));
    assert!(look(&trial.host, &resources).iter().all(|look| *look == Ok(vec![])), "{:?}", look(&trial.host, &resources));
}
