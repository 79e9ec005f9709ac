//! The rows of an operator's checklist, each as a test.

mod content;
mod kinds;
mod ownership;
mod trees;

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use keel_engine::value::Value;

use super::FileType;
use crate::trial::Trial;

fn converge(trial: &Trial, path: &str, attributes: &[(&str, Value)]) -> Result<Vec<String>, String> {
    trial.converge(&FileType, path, attributes)
}

fn plan(trial: &Trial, path: &str, attributes: &[(&str, Value)]) -> Result<Vec<String>, String> {
    trial.plan(&FileType, path, attributes)
}

fn text(text: &str) -> Value {
    Value::from(text)
}

fn mode(trial: &Trial, path: &str) -> u32 {
    trial.path(path).symlink_metadata().unwrap().mode() & 0o7777
}

fn set_mode(trial: &Trial, path: &str, mode: u32) {
    std::fs::set_permissions(trial.path(path), std::fs::Permissions::from_mode(mode)).unwrap();
}

fn inode(trial: &Trial, path: &str) -> u64 {
    trial.path(path).symlink_metadata().unwrap().ino()
}

/// The names below a folder, sorted, folders with a slash.
fn names(trial: &Trial, path: &str) -> Vec<String> {
    let entries = std::fs::read_dir(trial.path(path)).unwrap().map(|entry| entry.unwrap());
    let mut names: Vec<String> = entries
        .map(|entry| {
            let slash = if entry.file_type().unwrap().is_dir() { "/" } else { "" };
            format!("{}{slash}", entry.file_name().into_string().unwrap())
        })
        .collect();
    names.sort();
    names
}
