//! The pull agent. [`round`] is what it does again and again: fetch the catalog, run, report. [`service`]
//! is the program that stays: it starts rounds in a process of their own, when it is time or when
//! somebody has news, so that it needs little memory itself and nothing that happens in a run ends it.
//!
//! What it believes is on disk and checked: [`catalogs`], [`contents`], [`spool`]; who it is: [`node`].

pub mod answers;
pub mod catalogs;
pub mod contents;
pub mod course;
pub mod delivery;
pub mod gates;
pub mod grid;
pub mod home;
pub mod leases;
pub mod listeners;
mod machine;
pub mod news;
pub mod node;
pub mod openings;
pub mod order;
pub mod pause;
pub mod preview;
pub mod process;
pub mod race;
pub mod refused;
pub mod renewal;
pub mod round;
pub mod round_process;
pub mod self_check;
pub mod server;
pub mod service;
pub mod settings;
pub mod signals;
pub mod spool;
pub mod standing;
pub mod watch;

#[cfg(test)]
mod tests;
