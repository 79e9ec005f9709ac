//! What the catalog server and its callers say to each other: plain data, one file a noun.
//!
//! Everything travels as JSON unless a file says otherwise. Requests refuse fields that they do not
//! know; answers may grow, so that a server may be newer than its agents. The routes themselves, and
//! who may use which, stand in the server's table of routes.

pub mod catalog;
pub mod certificate;
pub mod enrolment;
pub mod environment;
pub mod facts;
pub mod fleet;
pub mod gates;
pub mod inquiries;
pub mod leases;
pub mod live;
pub mod machine;
pub mod news;
pub mod nodes;
pub mod problem;
pub mod reports;
pub mod secrets;

/// The media type of requests and answers.
pub const JSON: &str = "application/json";
/// The media type of [`problem::Problem`].
pub const PROBLEM_JSON: &str = "application/problem+json";
