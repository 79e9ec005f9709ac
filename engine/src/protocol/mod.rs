//! What the catalog server and its callers say to each other: plain data, one file a noun.
//!
//! Requests refuse fields that they do not know; answers may grow.

pub mod catalog;
pub mod environment;
pub mod secrets;
