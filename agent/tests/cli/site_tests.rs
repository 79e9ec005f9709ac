//! `keel test`: what holds, what fails and where, how much is reached, and what does not converge.

use serde_json::Value;

use crate::formats::judge_printed;
use crate::stage::Stage;

fn stage(tests: &str) -> Stage {
    let stage = Stage::new("    file \"/etc/app.conf\" content=\"port = {{ port }}\\n\" mode=\"0640\"\n    use spare when=\"port == 1\"");
    stage.write("site/inventory/groups/all.toml", "[vars]\nport = 80\n");
    stage.write("site/modules/spare/module.kdl", "module spare {\n    file \"/etc/spare\" content=x\n}\n");
    stage.write("site/tests/app.kdl", tests);
    stage
}

const GOOD: &str = "test \"the port is given\" {\n    host h\n    variables {\n        port 8080\n    }\n    contains (file)\"/etc/app.conf\" content=\"port = 8080\\n\"\n}\n";
const BAD: &str = "test \"the mode is open\" {\n    host h\n    contains (file)\"/etc/app.conf\" mode=\"0644\"\n}\n";

#[test]
fn what_holds_and_what_fails_is_said_with_its_place() {
    let stage = stage(GOOD);
    let good = stage.keel(&["test"]).expect(0);
    assert!(good.out.contains("holds  the port is given (h)") && good.out.contains("stage: 1 test, all hold"), "{}", good.out);
    assert!(good.out.contains("coverage: 0 of 1 module, 1 of 2 resources"), "{}", good.out);
    assert!(good.out.contains("not reached: file \"/etc/spare\" (modules/spare/module.kdl:2)"), "{}", good.out);
    stage.write("site/tests/bad.kdl", BAD);
    let bad = stage.keel(&["test"]).expect(4);
    for part in
        ["fails  the mode is open (h)", "KE0904", "tests/bad.kdl:3:", "manifests/site.kdl:2:", "expected `0644`", "2 tests, 1 failed"]
    {
        assert!(bad.out.contains(part), "{part} is missing in\n{}", bad.out);
    }
    stage.keel(&["test", "--only", "port"]).expect(0);
    assert!(stage.keel(&["test", "--only", "nothing"]).expect(64).err.contains("none of the 2 tests"));
}

#[test]
fn the_same_is_told_in_all_forms() {
    let stage = stage(&format!("{GOOD}{BAD}"));
    let json: Value = serde_json::from_str(&stage.keel(&["test", "--json"]).expect(4).out).unwrap();
    assert_eq!(json["tests"][0]["holds"], true);
    let converged = stage.keel(&["test", "--converge", "--drifts", "2", "--json"]).expect(4).out;
    judge_printed("test.json", &converged);
    assert_eq!(json["tests"][1]["cases"][0]["failures"][0]["labels"][0]["start"]["line"], 10);
    assert_eq!((&json["coverage"]["resources"]["all"], &json["coverage"]["resources"]["reached"]), (&Value::from(2), &Value::from(1)));
    assert_eq!(json["coverage"]["modules"]["missed"][0], "spare");
    let junit = stage.keel(&["test", "--format", "junit"]).expect(4).out;
    assert!(junit.contains("<testsuites name=\"keel test stage\" tests=\"2\" failures=\"1\" errors=\"0\">"), "{junit}");
    assert!(junit.contains("<testcase name=\"the mode is open [h]\" classname=\"tests/app.kdl\">"), "{junit}");
    let github = stage.keel(&["test", "--format", "github"]).expect(4).out;
    assert!(github.starts_with("::error file=tests/app.kdl,line=10,col="), "{github}");
    stage.keel(&["test", "--format", "junit", "-o", "out.xml"]).expect(4);
    assert_eq!(std::fs::read_to_string(stage.site().join("out.xml")).unwrap(), junit);
}

#[test]
fn tests_that_cannot_be_read_are_no_success() {
    let stage = stage("test \"x\" {\n    host h\n    contain (file)\"/x\"\n}\n");
    let wrong = stage.keel(&["test"]).expect(1);
    assert!(wrong.err.contains("did you mean `contains`?") && wrong.out.is_empty(), "{}", wrong.err);
    std::fs::remove_file(stage.site().join("tests/app.kdl")).unwrap();
    assert!(stage.keel(&["test"]).expect(1).err.contains("the site has no tests"));
    stage.keel(&["test", "--converge"]).expect(0);
}

#[test]
fn what_depends_on_the_start_is_found() {
    let stage = stage(GOOD);
    let good = stage.keel(&["test", "--converge", "--seed", "5"]).expect(0);
    assert!(good.out.contains("h: converges, 1 resource from 11 states (--seed 5)"), "{}", good.out);
    stage.manifest("    line \"one\" path=\"/etc/words\" line=one\n    line \"two\" path=\"/etc/words\" line=two\n    package curl");
    std::fs::remove_file(stage.site().join("tests/app.kdl")).unwrap();
    let bad = stage.keel(&["test", "--converge", "--seed", "5"]).expect(4);
    for part in ["h: does not converge", "left out: package 1", "KE0911", "manifests/site.kdl:2:", "/etc/words: line 1 is `", "--seed 5"] {
        assert!(bad.out.contains(part), "{part} is missing in\n{}", bad.out);
    }
    let annotations = stage.keel(&["test", "--converge", "--seed", "5", "--format", "github"]).expect(4);
    assert!(annotations.out.starts_with("::error file=manifests/site.kdl,line=2,"), "{}", annotations.out);
}

#[test]
fn facts_of_the_profile_are_assumed_where_no_run_is_made() {
    let stage = Stage::new("    file \"/etc/os\" content=\"{{ facts.os.codename }}\\n\"");
    stage.write("site/keel.toml", "name = \"stage\"\nprofile = \"profiles/sid.json\"\n");
    stage.write("site/profiles/sid.json", "{ \"os\": { \"codename\": \"sid\" } }\n");
    stage.write("site/tests/os.kdl", "test \"it is sid\" {\n    host h\n    contains (file)\"/etc/os\" content=\"sid\\n\"\n}\n");
    stage.keel(&["check"]).expect(0);
    stage.keel(&["test", "--converge"]).expect(0);
    assert!(stage.keel(&["compile", "--host", "h"]).expect(0).out.contains("sid"));
    // This machine is asked itself.
    assert!(!stage.keel(&["plan", "--host", "h", "--json"]).out.contains("sid\\n"));
}
