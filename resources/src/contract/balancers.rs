//! Scenarios of the servers of a load balancer.

use keel_engine::value::Value;

use super::scenarios::{Needs, Scenario, text};
use crate::trial::Trial;

type Attributes = fn(&Trial) -> Vec<(&'static str, Value)>;

fn server(title: &'static str, attributes: Attributes, changes: &'static [&'static str]) -> Scenario {
    Scenario { type_name: "haproxy_server", title, files: &[], attributes, changes, also_writes: &[], needs: Needs::Balancer }
}

pub(super) fn scenarios() -> Vec<Scenario> {
    vec![
        server("web/a", |_| vec![("state", text("drain")), ("timeout", text("5s"))], &["~ state"]),
        server("web/a", |_| vec![("state", text("maint")), ("weight", Value::Int(9))], &["~ state", "~ weight"]),
        server("web/b", |_| vec![("socket", text("/run/haproxy/admin.sock"))], &[]),
    ]
}
