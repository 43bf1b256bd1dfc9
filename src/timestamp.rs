//! The times of the registry: RFC 3339 as Go's `time` package reads and
//! writes it, which is narrower than what chrono accepts. One time that Go
//! cannot read costs cldctl the whole registry.

use std::time::SystemTime;

use chrono::{DateTime, Datelike, FixedOffset, NaiveDate, SecondsFormat, Timelike, Utc};

/// What Go writes for a time that was never set.
pub(crate) const ZERO: &str = "0001-01-01T00:00:00Z";

/// The time by the system's clock, in UTC. `Utc::now` panics where the clock
/// stands before 1970, as it may on a machine without a battery.
pub(crate) fn now() -> DateTime<FixedOffset> {
    DateTime::<Utc>::from(SystemTime::now()).fixed_offset()
}

/// Reads a time that Go's `time.Time` can read from JSON: a real date, seconds
/// up to 59, an offset of less than a day. Digits beyond the nanosecond are
/// dropped, as Go does.
pub(crate) fn parse(text: &str) -> Option<DateTime<FixedOffset>> {
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| -> Option<u32> {
        let digits = bytes.get(from..to)?;
        digits.iter().try_fold(0, |sum, byte| {
            byte.is_ascii_digit()
                .then(|| sum * 10 + u32::from(byte - b'0'))
        })
    };
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if separators
        .iter()
        .any(|&(at, byte)| bytes.get(at) != Some(&byte))
    {
        return None;
    }
    let date = NaiveDate::from_ymd_opt(
        i32::try_from(number(0, 4)?).ok()?,
        number(5, 7)?,
        number(8, 10)?,
    )?;

    let mut at = 19;
    let mut nanos = 0;
    if bytes.get(at) == Some(&b'.') {
        let digits = bytes[at + 1..]
            .iter()
            .take_while(|b| b.is_ascii_digit())
            .count();
        if digits == 0 {
            return None;
        }
        let kept = digits.min(9);
        nanos = number(at + 1, at + 1 + kept)? * 10_u32.pow(9 - kept as u32);
        at += 1 + digits;
    }

    let seconds_east = match bytes.get(at)? {
        b'Z' if bytes.len() == at + 1 => 0,
        sign @ (b'+' | b'-') if bytes.len() == at + 6 && bytes[at + 3] == b':' => {
            let (hours, minutes) = (number(at + 1, at + 3)?, number(at + 4, at + 6)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let seconds = i32::try_from(hours * 3600 + minutes * 60).ok()?;
            if *sign == b'-' { -seconds } else { seconds }
        }
        _ => return None,
    };
    date.and_hms_nano_opt(number(11, 13)?, number(14, 16)?, number(17, 19)?, nanos)?
        .and_local_timezone(FixedOffset::east_opt(seconds_east)?)
        .single()
}

/// As [`parse`], but for a time that we are to write: at most nine digits of
/// a fraction, so that what is stored is what was given.
#[cfg(feature = "cli")]
pub(crate) fn parse_to_store(text: &str) -> Option<DateTime<FixedOffset>> {
    let fraction = text.get(19..)?.strip_prefix('.').unwrap_or_default();
    let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
    parse(text).filter(|_| digits <= 9)
}

/// Writes a time as Go does: `Z` for no offset, no trailing zeros in the
/// fraction. `None` if Go could not read it back: a year beyond 9999, an
/// offset with seconds, a leap second.
pub(crate) fn format(time: &DateTime<FixedOffset>) -> Option<String> {
    let writable = (0..=9999).contains(&time.year())
        && time.offset().local_minus_utc() % 60 == 0
        && time.nanosecond() < 1_000_000_000;
    if !writable {
        return None;
    }
    let text = time.to_rfc3339_opts(SecondsFormat::Nanos, true);
    // 19 characters of date and time, the point, nine digits, the offset.
    let (head, offset) = text.split_at(29);
    let head = head.trim_end_matches('0').trim_end_matches('.');
    Some(format!("{head}{offset}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_go_reads_is_read() {
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
    fn what_go_cannot_read_is_refused() {
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

    #[cfg(feature = "cli")]
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
    fn a_time_beyond_what_go_reads_is_not_written() {
        let leap = DateTime::parse_from_rfc3339("2016-12-31T23:59:60Z").unwrap();
        assert_eq!(format(&leap), None);
        let odd = parse(ZERO)
            .unwrap()
            .with_timezone(&FixedOffset::east_opt(30).unwrap());
        assert_eq!(format(&odd), None);
    }
}
