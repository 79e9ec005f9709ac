//! What is in an archive, and whether it may be unpacked.

use std::collections::BTreeSet;

/// An archive whose content is as many times its own size is made to fill disks.
const RATIO_MAX: u64 = 1000;
/// Up to this many bytes no ratio matters.
const HARMLESS_BYTES: u64 = 64 << 20;
/// How deep directories may lie in each other: who walks through them keeps each one open.
const DEPTH_MAX: usize = 100;

/// What an entry of an archive is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum MemberKind {
    File,
    Folder,
    /// A symbolic link to this.
    Link(String),
    /// Another name for this member.
    HardLink(String),
    /// A device, a pipe or something else that no software needs.
    Other(char),
}

/// An entry of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    kind: MemberKind,
    /// Whether it would run with somebody else's rights.
    is_setuid: bool,
    size: u64,
    /// As `tar` prints it, with control characters escaped.
    name: String,
}

/// Reads what `tar --list --verbose --numeric-owner --full-time --quoting-style=escape` prints.
pub(super) fn parse_listing(text: &str) -> Result<Vec<Member>, String> {
    text.lines().map(|line| parse_member(line).ok_or_else(|| format!("tar lists something odd: {line}"))).collect()
}

/// `-rw-r--r-- 0/0   12 2024-01-01 00:00:00 name`, links with what they point to behind.
fn parse_member(line: &str) -> Option<Member> {
    let mut rest = line;
    let mut fields = [""; 5];
    for field in &mut fields {
        let (word, after) = rest.trim_start_matches(' ').split_once(' ')?;
        *field = word;
        rest = after;
    }
    let [mode, _, size, ..] = fields;
    let linked = |separator: &str| rest.split_once(separator).map(|(name, target)| (name.to_owned(), target.to_owned()));
    let (kind, name) = match mode.chars().next()? {
        '-' => (MemberKind::File, rest.to_owned()),
        'd' => (MemberKind::Folder, rest.to_owned()),
        'l' => linked(" -> ").map(|(name, target)| (MemberKind::Link(target), name))?,
        'h' => linked(" link to ").map(|(name, target)| (MemberKind::HardLink(target), name))?,
        other => (MemberKind::Other(other), rest.to_owned()),
    };
    // Devices have two numbers where others have their size.
    Some(Member { kind, is_setuid: mode.contains(['s', 'S']), size: size.parse().unwrap_or(0), name })
}

/// Says what forbids to unpack these.
pub(super) fn check(members: &[Member], archive_bytes: u64) -> Result<(), String> {
    let names: BTreeSet<&str> = members.iter().map(|member| normal(&member.name)).collect();
    let links: BTreeSet<&str> =
        members.iter().filter(|member| matches!(member.kind, MemberKind::Link(_))).map(|member| normal(&member.name)).collect();
    for member in members {
        check_member(member, &names, &links)?;
    }
    let total: u64 = members.iter().map(|member| member.size).fold(0, u64::saturating_add);
    if total > HARMLESS_BYTES && total / archive_bytes.max(1) >= RATIO_MAX {
        return Err(format!("{archive_bytes} bytes of archive would become {total}"));
    }
    Ok(())
}

fn check_member(member: &Member, names: &BTreeSet<&str>, links: &BTreeSet<&str>) -> Result<(), String> {
    let name = &member.name;
    match depth(name) {
        None => return Err(format!("{name} lies outside the folder")),
        Some(deep) if deep > DEPTH_MAX => return Err(format!("it is more than {DEPTH_MAX} directories deep")),
        Some(_) => {}
    }
    if member.is_setuid {
        return Err(format!("{name} would run with somebody else's rights (setuid or setgid)"));
    }
    match &member.kind {
        MemberKind::File | MemberKind::Folder => {}
        MemberKind::Link(target) => {
            let folder = normal(name).rsplit_once('/').map_or("", |(folder, _)| folder);
            if target.starts_with('/') || depth(format!("{folder}/{target}").trim_start_matches('/')).is_none() {
                return Err(format!("the link {name} points outside the folder, to {target}"));
            }
        }
        MemberKind::HardLink(target) if names.contains(normal(target)) => {}
        MemberKind::HardLink(target) => return Err(format!("{name} is another name for {target}, which is not in the archive")),
        MemberKind::Other(kind) => return Err(format!("{name} is neither file, folder nor link ({kind})")),
    }
    let parents = name.match_indices('/').map(|(slash, _)| normal(&name[..slash]));
    match parents.filter(|parent| *parent != normal(name)).find(|parent| links.contains(parent)) {
        Some(link) => Err(format!("{name} would be written through the link {link}")),
        None => Ok(()),
    }
}

/// A name without `./` in front and slashes behind.
fn normal(name: &str) -> &str {
    name.trim_start_matches("./").trim_end_matches('/')
}

/// How deep a name leads into the folder; none if it ever leads out of it.
fn depth(name: &str) -> Option<usize> {
    if name.starts_with('/') {
        return None;
    }
    name.split('/').try_fold(0usize, |depth, part| match part {
        "" | "." => Some(depth),
        ".." => depth.checked_sub(1),
        _ => Some(depth + 1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(lines: &[&str]) -> Result<(), String> {
        let lines: Vec<String> = lines
            .iter()
            .map(|line| {
                let (mode, name) = line.split_once(' ').unwrap();
                format!("{mode} 0/0     7 2024-01-01 00:00:00 {name}")
            })
            .collect();
        check(&parse_listing(&lines.join("\n")).unwrap(), 100)
    }

    #[test]
    fn an_ordinary_archive_is_fine() {
        let lines = [
            "drwxr-xr-x app/",
            "-rwxr-xr-x app/bin/x",
            "lrwxrwxrwx app/lib/y -> ../bin/x",
            "hrw-r--r-- app/z link to app/bin/x",
            "-rw-r--r-- ./app/a b",
        ];
        assert_eq!(verdict(&lines), Ok(()));
    }

    #[test]
    fn whatever_leads_out_or_does_harm_is_refused() {
        let refused = |lines: &[&str]| verdict(lines).unwrap_err();
        assert!(refused(&["-rw-r--r-- ../x"]).contains("outside"));
        assert!(refused(&["-rw-r--r-- a/../../x"]).contains("outside"));
        assert!(refused(&[&format!("-rw-r--r-- {}x", "a/".repeat(100))]).contains("more than 100"));
        assert!(refused(&["-rw-r--r-- /etc/passwd"]).contains("outside"));
        assert!(refused(&["lrwxrwxrwx a -> /etc"]).contains("points outside"));
        assert!(refused(&["lrwxrwxrwx a/b -> ../../etc"]).contains("points outside"));
        assert!(refused(&["hrw-r--r-- a link to ../x"]).contains("not in the archive"));
        assert!(refused(&["-rwsr-xr-x a"]).contains("setuid"));
        assert!(refused(&["crw-r--r-- a"]).contains("neither file"));
        assert!(refused(&["lrwxrwxrwx a -> b", "-rw-r--r-- a/x"]).contains("through the link a"));
    }

    #[test]
    fn what_would_fill_the_disk_is_refused() {
        let bomb = parse_listing("-rw-r--r-- 0/0 10000000000 2024-01-01 00:00:00 x").unwrap();
        assert!(check(&bomb, 1_000_000).unwrap_err().contains("would become 10000000000"));
        assert_eq!(check(&bomb, 100_000_000), Ok(()));
    }
}
