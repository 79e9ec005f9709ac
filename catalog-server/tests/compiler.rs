//! The compiler with real workers and repositories, without HTTP: what is served after a push, what is
//! refused, and what a hostile manifest or repository can do.
#![allow(clippy::unwrap_used)]

#[path = "compiler/limits.rs"]
mod limits;
#[path = "compiler/pushes.rs"]
mod pushes;
#[path = "compiler/repositories.rs"]
mod repositories;
#[path = "compiler/signed.rs"]
mod signed;
#[path = "compiler/stage.rs"]
mod stage;
