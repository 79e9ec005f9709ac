//! The clock on the wall, in the zone of a schedule.

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, Zoned};
use keel_engine::schedule::{Schedule, WallTime};

/// When a schedule opens next, in words; none if it is open now.
pub(super) fn opening(schedule: &Schedule) -> Option<String> {
    opening_at(schedule, Timestamp::now())
}

/// The moment at which a schedule opens next; none if it is open now, or never opens here.
pub fn opens_at(schedule: &Schedule, now: Timestamp) -> Option<Timestamp> {
    let now = now.to_zoned(zone(schedule).ok()?);
    let opening = schedule.opening(wall_time(&now))?;
    let minute = now.datetime().with().second(0).subsec_nanosecond(0).build().ok()?;
    let opens = minute.checked_add(Span::new().minutes(i64::from(opening.minutes))).ok()?;
    Some(opens.to_zoned(now.time_zone().clone()).ok()?.timestamp())
}

fn opening_at(schedule: &Schedule, now: Timestamp) -> Option<String> {
    let name = schedule.timezone.as_deref().unwrap_or("by the host's clock");
    // A host that cannot tell the time does not guess.
    let Ok(zone) = zone(schedule) else { return Some(format!("never, for this host knows no time zone {name}")) };
    let opening = schedule.opening(wall_time(&now.to_zoned(zone)))?;
    Some(format!("{} {name}", opening.at))
}

fn zone(schedule: &Schedule) -> Result<TimeZone, jiff::Error> {
    schedule.timezone.as_ref().map_or_else(|| Ok(TimeZone::system()), |name| TimeZone::get(name))
}

fn wall_time(now: &Zoned) -> WallTime {
    let weekday = u8::try_from(now.weekday().to_monday_zero_offset()).unwrap_or_default();
    let minute = u16::try_from(i32::from(now.hour()) * 60 + i32::from(now.minute())).unwrap_or_default();
    WallTime { weekday, minute }
}

#[cfg(test)]
mod tests {
    use keel_engine::schedule::{DayRange, Days};

    use super::*;

    #[test]
    fn the_hours_are_those_of_the_zone_in_summer_and_in_winter() {
        let night = |zone: &str| {
            let ranges = vec![DayRange::parse("02:00-05:00").unwrap()];
            Schedule { name: "night".to_owned(), ranges, days: Days::parse("mon-fri").unwrap(), timezone: Some(zone.to_owned()) }
        };
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        // Monday, 29 June 2026: Berlin is two hours ahead.
        assert_eq!(opening_at(&night("Europe/Berlin"), at("2026-06-29T00:30:00Z")), None);
        assert_eq!(opening_at(&night("UTC"), at("2026-06-29T00:30:00Z")).as_deref(), Some("mon 02:00 UTC"));
        assert_eq!(opening_at(&night("Europe/Berlin"), at("2026-06-29T03:00:00Z")).as_deref(), Some("tue 02:00 Europe/Berlin"));
        // Monday, 14 December 2026: one hour.
        assert_eq!(opening_at(&night("Europe/Berlin"), at("2026-12-14T00:30:00Z")).as_deref(), Some("mon 02:00 Europe/Berlin"));
        assert_eq!(opening_at(&night("Europe/Berlin"), at("2026-12-14T03:00:00Z")), None);
        let lost = opening_at(&night("Mars/Olympus"), at("2026-12-14T03:00:00Z"));
        assert_eq!(lost.as_deref(), Some("never, for this host knows no time zone Mars/Olympus"));
    }

    #[test]
    fn the_moment_of_the_opening_is_exact_also_over_a_change_of_the_clock() {
        let night = |days: &str| {
            let ranges = vec![DayRange::parse("04:00-05:00").unwrap()];
            Schedule { name: "night".to_owned(), ranges, days: Days::parse(days).unwrap(), timezone: Some("Europe/Berlin".to_owned()) }
        };
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        // On this night the clocks went from two to three: four is an hour sooner.
        assert_eq!(opens_at(&night("sun"), at("2026-03-28T23:00:30Z")), Some(at("2026-03-29T02:00:00Z")));
        assert_eq!(opens_at(&night("mon"), at("2026-03-28T23:00:30Z")), Some(at("2026-03-30T02:00:00Z")));
        assert_eq!(opens_at(&night("sun"), at("2026-03-29T02:30:00Z")), None, "it is open");
    }
}
