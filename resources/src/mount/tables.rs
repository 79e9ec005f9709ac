//! The table of what shall be mounted, `/etc/fstab`, and the kernel's of what is.

use std::collections::BTreeMap;

/// A line of `/etc/fstab`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableLine {
    pub(crate) device: String,
    pub(crate) point: String,
    pub(crate) fstype: String,
    pub(crate) options: String,
    pub(crate) dump: u32,
    pub(crate) pass: u32,
}

impl TableLine {
    /// Reads a line; none for comments, empty lines and what makes no sense.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        if line.trim_start().starts_with('#') {
            return None;
        }
        let mut fields = line.split_whitespace();
        let (device, point, fstype) = (fields.next()?, fields.next()?, fields.next()?);
        Some(Self {
            device: unescape(device),
            point: unescape(point),
            fstype: fstype.to_owned(),
            options: unescape(fields.next().unwrap_or("defaults")),
            dump: fields.next().and_then(|text| text.parse().ok()).unwrap_or(0),
            pass: fields.next().and_then(|text| text.parse().ok()).unwrap_or(0),
        })
    }

    pub(crate) fn to_line(&self) -> String {
        let Self { device, point, fstype, options, dump, pass } = self;
        format!("{}\t{}\t{fstype}\t{}\t{dump}\t{pass}", escape(device), escape(point), escape(options))
    }

    /// The line of a mount point in a whole table: the last one, as `mount` takes it.
    pub(super) fn find(table: &str, point: &str) -> Option<Self> {
        table.lines().rev().filter_map(Self::parse).find(|line| is_point(&line.point, point))
    }
}

fn is_point(written: &str, point: &str) -> bool {
    written == point || written.strip_suffix('/') == Some(point)
}

/// Puts a line in the place of the old one of its mount point, or at the end; none removes it.
pub(super) fn with_line(table: &str, point: &str, line: Option<&TableLine>) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut new = line.map(TableLine::to_line);
    for old in table.lines() {
        let is_ours = TableLine::parse(old).is_some_and(|old| is_point(&old.point, point));
        match is_ours {
            false => lines.push(old.to_owned()),
            true => lines.extend(new.take()),
        }
    }
    lines.extend(new);
    crate::text_file::join_lines(&lines, crate::text_file::line_ending(table))
}

/// Something that is mounted now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Live {
    pub(super) device: String,
    /// Those of this mount and of its file system, as one list.
    pub(super) options: Vec<String>,
}

/// Reads `/proc/self/mountinfo`; where several things are mounted on a point, the last one is seen.
pub(super) fn parse_mountinfo(text: &str) -> BTreeMap<String, Live> {
    let entry = |line: &str| {
        let (mount, system) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(4);
        let (point, own) = (unescape(mount.next()?), mount.next()?);
        let mut system = system.split(' ').skip(1);
        let (device, more) = (unescape(system.next()?), system.next().unwrap_or(""));
        let options = own.split(',').chain(more.split(',')).map(str::to_owned).collect();
        Some((point, Live { device, options }))
    };
    text.lines().filter_map(entry).collect()
}

/// The tables write space, tab, line feed and backslash as three octal digits.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let octal = after.get(..3).filter(|_| *first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(3..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            ' ' | '\t' | '\n' | '\\' => escaped.push_str(&format!("\\{:03o}", u32::from(character))),
            plain => escaped.push(plain),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "# table\nUUID=1 / ext4 errors=remount-ro 0 1\nnonsense\n/dev/b  /mnt/a\\040b/ xfs\n";

    #[test]
    fn lines_are_read_with_their_escapes_and_defaults() {
        let line = TableLine::find(TABLE, "/mnt/a b").unwrap();
        assert_eq!((line.device.as_str(), line.options.as_str(), line.dump, line.pass), ("/dev/b", "defaults", 0, 0));
        assert_eq!(TableLine::find(TABLE, "/").unwrap().pass, 1);
        assert_eq!(TableLine::find(TABLE, "/mnt"), None);
    }

    #[test]
    fn a_line_changes_in_place_and_all_others_stay() {
        let line = TableLine { device: "/dev/c d".to_owned(), ..TableLine::find(TABLE, "/mnt/a b").unwrap() };
        let changed = with_line(TABLE, "/mnt/a b", Some(&line));
        assert_eq!(changed, TABLE.replace("/dev/b  /mnt/a\\040b/ xfs", "/dev/c\\040d\t/mnt/a\\040b/\txfs\tdefaults\t0\t0"));
        assert_eq!(with_line(TABLE, "/mnt/a b", None), TABLE.replace("/dev/b  /mnt/a\\040b/ xfs\n", ""));
        assert_eq!(with_line("", "/x", Some(&line)).lines().count(), 1);
    }

    #[test]
    fn the_kernels_table_gives_device_and_all_options() {
        let text =
            "36 35 98:0 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n40 36 0:33 / /mnt/a\\040b ro,noexec - nfs srv:/x rw,vers=4.2\n";
        let live = parse_mountinfo(text);
        assert_eq!(
            live["/mnt/a b"],
            Live { device: "srv:/x".to_owned(), options: ["ro", "noexec", "rw", "vers=4.2"].map(str::to_owned).to_vec() }
        );
        assert_eq!(live.len(), 2);
        assert!(parse_mountinfo("garbage\n - \n").is_empty());
    }
}
