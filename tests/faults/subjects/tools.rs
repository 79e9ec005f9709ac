//! Subjects that run what they are told to, in a root that is a machine of its own.

use super::{Needs, PLAIN, Subject};

pub(super) const SUBJECTS: &[Subject] = &[
    Subject {
        name: "exec",
        types: &["exec"],
        files: &[("/etc/a", "old\n")],
        // What is told of a change is told again until it has come to its end.
        manifest: r#"
            file "/etc/a" content="new\n" { notify (exec)told; }
            exec told refresh_only=#true shell="echo told >/srv/told"
            exec made creates="/srv/made" shell="echo made >/srv/made.part && mv /srv/made.part /srv/made"
        "#,
        foreign: &["srv/told", "srv/made.part"],
        needs: Needs::Machine,
        ..PLAIN
    },
    Subject {
        name: "wait",
        types: &["wait"],
        files: &[("/etc/", "")],
        manifest: r#"
            file "/etc/a" content="x\n"
            wait there paths="/etc/a" timeout="5s" { require (file)"/etc/a"; }
            wait ready timeout="5s" { command "/usr/bin/test" "-e" "/etc/a"; require (file)"/etc/a"; }
            file "/etc/b" content="x\n" { require (wait)there (wait)ready; }
        "#,
        needs: Needs::Machine,
        ..PLAIN
    },
];
