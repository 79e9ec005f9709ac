//! A host of the lab with keel on it.

use keel_tests::lab::{Lab, Node, Ran};
use keel_tests::program::keel;

/// A node with the program under test installed.
pub(crate) struct Host<'a> {
    pub(crate) node: &'a Node,
}

impl<'a> Host<'a> {
    pub(crate) fn new(lab: &'a Lab, name: &str) -> Host<'a> {
        let node = lab.node(name);
        node.copy_in(&keel(), "/usr/local/bin/keel").unwrap();
        Host { node }
    }

    /// Runs keel with `--detailed-exitcode`: 0 nothing to do, 2 changes, 4 failures, 6 both.
    pub(crate) fn keel(&self, arguments: &[&str]) -> Ran {
        self.node.exec(&[&["keel"], arguments, &["--detailed-exitcode"]].concat()).unwrap()
    }

    /// Runs keel and expects that exit code.
    #[track_caller]
    pub(crate) fn expect(&self, code: i32, arguments: &[&str]) -> String {
        let ran = self.keel(arguments);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert_eq!(ran.status, code, "keel {} should have ended with {code}:\n{said}", arguments.join(" "));
        said
    }

    /// Runs a script that has to succeed.
    #[track_caller]
    pub(crate) fn sh(&self, script: &str) -> String {
        let ran = self.node.shell(script).unwrap();
        assert!(ran.success(), "{script}\nended with {}:\n{}{}", ran.status, ran.stdout, ran.stderr);
        ran.stdout
    }
}
