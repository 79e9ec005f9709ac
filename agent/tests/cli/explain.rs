//! `keel explain`: variables, resources and codes.

use crate::stage::Stage;

#[test]
fn a_variable_tells_who_won_and_who_lost() {
    let stage = Stage::new("file \"/a\" content=\"{{ port }}\"");
    stage.write("site/inventory/hosts.toml", "[hosts.h]\nvars = { port = 8081 }\n");
    stage.write("site/inventory/groups/all.toml", "[vars]\nport = 8080\n");
    let text = stage.keel(&["explain", "port", "--host", "h"]).expect(0).out;
    for part in ["port = 8081", "inventory/hosts.toml:2", "inventory/groups/all.toml:2", "8080"] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    let wrong = stage.keel(&["explain", "prot", "--host", "h"]).expect(64);
    assert!(wrong.err.contains("did you mean `port`"), "{}", wrong.err);
}

#[test]
fn a_parameter_tells_its_default_its_variable_and_its_use() {
    let stage = Stage::new("use web port=81");
    stage.write("site/inventory/hosts.toml", "[hosts.h]\nvars = { web = { port = 8081, name = \"w\" } }\n");
    stage.write("site/modules/web/module.kdl", "module web {\n param (port)port default=80\n param (string)name\n}\n");
    let text = stage.keel(&["explain", "web.port", "--host", "h"]).expect(0).out;
    for part in [
        "web.port = 81 ",
        "a parameter (port) of module web, used in manifests/site.kdl:2",
        "> use  81",
        "host  8081",
        "default  80  modules/web/module.kdl:2",
    ] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    let wrong = stage.keel(&["explain", "web.prot", "--host", "h"]).expect(64);
    assert!(wrong.err.contains("did you mean `web.port`"), "{}", wrong.err);
    let module = stage.keel(&["explain", "web", "--host", "h"]).expect(0);
    assert!(module.out.contains("web = "), "the table of that name: {}", module.out);
    stage.write("site/inventory/hosts.toml", "[hosts.h]\nvars = { name = \"w\" }\n");
    stage.manifest("use web name=w");
    let module = stage.keel(&["explain", "web", "--host", "h"]).expect(64);
    assert!(module.err.contains("its parameters, web.port, web.name"), "{}", module.err);
    let data = stage.keel(&["explain", "web.name", "--host", "h", "--json"]).expect(0).out;
    let data: serde_json::Value = serde_json::from_str(&data).unwrap();
    assert_eq!((data["value"].as_str(), data["parameter"]["module"].as_str()), (Some("w"), Some("web")));
}

#[test]
fn a_key_inside_of_a_parameter_is_explained_by_itself() {
    let stage = Stage::new("use web { limits { soft 1; hard 2; }; }");
    stage.write(
        "site/modules/web/module.kdl",
        "module web {\n param (map<int>)limits\n param (map<map<int>>)deep {\n default { a { b 7; }; }\n }\n}\n",
    );
    let explain = |what: &str| stage.keel(&["explain", what, "--host", "h"]);
    let given = explain("web.limits.hard").expect(0).out;
    assert!(given.contains("web.limits.hard = 2 ") && given.contains("> use  2") && given.contains("of module web"), "{given}");
    let default = explain("web.deep.a.b").expect(0).out;
    assert!(default.contains("web.deep.a.b = 7 ") && default.contains("> default  7"), "{default}");
    explain("web.limits.firm").expect(64);
    stage.manifest("use web");
    stage.write("site/inventory/hosts.toml", "[hosts.h]\nvars = { web = { limits = { soft = 3 } } }\n");
    let said = explain("web.limits.soft").expect(0).out;
    assert!(said.contains("web.limits.soft = 3 ") && said.contains("inventory/hosts.toml:2") && said.contains("of module web"), "{said}");
}

#[test]
fn a_resource_tells_its_order_and_its_last_outcome() {
    let stage = Stage::new("file \"/d\" ensure=directory\nfile \"/d/f\" content=\"x\"");
    stage.run("apply", &[]).expect(0);
    let root = stage.root();
    let text = stage.keel(&["explain", "(file)/d/f", "--host", "h", "--root", root.to_str().unwrap()]).expect(0).out;
    for part in ["manifests/site.kdl:3", "file \"/d\"  automatically, by path:/d", "changed"] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    // A run in which nothing happens does not take the answer away.
    stage.run("apply", &[]).expect(0);
    let later = stage.keel(&["explain", "(file)/d/f", "--host", "h", "--root", root.to_str().unwrap()]).expect(0).out;
    assert!(later.contains("last event") && later.contains("content  absent -> 1 line  new"), "{later}");
}

#[test]
fn a_resource_tells_which_other_hosts_it_waits_for() {
    let stage = Stage::new("");
    stage.write("site/inventory/hosts.toml", "[hosts.h]\n[hosts.other]\n");
    stage.write("site/manifests/site.kdl", "host h { file \"/a\" content=\"x\"; }\n");
    stage.write("site/manifests/other.kdl", "host other { file \"/z\" content=\"z\" { notify (file)\"/a\" host=h; }; }\n");
    let text = stage.keel(&["explain", "(file)/a", "--host", "h"]).expect(0).out;
    assert!(text.contains("file \"/z\" of host other  subscribe in manifests/other.kdl:1, restart"), "{text}");
}

#[test]
fn a_code_tells_what_it_means() {
    let stage = Stage::new("");
    assert!(stage.keel(&["explain", "KE0301"]).expect(0).out.starts_with("KE0301: "));
    stage.keel(&["explain", "KE9999"]).expect(64);
}
