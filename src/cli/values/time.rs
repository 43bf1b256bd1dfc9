//! Times as filters take them: in the forms of docker, and as `date` prints them.

use std::time::Duration;

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, TimeDelta, TimeZone};

/// A time, or how long ago it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum When {
    At(DateTime<FixedOffset>),
    Ago(Duration),
}

/// The last second that RFC 3339 can write: no time in a registry is later.
const LAST_SECOND: i64 = 253_402_300_799;

/// The nanoseconds of a second.
const SECOND: u128 = 1_000_000_000;

/// The units of ages with their nanoseconds: Go's, days and weeks.
const UNITS: [(&str, u128); 10] = [
    ("ns", 1),
    ("us", 1_000),
    // The micro sign, and the Greek letter.
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", SECOND),
    ("m", 60 * SECOND),
    ("h", 3_600 * SECOND),
    ("d", 86_400 * SECOND),
    ("w", 604_800 * SECOND),
];

/// Reads a time or an age.
///
/// A time is a date (`2006-01-02`: its first moment), with or without a time of
/// day (`T15`, `T15:04`, `T15:04:05.9`) and an offset (`Z`, `+01:00`); or seconds
/// since 1970, with or without a fraction. Without an offset it is one of `zone`.
/// An age is a sequence of numbers with units: `1h30m`, `1.5h`, `30d`.
///
/// # Errors
///
/// A text that says what was expected, or why there is no such time.
pub(in crate::cli) fn when(
    text: &str,
    zone: &impl TimeZone<Offset = FixedOffset>,
) -> Result<When, String> {
    if text.starts_with('-') {
        return Err("an age or a number of seconds cannot be negative".to_owned());
    }
    if let Some(number) = Decimal::whole(text) {
        return at_seconds(&number).map(When::At);
    }
    if text.starts_with(|c: char| c.is_ascii_digit()) && text.contains(['-', '/']) {
        return at_date(text, zone).map(When::At);
    }
    ago(text).map(When::Ago)
}

/// Reads a number of seconds since 1970.
fn at_seconds(number: &Decimal) -> Result<DateTime<FixedOffset>, String> {
    let time = number.times(SECOND).and_then(|nanos| {
        let seconds = i64::try_from(nanos / SECOND).ok()?;
        let nanos = u32::try_from(nanos % SECOND).ok()?;
        DateTime::from_timestamp(seconds, nanos).filter(|_| seconds <= LAST_SECOND)
    });
    let too_late = || "seconds since 1970 beyond the year 9999; are they milliseconds?".to_owned();
    time.map(|time| time.fixed_offset()).ok_or_else(too_late)
}

/// Reads a date, with or without a time of day and an offset.
fn at_date(
    text: &str,
    zone: &impl TimeZone<Offset = FixedOffset>,
) -> Result<DateTime<FixedOffset>, String> {
    let (local, offset) = Cursor(text.as_bytes()).date().ok_or(
        "expected a date such as 2026-02-04, alone or with a time of day such as \
         2026-02-04T13:03 or 2026-02-04T13:03:11Z, with leading zeros",
    )?;
    let time = local.and_then(|local| match offset {
        Some(offset) => local
            .and_local_timezone(FixedOffset::east_opt(offset)?)
            .single(),
        None => in_zone(local, zone),
    });
    time.ok_or_else(|| "there is no such date, time of day or offset".to_owned())
}

/// Finds a local time: the earlier one where the clocks are put back over it, and
/// where they are put forward over it, the one that they would show otherwise.
///
/// chrono's own way from local times names the two in either order, and counts
/// the end of the hour that comes twice to it.
fn in_zone(
    local: NaiveDateTime,
    zone: &impl TimeZone<Offset = FixedOffset>,
) -> Option<DateTime<FixedOffset>> {
    // No offset is as large, and no two changes are as close.
    let margin = TimeDelta::hours(26);
    let around = [local - margin, local + margin];
    let [before, after] = around.map(|instant| zone.offset_from_utc_datetime(&instant));
    let at = |offset| local.and_local_timezone(offset).single();
    let is_real = |time: &DateTime<FixedOffset>| {
        zone.offset_from_utc_datetime(&time.naive_utc()) == *time.offset()
    };
    let real = [before, after].into_iter().filter_map(at).filter(is_real);
    real.min().or_else(|| at(before))
}

/// Reads an age.
fn ago(text: &str) -> Result<Duration, String> {
    let expected = || {
        "expected a time such as 2026-02-14, 2026-02-14T13:03:11Z or 1771074191, or an age such \
         as 30d or 1h30m"
            .to_owned()
    };
    let (mut nanos, mut rest) = (Some(0_u128), text);
    while !rest.is_empty() {
        let (number, after) = Decimal::start_of(rest).ok_or_else(expected)?;
        let end = after.find(|c: char| c == '.' || c.is_ascii_digit());
        let (name, after) = after.split_at(end.unwrap_or(after.len()));
        let unit = UNITS.into_iter().find(|(unit, _)| *unit == name);
        let (_, unit) = unit.ok_or_else(expected)?;
        nanos = nanos.and_then(|nanos| nanos.checked_add(number.times(unit)?));
        rest = after;
    }
    if text.is_empty() {
        return Err(expected());
    }
    let age = nanos.and_then(|nanos| {
        let seconds = u64::try_from(nanos / SECOND).ok()?;
        Some(Duration::new(seconds, u32::try_from(nanos % SECOND).ok()?))
    });
    age.ok_or_else(|| "the age is too large".to_owned())
}

/// A decimal number that is not negative.
struct Decimal {
    /// Its digits as one number, without the point.
    digits: u128,
    /// The number of digits after the point.
    decimals: u32,
}

impl Decimal {
    /// Reads a text that is nothing but a number.
    fn whole(text: &str) -> Option<Self> {
        let is_number = !text.starts_with('.') && !text.ends_with('.');
        let (number, rest) = Decimal::start_of(text)?;
        (is_number && rest.is_empty()).then_some(number)
    }

    /// Reads the number that a text starts with, and returns what follows it.
    /// Digits of a fraction beyond the ninth are dropped.
    fn start_of(text: &str) -> Option<(Self, &str)> {
        fn digits(text: &str) -> (&str, &str) {
            text.split_at(text.bytes().take_while(u8::is_ascii_digit).count())
        }
        let (whole, rest) = digits(text);
        let (fraction, rest) = match rest.strip_prefix('.') {
            Some(rest) => digits(rest),
            None => ("", rest),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let fraction = &fraction[..fraction.len().min(9)];
        let number = Decimal {
            // More than fits is too much of any unit.
            digits: format!("{whole}{fraction}").parse().unwrap_or(u128::MAX),
            decimals: u32::try_from(fraction.len()).unwrap_or_default(),
        };
        Some((number, rest))
    }

    /// Returns this many times a unit, rounded down; `None` if that is too much.
    fn times(&self, unit: u128) -> Option<u128> {
        Some(self.digits.checked_mul(unit)? / 10_u128.pow(self.decimals))
    }
}

/// The rest of a date that is being read.
struct Cursor<'t>(&'t [u8]);

impl Cursor<'_> {
    /// Reads all of it: the date and time of day, unless there is no such, and
    /// the offset in seconds, if one is given. `None` if it has another form.
    fn date(mut self) -> Option<(Option<NaiveDateTime>, Option<i32>)> {
        let year = i32::try_from(self.number(4)?).ok()?;
        self.take(b"-")?;
        let month = self.number(2)?;
        self.take(b"-")?;
        let day = self.number(2)?;
        let (mut clock, mut nanos) = ([0; 3], 0);
        // The blank of `date --rfc-3339` can also come before an offset.
        let has_clock = self.0.get(1).is_some_and(u8::is_ascii_digit);
        if has_clock && self.take(b"Tt ").is_some() {
            clock[0] = self.number(2)?;
            let mut given = 1;
            while given < clock.len() && self.take(b":").is_some() {
                clock[given] = self.number(2)?;
                given += 1;
            }
            // `date --iso-8601=ns` writes a comma.
            if given == clock.len() && self.take(b".,").is_some() {
                nanos = self.fraction()?;
            }
        }
        let offset = self.offset()?;
        let [hour, minute, second] = clock;
        let local = NaiveDate::from_ymd_opt(year, month, day)
            .and_then(|date| date.and_hms_nano_opt(hour, minute, second, nanos));
        Some((local, offset))
    }

    /// Reads the offset up to the end, which may be none. One that does not exist
    /// has too many seconds.
    fn offset(&mut self) -> Option<Option<i32>> {
        if self.0.is_empty() {
            return Some(None);
        }
        self.take(b" ");
        let sign = match self.take(b"Zz+-")? {
            b'+' => 1,
            b'-' => -1,
            _ => return self.0.is_empty().then_some(Some(0)),
        };
        let hours = self.number(2)?;
        self.take(b":");
        let minutes = self.number(2).filter(|_| self.0.is_empty())?;
        let seconds = i32::try_from(hours * 3600 + minutes * 60).ok()?;
        Some(Some(if minutes > 59 {
            i32::MAX
        } else {
            sign * seconds
        }))
    }

    /// Takes one character of several.
    fn take(&mut self, of: &[u8]) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        of.contains(&first).then(|| {
            self.0 = rest;
            first
        })
    }

    /// Reads a number of this many digits.
    fn number(&mut self, digits: usize) -> Option<u32> {
        let (number, rest) = self.0.split_at_checked(digits)?;
        let text = str::from_utf8(number).ok()?;
        self.0 = rest;
        text.bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| text.parse().ok())?
    }

    /// Reads the digits of a fraction of a second as nanoseconds.
    fn fraction(&mut self) -> Option<u32> {
        let digits = self
            .0
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let (fraction, rest) = self.0.split_at(digits);
        self.0 = rest;
        let digits = fraction.iter().chain([b'0'; 9].iter()).take(9);
        let nanos = digits.fold(0, |nanos, digit| nanos * 10 + u32::from(digit - b'0'));
        (!fraction.is_empty()).then_some(nanos)
    }
}

#[cfg(test)]
mod tests {
    use chrono::{MappedLocalTime, NaiveTime};

    use super::*;
    use crate::timestamp;

    /// An hour east of UTC in winter, two in summer, as in the middle of Europe in
    /// 2026. Before 2012 it was a day west of that, so that all of 2011-12-30 was
    /// left out.
    #[derive(Clone)]
    struct Zone;

    impl TimeZone for Zone {
        type Offset = FixedOffset;

        fn from_offset(_: &FixedOffset) -> Self {
            Zone
        }

        fn offset_from_local_date(&self, _: &NaiveDate) -> MappedLocalTime<FixedOffset> {
            MappedLocalTime::None
        }

        fn offset_from_local_datetime(&self, _: &NaiveDateTime) -> MappedLocalTime<FixedOffset> {
            MappedLocalTime::None
        }

        fn offset_from_utc_date(&self, date: &NaiveDate) -> FixedOffset {
            self.offset_from_utc_datetime(&date.and_time(NaiveTime::MIN))
        }

        fn offset_from_utc_datetime(&self, utc: &NaiveDateTime) -> FixedOffset {
            let at = |text| timestamp::parse(text).unwrap().naive_utc();
            let hours = if *utc < at("2011-12-30T11:00:00Z") {
                -11
            } else if (at("2026-03-29T01:00:00Z")..at("2026-10-25T01:00:00Z")).contains(utc) {
                2
            } else if *utc < at("2012-06-01T00:00:00Z") {
                13
            } else {
                1
            };
            FixedOffset::east_opt(hours * 3600).unwrap()
        }
    }

    fn at(text: &str) -> DateTime<FixedOffset> {
        match when(text, &Zone) {
            Ok(When::At(time)) => time,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn times_are_read_in_the_forms_of_docker_and_of_date() {
        for (text, time) in [
            ("2026-02-14T13:03:11Z", "2026-02-14T13:03:11Z"),
            ("2026-02-14T13:03:11.5-05:00", "2026-02-14T18:03:11.5Z"),
            ("2026-02-14T13:03:11", "2026-02-14T12:03:11Z"),
            (
                "2026-02-14T13:03:11.123456789",
                "2026-02-14T12:03:11.123456789Z",
            ),
            (
                "2026-02-14T13:03:11.1234567899",
                "2026-02-14T12:03:11.123456789Z",
            ),
            ("2026-07-14T13:03", "2026-07-14T11:03:00Z"),
            ("2026-02-14T13", "2026-02-14T12:00:00Z"),
            ("2026-02-14", "2026-02-13T23:00:00Z"),
            ("2026-07-14", "2026-07-13T22:00:00Z"),
            ("2026-02-14Z", "2026-02-14T00:00:00Z"),
            ("2026-02-14-05:00", "2026-02-14T05:00:00Z"),
            ("2026-02-14T13+01:00", "2026-02-14T12:00:00Z"),
            ("2026-02-14T13:03Z", "2026-02-14T13:03:00Z"),
            // date --rfc-3339=s, --iso-8601=ns, +%FT%T%z, '+%F %T %z'
            ("2026-02-14 13:03:11+00:00", "2026-02-14T13:03:11Z"),
            (
                "2026-02-14T13:03:11,500000000+01:00",
                "2026-02-14T12:03:11.5Z",
            ),
            ("2026-02-14T13:03:11+0530", "2026-02-14T07:33:11Z"),
            ("2026-02-14 13:03:11 -0500", "2026-02-14T18:03:11Z"),
            ("2026-02-14t13:03:11z", "2026-02-14T13:03:11Z"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
            ("0000-01-01", "0000-01-01T00:00:00-11:00"),
            ("9999-12-31", "9999-12-31T00:00:00+01:00"),
            ("0", "1970-01-01T00:00:00Z"),
            ("1136073600", "2006-01-01T00:00:00Z"),
            ("1136073600.25", "2006-01-01T00:00:00.25Z"),
            ("0001136073600.1234567899", "2006-01-01T00:00:00.123456789Z"),
            ("253402300799.999999999", "9999-12-31T23:59:59.999999999Z"),
        ] {
            assert_eq!(at(text), timestamp::parse(time).unwrap(), "{text}");
        }
    }

    #[test]
    fn a_local_time_that_comes_twice_or_never_has_one_meaning() {
        for (text, time) in [
            ("2026-10-25T01:59:59", "2026-10-24T23:59:59Z"),
            ("2026-10-25T02:00", "2026-10-25T00:00:00Z"),
            ("2026-10-25T02:30", "2026-10-25T00:30:00Z"),
            ("2026-10-25T02:59:59", "2026-10-25T00:59:59Z"),
            ("2026-10-25T03:00", "2026-10-25T02:00:00Z"),
            ("2026-03-29T01:59:59", "2026-03-29T00:59:59Z"),
            ("2026-03-29T02:00", "2026-03-29T01:00:00Z"),
            ("2026-03-29T02:30", "2026-03-29T01:30:00Z"),
            ("2026-03-29T03:00", "2026-03-29T01:00:00Z"),
            ("2011-12-29T23:59:59", "2011-12-30T10:59:59Z"),
            ("2011-12-30", "2011-12-30T11:00:00Z"),
            ("2011-12-30T12:00", "2011-12-30T23:00:00Z"),
            ("2011-12-31", "2011-12-30T11:00:00Z"),
        ] {
            assert_eq!(at(text), timestamp::parse(time).unwrap(), "{text}");
        }
    }

    #[test]
    fn a_time_that_does_not_exist_is_refused_otherwise_than_a_wrong_form() {
        for (text, reason) in [
            ("2026-02-30", "no such date"),
            ("2025-02-29T00:00:00Z", "no such date"),
            ("2026-13-01", "no such date"),
            ("2026-00-01", "no such date"),
            ("2026-02-14T24:00", "no such date"),
            ("2026-02-14T13:60", "no such date"),
            ("2026-02-14T13:03:60Z", "no such date"),
            ("2026-02-14T13:03:11+24:00", "no such date"),
            ("2026-02-14T13:03:11+05:60", "no such date"),
            ("2026-2-4", "expected a date"),
            ("26-02-04", "expected a date"),
            ("12026-02-04", "expected a date"),
            ("2026-02", "expected a date"),
            ("2026-02-04T", "expected a date"),
            ("2026-02-04T1:00", "expected a date"),
            ("2026-02-04T13:03:", "expected a date"),
            ("2026-02-04T13:03:11.", "expected a date"),
            ("2026-02-04T13:03.5", "expected a date"),
            ("2026-02-04T13:03:11Zz", "expected a date"),
            ("2026-02-04T13:03:11+05", "expected a date"),
            ("2026-02-04  13:03", "expected a date"),
            ("2026/02/04", "expected a date"),
            ("2026-02-0\u{664}", "expected a date"),
            ("253402300800", "are they milliseconds?"),
            ("1771074191000", "are they milliseconds?"),
            (
                "99999999999999999999999999999999999999999999",
                "milliseconds?",
            ),
            ("-1", "cannot be negative"),
            ("-1h", "cannot be negative"),
        ] {
            let error = when(text, &Zone).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn ages_are_read_as_go_reads_durations_with_days_and_weeks() {
        for (text, age) in [
            ("1h30m", Duration::from_secs(5400)),
            ("168h0m0s", Duration::from_secs(604_800)),
            ("1.5h", Duration::from_secs(5400)),
            (".5h", Duration::from_secs(1800)),
            ("1.h", Duration::from_secs(3600)),
            ("90s", Duration::from_secs(90)),
            ("0s", Duration::ZERO),
            ("30d", Duration::from_secs(2_592_000)),
            ("2w", Duration::from_secs(1_209_600)),
            ("1d12h", Duration::from_secs(129_600)),
            ("1s500ms", Duration::from_millis(1500)),
            ("1us1\u{b5}s1\u{3bc}s7ns", Duration::from_nanos(3007)),
            ("0.1234567899s", Duration::from_nanos(123_456_789)),
            ("18446744073709551615s", Duration::from_secs(u64::MAX)),
        ] {
            assert_eq!(when(text, &Zone), Ok(When::Ago(age)), "{text}");
        }
        for text in [
            "",
            "h",
            "1",
            ".",
            "1.",
            "1y",
            "1h30",
            "1 h",
            "1h 30m",
            "1H",
            "soon",
            "+1h",
            "1é",
            "1,5h",
            "2026.02.04",
            "13:03",
            "1e3s",
        ] {
            assert!(!matches!(when(text, &Zone), Ok(When::Ago(_))), "{text}");
        }
        for text in [
            "18446744073709551616s",
            "99999999999999999999999999999999999999999w",
        ] {
            let error = when(text, &Zone).unwrap_err();
            assert_eq!(error, "the age is too large", "{text}");
        }
    }
}
