//! A crontab as lines, of which only named jobs are ever touched.

use std::fmt;

/// What stands above a job, with its name behind.
const MARK: &str = "# Evenkeel: ";
const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// What a field of a schedule takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    min: u32,
    max: u32,
    names: &'static [&'static str],
}

pub(super) const MINUTE: Limits = Limits { min: 0, max: 59, names: &[] };
pub(super) const HOUR: Limits = Limits { min: 0, max: 23, names: &[] };
pub(super) const MONTHDAY: Limits = Limits { min: 1, max: 31, names: &[] };
pub(super) const MONTH: Limits = Limits { min: 1, max: 12, names: &MONTHS };
pub(super) const WEEKDAY: Limits = Limits { min: 0, max: 7, names: &WEEKDAYS };

impl Limits {
    /// Whether cron takes this: values, `*`, ranges and steps, several with commas.
    pub(super) fn accept(self, field: &str) -> bool {
        field.split(',').all(|part| {
            let (range, step) = part.split_once('/').map_or((part, None), |(range, step)| (range, Some(step)));
            let step_fits = step.is_none_or(|step| step.parse::<u32>().is_ok_and(|step| step > 0));
            let range_fits = match range.split_once('-') {
                _ if range == "*" => true,
                Some((from, to)) => matches!((self.value(from), self.value(to)), (Some(from), Some(to)) if from <= to),
                None => self.value(range).is_some(),
            };
            step_fits && range_fits
        })
    }

    fn value(self, text: &str) -> Option<u32> {
        let named = self.names.iter().position(|name| *name == text).and_then(|position| u32::try_from(position).ok());
        let digits = text.chars().all(|c| c.is_ascii_digit());
        let number = if digits { text.parse().ok() } else { named.map(|position| position + self.min) };
        number.filter(|number| (self.min..=self.max).contains(number))
    }
}

/// Whether it is a line that sets a variable.
pub(super) fn is_variable(line: &str) -> bool {
    let Some((name, _)) = line.split_once('=') else { return false };
    let name = name.trim();
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.starts_with(|c: char| fits(c) && !c.is_ascii_digit()) && name.chars().all(fits) && !line.contains(['\n', '\r'])
}

/// When a job runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Schedule {
    /// Minute, hour, day of the month, month, day of the week.
    Fields([String; 5]),
    /// The word behind `@`.
    Special(String),
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Schedule::Fields(fields) => f.write_str(&fields.join(" ")),
            Schedule::Special(word) => write!(f, "@{word}"),
        }
    }
}

/// A job with the variables that stand between its name and its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) schedule: Schedule,
    pub(super) command: String,
    pub(super) environment: Vec<String>,
}

impl Job {
    /// The line of the crontab.
    pub(super) fn line(&self) -> String {
        format!("{} {}", self.schedule, self.command)
    }

    fn parse(line: &str) -> Option<Self> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') || is_variable(line) {
            return None;
        }
        let job = |schedule, command: &str| Some(Job { schedule, command: command.to_owned(), environment: Vec::new() });
        if let Some(special) = line.strip_prefix('@') {
            let (word, command) = special.split_once(char::is_whitespace)?;
            return job(Schedule::Special(word.to_lowercase()), command.trim_start());
        }
        let mut rest = line;
        let mut fields: [String; 5] = Default::default();
        for field in &mut fields {
            let (word, after) = rest.split_once(char::is_whitespace)?;
            *field = word.to_lowercase();
            rest = after.trim_start();
        }
        job(Schedule::Fields(fields), rest)
    }
}

/// A crontab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Crontab {
    lines: Vec<String>,
}

impl Crontab {
    pub(super) fn parse(text: &str) -> Self {
        Self { lines: text.lines().map(str::to_owned).collect() }
    }

    pub(super) fn print(&self) -> String {
        self.lines.iter().map(|line| format!("{line}\n")).collect()
    }

    /// The lines of a named job: its mark, its variables and the job itself, which may have been lost.
    fn place(&self, name: &str) -> Option<std::ops::Range<usize>> {
        let start = self.lines.iter().position(|line| line.strip_prefix(MARK) == Some(name))?;
        let after = self.lines.iter().enumerate().skip(start + 1);
        let mut variables = start + 1;
        for (position, line) in after {
            if is_variable(line) {
                variables = position + 1;
            } else if Job::parse(line).is_some() {
                return Some(start..position + 1);
            } else {
                break;
            }
        }
        Some(start..variables)
    }

    /// The job of this name.
    pub(super) fn named(&self, name: &str) -> Option<Job> {
        let lines = self.lines.get(self.place(name)?)?;
        let job = Job::parse(lines.last()?)?;
        let environment = lines.get(1..lines.len() - 1)?.to_vec();
        Some(Job { environment, ..job })
    }

    /// All jobs by their names; one that nobody named by its command, under which it would be adopted.
    pub(super) fn jobs(&self) -> Vec<(String, Job)> {
        let mut jobs = self.named_jobs();
        for job in self.unnamed_jobs() {
            let name = job.command.clone();
            if !jobs.iter().any(|(known, _)| *known == name) {
                jobs.push((name, job));
            }
        }
        jobs
    }

    /// All jobs that nobody named.
    pub(super) fn unnamed_jobs(&self) -> Vec<Job> {
        self.lines.iter().filter_map(|line| Job::parse(line)).filter(|job| self.has_unnamed(job)).collect()
    }

    /// All jobs by the names that stand above them.
    pub(super) fn named_jobs(&self) -> Vec<(String, Job)> {
        let names = self.lines.iter().filter_map(|line| line.strip_prefix(MARK));
        names.filter_map(|name| Some((name.to_owned(), self.named(name)?))).collect()
    }

    /// Where a job like this stands that nobody named.
    fn unnamed(&self, job: &Job) -> Option<usize> {
        let bare = Job { environment: Vec::new(), ..job.clone() };
        let is_named = |position: usize| {
            let before = self.lines.get(..position).unwrap_or_default();
            before.iter().rev().find(|line| !is_variable(line)).is_some_and(|line| line.starts_with(MARK))
        };
        self.lines.iter().enumerate().position(|(position, line)| Job::parse(line).as_ref() == Some(&bare) && !is_named(position))
    }

    /// Whether a job like this stands there that nobody named.
    pub(super) fn has_unnamed(&self, job: &Job) -> bool {
        job.environment.is_empty() && self.unnamed(job).is_some()
    }

    /// Puts a named job in its place, or at the end.
    pub(super) fn put(&mut self, name: &str, job: &Job) {
        let place = self.place(name).unwrap_or(self.lines.len()..self.lines.len());
        // Debian's crontab takes comments at the very top for its own: it drops them from `-l` and `-e`.
        let space = (place.start == 0).then(String::new);
        let lines = space.into_iter().chain([format!("{MARK}{name}")]).chain(job.environment.iter().cloned()).chain([job.line()]);
        self.lines.splice(place, lines);
    }

    /// Removes a named job, or one like it that nobody named.
    pub(super) fn remove(&mut self, name: &str, job: &Job) {
        let place = self.place(name).or_else(|| self.unnamed(job).map(|position| position..position + 1));
        if let Some(place) = place {
            self.lines.drain(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
SHELL=/bin/sh
# Evenkeel: one
PATH=/x
MAILTO=a
*/5  2 * JAN mon  do  it
# Evenkeel: lost
# a comment
@Daily other
";

    #[test]
    fn named_jobs_have_their_variables() {
        let crontab = Crontab::parse(TEXT);
        let one = crontab.named("one").unwrap();
        assert_eq!((one.line().as_str(), one.environment.len()), ("*/5 2 * jan mon do  it", 2));
        assert_eq!(crontab.named("lost"), None);
        assert_eq!(crontab.print(), TEXT);
    }

    #[test]
    fn a_job_is_replaced_in_its_place() {
        let mut crontab = Crontab::parse(TEXT);
        let job = Job::parse("@hourly x").unwrap();
        crontab.put("one", &job);
        crontab.put("lost", &job);
        crontab.put("new", &job);
        let expected = "SHELL=/bin/sh\n# Evenkeel: one\n@hourly x\n# Evenkeel: lost\n@hourly x\n# a comment\n@Daily other\n# Evenkeel: new\n@hourly x\n";
        assert_eq!(crontab.print(), expected);
        for name in ["one", "lost", "new"] {
            crontab.remove(name, &job);
        }
        assert_eq!(crontab.print(), "SHELL=/bin/sh\n# a comment\n@Daily other\n");
    }

    #[test]
    fn a_name_never_stands_in_the_first_line() {
        let mut crontab = Crontab::parse("");
        let job = Job::parse("@hourly x").unwrap();
        crontab.put("one", &job);
        crontab.put("one", &job);
        assert_eq!(crontab.print(), "\n# Evenkeel: one\n@hourly x\n");
    }

    #[test]
    fn only_unnamed_jobs_are_adopted() {
        let crontab = Crontab::parse(TEXT);
        let mut one = crontab.named("one").unwrap();
        one.environment.clear();
        assert!(!crontab.has_unnamed(&one));
        assert!(crontab.has_unnamed(&Job::parse("@daily other").unwrap()));
    }

    #[test]
    fn fields_have_limits() {
        for good in ["*", "0", "59", "*/5", "1-5", "1-30/2", "1,2,3"] {
            assert!(MINUTE.accept(good), "{good}");
        }
        for bad in ["", "60", "-1", "5-1", "*/0", "1,", "a", "* *"] {
            assert!(!MINUTE.accept(bad), "{bad}");
        }
        assert!(WEEKDAY.accept("mon-fri") && WEEKDAY.accept("7") && MONTH.accept("dec") && !MONTH.accept("0") && !MONTHDAY.accept("32"));
    }
}
