//! Scenarios of a cluster's configuration, on a file.

use keel_engine::value::Value;

use super::scenarios::{Needs, Scenario, table, text};
use crate::trial::{Trial, list};

/// One thing of every type, named `old`, and resources beside them; no constraint names `d3`, so that it can go or be cloned.
const CIB: &[(&str, &str)] = &[(
    "/var/lib/pacemaker/cib/cib.xml",
    r##"<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" epoch="1" num_updates="0" admin_epoch="0"><configuration>
<crm_config><cluster_property_set id="cib-bootstrap-options"><nvpair id="p" name="old" value="1"/></cluster_property_set></crm_config>
<rsc_defaults><meta_attributes id="r"><nvpair id="r1" name="old" value="1"/></meta_attributes></rsc_defaults>
<op_defaults><meta_attributes id="d"><nvpair id="d1" name="old" value="1"/></meta_attributes></op_defaults>
<nodes><node id="1" uname="n1"><instance_attributes id="n"><nvpair id="n2" name="old" value="1"/></instance_attributes></node></nodes>
<resources>
<template id="old-template" class="ocf" provider="pacemaker" type="Dummy"/>
<primitive id="a" class="ocf" provider="pacemaker" type="Dummy"/>
<primitive id="b" class="ocf" provider="pacemaker" type="Dummy"><operations><op id="b1" name="monitor" interval="5s"/></operations></primitive>
<primitive id="d3" class="ocf" provider="pacemaker" type="Dummy"/>
<group id="old-group"><primitive id="c" class="ocf" provider="pacemaker" type="Dummy"/></group>
<clone id="old-clone"><primitive id="d2" class="ocf" provider="pacemaker" type="Dummy"/></clone>
<bundle id="old-bundle"><podman image="x"/></bundle>
</resources>
<constraints>
<rsc_location id="old-location" rsc="a" node="n1" score="1"/><rsc_colocation id="old-colocation" rsc="a" with-rsc="b" score="1"/>
<rsc_order id="old-order" first="a" then="b"/><rsc_ticket id="old-ticket" rsc="a" ticket="t"/>
</constraints>
<fencing-topology><fencing-level id="old-level" target="n1" index="1" devices="a"/></fencing-topology>
<acls><acl_role id="old-role"><acl_permission id="acl" kind="read" xpath="/cib"/></acl_role></acls>
<tags><tag id="old-tag"><obj_ref id="a"/></tag></tags>
<alerts><alert id="old-alert" path="/bin/true"/></alerts>
</configuration><status/></cib>
"##,
)];

type Attributes = fn(&Trial) -> Vec<(&'static str, Value)>;

fn base(type_name: &'static str, title: &'static str, attributes: Attributes, changes: &'static [&'static str]) -> Scenario {
    Scenario { type_name, title, files: CIB, attributes, changes, also_writes: &["/var/lib/pacemaker", "/run"], needs: Needs::Pacemaker }
}

fn gone(type_name: &'static str, title: &'static str) -> Scenario {
    base(type_name, title, |_| vec![("ensure", text("absent"))], &["- ensure"])
}

/// Parameters, meta attributes and what is taken of a node.
fn agent() -> Vec<(&'static str, Value)> {
    vec![
        ("agent", text("ocf:pacemaker:Dummy")),
        ("params", table(&[("fake", text("x"))])),
        ("meta", table(&[("note", text("y"))])),
        ("utilization", table(&[("cpu", text("2"))])),
    ]
}

pub(super) fn scenarios() -> Vec<Scenario> {
    [settings(), resources(), constraints(), others()].into_iter().flatten().collect()
}

fn settings() -> Vec<Scenario> {
    let value = |_: &Trial| vec![("value", text("x"))];
    vec![
        base("pcmk_property", "new", value, &["+ ensure", "+ value"]),
        base("pcmk_property", "old", value, &["~ value"]),
        gone("pcmk_property", "old"),
        base("pcmk_rsc_default", "new", value, &["+ ensure", "+ value"]),
        gone("pcmk_rsc_default", "old"),
        base("pcmk_op_default", "new", value, &["+ ensure", "+ value"]),
        gone("pcmk_op_default", "old"),
        base("pcmk_node", "n1", |_| vec![("maintenance", Value::Bool(true))], &["+ maintenance"]),
        base("pcmk_node", "n2", |_| vec![("id", Value::Int(2))], &["+ ensure", "+ id"]),
        base("pcmk_node_attribute", "rack", |_| vec![("node", text("n1")), ("value", text("x"))], &["+ ensure", "+ value"]),
        base("pcmk_node_attribute", "old", |_| vec![("node", text("n1")), ("ensure", text("absent"))], &["- ensure"]),
    ]
}

fn resources() -> Vec<Scenario> {
    const MADE: &[&str] = &["+ ensure", "+ agent", "+ params.fake", "+ meta.note", "+ utilization.cpu"];
    vec![
        base("pcmk_primitive", "new", |_| agent(), MADE),
        base(
            "pcmk_primitive",
            "b",
            |_| vec![("agent", text("ocf:pacemaker:Dummy")), ("op", table(&[("monitor", table(&[("interval", text("9s"))]))]))],
            &["~ op.monitor.interval"],
        ),
        gone("pcmk_primitive", "d3"),
        base("pcmk_template", "new", |_| agent(), MADE),
        gone("pcmk_template", "old-template"),
        base(
            "pcmk_group",
            "new",
            |_| vec![("members", list(&["a", "b"])), ("meta", table(&[("note", text("y"))])), ("params", table(&[("x", text("y"))]))],
            &["+ ensure", "+ params.x", "+ meta.note", "+ members"],
        ),
        gone("pcmk_group", "old-group"),
        base(
            "pcmk_clone",
            "new",
            |_| vec![("resource", text("d3")), ("meta", table(&[("note", text("y"))])), ("params", table(&[("x", text("y"))]))],
            &["+ ensure", "+ params.x", "+ meta.note", "+ resource"],
        ),
        gone("pcmk_clone", "old-clone"),
        base(
            "pcmk_bundle",
            "new",
            |_| {
                let container = ("podman", table(&[("image", text("i"))]));
                vec![container, ("meta", table(&[("note", text("y"))])), ("params", table(&[("x", text("y"))]))]
            },
            &["+ ensure", "+ params.x", "+ meta.note", "+ podman.image"],
        ),
        gone("pcmk_bundle", "old-bundle"),
    ]
}

fn constraints() -> Vec<Scenario> {
    vec![
        base(
            "pcmk_location",
            "new",
            |_| vec![("rsc", text("a")), ("rule", table(&[("score", Value::Int(5)), ("expression", text("#uname eq n1"))]))],
            &["+ ensure", "+ rsc", "+ rule.score", "+ rule.expression"],
        ),
        gone("pcmk_location", "old-location"),
        base(
            "pcmk_colocation",
            "old-colocation",
            |_| vec![("rsc", text("a")), ("with_rsc", text("b")), ("score", Value::Int(2))],
            &["~ score"],
        ),
        gone("pcmk_colocation", "old-colocation"),
        base(
            "pcmk_order",
            "new",
            |_| vec![("set", table(&[("s", table(&[("resources", list(&["a", "b"]))]))]))],
            &["+ ensure", "+ set.1.resources"],
        ),
        gone("pcmk_order", "old-order"),
        base("pcmk_ticket", "new", |_| vec![("ticket", text("t")), ("rsc", text("a"))], &["+ ensure", "+ ticket", "+ rsc"]),
        base("pcmk_ticket", "old-ticket", |_| vec![("ticket", text("t")), ("ensure", text("absent"))], &["- ensure"]),
    ]
}

fn others() -> Vec<Scenario> {
    vec![
        base(
            "pcmk_fencing_topology",
            "new",
            |_| vec![("target", text("n2")), ("index", Value::Int(1)), ("devices", list(&["a", "b"]))],
            &["+ ensure", "+ target", "+ index", "+ devices"],
        ),
        base("pcmk_fencing_topology", "old-level", |_| vec![("index", Value::Int(1)), ("ensure", text("absent"))], &["- ensure"]),
        base("pcmk_acl", "ada", |_| vec![("kind", text("user")), ("roles", list(&["old-role"]))], &["+ ensure", "+ kind", "+ roles"]),
        base("pcmk_acl", "old-role", |_| vec![("kind", text("role")), ("ensure", text("absent"))], &["- ensure"]),
        base("pcmk_tag", "old-tag", |_| vec![("resources", list(&["a", "b"]))], &["~ resources"]),
        gone("pcmk_tag", "old-tag"),
        base(
            "pcmk_alert",
            "new",
            |_| {
                let recipient = table(&[("ops", table(&[("value", text("ops@example.org"))]))]);
                let (params, meta) = (table(&[("x", text("y"))]), table(&[("note", text("y"))]));
                vec![("path", text("/bin/true")), ("recipient", recipient), ("params", params), ("meta", meta)]
            },
            &["+ ensure", "+ path", "+ params.x", "+ meta.note", "+ recipient.ops.value"],
        ),
        base("pcmk_alert", "old-alert", |_| vec![("path", text("/bin/true")), ("ensure", text("absent"))], &["- ensure"]),
    ]
}
