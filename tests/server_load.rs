//! The load test in small: that it goes through all its phases without an error. How fast it is, is for
//! `cargo run --release -p keel-tests --bin load` to say.

use std::time::Duration;

use keel_tests::load::{Plan, run};

#[test]
fn a_small_fleet_is_served_without_an_error() {
    let plan = Plan { agents: 12, resources: 50, busy: 4, seconds: 1, storm: Duration::from_secs(1) };
    let figures = run(&plan).unwrap();
    let errors: Vec<&String> = figures.phases.iter().flat_map(|phase| &phase.errors).collect();
    assert_eq!(errors, [] as [&String; 0]);
    assert_eq!(figures.phases.len(), 6);
    for phase in &figures.phases {
        assert!(phase.count >= 12 || phase.name == "unchanged catalogs", "{phase:?}");
    }
    assert!(figures.memory_mib > 0.0);
}
