//! The handlers, one file a noun. What each is for and who may ask it stands in the table of routes.

pub mod authority;
pub mod catalog;
pub mod certificate;
mod conditional;
pub mod content;
mod elsewhere;
pub mod enrolment;
pub mod environments;
pub mod facts;
pub mod gates;
pub mod health;
pub mod inquiries;
pub mod leases;
pub mod live;
pub mod metrics;
pub mod news;
pub mod nodes;
pub mod reports;
pub mod run;
pub mod secrets;
pub mod status;
pub mod tokens;
pub mod why;

use std::sync::Arc;

use axum::extract::State;

use crate::server::Server;

/// The server, as handlers get it.
pub type Here = State<Arc<Server>>;
