//! The type `swap`: where memory goes that nobody looks at, as a file or a device.

use std::path::Path;

use keel_engine::attributes::{AbsolutePath, AttributeError, Size};
use keel_engine::change::{Change, Shown};
use keel_engine::footprint::Footprint;
use keel_engine::resource::{Described, Failure, Nature, ObserveError, ResourceType, Work};
use keel_engine::value::{Map, Value};
use keel_engine::{attributes, choices};

use crate::host::{Backup, FileKind, Host, NewFile, Ownership};
use crate::mount::TableLine;
use crate::text_file::{Content, edit_text, join_lines, line_ending};

const TABLE: &str = "/etc/fstab";
const LIVE: &str = "/proc/swaps";
/// A page for the header and ten to make it worth while.
const BYTES_MIN: u64 = 40 << 10;

choices! {
    /// Whether a swap space is there.
    pub enum Ensure {
        /// It is: in the table for the next boot, and in use.
        Present = "present",
        /// It is not.
        Absent = "absent",
    }
}

attributes! {
    /// Swap space: a file, which is made, or a device, which somebody has formatted with `mkswap`.
    ///
    /// It stands in `/etc/fstab` for the next boot and is in use now. A file of another size is taken out of
    /// use and made anew. Below another root than `/` nothing is put to use.
    ///
    ///     swap "/swapfile" size="4G"
    ///     swap "/dev/vg0/swap" priority=10
    pub struct Swap: "swap" {
        /// The file or device.
        [title] pub path: AbsolutePath,
        /// `present` or `absent`; a file is removed then.
        pub ensure: Ensure = Ensure::Present,
        /// The size of a file. Not given: it is a device, or a file that somebody else has made.
        pub size: Option<Size>,
        /// Spaces of a higher one are used first, 0 to 32767; put in force when the space is put to use.
        pub priority: Option<u32>,
    }
    check |desired| {
        let mut errors: Vec<AttributeError> = Vec::new();
        let is_device = desired.path.as_path().starts_with("/dev");
        if !is_device {
            errors.extend(crate::file::check_path("path", &desired.path));
        }
        if is_device && desired.size.is_some() {
            errors.push(AttributeError::new("size", "is for files; a device has one of its own"));
        }
        if desired.size.is_some_and(|size| size.0 < BYTES_MIN || !size.0.is_multiple_of(4096)) {
            errors.push(AttributeError::new("size", "is a multiple of 4096 bytes, and 40K at least"));
        }
        if desired.priority.is_some_and(|priority| priority > 32_767) {
            errors.push(AttributeError::new("priority", "is 0 to 32767"));
        }
        errors
    }
}

impl Swap {
    fn line(&self) -> TableLine {
        let priority = self.priority.map(|priority| format!(",pri={priority}")).unwrap_or_default();
        TableLine {
            device: self.path.to_string(),
            point: "none".to_owned(),
            fstype: "swap".to_owned(),
            options: format!("sw{priority}"),
            dump: 0,
            pass: 0,
        }
    }
}

/// What was found of a swap space.
#[derive(Debug)]
pub struct ObservedSwap {
    line: Option<TableLine>,
    /// The size of a file; none where there is no file.
    file_bytes: Option<u64>,
    /// None where the kernel is not asked.
    is_used: Option<bool>,
}

/// The type `swap`.
pub struct SwapType;

impl ResourceType for SwapType {
    type Host = Host;
    type Desired = Swap;
    type Observed = ObservedSwap;

    fn observe(&self, host: &Host, desired: &[&Swap]) -> Vec<Result<ObservedSwap, ObserveError>> {
        desired.iter().map(|swap| observe(host, swap)).collect()
    }

    fn diff(&self, desired: &Swap, observed: &ObservedSwap) -> Vec<Change> {
        let mut changes = Vec::new();
        let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        if desired.ensure == Ensure::Absent {
            changes.extend(observed.is_used.filter(|used| *used).map(|_| Change::delete("live", "in use")));
            changes.extend(observed.line.as_ref().map(|line| Change::delete("persist", line.options.as_str())));
            changes.extend(observed.file_bytes.map(|size| Change::delete("size", bytes(size))));
            return changes;
        }
        match (desired.size, observed.file_bytes) {
            (Some(size), None) => changes.push(Change::create("size", bytes(size.0))),
            (Some(size), Some(found)) if size.0 != found => changes.push(Change::update("size", bytes(found), bytes(size.0))),
            _ => {}
        }
        let wanted = desired.line();
        if observed.line.as_ref() != Some(&wanted) {
            let before = observed.line.as_ref().map_or(Shown::Absent, |line| Shown::from(line.options.as_str()));
            let change = Change::update("persist", before, wanted.options.as_str());
            changes.push(if observed.line.is_none() { Change::create("persist", wanted.options.as_str()) } else { change });
        }
        changes.extend(observed.is_used.filter(|used| !*used).map(|_| Change::create("live", "in use")));
        changes
    }

    fn apply(&self, host: &Host, work: &Work<'_, Self>) -> Result<(), Failure> {
        let (desired, path) = (work.desired, work.desired.path.as_str());
        let has = |attribute: &str| work.changes.iter().any(|change| change.attribute == attribute);
        let is_used = work.observed.is_used == Some(true);
        if is_used && (has("size") || desired.ensure == Ensure::Absent) {
            host.command("swapoff").argument("--").argument(path).timeout(None).succeed()?;
        }
        if desired.ensure == Ensure::Absent {
            edit_table(host, desired)?;
            return if has("size") { host.remove(path).map(drop) } else { Ok(()) };
        }
        if let Some(size) = desired.size.filter(|_| has("size")) {
            make(host, path, size)?;
        }
        if has("persist") {
            edit_table(host, desired)?;
        }
        if has("live") || is_used && has("size") { put_to_use(host, desired) } else { Ok(()) }
    }

    fn footprint(&self, desired: &Swap) -> Footprint {
        let path = &desired.path;
        let footprint = Footprint::default().write(format!("path:{TABLE}#swap:{path}")).need("path:/etc");
        let is_file = desired.size.is_some() || desired.ensure == Ensure::Absent && !path.as_path().starts_with("/dev");
        if is_file {
            let folder = path.parent().map(|folder| format!("path:{folder}"));
            folder.into_iter().fold(footprint.own(format!("path:{path}")), Footprint::need)
        } else {
            footprint.need(format!("path:{path}"))
        }
    }

    fn nature(&self) -> Nature {
        Nature { serial: true, ..Nature::default() }
    }

    fn describe(&self, host: &Host, title: Option<&str>) -> Result<Option<Vec<Described>>, Failure> {
        let table = host.read_text(TABLE)?.unwrap_or_default();
        let mut found = Vec::new();
        for line in table.lines().filter_map(TableLine::parse).filter(|line| line.fstype == "swap" && line.device.starts_with('/')) {
            if title.is_some_and(|title| title != line.device) {
                continue;
            }
            let mut attributes = Map::new();
            let priority = line.options.split(',').find_map(|option| option.strip_prefix("pri="));
            if let Some(priority) = priority.and_then(|priority| priority.parse().ok()) {
                attributes.insert("priority".to_owned(), Value::Int(priority));
            }
            if let Some(stat) = host.stat_followed(&line.device)?.filter(|stat| stat.kind == FileKind::File) {
                attributes.insert("size".to_owned(), Value::Int(i64::try_from(stat.size).unwrap_or_default()));
            }
            found.push(Described { title: line.device, attributes });
        }
        Ok(Some(found))
    }
}

fn observe(host: &Host, desired: &Swap) -> Result<ObservedSwap, ObserveError> {
    let table = host.read_text(TABLE)?.unwrap_or_default();
    let line = table.lines().rev().filter_map(TableLine::parse).find(|line| is_meant(line, desired));
    let stat = host.stat_followed(&desired.path)?;
    if stat.is_none() && desired.ensure == Ensure::Present {
        host.folders().expect_folder_of(&desired.path)?;
        if desired.size.is_none() {
            let failure = Failure::new(format!("there is no {}", desired.path));
            return Err(ObserveError::NotYet(failure.help("give a `size` for a file, or require what makes the device")));
        }
    }
    if line.is_none() && desired.ensure == Ensure::Present {
        host.folders().expect_folder_of(TABLE)?;
    }
    let is_used = if host.is_machine() {
        let real = host.resolve(&desired.path)?;
        Some(parse_swaps(&host.read_text(LIVE)?.unwrap_or_default()).iter().any(|path| real.as_os_str() == path.as_str()))
    } else {
        None
    };
    let file_bytes = stat.filter(|stat| stat.kind == FileKind::File).map(|stat| stat.size);
    Ok(ObservedSwap { line, file_bytes, is_used })
}

fn is_meant(line: &TableLine, desired: &Swap) -> bool {
    line.fstype == "swap" && line.device == desired.path.as_str()
}

/// The paths of the spaces in use; a line for the titles stands above them.
fn parse_swaps(text: &str) -> Vec<String> {
    text.lines().skip(1).filter_map(|line| line.split_whitespace().next()).map(|path| path.replace("\\040", " ")).collect()
}

/// Makes a file of that size that nobody else may read, since it will hold anybody's memory.
fn make(host: &Host, path: &str, size: Size) -> Result<(), Failure> {
    let ownership = Ownership { mode: Some(0o600), ..Ownership::default() };
    let folder = Path::new(path).parent().unwrap_or(Path::new("/"));
    host.expect_trusted(folder, 0, "they could have another file made into swap space", "choose a directory that belongs to root alone")?;
    host.replace(path, &NewFile { ownership, backup: Backup::None, ..NewFile::of(&[]) })?;
    let real = host.locate(path);
    let made = host.command("fallocate").arguments(["--length", &size.0.to_string(), "--"]).argument(real.to_string_lossy()).succeed();
    let made = made.and_then(|_| host.command("mkswap").arguments(["--quiet", "--"]).argument(real.to_string_lossy()).succeed());
    // What is half made would look finished by its size.
    made.map(drop).inspect_err(|_| {
        let _ = host.remove(path);
    })
}

fn edit_table(host: &Host, desired: &Swap) -> Result<(), Failure> {
    edit_text(host, TABLE.as_ref(), Content::Open, |table| {
        let mut new = (desired.ensure == Ensure::Present).then(|| desired.line().to_line());
        let mut lines: Vec<String> = Vec::new();
        for old in table.lines() {
            match TableLine::parse(old).filter(|line| is_meant(line, desired)) {
                None => lines.push(old.to_owned()),
                Some(_) => lines.extend(new.take()),
            }
        }
        lines.extend(new);
        Ok(Some(join_lines(&lines, line_ending(table))))
    })
}

/// A file whose making was cut short has its size and no header yet.
fn put_to_use(host: &Host, desired: &Swap) -> Result<(), Failure> {
    if !host.is_machine() {
        return Ok(());
    }
    let path = desired.path.as_str();
    let priority: Vec<String> = desired.priority.iter().flat_map(|priority| ["--priority".to_owned(), priority.to_string()]).collect();
    let put = || host.command("swapon").arguments(priority.iter().cloned()).argument("--").argument(path).succeed().map(drop);
    match put() {
        Err(_) if desired.size.is_some() => {
            host.command("mkswap").arguments(["--quiet", "--", path]).succeed()?;
            put()
        }
        result => result.map_err(|failure| failure.help(format!("format it with `mkswap {path}`, if nothing else is on it"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::Trial;

    #[test]
    fn a_file_is_made_resized_and_removed_with_its_line() {
        let trial = Trial::new();
        trial.write(TABLE, "/dev/a / ext4 defaults 0 1\n");
        let size = |size: &str| [("size", Value::from(size)), ("priority", Value::Int(5))];
        assert_eq!(
            trial.converge(&SwapType, "/swapfile", &size("64K")).unwrap(),
            ["+ size: absent -> 65536", "+ persist: absent -> sw,pri=5"]
        );
        assert_eq!(trial.read(TABLE), "/dev/a / ext4 defaults 0 1\n/swapfile\tnone\tswap\tsw,pri=5\t0\t0\n");
        let bytes = std::fs::read(trial.path("/swapfile")).unwrap();
        assert_eq!((bytes.len(), &bytes[4086..4096]), (65_536, &b"SWAPSPACE2"[..]));
        assert_eq!(trial.converge(&SwapType, "/swapfile", &size("128K")).unwrap(), ["~ size: 65536 -> 131072"]);
        let described = SwapType.describe(&trial.host, None).unwrap().unwrap().remove(0);
        assert_eq!((described.attributes["size"].clone(), described.attributes["priority"].clone()), (Value::Int(131_072), Value::Int(5)));
        trial.converge(&SwapType, "/swapfile", &[("ensure", Value::from("absent"))]).unwrap();
        assert!(!trial.exists("/swapfile") && trial.read(TABLE).lines().count() == 1);
    }

    #[test]
    fn spaces_in_use_are_read_and_devices_waited_for() {
        assert_eq!(
            parse_swaps("Filename Type Size Used Priority\n/dev/dm-1 partition 1 0 -2\n/a\\040b file 1 0 -3\n"),
            ["/dev/dm-1", "/a b"]
        );
        let trial = Trial::new();
        trial.write("/dev/x", "");
        assert_eq!(trial.plan(&SwapType, "/dev/none", &[]).unwrap_err(), "there is no /dev/none");
        assert!(Trial::refuses::<SwapType>("/dev/x", &[("size", Value::from("1G"))]).contains("size is for files"));
        assert!(Trial::refuses::<SwapType>("/x", &[("size", Value::Int(4097))]).contains("4096"));
    }
}
