//! The type `cron`: jobs in the crontabs of users.

mod crontab;

use keel_engine::attributes::{AttributeError, AttributeValue, wrong_type};
use keel_engine::change::{Change, Shown};
use keel_engine::footprint::Footprint;
use keel_engine::resource::{Described, Failure, Listed, Listing, ObserveError, ResourceType, Work};
use keel_engine::schema::Kind;
use keel_engine::value::{Map, Value};
use keel_engine::{attributes, choices};

use crate::accounts;
use crate::ensure::Ensure;
use crate::host::{Backup, Host, NewFile, Ownership};
use crontab::{Crontab, Job, Schedule};

/// Where cron keeps the crontabs of users.
const SPOOL: &str = "/var/spool/cron/crontabs";

choices! {
    /// A schedule that has a name.
    pub enum Special {
        /// When the machine starts.
        Reboot = "reboot",
        /// Once a year.
        Yearly = "yearly",
        /// Once a year.
        Annually = "annually",
        /// Once a month.
        Monthly = "monthly",
        /// Once a week.
        Weekly = "weekly",
        /// Once a day.
        Daily = "daily",
        /// Once a day.
        Midnight = "midnight",
        /// Once an hour.
        Hourly = "hourly",
    }
}

/// A field of a schedule: a number or what cron takes, `*/5`, `1-5`, `mon`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field(pub String);

impl AttributeValue for Field {
    fn kind() -> Kind {
        Kind::OneOf(vec![Kind::Int, Kind::String])
    }
    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::Int(number) => Ok(Field(number.to_string())),
            Value::String(text) => Ok(Field(text.to_lowercase())),
            other => Err(wrong_type(&Self::kind(), other)),
        }
    }
}

attributes! {
    /// A job in a user's crontab.
    ///
    /// A comment with the job's name stands above its line; everything else in the crontab stays as it
    /// is. A job that somebody wrote by hand with the same schedule and command is adopted. A field that
    /// is not given is `*`, also where it was given before.
    ///
    ///     cron backup hour=3 minute=15 command="/usr/local/sbin/backup"
    ///     cron "sweep" command="/opt/app/bin/sweep" user=app minute="*/15"
    ///     cron "report" command="/opt/app/bin/report" special=daily
    ///
    /// With `purge cron` every job that no resource declares goes, of all users, named or not.
    pub struct Cron: "cron" {
        /// What the job is called; unique for each user.
        [title] pub name: String,
        /// `present` or `absent`.
        pub ensure: Ensure = Ensure::Present,
        /// The command, one line for `/bin/sh`. In it `%` is a line break unless written `\%`.
        pub command: Option<String>,
        /// In whose crontab it stands and as whom it runs.
        pub user: String = "root".to_owned(),
        /// Minutes, 0 to 59; one or several.
        pub minute: Vec<Field>,
        /// Hours, 0 to 23; one or several.
        pub hour: Vec<Field>,
        /// Days of the month, 1 to 31; one or several.
        pub monthday: Vec<Field>,
        /// Months, 1 to 12 or `jan` to `dec`; one or several.
        pub month: Vec<Field>,
        /// Days of the week, 0 to 7 or `sun` to `sat`; one or several.
        pub weekday: Vec<Field>,
        /// `reboot`, `hourly`, `daily`, `midnight`, `weekly`, `monthly`, `yearly` or `annually`, instead of the fields.
        pub special: Option<Special>,
        /// Variables for this job, each as `NAME=value`.
        pub environment: Vec<String>,
    }
    check |desired| {
        let mut errors = Vec::new();
        let mut error = |attribute: &str, message: &str| errors.push(AttributeError::new(attribute, message));
        if desired.name.is_empty() || desired.name.contains(['\n', '\r']) {
            error("name", "cannot be empty or hold a line break");
        }
        match desired.command.as_deref() {
            None if desired.ensure == Ensure::Present => error("command", "is required and not given"),
            Some(command) if command.trim().is_empty() || command.contains(['\n', '\r']) => error("command", "must be one line"),
            _ => {}
        }
        for (attribute, fields, _) in desired.fields() {
            if desired.special.is_some() && !fields.is_empty() {
                error(attribute, "stands beside `special`; give one of the two");
            }
        }
        let mut wrong = |attribute: &str, message: String| errors.push(AttributeError::of_value(attribute, message));
        if !crate::accounts::is_account_name(&desired.user) {
            wrong("user", format!("{:?} cannot be a user's name", desired.user));
        }
        for (attribute, fields, limits) in desired.fields() {
            if let Some(Field(field)) = fields.iter().find(|Field(field)| !limits.accept(field)) {
                wrong(attribute, format!("{field:?} is nothing cron takes here"));
            }
        }
        if let Some(line) = desired.environment.iter().find(|line| !crontab::is_variable(line)) {
            wrong("environment", format!("{line:?} is no NAME=value"));
        }
        errors
    }
}

impl Cron {
    fn fields(&self) -> [(&'static str, &[Field], crontab::Limits); 5] {
        [
            ("minute", &self.minute, crontab::MINUTE),
            ("hour", &self.hour, crontab::HOUR),
            ("monthday", &self.monthday, crontab::MONTHDAY),
            ("month", &self.month, crontab::MONTH),
            ("weekday", &self.weekday, crontab::WEEKDAY),
        ]
    }

    fn job(&self) -> Job {
        let join = |fields: &[Field]| {
            let fields: Vec<&str> = fields.iter().map(|field| field.0.as_str()).collect();
            if fields.is_empty() { "*".to_owned() } else { fields.join(",") }
        };
        let schedule = match self.special {
            Some(special) => Schedule::Special(special.as_str().to_owned()),
            None => Schedule::Fields(self.fields().map(|(_, fields, _)| join(fields))),
        };
        Job { schedule, command: self.command.clone().unwrap_or_default(), environment: self.environment.clone() }
    }

    fn path(&self) -> String {
        format!("{SPOOL}/{}", self.user)
    }
}

/// What was found of a job.
#[derive(Debug)]
pub struct ObservedCron {
    job: Option<Job>,
    /// Whether it stands there without its name.
    unnamed: bool,
}

/// The type `cron`.
pub struct CronType;

impl ResourceType for CronType {
    type Host = Host;
    type Desired = Cron;
    type Observed = ObservedCron;

    fn observe(&self, host: &Host, desired: &[&Cron]) -> Vec<Result<ObservedCron, ObserveError>> {
        let look = |cron: &&Cron| {
            let crontab = Crontab::parse(&read(host, cron)?);
            let job = crontab.named(&cron.name);
            let unnamed = job.is_none() && crontab.has_unnamed(&cron.job());
            let observed = ObservedCron { job: if unnamed { Some(cron.job()) } else { job }, unnamed };
            if cron.ensure == Ensure::Present && !self.diff(cron, &observed).is_empty() {
                expect_crontab(host, cron)?;
            }
            Ok(observed)
        };
        desired.iter().map(look).collect()
    }

    fn diff(&self, desired: &Cron, observed: &ObservedCron) -> Vec<Change> {
        match (desired.ensure, &observed.job) {
            (Ensure::Absent, None) => Vec::new(),
            (Ensure::Absent, Some(job)) => vec![Change::delete("ensure", job.line())],
            (Ensure::Present, None) => vec![Change::create("ensure", desired.job().line())],
            (Ensure::Present, Some(_)) if observed.unnamed => vec![],
            (Ensure::Present, Some(job)) => differences(job, &desired.job()),
        }
    }

    fn apply(&self, host: &Host, work: &Work<'_, Self>) -> Result<(), Failure> {
        let cron = work.desired;
        let accounts = host.accounts()?;
        let uid = accounts.user_id(&cron.user).ok_or_else(|| no_user(cron))?;
        if host.list(SPOOL)?.is_none() {
            return Err(no_spool());
        }
        let ownership = Ownership { uid: Some(uid), gid: accounts.group_id("crontab"), mode: Some(0o600) };
        let how = NewFile { ownership, backup: Backup::Store, ..NewFile::of(b"") };
        host.edit(cron.path(), &how, |old| {
            let mut crontab = Crontab::parse(&text(old.unwrap_or_default(), cron)?);
            match cron.ensure {
                Ensure::Present => crontab.put(&cron.name, &cron.job()),
                Ensure::Absent => crontab.remove(&cron.name, &cron.job()),
            }
            Ok(Some(crontab.print().into_bytes()))
        })?;
        Ok(())
    }

    fn footprint(&self, desired: &Cron) -> Footprint {
        // cron looks at the folder's time, which every change of a crontab moves.
        let footprint = Footprint::default().need("package:cron").need(format!("user:{}", desired.user));
        // The same line without a name, or under another one, is the same job.
        let job = desired.job();
        let line = format!("cron-job:{} {} {}", desired.user, job.environment.join(" "), job.line());
        let footprint = if desired.command.is_some() { footprint.write(line) } else { footprint };
        footprint.own(format!("cron:{}/{}", desired.user, desired.name))
    }

    fn removable(&self) -> Option<Listing<Host>> {
        Some(removable)
    }

    fn describe(&self, host: &Host, title: Option<&str>) -> Result<Option<Vec<Described>>, Failure> {
        let mut found = Vec::new();
        for entry in host.list(SPOOL)?.unwrap_or_default() {
            let user = entry.name.to_string_lossy().into_owned();
            let Some(text) = host.read_text(format!("{SPOOL}/{user}")).ok().flatten() else { continue };
            let jobs = Crontab::parse(&text).jobs().into_iter().filter(|(name, _)| title.is_none_or(|title| title == name));
            found.extend(jobs.map(|(title, job)| Described { title, attributes: describe(&user, &job) }));
        }
        Ok(Some(found))
    }
}

/// Every job of every crontab, whether it has a name or not.
fn removable(host: &Host) -> Result<Listed, Failure> {
    let users = accounts::parse_passwd(&accounts::read(host, "/etc/passwd")?);
    let mut found = Listed::default();
    for entry in host.list(SPOOL)?.unwrap_or_default() {
        let user = entry.name.to_string_lossy().into_owned();
        if !users.contains_key(&user) {
            found.left.push(format!("{SPOOL}/{user}: there is no such user, and cron reads no such file"));
            continue;
        }
        let text = match host.read_text(format!("{SPOOL}/{user}")) {
            Ok(text) => text.unwrap_or_default(),
            Err(failure) => {
                found.left.push(format!("the jobs of {user}: {failure}"));
                continue;
            }
        };
        let crontab = Crontab::parse(&text);
        let unnamed = crontab.unnamed_jobs().into_iter().map(|job| (job.command.clone(), job));
        for (name, job) in crontab.named_jobs().into_iter().chain(unnamed) {
            let mut attributes = describe(&user, &job);
            let title = format!("{name} of {user}");
            attributes.insert("name".to_owned(), Value::from(name));
            found.things.push(Described { title, attributes });
        }
    }
    Ok(found)
}

fn describe(user: &str, job: &Job) -> Map {
    let mut attributes =
        Map::from_iter([("user".to_owned(), Value::from(user)), ("command".to_owned(), Value::from(job.command.as_str()))]);
    match &job.schedule {
        Schedule::Special(word) => {
            attributes.insert("special".to_owned(), Value::from(word.as_str()));
        }
        Schedule::Fields(fields) => {
            let names = ["minute", "hour", "monthday", "month", "weekday"];
            let given = names.into_iter().zip(fields).filter(|(_, field)| *field != "*");
            attributes.extend(given.map(|(name, field)| (name.to_owned(), Value::from(field.split(',').collect::<Vec<_>>()))));
        }
    }
    if !job.environment.is_empty() {
        attributes.insert("environment".to_owned(), Value::from(job.environment.clone()));
    }
    attributes
}

/// Fails where a crontab cannot be written and nothing that the catalog declares will change that.
fn expect_crontab(host: &Host, cron: &Cron) -> Result<(), ObserveError> {
    let brought = |key: &str| host.claims().brings(key);
    if host.accounts()?.user_id(&cron.user).is_none() && !brought(&format!("user:{}", cron.user)) {
        return Err(ObserveError::NotYet(no_user(cron)));
    }
    let spool_comes = brought("package:cron") || brought(&format!("path:{SPOOL}"));
    if host.stat_followed(SPOOL)?.is_none() && !spool_comes { Err(ObserveError::NotYet(no_spool())) } else { Ok(()) }
}

fn no_user(cron: &Cron) -> Failure {
    Failure::new(format!("there is no user {} whose crontab could hold {}", cron.user, cron.name)).help("declare the user")
}

fn no_spool() -> Failure {
    Failure::new(format!("there is no folder {SPOOL}")).help("require the package cron")
}

fn read(host: &Host, cron: &Cron) -> Result<String, Failure> {
    let bytes = host.read(cron.path())?.unwrap_or_default();
    text(&bytes, cron)
}

fn text(bytes: &[u8], cron: &Cron) -> Result<String, Failure> {
    let text = std::str::from_utf8(bytes);
    text.map(str::to_owned).map_err(|_| Failure::new(format!("{} is no text", cron.path())).help("repair it with `crontab -e`"))
}

fn differences(is: &Job, wanted: &Job) -> Vec<Change> {
    let mut changes = Vec::new();
    if is.schedule != wanted.schedule {
        changes.push(Change::update("schedule", is.schedule.to_string(), wanted.schedule.to_string()));
    }
    if is.command != wanted.command {
        changes.push(Change::update("command", is.command.as_str(), wanted.command.as_str()));
    }
    if is.environment != wanted.environment {
        changes.push(Change::update("environment", Shown::from(is.environment.clone()), Shown::from(wanted.environment.clone())));
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::{Trial, list};

    const TAB: &str = "/var/spool/cron/crontabs/root";

    fn trial() -> Option<Trial> {
        let trial = Trial::as_root()?;
        trial.write("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n");
        trial.write("/etc/group", "root:x:0:\ncrontab:x:101:\n");
        trial.write(TAB, "MAILTO=ops\n# by hand\n5 4 * * * backup\n");
        Some(trial)
    }

    #[test]
    fn comes_changes_and_goes_and_leaves_the_rest() {
        let Some(trial) = trial() else { return };
        let sweep = [("command", Value::from("sweep")), ("minute", Value::from("*/5")), ("weekday", list(&["mon", "fri"]))];
        assert_eq!(trial.converge(&CronType, "sweep", &sweep).unwrap(), ["+ ensure: absent -> */5 * * * mon,fri sweep"]);
        let expected = "MAILTO=ops\n# by hand\n5 4 * * * backup\n# Evenkeel: sweep\n*/5 * * * mon,fri sweep\n";
        assert_eq!(trial.read(TAB), expected);
        let dropped = [("command", Value::from("sweep")), ("special", Value::from("daily"))];
        assert_eq!(trial.converge(&CronType, "sweep", &dropped).unwrap(), ["~ schedule: */5 * * * mon,fri -> @daily"]);
        assert_eq!(trial.converge(&CronType, "sweep", &[("ensure", Value::from("absent"))]).unwrap().len(), 1);
        assert_eq!(trial.read(TAB), "MAILTO=ops\n# by hand\n5 4 * * * backup\n");
    }

    #[test]
    fn an_equal_job_by_hand_is_adopted_and_removed() {
        let Some(trial) = trial() else { return };
        let backup = [("command", Value::from("backup")), ("minute", Value::Int(5)), ("hour", Value::Int(4))];
        assert_eq!(trial.converge(&CronType, "backup", &backup).unwrap(), [""; 0]);
        let absent = [&backup[..], &[("ensure", Value::from("absent"))]].concat();
        assert_eq!(trial.converge(&CronType, "backup", &absent).unwrap(), ["- ensure: 5 4 * * * backup -> absent"]);
        assert_eq!(trial.read(TAB), "MAILTO=ops\n# by hand\n");
    }

    #[test]
    fn a_missing_user_fails_before_anything_is_written() {
        let Some(trial) = trial() else { return };
        let error = trial.converge(&CronType, "x", &[("command", Value::from("x")), ("user", Value::from("ghost"))]).unwrap_err();
        assert!(error.contains("there is no user ghost"));
        let bare = Trial::new();
        bare.write("/etc/passwd", "root:x:0:0::/:/bin/sh\n");
        assert!(bare.plan(&CronType, "x", &[("command", Value::from("x"))]).unwrap_err().contains("no folder /var/spool"));
        assert!(!trial.exists("/var/spool/cron/crontabs/ghost"));
    }

    #[test]
    fn crontabs_belong_to_their_users() {
        use std::os::unix::fs::MetadataExt;
        let Some(trial) = trial() else { return };
        trial.converge(&CronType, "x", &[("command", Value::from("x"))]).unwrap();
        let metadata = trial.path(TAB).metadata().unwrap();
        assert_eq!((metadata.mode() & 0o7777, metadata.uid(), metadata.gid()), (0o600, 0, 101));
    }

    #[test]
    fn what_cron_would_not_take_is_refused() {
        let refused =
            |attribute: &'static str, value: Value| Trial::refuses::<CronType>("x", &[("command", Value::from("x")), (attribute, value)]);
        assert!(refused("minute", Value::Int(60)).contains("minute"));
        assert!(refused("weekday", Value::from("someday")).contains("weekday"));
        assert!(refused("command", Value::from("a\nb")).contains("one line"));
        assert!(refused("environment", list(&["A B"])).contains("NAME=value"));
        let both = [("command", Value::from("x")), ("special", Value::from("daily")), ("minute", Value::Int(1))];
        assert!(Trial::refuses::<CronType>("x", &both).contains("stands beside `special`"));
        assert!(Trial::refuses::<CronType>("x", &[]).contains("command is required"));
    }
}
