//! Debian versions: their order, and what a manifest may ask of one.

use std::cmp::Ordering;
use std::fmt;

/// Compares two versions the way dpkg does: epoch, upstream version, revision.
pub(super) fn compare(left: &str, right: &str) -> Ordering {
    let (left, right) = (split(left), split(right));
    left.0.cmp(&right.0).then_with(|| compare_part(left.1, right.1)).then_with(|| compare_part(left.2, right.2))
}

/// Epoch, upstream version, revision. A missing revision equals the revision 0.
fn split(version: &str) -> (u64, &str, &str) {
    let (epoch, rest) = match version.split_once(':') {
        Some((epoch, rest)) => (epoch.parse().unwrap_or(u64::MAX), rest),
        None => (0, version),
    };
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
    (epoch, upstream, revision)
}

/// Compares by turns what is no digit and what is a number.
fn compare_part(mut left: &str, mut right: &str) -> Ordering {
    while !left.is_empty() || !right.is_empty() {
        let (left_text, left_rest) = split_where(left, |c| c.is_ascii_digit());
        let (right_text, right_rest) = split_where(right, |c| c.is_ascii_digit());
        let (left_number, left_next) = split_where(left_rest, |c| !c.is_ascii_digit());
        let (right_number, right_next) = split_where(right_rest, |c| !c.is_ascii_digit());
        let order = compare_text(left_text, right_text).then_with(|| compare_number(left_number, right_number));
        if order != Ordering::Equal {
            return order;
        }
        (left, right) = (left_next, right_next);
    }
    Ordering::Equal
}

fn split_where(text: &str, stop: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(stop).unwrap_or(text.len()))
}

/// A tilde comes before the end, the end before letters, letters before everything else.
fn compare_text(left: &str, right: &str) -> Ordering {
    let weight = |byte: Option<&u8>| match byte {
        Some(b'~') => -1,
        None => 0,
        Some(byte) if byte.is_ascii_alphabetic() => i32::from(*byte),
        Some(byte) => i32::from(*byte) + 256,
    };
    let length = left.len().max(right.len());
    let bytes = |text: &str, position: usize| weight(text.as_bytes().get(position));
    (0..length).map(|position| bytes(left, position).cmp(&bytes(right, position))).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

fn compare_number(left: &str, right: &str) -> Ordering {
    let (left, right) = (left.trim_start_matches('0'), right.trim_start_matches('0'));
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

/// Which versions a manifest accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wish {
    /// This one only.
    Exact(String),
    /// All that start so: `1.22.*`.
    Prefix(String),
    /// All within these bounds: `>=1.22 <2`.
    Range(Vec<(Bound, String)>),
}

/// A side of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `>`
    Above,
    /// `>=`
    AtLeast,
}

impl Wish {
    /// Reads what stands in a manifest.
    ///
    /// # Errors
    /// Says what the text lacks.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.starts_with(['<', '>']) {
            return Ok(Wish::Range(text.split_whitespace().map(parse_bound).collect::<Result<_, _>>()?));
        }
        if let Some(prefix) = text.strip_suffix('*') {
            return Ok(Wish::Prefix(valid(prefix)?));
        }
        Ok(Wish::Exact(valid(text)?))
    }

    /// Whether a version is accepted.
    pub(super) fn accepts(&self, version: &str) -> bool {
        match self {
            Wish::Exact(wanted) => compare(version, wanted).is_eq(),
            Wish::Prefix(prefix) => version.starts_with(prefix),
            Wish::Range(bounds) => bounds.iter().all(|(bound, limit)| {
                let order = compare(version, limit);
                match bound {
                    Bound::Below => order.is_lt(),
                    Bound::AtMost => order.is_le(),
                    Bound::Above => order.is_gt(),
                    Bound::AtLeast => order.is_ge(),
                }
            }),
        }
    }

    /// The newest accepted one among these.
    pub(super) fn best<'v>(&self, versions: impl IntoIterator<Item = &'v str>) -> Option<&'v str> {
        versions.into_iter().filter(|version| self.accepts(version)).max_by(|left, right| compare(left, right))
    }
}

/// Prints it as the manifest has it.
impl fmt::Display for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wish::Exact(version) => f.write_str(version),
            Wish::Prefix(prefix) => write!(f, "{prefix}*"),
            Wish::Range(bounds) => {
                let bounds: Vec<String> = bounds.iter().map(|(bound, version)| format!("{}{version}", bound.sign())).collect();
                f.write_str(&bounds.join(" "))
            }
        }
    }
}

impl Bound {
    const ALL: [Bound; 4] = [Bound::AtMost, Bound::AtLeast, Bound::Below, Bound::Above];

    fn sign(self) -> &'static str {
        match self {
            Bound::Below => "<",
            Bound::AtMost => "<=",
            Bound::Above => ">",
            Bound::AtLeast => ">=",
        }
    }
}

fn parse_bound(text: &str) -> Result<(Bound, String), String> {
    let found = Bound::ALL.into_iter().find_map(|bound| Some((bound, text.strip_prefix(bound.sign())?)));
    let (bound, version) = found.ok_or_else(|| format!("expected a bound such as \">=1.2\", found {text:?}"))?;
    Ok((bound, valid(version)?))
}

fn valid(version: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || ".+-~:".contains(c);
    if version.starts_with(|c: char| c.is_ascii_digit()) && version.chars().all(fits) {
        return Ok(version.to_owned());
    }
    Err(format!("expected a version such as \"1.22.1-9\", \"1.22.*\" or \">=1.22 <2\", found {version:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDERED: [&str; 18] = [
        "0~~",
        "0~",
        "0",
        "0a",
        "0+",
        "1.0~rc1-1",
        "1.0",
        "1.0-1~bpo1",
        "1.0-1",
        "1.0-1+b2",
        "1.0.1",
        "1.2",
        "1.10-a",
        "1.10-1+deb12u9",
        "1.10-1+deb12u11",
        "1.10+dfsg-1",
        "1:0.9",
        "2:0",
    ];

    #[test]
    fn versions_have_the_order_of_dpkg() {
        let ours = |left: &str, right: &str| compare(left, right);
        for left in ORDERED {
            for right in ORDERED {
                let dpkg = |relation: &str| {
                    let status = std::process::Command::new("dpkg").args(["--compare-versions", left, relation, right]).status();
                    status.unwrap().success()
                };
                let expected = if dpkg("lt") {
                    Ordering::Less
                } else if dpkg("eq") {
                    Ordering::Equal
                } else {
                    Ordering::Greater
                };
                assert_eq!(ours(left, right), expected, "{left} and {right}");
            }
        }
        assert!(compare("1.0", "1.0-0").is_eq());
        assert!(compare("1.007", "1.7").is_eq());
    }

    #[test]
    fn wishes_accept_what_they_say() {
        let accepts = |wish: &str, version: &str| Wish::parse(wish).unwrap().accepts(version);
        assert!(accepts("1.22.1-9", "1.22.1-9"));
        assert!(!accepts("1.22.1-9", "1.22.1-9+b1"));
        assert!(accepts("1.22.*", "1.22.1-9") && !accepts("1.22.*", "1.220-1"));
        assert!(accepts(">=1.22 <2", "1.22") && !accepts(">=1.22 <2", "2") && accepts(">=1.22 <2", "2~rc1"));
        assert!(accepts("<=1.19", "1.19") && !accepts(">1 <1.19", "1"));
    }

    #[test]
    fn the_newest_accepted_version_is_best() {
        let versions = ["1.9-1", "1.10-1", "2.0-1"];
        assert_eq!(Wish::parse("1.*").unwrap().best(versions), Some("1.10-1"));
        assert_eq!(Wish::parse("3").unwrap().best(versions), None);
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "nginx", "1.2; id", "--force", ">1 2", "=1", "> 1"] {
            assert!(Wish::parse(text).is_err(), "{text}");
        }
    }
}
