//! The program `keel`: the agent and the operator's commands. One file a command in [`commands`];
//! [`run`] is one convergence of a host.

pub mod error;
pub mod facts;
pub mod render;
pub mod run;
pub mod secrets;
pub mod settings;
pub mod site_folder;
pub mod state;
