//! Who may use what: one total function from who asks and what the route wants to yes or no.

use std::fmt;

use keel_engine::protocol::problem::Code;

use crate::caller::{Caller, Operator};
use crate::store::Role;

/// Who asks, as far as the server could find out.
#[derive(Debug, Clone)]
pub enum Identity {
    /// No certificate and no token, or a token that nobody has.
    Nobody,
    /// A certificate of our authority that is not, or no longer, on the list.
    Unlisted(String),
    /// A host whose certificate ran out lately.
    Expired(Caller),
    /// A host.
    Host(Caller),
    /// An operator.
    Operator(Operator),
}

/// Who may use a route. There is no route without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Everybody who can connect.
    Anyone,
    /// Every host, for what is its own.
    Host,
    /// Every host, also with a certificate that ran out lately.
    RenewingHost,
    /// Operators with this role or a stronger one.
    Role(Role),
}

impl Who {
    /// Every kind there is.
    pub const ALL: [Who; 6] =
        [Who::Anyone, Who::Host, Who::RenewingHost, Who::Role(Role::Viewer), Who::Role(Role::Operator), Who::Role(Role::Admin)];
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Who::Anyone => f.write_str("anyone"),
            Who::Host => f.write_str("hosts"),
            Who::RenewingHost => f.write_str("hosts, also with a certificate that ran out lately"),
            Who::Role(Role::Admin) => f.write_str("operators with the role admin"),
            Who::Role(role) => write!(f, "operators with the role {} or a stronger one", role.word()),
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Identity::Nobody => f.write_str("nobody"),
            Identity::Unlisted(name) => write!(f, "unlisted {name}"),
            Identity::Expired(caller) | Identity::Host(caller) => write!(f, "host {}", caller.host),
            Identity::Operator(operator) => write!(f, "operator {}", operator.name),
        }
    }
}

/// Whether who asks may use a route. What is not allowed here is refused.
///
/// # Errors
/// The code of the refusal.
pub fn decide(identity: &Identity, who: Who) -> Result<(), Code> {
    match (who, identity) {
        (Who::Anyone, _) | (Who::Host | Who::RenewingHost, Identity::Host(_)) | (Who::RenewingHost, Identity::Expired(_)) => Ok(()),
        (Who::Role(needed), Identity::Operator(operator)) if operator.role >= needed => Ok(()),
        (_, Identity::Expired(_)) => Err(Code::CertificateExpired),
        (_, Identity::Nobody | Identity::Unlisted(_)) => Err(Code::Unauthenticated),
        (_, Identity::Host(_) | Identity::Operator(_)) => Err(Code::Forbidden),
    }
}

#[cfg(test)]
mod tests {
    use keel_engine::host_name::HostName;

    use super::*;

    /// The whole function, written out: a row an identity, a column a kind of route.
    #[test]
    fn the_whole_table() {
        let caller = Caller {
            host: HostName::new("db-1").unwrap(),
            environment: "production".to_owned(),
            recipient: "age1".to_owned(),
            key: keel_engine::digest::Digest::of(b"key"),
            expired: false,
        };
        let operator = |role| Identity::Operator(Operator { name: "alice".to_owned(), role });
        let (yes, no) = ("yes", "forbidden");
        let (unknown, late) = ("unauthenticated", "certificate-expired");
        let rows = [
            (Identity::Nobody, [yes, unknown, unknown, unknown, unknown, unknown]),
            (Identity::Unlisted("db-1".to_owned()), [yes, unknown, unknown, unknown, unknown, unknown]),
            (Identity::Expired(caller.clone()), [yes, late, yes, late, late, late]),
            (Identity::Host(caller), [yes, yes, yes, no, no, no]),
            (operator(Role::Viewer), [yes, no, no, yes, no, no]),
            (operator(Role::Operator), [yes, no, no, yes, yes, no]),
            (operator(Role::Admin), [yes, no, no, yes, yes, yes]),
        ];
        for (identity, expected) in rows {
            let found = Who::ALL.map(|who| match decide(&identity, who) {
                Ok(()) => "yes".to_owned(),
                Err(code) => serde_json::to_string(&code).unwrap().trim_matches('"').to_owned(),
            });
            assert_eq!(found, expected, "{identity}");
        }
    }
}
