//! The tests of the whole system, one module a subject.
#![cfg(test)]

mod agent_cache;
mod agent_certificates;
mod agent_disk;
mod agent_process;
mod agent_reports;
mod agent_rounds;
mod durability;
mod examples;
mod faults;
mod host;
mod lab_fleet;
mod lab_node;
mod lab_types;
mod lab_web;
mod quickstart;
mod server_access;
mod server_catalogs;
mod server_connections;
mod server_enrolment;
mod server_floods;
mod server_gates;
mod server_input;
mod server_killed;
mod server_load;
mod server_reports;
mod server_shared;
mod server_troubles;
mod tidy;
