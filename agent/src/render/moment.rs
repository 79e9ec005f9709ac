//! Moments and spans of time, as people read them.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A moment by the clock of this machine.
pub fn moment(since_1970_ms: i64) -> String {
    let zoned = Timestamp::from_millisecond(since_1970_ms).map(|time| time.to_zoned(TimeZone::system()));
    zoned.map_or_else(|_| "at no time".to_owned(), |time| time.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

/// A span of time in its largest unit.
pub fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// How long ago something was.
pub fn ago(then_ms: i64, now_ms: i64) -> String {
    format!("{} ago", span(u64::try_from(now_ms.saturating_sub(then_ms) / 1000).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_one_unit() {
        let spans: Vec<String> = [0, 59, 60, 3599, 3600, 86_399, 200_000].map(span).into();
        assert_eq!(spans, ["0 s", "59 s", "1 min", "59 min", "1 h", "23 h", "2 d"]);
    }

    #[test]
    fn a_clock_that_went_back_is_no_trouble() {
        assert_eq!(ago(5_000, 1_000), "0 s ago");
        assert_eq!(moment(i64::MAX), "at no time");
    }
}
