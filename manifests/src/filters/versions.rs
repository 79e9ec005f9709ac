//! Comparing versions: loosely, by semantic versioning, or as Debian does.

use std::cmp::Ordering;

/// The three ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    /// Numbers by value, words by letters, part by part.
    Loose,
    /// As loose, but what stands after `-` comes before the release, and what stands after `+` does not count.
    Semantic,
    /// Epoch, version, revision; `~` comes before everything.
    Debian,
}

/// Compares two versions.
pub(super) fn compare(a: &str, b: &str, scheme: Scheme) -> Ordering {
    match scheme {
        Scheme::Loose => loose(a, b),
        Scheme::Semantic => semantic(a, b),
        Scheme::Debian => debian(a, b),
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Word(String),
    Number(u64),
}

fn parts(version: &str) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let mut run = String::new();
    let mut flush = |run: &mut String| {
        if !run.is_empty() {
            parts.push(run.parse().map_or_else(|_| Part::Word(run.clone()), Part::Number));
            run.clear();
        }
    };
    for character in version.chars() {
        let digit = character.is_ascii_digit();
        if !digit && !character.is_alphabetic() {
            flush(&mut run);
            continue;
        }
        if run.chars().last().is_some_and(|last| last.is_ascii_digit() != digit) {
            flush(&mut run);
        }
        run.push(character);
    }
    flush(&mut run);
    parts
}

fn loose(a: &str, b: &str) -> Ordering {
    parts(a.trim_start_matches('v')).cmp(&parts(b.trim_start_matches('v')))
}

fn semantic(a: &str, b: &str) -> Ordering {
    let split = |version: &str| {
        let version = version.split('+').next().unwrap_or_default().to_owned();
        match version.split_once('-') {
            Some((release, early)) => (release.to_owned(), Some(early.to_owned())),
            None => (version, None),
        }
    };
    let ((release_a, early_a), (release_b, early_b)) = (split(a), split(b));
    loose(&release_a, &release_b).then_with(|| match (early_a, early_b) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        // Numbers come before words here, the other way round than in loose comparison.
        (Some(a), Some(b)) => parts(&a)
            .iter()
            .zip(&parts(&b))
            .map(|(a, b)| identifier(a, b))
            .find(|order| order.is_ne())
            .unwrap_or_else(|| parts(&a).len().cmp(&parts(&b).len())),
    })
}

fn identifier(a: &Part, b: &Part) -> Ordering {
    match (a, b) {
        (Part::Number(_), Part::Word(_)) => Ordering::Less,
        (Part::Word(_), Part::Number(_)) => Ordering::Greater,
        _ => a.cmp(b),
    }
}

fn debian(a: &str, b: &str) -> Ordering {
    let split = |version: &str| {
        let (epoch, rest) = version.split_once(':').unwrap_or(("0", version));
        let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, "0"));
        (epoch.parse::<u64>().unwrap_or(0), upstream.to_owned(), revision.to_owned())
    };
    let (a, b) = (split(a), split(b));
    a.0.cmp(&b.0).then_with(|| debian_part(&a.1, &b.1)).then_with(|| debian_part(&a.2, &b.2))
}

/// Stretches without digits by the order of dpkg, stretches of digits by value, in turns.
fn debian_part(mut a: &str, mut b: &str) -> Ordering {
    let weight = |character: Option<char>| match character {
        Some('~') => -1,
        None => 0,
        Some(letter) if letter.is_ascii_alphabetic() => letter as i64,
        Some(other) => other as i64 + 256,
    };
    while !a.is_empty() || !b.is_empty() {
        let cut = |text: &str, digits: bool| text.find(|c: char| c.is_ascii_digit() != digits).unwrap_or(text.len());
        let ((word_a, rest_a), (word_b, rest_b)) = (a.split_at(cut(a, false)), b.split_at(cut(b, false)));
        let (mut letters_a, mut letters_b) = (word_a.chars(), word_b.chars());
        for _ in 0..word_a.len().max(word_b.len()) {
            let order = weight(letters_a.next()).cmp(&weight(letters_b.next()));
            if order.is_ne() {
                return order;
            }
        }
        let ((number_a, after_a), (number_b, after_b)) = (rest_a.split_at(cut(rest_a, true)), rest_b.split_at(cut(rest_b, true)));
        let (number_a, number_b) = (number_a.trim_start_matches('0'), number_b.trim_start_matches('0'));
        let order = number_a.len().cmp(&number_b.len()).then_with(|| number_a.cmp(number_b));
        if order.is_ne() {
            return order;
        }
        (a, b) = (after_a, after_b);
    }
    Ordering::Equal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ascending_versions_ascend() {
        let ascending = [
            (Scheme::Loose, vec!["1.2", "1.2.1", "1.10", "v2"]),
            (Scheme::Semantic, vec!["1.0.0-1", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-beta", "1.0.0", "1.0.1+build"]),
            (Scheme::Debian, vec!["1.0~rc1-1", "1.0-1", "1.0-1+b1", "1.0-2", "1.0a", "1.0+x", "1.2", "1.10", "1:0.1"]),
        ];
        for (scheme, versions) in ascending {
            for (position, version) in versions.iter().enumerate() {
                for (other_position, other) in versions.iter().enumerate() {
                    assert_eq!(compare(version, other, scheme), position.cmp(&other_position), "{version} {other} {scheme:?}");
                }
            }
        }
    }
}
