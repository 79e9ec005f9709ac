//! A lease over what systemd does: a run that is killed alone leaves no process behind, and its restart goes on.

use std::time::{Duration, Instant};

use keel_tests::lab::{GATEWAY, Image, Lab};
use keel_tests::server::{CatalogServer, Client};
use serde_json::Value;

use crate::host::Host;
use crate::lab_galera_guard::join;

const PATIENCE: Duration = Duration::from_secs(120);

/// A member whose service takes its time to stop, and whose check finds nothing wrong meanwhile.
fn site(greeting: &str) -> String {
    format!(
        r#"
module member {{
    guard cluster members=slow-1 max=1 {{
        ready {{ paths "/etc/hostname"; }}
    }}
    file "/etc/slow.conf" content="{greeting}" notify=(service)slow
    systemd_unit "slow.service" {{
        section Service {{
            ExecStart "/bin/sleep infinity"
            ExecStop "/bin/sleep 45"
        }}
        before (service)slow
    }}
    service slow ensure=running guard=cluster
}}
host slow-1 {{
    use member
}}
"#
    )
}

fn held(operator: &Client) -> Option<Value> {
    let leases = operator.get("/operator/v1/leases").unwrap().json();
    leases["leases"].as_array().unwrap().iter().find(|lease| lease["held"] == true).cloned()
}

#[track_caller]
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn lab_a_lease_is_kept_while_systemd_goes_on_with_a_restart() {
    let Some(lab) = Lab::for_test(&["slow-1"], &Image::bare()) else { return };
    let server = CatalogServer::start_at(GATEWAY);
    let operator = server.add_operator("olga", "operator");
    server.site.write("keel.toml", "name = \"slow\"\n").write("inventory/hosts.toml", "[hosts.slow-1]\n");
    server.site.write("manifests/site.kdl", &site("hello")).push("a slow service");
    let host = Host::new(&lab, "slow-1");
    join(&server, &host);
    let runs = |state: &str| host.node.shell(&format!("test \"$(systemctl show -P ActiveState slow)\" = {state}")).unwrap().success();
    until("the service runs", || runs("active") && held(&operator).is_none());
    server.site.write("manifests/site.kdl", &site("good evening")).push("another greeting");
    server.command(&["notify"]);
    until("the service stops", || runs("deactivating"));
    host.sh("pkill -KILL -P \"$(systemctl show -P MainPID keel-agent)\"");
    let why = |lease: &Value| lease["reason"].as_str().unwrap_or_default().to_owned();
    until("the lease says why it is kept", || {
        held(&operator).is_some_and(|lease| why(&lease).contains("systemd is not through with: restart slow.service"))
    });
    assert!(runs("deactivating"), "the restart was still in the middle");
    until("the service runs again", || runs("active"));
    until("the lease is given back", || held(&operator).is_none());
}
