//! The times of the registry: RFC 3339 as Go's `time` package reads and writes it,
//! which accepts less than chrono does. One time that Go cannot read makes cldctl
//! reject the whole registry.

use std::time::SystemTime;

use chrono::{DateTime, Datelike, FixedOffset, NaiveDate, SecondsFormat, Timelike, Utc};

/// The text that Go writes for a time that was never set.
pub(crate) const ZERO: &str = "0001-01-01T00:00:00Z";

/// Returns the time of the system's clock, in UTC.
///
/// `Utc::now` panics if the clock is before 1970, as it may be on a machine without a
/// battery.
pub(crate) fn now() -> DateTime<FixedOffset> {
    DateTime::<Utc>::from(SystemTime::now()).fixed_offset()
}

/// Returns false for the instant that Go takes for no time at all, at whatever
/// offset it is written.
pub(crate) fn is_known(time: &DateTime<FixedOffset>) -> bool {
    /// The start of the year 1.
    const ZERO_SECONDS: i64 = -62_135_596_800;
    (time.timestamp(), time.timestamp_subsec_nanos()) != (ZERO_SECONDS, 0)
}

/// Reads a time that Go's `time.Time` can read from JSON: a real date, seconds
/// up to 59, an offset of less than a day. Digits beyond the nanosecond are
/// dropped, as Go does.
pub(crate) fn parse(text: &str) -> Option<DateTime<FixedOffset>> {
    // YYYY-MM-DDTHH:MM:SS
    let (head, rest) = text.as_bytes().split_first_chunk::<19>()?;
    if [head[4], head[7], head[10], head[13], head[16]] != *b"--T::" {
        return None;
    }
    let [hour, minute, second] = [11, 14, 17].map(|at| number(&head[at..at + 2]));
    let date = NaiveDate::from_ymd_opt(
        i32::try_from(number(&head[..4])?).ok()?,
        number(&head[5..7])?,
        number(&head[8..10])?,
    )?;
    let (nanos, offset) = match rest {
        [b'.', rest @ ..] => fraction(rest)?,
        _ => (0, rest),
    };
    date.and_hms_nano_opt(hour?, minute?, second?, nanos)?
        .and_local_timezone(FixedOffset::east_opt(seconds_east(offset)?)?)
        .single()
}

/// Parses decimal digits, at most nine of them.
fn number(digits: &[u8]) -> Option<u32> {
    let (mut number, mut are_digits) = (0_u32, true);
    for digit in digits.iter().map(|byte| byte.wrapping_sub(b'0')) {
        are_digits &= digit <= 9;
        number = number.wrapping_mul(10).wrapping_add(digit.into());
    }
    are_digits.then_some(number)
}

/// Parses a fraction of a second to nanoseconds; returns them and the rest of the text.
fn fraction(text: &[u8]) -> Option<(u32, &[u8])> {
    let (mut nanos, mut unit) = (0, 1_000_000_000_u32);
    for (at, byte) in text.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return (at > 0).then_some((nanos, &text[at..]));
        }
        unit /= 10;
        nanos += u32::from(digit) * unit;
    }
    None
}

/// Parses an offset from UTC, `Z` or `±HH:MM`, to seconds.
fn seconds_east(offset: &[u8]) -> Option<i32> {
    let &[sign, h1, h2, b':', m1, m2] = offset else {
        return (offset == b"Z").then_some(0);
    };
    let (hours, minutes) = (number(&[h1, h2])?, number(&[m1, m2])?);
    let seconds = i32::try_from(hours * 3600 + minutes * 60).ok()?;
    match sign {
        _ if hours > 23 || minutes > 59 => None,
        b'+' => Some(seconds),
        b'-' => Some(-seconds),
        _ => None,
    }
}

/// As [`parse`], but for a time that we are to write: at most nine digits of
/// a fraction, so that what is stored is what was given.
pub(crate) fn parse_to_store(text: &str) -> Option<DateTime<FixedOffset>> {
    let fraction = text.get(19..)?.strip_prefix('.').unwrap_or_default();
    let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
    parse(text).filter(|_| digits <= 9)
}

/// Formats a time as Go does: `Z` for no offset, no trailing zeros in the fraction.
///
/// `None` if Go could not read it: a year after 9999, an offset with seconds, a leap
/// second.
pub(crate) fn format(time: &DateTime<FixedOffset>) -> Option<String> {
    let writable = (0..=9999).contains(&time.year())
        && time.offset().local_minus_utc() % 60 == 0
        && time.nanosecond() < 1_000_000_000;
    if !writable {
        return None;
    }
    let text = time.to_rfc3339_opts(SecondsFormat::Nanos, true);
    // Date and time have 19 characters; the point, nine digits and the offset follow.
    let (head, offset) = text.split_at(29);
    let head = head.trim_end_matches('0').trim_end_matches('.');
    Some(format!("{head}{offset}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_go_reads_are_read() {
        for text in [
            "2026-02-14T13:03:11.482915736-05:00",
            "2026-02-11T23:59:59.5Z",
            "2026-02-15T05:30:00.000000001+05:30",
            "0001-01-01T00:00:00Z",
            "0000-01-01T00:00:00Z",
            "9999-12-31T23:59:59+23:59",
            "2024-02-29T00:00:00Z",
            "2026-01-01T00:00:00.1234567891Z",
        ] {
            assert!(parse(text).is_some(), "{text}");
        }
    }

    #[test]
    fn times_that_go_cannot_read_are_refused() {
        for text in [
            "",
            "2026-02-14",
            "2026-02-14T13:03:11",
            "2026-02-14 13:03:11Z",
            "2026-02-14t13:03:11Z",
            "2026-02-14T13:03:11z",
            "2026-02-14T13:03:60Z",
            "2026-02-14T24:00:00Z",
            "2026-02-30T00:00:00Z",
            "2025-02-29T00:00:00Z",
            "2026-02-14T13:03:11,5Z",
            "2026-02-14T13:03:11.Z",
            "2026-02-14T13:03:11+24:00",
            "2026-02-14T13:03:11+05:60",
            "2026-02-14T13:03:11+0530",
            "2026-02-14T13:03:11Z ",
            "+2026-02-14T13:03:11Z",
            "12026-02-14T13:03:11Z",
            "2026-02-14T1３:03:11Z",
        ] {
            assert!(parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn the_zero_time_of_go_is_unknown_at_any_offset() {
        for text in [
            ZERO,
            "0001-01-01T05:30:00+05:30",
            "0000-12-31T19:00:00.000-05:00",
        ] {
            assert!(!is_known(&parse(text).unwrap()), "{text}");
        }
        for text in [
            "0001-01-01T00:00:00.000000001Z",
            "0000-12-31T23:59:59Z",
            "0001-01-01T00:00:00+01:00",
            "1970-01-01T00:00:00Z",
        ] {
            assert!(is_known(&parse(text).unwrap()), "{text}");
        }
    }

    #[test]
    fn times_are_written_as_go_writes_them() {
        for (given, written) in [
            ("2026-02-14T13:03:11.482915736-05:00", None),
            ("2026-02-11T23:59:59.500Z", Some("2026-02-11T23:59:59.5Z")),
            ("2026-02-11T23:59:50.000Z", Some("2026-02-11T23:59:50Z")),
            ("2026-02-11T20:00:00+00:00", Some("2026-02-11T20:00:00Z")),
            ("2026-02-11T20:00:00-00:00", Some("2026-02-11T20:00:00Z")),
            (ZERO, None),
        ] {
            let time = parse_to_store(given).unwrap();
            assert_eq!(format(&time).unwrap(), written.unwrap_or(given));
        }
        assert_eq!(parse_to_store("2026-01-01T00:00:00.1234567891Z"), None);
    }

    #[test]
    fn a_time_that_go_cannot_read_is_not_written() {
        let leap = DateTime::parse_from_rfc3339("2016-12-31T23:59:60Z").unwrap();
        assert_eq!(format(&leap), None);
        let odd = parse(ZERO)
            .unwrap()
            .with_timezone(&FixedOffset::east_opt(30).unwrap());
        assert_eq!(format(&odd), None);
    }
}
