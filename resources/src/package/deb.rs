//! Package files on the host: what `dpkg-deb` says of one.

use keel_engine::attributes::AbsolutePath;
use keel_engine::resource::{Failure, ObserveError};

use crate::host::Host;

/// A package file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Deb {
    pub(super) name: String,
    pub(super) version: String,
    architecture: String,
}

impl Deb {
    /// Reads what a file holds.
    ///
    /// # Errors
    /// There is no such file yet, or it is no package.
    pub(super) fn read(host: &Host, path: &AbsolutePath) -> Result<Self, ObserveError> {
        if host.stat_followed(path)?.is_none() {
            let failure = Failure::new(format!("there is no package file {path}"));
            return Err(ObserveError::NotYet(failure.help(format!("declare it: file {:?} source=...", path.as_str()))));
        }
        let danger = "they could have anything installed, which runs as root then";
        host.expect_trusted(path.as_path(), 0, danger, "keep it where only root may write, such as /var/cache/packages")?;
        let file = host.locate(path.as_path());
        let command = host.command("dpkg-deb").argument("--field").argument(file.to_string_lossy());
        let text = command.arguments(["Package", "Version", "Architecture"]).succeed()?.text()?;
        let deb = parse(&text).ok_or_else(|| Failure::new(format!("{path} does not say which package it is")))?;
        Ok(deb)
    }

    /// Whether it is the package of this name, `name` or `name:architecture`.
    pub(super) fn is(&self, name: &str) -> bool {
        match name.split_once(':') {
            Some((name, architecture)) => self.name == name && self.architecture == architecture,
            None => self.name == name,
        }
    }
}

fn parse(text: &str) -> Option<Deb> {
    let field = |name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        value.map(|value| value.trim().to_owned())
    };
    Some(Deb { name: field("Package")?, version: field("Version")?, architecture: field("Architecture")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_and_names_compared() {
        let deb = parse("Package: tool\nVersion: 1:2-3\nArchitecture: amd64\n").unwrap();
        assert_eq!(deb.version, "1:2-3");
        assert!(deb.is("tool") && deb.is("tool:amd64") && !deb.is("tool:i386") && !deb.is("too"));
        assert_eq!(parse("Package: tool\nVersion-x: 1\n"), None);
    }
}
