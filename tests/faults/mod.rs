//! Faults: what is left when a run is killed, when the system refuses a call, when somebody swaps files meanwhile,
//! and when commands do not end.

mod calls;
mod durable;
mod full_disk;
mod hung;
mod instants;
mod killed;
mod machine;
mod processes;
mod racer;
mod racer_of_files;
mod refused;
mod scratch;
mod seed;
mod subjects;
mod surroundings;
mod tracer;
mod trial;

pub(crate) use seed::Seed;

/// Whether the long forms are asked for, with `KEEL_FAULTS=all`.
pub(crate) fn is_thorough() -> bool {
    std::env::var("KEEL_FAULTS").is_ok_and(|value| value == "all")
}
