//! The program `keel`: the agent and the operator's commands. One file a command in [`commands`];
//! [`run`] is one convergence of a host.

pub mod cli;
pub mod client;
pub mod commands;
pub mod compile_cache;
pub mod error;
pub mod facts;
pub mod lowered_files;
pub mod operator;
pub mod plan_file;
pub mod progress;
pub mod pull;
pub mod render;
pub mod run;
pub mod secrets;
pub mod settings;
pub mod site_folder;
pub mod state;
pub mod stop;
pub mod undo;
