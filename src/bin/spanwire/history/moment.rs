//! Times as people write and read them.

use std::str::FromStr;
use std::time::{Duration, SystemTime};

use spanwire::clock::{Clock, now};

/// From one time to another; a side that is missing has no bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Period {
    pub(super) since: Option<SystemTime>,
    pub(super) until: Option<SystemTime>,
}

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (since, until) = text
            .split_once("..")
            .ok_or("it is not a period like 2d..1d or 2026-11-29..")?;
        let side = |text: &str| (!text.is_empty()).then(|| moment(text)).transpose();
        let (since, until) = (side(since)?, side(until)?);
        match (since, until) {
            (Some(since), Some(until)) if since >= until => {
                Err("it ends before it begins".to_owned())
            }
            _ => Ok(Self { since, until }),
        }
    }
}

/// The time now.
pub(super) fn today() -> SystemTime {
    Clock::current().wall(now())
}

/// A time: so long ago, or a date, or a date and time in UTC.
pub(crate) fn moment(text: &str) -> Result<SystemTime, String> {
    if let Ok(time) = ago(text) {
        return Ok(time);
    }
    let bad = "it is neither an age like 30s, 15m, 2h, 7d or 4w nor a time in UTC like \
               2026-11-29T18:00:00Z or 2026-11-29";
    date_time(text).ok_or_else(|| bad.to_owned())
}

/// So long ago.
pub(super) fn ago(text: &str) -> Result<SystemTime, String> {
    let age = duration(text)?;
    today()
        .checked_sub(age)
        .ok_or_else(|| "it is too long ago".to_owned())
}

/// `90s`, `15m`, `2h`, `7d`, `4w`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let bad = || "it is not a length of time like 30s, 15m, 2h, 7d or 4w".to_owned();
    // The last character, which may have several bytes.
    let unit = text.chars().last().ok_or_else(bad)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 604_800,
        _ => return Err(bad()),
    };
    let number = text.strip_suffix(unit).unwrap_or_default();
    // `parse` takes a plus sign, which means nothing in an age.
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(bad());
    }
    let number: u64 = number.parse().map_err(|_| bad())?;
    match number.checked_mul(seconds) {
        // A hundred years: more is a slip.
        Some(seconds) if (1..=100 * 366 * 86_400).contains(&seconds) => {
            Ok(Duration::from_secs(seconds))
        }
        _ => Err(bad()),
    }
}

/// `2026-11-29`, `2026-11-29T18:00` or `2026-11-29T18:00:00`, with or without a `Z`.
fn date_time(text: &str) -> Option<SystemTime> {
    let text = text.strip_suffix(['Z', 'z']).unwrap_or(text);
    // The parser wants a time with seconds.
    let missing = match text.len() {
        10 => "T00:00:00",
        16 => ":00",
        _ => "",
    };
    humantime::parse_rfc3339_weak(&format!("{text}{missing}")).ok()
}

/// A time in UTC, by RFC 3339, to the millisecond.
pub(super) fn shown(time: SystemTime) -> String {
    // Nothing was recorded before 1970, and a date there cannot be written.
    humantime::format_rfc3339_millis(time.max(SystemTime::UNIX_EPOCH)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn date_and_time_are_read_and_shown_the_same() {
        for text in [
            "1970-01-01T00:00:00.000Z",
            "2000-02-29T23:59:59.000Z",
            "2026-11-29T18:43:21.000Z",
            "2100-03-01T00:00:00.000Z",
        ] {
            let time = moment(&text.replace(".000", "")).unwrap();
            assert_eq!(shown(time), text);
        }
        assert_eq!(moment("2026-11-29"), moment("2026-11-29T00:00"));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for bad in [
            "",
            "h",
            "-1h",
            "+1h",
            "1.5h",
            "1y",
            "0d",
            "99999999999999999999d",
            "9999999w",
            "2026-02-30",
            "2026-13-01",
            "2026-11-29T25:00",
            "2026-11",
            "1969-12-31",
            "2026-11-29T18:00:00+01:00",
            "é",
        ] {
            assert!(moment(bad).is_err(), "{bad}");
        }
        assert_eq!(duration("2h"), Ok(Duration::from_secs(7_200)));
    }

    #[test]
    fn period_needs_its_dots_and_an_order() {
        let open: Period = "1d..".parse().unwrap();
        assert!(open.since.is_some() && open.until.is_none());
        assert!("1d".parse::<Period>().is_err());
        assert!("1d..2d".parse::<Period>().is_err());
        assert!("2d..1d".parse::<Period>().is_ok());
    }
}
