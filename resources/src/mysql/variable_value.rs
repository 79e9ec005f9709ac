//! Values of the server's variables: what is written, what the server makes of it, and whether two are the same.

use crate::host::sql::Row;

/// The query that gives all variables.
pub(crate) const QUERY: &str = "SELECT VARIABLE_NAME, GLOBAL_VALUE, VARIABLE_SCOPE, VARIABLE_TYPE, NUMERIC_MIN_VALUE, NUMERIC_MAX_VALUE, \
     NUMERIC_BLOCK_SIZE, ENUM_VALUE_LIST, READ_ONLY, GLOBAL_VALUE_PATH FROM information_schema.SYSTEM_VARIABLES";

/// A variable of a running server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Variable {
    pub(crate) name: String,
    /// What it is; none where only sessions have one.
    pub(crate) value: Option<String>,
    kind: Kind,
    /// Whether it can be changed while the server runs.
    pub(crate) is_dynamic: bool,
    /// The file that its value came from.
    pub(crate) file: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Switch,
    Number {
        min: i128,
        max: i128,
        block: i128,
    },
    Decimal,
    /// One of these.
    Choice(Vec<String>),
    /// Any of these, in this order.
    Choices(Vec<String>),
    /// Switches of its own, `name=on,...`.
    Flags,
    Text,
}

impl Variable {
    pub(crate) fn read(row: &Row) -> Self {
        let number = |column: &str| row.get(column).and_then(|text| text.parse::<i128>().ok());
        let choices = || row.text("ENUM_VALUE_LIST").split(',').map(str::to_owned).collect();
        let kind = match row.text("VARIABLE_TYPE") {
            "BOOLEAN" => Kind::Switch,
            "DOUBLE" => Kind::Decimal,
            "ENUM" => Kind::Choice(choices()),
            "SET" => Kind::Choices(choices()),
            "FLAGSET" => Kind::Flags,
            "VARCHAR" => Kind::Text,
            _ => match (number("NUMERIC_MIN_VALUE"), number("NUMERIC_MAX_VALUE")) {
                (Some(min), Some(max)) => Kind::Number { min, max, block: number("NUMERIC_BLOCK_SIZE").unwrap_or_default().max(1) },
                _ => Kind::Text,
            },
        };
        Self {
            name: row.text("VARIABLE_NAME").to_ascii_lowercase(),
            value: row.get("GLOBAL_VALUE").map(str::to_owned).filter(|_| row.text("VARIABLE_SCOPE") != "SESSION ONLY"),
            kind,
            is_dynamic: row.text("READ_ONLY") != "YES",
            file: row.get("GLOBAL_VALUE_PATH").map(str::to_owned),
        }
    }

    /// What the server would show for a value.
    ///
    /// # Errors
    /// What it would not take, without the value itself.
    pub(crate) fn canonical(&self, text: &str) -> Result<String, String> {
        let text = text.trim();
        match &self.kind {
            // Its option is the name of the log's files.
            Kind::Switch if self.name == "log_bin" => Ok(switch(text).unwrap_or("ON").to_owned()),
            Kind::Switch => switch(text).map(str::to_owned).ok_or_else(|| "is ON or OFF".to_owned()),
            Kind::Number { min, max, block } => {
                let number = number(text).ok_or_else(|| "is a number, which may end in K, M, G or T".to_owned())?;
                if number < *min || number > *max {
                    return Err(format!("is from {min} to {max}"));
                }
                Ok((number - number % block).to_string())
            }
            Kind::Decimal => text.parse::<f64>().map(|number| format!("{number:.6}")).map_err(|_| "is a number".to_owned()),
            Kind::Choice(words) => choice(words, text).ok_or_else(|| format!("is one of {}", words.join(", "))),
            Kind::Choices(words) => {
                let mut chosen = Vec::new();
                for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
                    chosen.push(choice(words, part).ok_or_else(|| format!("is any of {}", words.join(", ")))?);
                }
                Ok(words.iter().filter(|word| chosen.contains(word)).cloned().collect::<Vec<_>>().join(","))
            }
            Kind::Flags | Kind::Text => Ok(text.to_owned()),
        }
    }

    /// Whether the server has this value. `chunk` is what its buffer pool grows by.
    pub(crate) fn is(&self, canonical: &str, chunk: Option<i128>) -> bool {
        let Some(value) = &self.value else { return false };
        match &self.kind {
            Kind::Flags => {
                let is_on = |flag: &str| value.split(',').any(|known| known.eq_ignore_ascii_case(flag.trim()));
                canonical.split(',').all(is_on)
            }
            Kind::Number { .. } if self.name == "innodb_buffer_pool_size" => {
                let rounded = chunk.filter(|chunk| *chunk > 0).and_then(|chunk| Some(canonical.parse::<i128>().ok()?.div_ceil_by(chunk)));
                value == canonical || rounded.is_some_and(|rounded| rounded.to_string() == *value)
            }
            Kind::Decimal => {
                value.parse::<f64>().ok().zip(canonical.parse::<f64>().ok()).is_some_and(|(one, other)| (one - other).abs() < 1e-6)
            }
            Kind::Choices(_) | Kind::Choice(_) => value.eq_ignore_ascii_case(canonical),
            _ => value == canonical,
        }
    }

    /// Whether it is written without quotes in a statement.
    pub(crate) fn is_number(&self) -> bool {
        matches!(self.kind, Kind::Number { .. } | Kind::Decimal)
    }
}

/// Rounding up to whole pieces.
trait DivCeilBy {
    fn div_ceil_by(self, piece: Self) -> Self;
}

impl DivCeilBy for i128 {
    fn div_ceil_by(self, piece: i128) -> i128 {
        (self + piece - 1) / piece * piece
    }
}

fn switch(text: &str) -> Option<&'static str> {
    match text.to_ascii_lowercase().as_str() {
        "on" | "1" | "true" | "yes" | "" => Some("ON"),
        "off" | "0" | "false" | "no" => Some("OFF"),
        _ => None,
    }
}

/// A word of the list, by name or by number.
fn choice(words: &[String], text: &str) -> Option<String> {
    let by_name = |text: &str| words.iter().find(|word| word.eq_ignore_ascii_case(text)).cloned();
    by_name(text).or_else(|| switch(text).and_then(by_name)).or_else(|| words.get(text.parse::<usize>().ok()?).cloned())
}

/// A number with the ending of a size.
fn number(text: &str) -> Option<i128> {
    let (digits, factor) = match text.char_indices().next_back() {
        Some((at, 'k' | 'K')) => (text.get(..at)?, 10),
        Some((at, 'm' | 'M')) => (text.get(..at)?, 20),
        Some((at, 'g' | 'G')) => (text.get(..at)?, 30),
        Some((at, 't' | 'T')) => (text.get(..at)?, 40),
        _ => (text, 0),
    };
    digits.parse::<i128>().ok()?.checked_mul(1 << factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(kind: &str, value: &str, more: &[(&str, &str)]) -> Variable {
        Variable::read(&Row::of(&[&[("VARIABLE_NAME", "X"), ("VARIABLE_TYPE", kind), ("GLOBAL_VALUE", value)], more].concat()))
    }

    fn check(variable: &Variable, same: &[&str], different: &[&str], wrong: &[&str]) {
        for text in same {
            assert!(variable.canonical(text).is_ok_and(|canonical| variable.is(&canonical, None)), "{text} is {variable:?}");
        }
        for text in different {
            assert!(variable.canonical(text).is_ok_and(|canonical| !variable.is(&canonical, None)), "{text} is not {variable:?}");
        }
        for text in wrong {
            assert!(variable.canonical(text).is_err(), "{text} is refused by {variable:?}");
        }
    }

    #[test]
    fn values_are_the_same_in_any_spelling() {
        check(&variable("BOOLEAN", "ON", &[]), &["on", "1", "true"], &["OFF", "0"], &["maybe", "2"]);
        let range = [("NUMERIC_MIN_VALUE", "10"), ("NUMERIC_MAX_VALUE", "18446744073709551615"), ("NUMERIC_BLOCK_SIZE", "1024")];
        check(
            &variable("BIGINT UNSIGNED", "1048576", &range),
            &["1M", "1048576", "1024k", "1048577"],
            &["2M", "10"],
            &["1", "x", "1X", "", "99999999T"],
        );
        check(&variable("DOUBLE", "10.000000", &[]), &["10", "10.0"], &["9.5"], &["ten"]);
        let list = [("ENUM_VALUE_LIST", "OFF,ON,ON_PERMISSIVE")];
        check(&variable("ENUM", "ON", &list), &["on", "1", "true"], &["on_permissive", "0"], &["other", "7"]);
        let list = [("ENUM_VALUE_LIST", "STRICT_TRANS_TABLES,NO_ZERO_DATE,ANSI_QUOTES")];
        check(
            &variable("SET", "STRICT_TRANS_TABLES,ANSI_QUOTES", &list),
            &["ansi_quotes, strict_trans_tables"],
            &["ANSI_QUOTES", ""],
            &["LAX"],
        );
        check(&variable("FLAGSET", "mrr=off,engine_condition_pushdown=on", &[]), &["mrr=off", "MRR=OFF"], &["mrr=on"], &[]);
        check(&variable("VARCHAR", "/var/log/x", &[]), &["/var/log/x"], &["/VAR/LOG/X"], &[]);
    }

    #[test]
    fn the_log_is_on_by_the_name_of_its_files() {
        let mut log = variable("BOOLEAN", "ON", &[]);
        assert!(log.canonical("mariadb-bin").is_err());
        log.name = "log_bin".to_owned();
        check(&log, &["mariadb-bin", "ON"], &["off"], &[]);
    }

    #[test]
    fn the_buffer_pool_grows_by_whole_pieces() {
        let range = [("NUMERIC_MIN_VALUE", "2097152"), ("NUMERIC_MAX_VALUE", "9223372036854775807")];
        let mut pool = variable("BIGINT UNSIGNED", "268435456", &range);
        pool.name = "innodb_buffer_pool_size".to_owned();
        let canonical = pool.canonical("200M").unwrap();
        assert!(pool.is(&canonical, Some(128 << 20)) && !pool.is(&canonical, Some(8 << 20)) && !pool.is(&canonical, Some(0)));
    }
}
