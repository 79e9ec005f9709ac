//! Schedules: the hours in which changes may be made.

use std::fmt;

use serde::{Deserialize, Serialize};

const MINUTES_A_DAY: u16 = 24 * 60;
const DAY_NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// When changes may be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// How resources name it.
    pub name: String,
    /// The hours; each is enough.
    pub ranges: Vec<DayRange>,
    /// The days on which a range may begin.
    pub days: Days,
    /// The zone whose clock counts, by its IANA name; the host's own if none.
    pub timezone: Option<String>,
}

/// A part of a day, by the minutes since midnight. What ends before it begins ends on the next day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayRange {
    from: u16,
    to: u16,
}

/// Days of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Days(u8);

/// What a clock on the wall shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WallTime {
    /// The day, from 0 for Monday.
    pub weekday: u8,
    /// Minutes since midnight.
    pub minute: u16,
}

/// When a schedule opens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// What the clock will show.
    pub at: WallTime,
    /// How long until then, in minutes by that clock.
    pub minutes: u32,
}

impl Schedule {
    /// When it opens next; none if it is open.
    pub fn opening(&self, now: WallTime) -> Option<Opening> {
        if self.ranges.iter().any(|range| range.holds(now, self.days)) {
            return None;
        }
        self.ranges.iter().filter_map(|range| range.next(now, self.days)).min_by_key(|opening| opening.minutes)
    }
}

impl DayRange {
    /// Reads `02:00-05:00`.
    ///
    /// # Errors
    /// Says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let form = || format!("{text:?} is no part of a day: write \"02:00-05:00\"");
        let (from, to) = text.split_once('-').ok_or_else(form)?;
        let (from, to) = (minute_of(from.trim()).ok_or_else(form)?, minute_of(to.trim()).ok_or_else(form)?);
        match from {
            MINUTES_A_DAY => Err(format!("{text:?} begins when the day is over: write 00:00")),
            from if from == to => Err(format!("{text:?} is over when it begins; a whole day is \"00:00-24:00\"")),
            from => Ok(Self { from, to }),
        }
    }

    fn holds(self, now: WallTime, days: Days) -> bool {
        let WallTime { weekday, minute } = now;
        if self.from < self.to {
            return days.has(weekday) && (self.from..self.to).contains(&minute);
        }
        (days.has(weekday) && minute >= self.from) || (days.has((weekday + 6) % 7) && minute < self.to)
    }

    fn next(self, now: WallTime, days: Days) -> Option<Opening> {
        // On the eighth day comes the first one's hour that is over today.
        (0..=7u8).find_map(|ahead| {
            let at = WallTime { weekday: (now.weekday + ahead) % 7, minute: self.from };
            let minutes = (u32::from(ahead) * u32::from(MINUTES_A_DAY) + u32::from(self.from)).checked_sub(u32::from(now.minute))?;
            (days.has(at.weekday) && minutes > 0).then_some(Opening { at, minutes })
        })
    }
}

fn minute_of(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let number =
        |digits: &str| digits.parse::<u16>().ok().filter(|_| digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit()));
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let minute = hours * 60 + minutes;
    (minutes < 60 && minute <= MINUTES_A_DAY).then_some(minute)
}

impl Days {
    /// Every day.
    pub const ALL: Self = Self(0b111_1111);

    /// Reads `mon-fri`, `sat,sun`, `mon-wed,fri`.
    ///
    /// # Errors
    /// Says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut days = Self(0);
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (day_of(first)?, day_of(last)?);
            let count = (last + 7 - first) % 7;
            (0..=count).for_each(|step| days.0 |= 1 << ((first + step) % 7));
        }
        Ok(days)
    }

    fn has(self, weekday: u8) -> bool {
        self.0 & (1 << weekday) != 0
    }
}

fn day_of(text: &str) -> Result<u8, String> {
    let name = text.trim().to_ascii_lowercase();
    let position = DAY_NAMES.iter().position(|known| *known == name);
    position
        .and_then(|position| u8::try_from(position).ok())
        .ok_or_else(|| format!("{:?} is no day: write {}, as in \"mon-fri\" or \"sat,sun\"", text.trim(), DAY_NAMES.join(", ")))
}

/// Prints it as a manifest says it: `02:00-05:00 mon,tue Europe/Vienna`.
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        let ranges: Vec<String> = self.ranges.iter().map(|range| format!("{}-{}", clock(range.from), clock(range.to))).collect();
        f.write_str(&ranges.join(","))?;
        if self.days != Days::ALL {
            let days: Vec<&str> = (0u8..).zip(DAY_NAMES).filter(|(day, _)| self.days.has(*day)).map(|(_, name)| name).collect();
            write!(f, " {}", days.join(","))?;
        }
        self.timezone.iter().try_for_each(|zone| write!(f, " {zone}"))
    }
}

impl fmt::Display for WallTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = DAY_NAMES.get(usize::from(self.weekday)).unwrap_or(&"?");
        write!(f, "{day} {:02}:{:02}", self.minute / 60, self.minute % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(ranges: &[&str], days: &str) -> Schedule {
        let ranges = ranges.iter().map(|range| DayRange::parse(range).unwrap()).collect();
        Schedule { name: "night".to_owned(), ranges, days: Days::parse(days).unwrap(), timezone: None }
    }

    fn at(day: &str, hours: u16, minutes: u16) -> WallTime {
        WallTime { weekday: day_of(day).unwrap(), minute: hours * 60 + minutes }
    }

    fn opens(schedule: &Schedule, now: WallTime) -> String {
        schedule.opening(now).map_or("open".to_owned(), |opening| format!("{} in {} min", opening.at, opening.minutes))
    }

    #[test]
    fn it_is_open_from_the_first_minute_and_no_longer_at_the_last() {
        let night = schedule(&["02:00-05:00"], "mon-fri");
        assert_eq!(opens(&night, at("mon", 1, 59)), "mon 02:00 in 1 min");
        assert_eq!(opens(&night, at("mon", 2, 0)), "open");
        assert_eq!(opens(&night, at("mon", 4, 59)), "open");
        assert_eq!(opens(&night, at("mon", 5, 0)), "tue 02:00 in 1260 min");
        assert_eq!(opens(&night, at("fri", 12, 0)), "mon 02:00 in 3720 min");
        assert_eq!(opens(&night, at("sun", 3, 0)), "mon 02:00 in 1380 min");
    }

    #[test]
    fn a_range_over_midnight_belongs_to_the_day_on_which_it_begins() {
        let friday = schedule(&["22:00-02:00"], "fri");
        assert_eq!(opens(&friday, at("fri", 1, 0)), "fri 22:00 in 1260 min");
        assert_eq!(opens(&friday, at("fri", 23, 0)), "open");
        assert_eq!(opens(&friday, at("sat", 1, 59)), "open");
        assert_eq!(opens(&friday, at("sat", 2, 0)), "fri 22:00 in 9840 min");
    }

    #[test]
    fn the_next_of_several_ranges_counts_and_one_day_a_week_comes_again() {
        let twice = schedule(&["14:00-15:00", "02:00-05:00"], "mon");
        assert_eq!(opens(&twice, at("mon", 6, 0)), "mon 14:00 in 480 min");
        assert_eq!(opens(&twice, at("mon", 15, 0)), "mon 02:00 in 9300 min");
        assert_eq!(opens(&schedule(&["00:00-24:00"], "sat,sun"), at("sun", 23, 59)), "open");
    }

    #[test]
    fn days_go_round_the_week() {
        assert_eq!(Days::parse("sat-mon").unwrap(), Days::parse("mon, Sun,sat").unwrap());
        assert_eq!(Days::parse("mon-sun").unwrap(), Days::ALL);
        assert!(Days::parse("mon-fry").unwrap_err().contains("\"fry\" is no day"));
        assert!(Days::parse("").is_err());
    }

    #[test]
    fn what_is_no_part_of_a_day_is_refused() {
        for text in ["", "02:00", "2-5", "02:00-02:00", "24:00-02:00", "02:60-03:00", "25:00-26:00", "+2:00-03:00", "2:00-03:00"] {
            assert!(DayRange::parse(text).is_err(), "{text}");
        }
        assert_eq!(DayRange::parse("00:00 - 24:00").unwrap(), DayRange { from: 0, to: MINUTES_A_DAY });
    }
}
