//! The clock on the wall, in the zone of a schedule.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use keel_engine::schedule::{Schedule, WallTime};

/// When a schedule opens next, in words; none if it is open now.
pub(super) fn opening(schedule: &Schedule) -> Option<String> {
    opening_at(schedule, Timestamp::now())
}

fn opening_at(schedule: &Schedule, now: Timestamp) -> Option<String> {
    let (zone, name) = match &schedule.timezone {
        None => (TimeZone::system(), "by the host's clock"),
        // A host that cannot tell the time does not guess.
        Some(name) => match TimeZone::get(name) {
            Ok(zone) => (zone, name.as_str()),
            Err(_) => return Some(format!("never, for this host knows no time zone {name}")),
        },
    };
    let now = now.to_zoned(zone);
    let weekday = u8::try_from(now.weekday().to_monday_zero_offset()).unwrap_or_default();
    let minute = u16::try_from(i32::from(now.hour()) * 60 + i32::from(now.minute())).unwrap_or_default();
    let opening = schedule.opening(WallTime { weekday, minute })?;
    Some(format!("{} {name}", opening.at))
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
}
