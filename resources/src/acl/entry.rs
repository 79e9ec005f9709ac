//! An entry of an access control list as manifests write it: `user:deploy:rwX`.

use keel_engine::attributes::{AttributeValue, wrong_type};
use keel_engine::schema::Kind;
use keel_engine::value::Value;

use super::list::Holder;
use crate::accounts::is_account_name;
use crate::host::Accounts;

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rights {
    bits: u16,
    /// `X`: entering folders and running programs, and nothing for other files.
    enters: bool,
}

impl Rights {
    fn parse(text: &str) -> Option<Self> {
        let mut rights = Rights { bits: 0, enters: false };
        for letter in text.chars() {
            match letter {
                'r' => rights.bits |= 4,
                'w' => rights.bits |= 2,
                'x' => rights.bits |= 1,
                'X' => rights.enters = true,
                '-' => {}
                _ => return None,
            }
        }
        (1..=4).contains(&text.len()).then_some(rights)
    }

    /// The bits for a folder or program, or for any other file.
    pub(super) fn bits(self, is_entered: bool) -> u16 {
        self.bits | u16::from(self.enters && is_entered)
    }
}

/// Bits as letters.
pub(super) fn letters(bits: u16) -> String {
    [(4, 'r'), (2, 'w'), (1, 'x')].map(|(bit, letter)| if bits & bit == 0 { '-' } else { letter }).iter().collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HolderKind {
    User,
    Group,
}

/// Who may do what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    kind: HolderKind,
    name: String,
    pub(super) rights: Rights,
}

impl AttributeValue for Entry {
    fn kind() -> Kind {
        Kind::String
    }
    fn read(value: &Value) -> Result<Self, String> {
        let Value::String(text) = value else { return Err(wrong_type(&Kind::String, value)) };
        let expected = || format!("expected \"user:NAME:rwx\" or \"group:NAME:rwx\", found {text:?}");
        let mut parts = text.split(':');
        let (Some(kind), Some(name), Some(rights), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err(expected());
        };
        let kind = match kind {
            "user" | "u" => HolderKind::User,
            "group" | "g" => HolderKind::Group,
            _ => return Err(expected()),
        };
        if !is_account_name(name) && name.parse::<u32>().is_err() {
            return Err(format!("{name:?} cannot be the name of a user or group; rights of the owner are the file's `mode`"));
        }
        let rights = Rights::parse(rights).ok_or_else(expected)?;
        Ok(Self { kind, name: name.to_owned(), rights })
    }
}

impl Entry {
    pub(super) fn resolve(&self, accounts: &Accounts) -> Option<Holder> {
        match self.kind {
            HolderKind::User => accounts.user_id(&self.name).map(Holder::User),
            HolderKind::Group => accounts.group_id(&self.name).map(Holder::Group),
        }
    }

    /// `user deploy`.
    pub(super) fn holder_name(&self) -> String {
        self.key().replace(':', " ")
    }

    /// The key of the footprint.
    pub(super) fn key(&self) -> String {
        let kind = if self.kind == HolderKind::User { "user" } else { "group" };
        format!("{kind}:{}", self.name)
    }

    pub(super) fn is_same_holder(&self, other: &Entry) -> bool {
        (self.kind, &self.name) == (other.kind, &other.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read() {
        let entry = Entry::read(&Value::from("u:ada:rX")).unwrap();
        assert_eq!((entry.key().as_str(), entry.rights.bits(true), entry.rights.bits(false)), ("user:ada", 5, 4));
        assert_eq!(letters(5), "r-x");
        for text in ["ada:rw", "user::rw", "user:ada:", "user:ada:q", "other:ada:r", "user:a b:r", "mask::r"] {
            assert!(Entry::read(&Value::from(text)).is_err(), "{text}");
        }
    }
}
