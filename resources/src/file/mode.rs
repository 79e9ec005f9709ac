//! File modes as manifests write them: octal, `"0644"`, or symbolic, `"u=rw,g+r,o-rwx"`.

use keel_engine::attributes::AttributeValue;
use keel_engine::schema::Kind;
use keel_engine::value::Value;

/// What a mode shall become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModeSpec {
    /// These bits and no others.
    Octal(u32),
    /// Changes to what is there, in order.
    Symbolic(Vec<Clause>),
}

/// One part of a symbolic mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clause {
    /// The bits that it may touch, `0o700` for `u`.
    who: u32,
    operator: Operator,
    /// Read, write, execute, as in one octal digit.
    rights: u32,
    /// `X`: execute for folders and for what somebody may execute already.
    execute_if_any: bool,
    /// The bits of `0o7000` that `s` and `t` stand for.
    special: u32,
    /// `g=u`: the digit is taken from this position, as a shift.
    copied_from: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Add,
    Remove,
    Set,
}

impl ModeSpec {
    /// The mode of something whose mode is `current`.
    pub fn resolve(&self, current: u32, is_folder: bool) -> u32 {
        match self {
            // Who may read a folder may search it: a mode is mostly written with files in mind.
            ModeSpec::Octal(mode) if is_folder => mode | (mode & 0o444) >> 2,
            ModeSpec::Octal(mode) => *mode,
            ModeSpec::Symbolic(clauses) => clauses.iter().fold(current, |mode, clause| clause.apply(mode, is_folder)),
        }
    }

    /// Whether it gives a program the rights of its owner, or with `group` of its group.
    pub(super) fn lends_rights(&self, bits: u32) -> bool {
        match self {
            ModeSpec::Octal(mode) => mode & bits != 0,
            ModeSpec::Symbolic(clauses) => clauses.iter().any(|clause| clause.operator != Operator::Remove && clause.special & bits != 0),
        }
    }
}

impl Clause {
    fn apply(&self, mode: u32, is_folder: bool) -> u32 {
        let mut digit = self.rights;
        if self.execute_if_any && (is_folder || mode & 0o111 != 0) {
            digit |= 1;
        }
        if let Some(shift) = self.copied_from {
            digit |= mode >> shift & 7;
        }
        let bits = (digit << 6 | digit << 3 | digit) & self.who | self.special;
        match self.operator {
            Operator::Add => mode | bits,
            Operator::Remove => mode & !bits,
            Operator::Set => mode & !self.who & !self.special_of_who() | bits,
        }
    }

    /// Setting somebody's rights also sets their special bit.
    fn special_of_who(&self) -> u32 {
        let user = if self.who & 0o700 != 0 { 0o4000 } else { 0 };
        let group = if self.who & 0o070 != 0 { 0o2000 } else { 0 };
        user | group
    }
}

impl AttributeValue for ModeSpec {
    fn kind() -> Kind {
        Kind::Mode
    }
    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::String(text) => parse_mode(text),
            Value::Int(number) => Err(format!("expected a mode as text, found the number {number}; write it with quotes: \"0644\"")),
            other => Err(keel_engine::attributes::wrong_type(&Kind::Mode, other)),
        }
    }
}

fn parse_mode(text: &str) -> Result<ModeSpec, String> {
    let wrong = || format!("expected a mode such as \"0644\" or \"u=rw,go=r\", found {text:?}");
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        let mode = u32::from_str_radix(text, 8).map_err(|_| wrong())?;
        return if mode <= 0o7777 && text.len() >= 3 { Ok(ModeSpec::Octal(mode)) } else { Err(wrong()) };
    }
    let clauses: Option<Vec<Vec<Clause>>> = text.split(',').map(parse_clauses).collect();
    clauses.map(|clauses| ModeSpec::Symbolic(clauses.concat())).ok_or_else(wrong)
}

/// Reads one part between commas: `u=rw`, `go-w`, `+x`, `u+r-w`.
fn parse_clauses(text: &str) -> Option<Vec<Clause>> {
    let start = text.find(['+', '-', '='])?;
    let (who, mut rest) = text.split_at(start);
    let who = who.chars().try_fold(0, |bits, letter| {
        Some(
            bits | match letter {
                'u' => 0o700,
                'g' => 0o070,
                'o' => 0o007,
                'a' => 0o777,
                _ => return None,
            },
        )
    })?;
    let who = if who == 0 { 0o777 } else { who };
    let mut clauses = Vec::new();
    while let Some(sign) = rest.chars().next() {
        let operator = match sign {
            '+' => Operator::Add,
            '-' => Operator::Remove,
            _ => Operator::Set,
        };
        let after = rest.get(1..)?;
        let end = after.find(['+', '-', '=']).unwrap_or(after.len());
        let (letters, next) = after.split_at(end);
        clauses.push(parse_rights(who, operator, letters)?);
        rest = next;
    }
    Some(clauses)
}

fn parse_rights(who: u32, operator: Operator, letters: &str) -> Option<Clause> {
    let mut clause = Clause { who, operator, rights: 0, execute_if_any: false, special: 0, copied_from: None };
    if let "u" | "g" | "o" = letters {
        clause.copied_from = Some(match letters {
            "u" => 6,
            "g" => 3,
            _ => 0,
        });
        return Some(clause);
    }
    for letter in letters.chars() {
        match letter {
            'r' => clause.rights |= 4,
            'w' => clause.rights |= 2,
            'x' => clause.rights |= 1,
            'X' => clause.execute_if_any = true,
            's' => clause.special |= clause.special_of_who(),
            't' => clause.special |= 0o1000,
            _ => return None,
        }
    }
    Some(clause)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(text: &str, current: u32) -> u32 {
        parse_mode(text).unwrap().resolve(current, false)
    }

    #[test]
    fn octal_modes_set_every_bit() {
        assert_eq!(resolve("0644", 0o4755), 0o644);
        assert_eq!(resolve("755", 0o4755), 0o755);
        assert_eq!(resolve("1777", 0), 0o1777);
    }

    #[test]
    fn folders_can_be_searched_by_who_can_read_them() {
        for (mode, expected) in [("0644", 0o755), ("0600", 0o700), ("0640", 0o750), ("0711", 0o711)] {
            assert_eq!(parse_mode(mode).unwrap().resolve(0, true), expected, "{mode}");
        }
    }

    #[test]
    fn symbolic_modes_change_what_is_there() {
        for (text, current, expected) in [
            ("g+r,o-rwx", 0o600, 0o640),
            ("g+r,o-rwx", 0o640, 0o640),
            ("u=rw,go=r", 0o777, 0o644),
            ("a+x", 0o644, 0o755),
            ("+x", 0o644, 0o755),
            ("u+s", 0o755, 0o4755),
            ("u=rwx", 0o4755, 0o755),
            ("g+s,+t", 0o755, 0o3755),
            ("g=u", 0o740, 0o770),
            ("o=g-w", 0o764, 0o764),
            ("g=rX,u=rw", 0o700, 0o650),
            ("a+X", 0o644, 0o644),
            ("a=", 0o4777, 0o000),
        ] {
            assert_eq!(resolve(text, current), expected, "{text} on {current:o}");
        }
        assert_eq!(parse_mode("a+X").unwrap().resolve(0o644, true), 0o755);
    }

    #[test]
    fn what_is_no_mode_is_refused_with_an_example() {
        for text in ["", "8", "64", "0999", "77777", "rw", "u", "u=q", "x+r", "u=rw,", "-rf"] {
            let error = parse_mode(text).unwrap_err();
            assert!(error.contains("\"0644\""), "{text}: {error}");
        }
        assert!(ModeSpec::read(&Value::Int(644)).unwrap_err().contains("quotes"));
    }
}
