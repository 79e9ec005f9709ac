//! The program `keel-server`: reads sites from git, compiles a catalog per host, serves it, and takes
//! the reports.
//!
//! Reading order: [`routes`] (the one table of what may be asked, by whom), [`admission`] (what every
//! request passes), [`access`] (who may), [`api`] (the handlers), [`store`] (what outlives a request),
//! [`authority`] (the CA), [`tls`] (the way in), [`server`] (all of it, put together).

pub mod access;
pub mod admission;
pub mod allowed;
pub mod api;
pub mod audit;
pub mod authority;
pub mod body;
pub mod caller;
pub mod cli;
pub mod commands;
pub mod compile_worker;
pub mod compiler;
pub mod environments;
pub mod error;
pub mod finish;
pub mod fleet_figures;
pub mod gates;
pub mod json;
pub mod leases;
pub mod log;
pub mod machines;
pub mod metrics;
pub mod neighbours;
pub mod nudge;
pub mod openapi;
pub mod owner;
pub mod quotas;
pub mod random;
pub mod refusal;
pub mod reports;
pub mod repository;
pub mod route;
pub mod routes;
pub mod secrets;
pub mod server;
pub mod settings;
pub mod store;
pub mod systemd;
pub mod tls;
pub mod troubles;
pub mod verdict;
