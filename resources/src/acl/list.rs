//! An access control list as the kernel keeps it with a file.

use std::collections::BTreeMap;

/// The version that the kernel writes in front.
const VERSION: u32 = 2;
/// The kinds of entries.
const OWNER: u16 = 0x01;
const USER: u16 = 0x02;
const OWNING_GROUP: u16 = 0x04;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;
/// The number in entries that name nobody.
const NOBODY: u32 = u32::MAX;

/// Who has a right beside the file's owner and group. Users come first, as the kernel wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Holder {
    User(u32),
    Group(u32),
}

/// A named right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) holder: Holder,
    pub(super) bits: u16,
}

/// A list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Acl {
    owner: u16,
    group: u16,
    other: u16,
    mask: Option<u16>,
    pub(super) grants: Vec<Grant>,
}

impl Acl {
    /// What a mode alone says.
    pub(super) fn of_mode(mode: u32) -> Self {
        let bits = |shift: u32| u16::try_from(mode >> shift & 7).unwrap_or_default();
        Self { owner: bits(6), group: bits(3), other: bits(0), mask: None, grants: Vec::new() }
    }

    /// Reads the kernel's form: a version, then entries of kind, bits and number.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let (version, entries) = bytes.split_first_chunk::<4>()?;
        if u32::from_le_bytes(*version) != VERSION || !entries.len().is_multiple_of(8) {
            return None;
        }
        let mut list = Self::of_mode(0);
        for entry in entries.chunks_exact(8) {
            let [k0, k1, b0, b1, n0, n1, n2, n3] = *entry.first_chunk::<8>()?;
            let (bits, number) = (u16::from_le_bytes([b0, b1]), u32::from_le_bytes([n0, n1, n2, n3]));
            match u16::from_le_bytes([k0, k1]) {
                OWNER => list.owner = bits,
                OWNING_GROUP => list.group = bits,
                OTHER => list.other = bits,
                MASK => list.mask = Some(bits),
                USER => list.grants.push(Grant { holder: Holder::User(number), bits }),
                GROUP => list.grants.push(Grant { holder: Holder::Group(number), bits }),
                _ => return None,
            }
        }
        list.grants.sort_by_key(|grant| grant.holder);
        Some(list)
    }

    /// The kernel's form, in the kernel's order.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = VERSION.to_le_bytes().to_vec();
        let mut add = |kind: u16, bits: u16, number: u32| {
            bytes.extend(kind.to_le_bytes());
            bytes.extend(bits.to_le_bytes());
            bytes.extend(number.to_le_bytes());
        };
        add(OWNER, self.owner, NOBODY);
        for grant in &self.grants {
            if let Holder::User(id) = grant.holder {
                add(USER, grant.bits, id);
            }
        }
        add(OWNING_GROUP, self.group, NOBODY);
        for grant in &self.grants {
            if let Holder::Group(id) = grant.holder {
                add(GROUP, grant.bits, id);
            }
        }
        if let Some(mask) = self.mask {
            add(MASK, mask, NOBODY);
        }
        add(OTHER, self.other, NOBODY);
        bytes
    }

    /// The most that anybody named, or the group, can have.
    pub(super) fn mask(&self) -> u16 {
        self.mask.unwrap_or(7)
    }

    /// The list with these rights too. The mask lets them through, and takes nothing from anybody.
    pub(super) fn with(&self, wanted: &[Grant]) -> Self {
        let now = self.effective();
        if wanted.iter().all(|grant| now.grants.contains(grant)) {
            return self.clone();
        }
        let mut holders = now.holders();
        holders.extend(wanted.iter().map(|grant| (grant.holder, grant.bits)));
        let needed = wanted.iter().fold(now.mask.unwrap_or(now.group), |mask, grant| mask | grant.bits);
        now.of_holders(holders, needed)
    }

    /// The list with these named rights and no others.
    pub(super) fn exactly(&self, wanted: &[Grant]) -> Self {
        let now = self.effective();
        if now.grants.len() == wanted.len() && wanted.iter().all(|grant| now.grants.contains(grant)) {
            return self.clone();
        }
        let needed = wanted.iter().fold(now.group, |mask, grant| mask | grant.bits);
        now.of_holders(wanted.iter().map(|grant| (grant.holder, grant.bits)).collect(), needed)
    }

    /// The list without the rights of those.
    pub(super) fn without(&self, unwanted: &[Grant]) -> Self {
        let mut holders = self.holders();
        holders.retain(|holder, _| !unwanted.iter().any(|grant| grant.holder == *holder));
        self.of_holders(holders, self.mask())
    }

    /// The list as it takes effect: another mask gives nobody what this one withholds.
    fn effective(&self) -> Self {
        let mask = self.mask();
        let grants = self.grants.iter().map(|grant| Grant { bits: grant.bits & mask, ..*grant }).collect();
        Self { group: self.group & mask, grants, ..*self }
    }

    fn holders(&self) -> BTreeMap<Holder, u16> {
        self.grants.iter().map(|grant| (grant.holder, grant.bits)).collect()
    }

    /// Without anybody named there is no mask, and the group has what it could do all the time.
    fn of_holders(&self, holders: BTreeMap<Holder, u16>, mask: u16) -> Self {
        let grants: Vec<Grant> = holders.into_iter().map(|(holder, bits)| Grant { holder, bits }).collect();
        match grants.is_empty() {
            true => Self { grants, mask: None, group: self.group & self.mask(), ..*self },
            false => Self { grants, mask: Some(mask), ..*self },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: Holder = Holder::User(1000);
    const ADM: Holder = Holder::Group(4);

    fn grant(holder: Holder, bits: u16) -> Grant {
        Grant { holder, bits }
    }

    #[test]
    fn the_kernels_form_goes_both_ways() {
        let list = Acl::of_mode(0o640).with(&[grant(ADM, 4), grant(ADA, 6)]);
        assert_eq!((list.mask(), list.grants.clone()), (6, vec![grant(ADA, 6), grant(ADM, 4)]));
        assert_eq!(Acl::parse(&list.to_bytes()), Some(list));
        assert_eq!(Acl::parse(b"\x02\0\0\0\x01"), None);
        assert_eq!(Acl::parse(b"\x09\0\0\0"), None);
    }

    #[test]
    fn who_is_not_named_keeps_what_there_is() {
        let list = Acl::of_mode(0o640).with(&[grant(ADM, 7)]).with(&[grant(ADA, 4)]);
        assert_eq!((list.mask(), list.grants.len()), (7, 2));
        let masked = Acl { mask: Some(4), ..list.clone() };
        assert_eq!(masked.with(&[grant(ADM, 4)]), masked, "what the mask withholds is not there");
        assert_eq!(masked.with(&[grant(ADA, 6)]).grants, [grant(ADA, 6), grant(ADM, 4)]);
        let exact = list.exactly(&[grant(ADA, 4)]);
        assert_eq!((exact.mask(), exact.grants.clone()), (4, vec![grant(ADA, 4)]));
        assert_eq!(exact.without(&[grant(ADA, 0)]), Acl::of_mode(0o640));
    }
}
