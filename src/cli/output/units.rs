//! Sizes and times for people.

use chrono::{DateTime, FixedOffset, TimeDelta};
use humansize::{BaseUnit, DECIMAL, FixedAt, FormatSizeOptions, Kilo};

/// Returns a size in SI units with three digits, such as `46.8MB`.
pub(in crate::cli) fn size(bytes: i64) -> String {
    const UNITS: [FixedAt; 7] = [
        FixedAt::Base,
        FixedAt::Kilo,
        FixedAt::Mega,
        FixedAt::Giga,
        FixedAt::Tera,
        FixedAt::Peta,
        FixedAt::Exa,
    ];
    // The unit and the decimals are chosen after rounding, so that 999,950 bytes are
    // 1 MB and not 1000 kB.
    let mut value = bytes.unsigned_abs() as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let mut decimals = match value {
        _ if unit == 0 => 0,
        v if v < 9.995 => 2,
        v if v < 99.95 => 1,
        _ => 0,
    };
    let ends_in_zero = |decimals| (value * 10_f64.powi(decimals)).round() % 10.0 == 0.0;
    while decimals > 0 && ends_in_zero(decimals) {
        decimals -= 1;
    }
    let options = FormatSizeOptions::from(DECIMAL)
        .base_unit(BaseUnit::Byte)
        .kilo(Kilo::Decimal)
        .fixed_at(Some(UNITS[unit]))
        .decimal_places(usize::try_from(decimals).unwrap_or_default())
        .decimal_zeroes(0)
        .space_after_value(false);
    let text = humansize::format_size(bytes.unsigned_abs(), options);
    if bytes < 0 { format!("-{text}") } else { text }
}

/// Returns the age of a time, such as `2 hours ago`, in the steps that cldctl uses; for
/// a time in the future, `in 2 hours`.
pub(in crate::cli) fn ago(time: &DateTime<FixedOffset>, now: &DateTime<FixedOffset>) -> String {
    let past = now.signed_duration_since(time);
    let distance = past.abs();
    let (count, unit) = if distance < TimeDelta::minutes(1) {
        return "just now".to_owned();
    } else if distance < TimeDelta::hours(1) {
        (distance.num_minutes(), "minute")
    } else if distance < TimeDelta::days(1) {
        (distance.num_hours(), "hour")
    } else if distance < TimeDelta::weeks(1) {
        (distance.num_days(), "day")
    } else if distance < TimeDelta::days(30) {
        (distance.num_weeks(), "week")
    } else if distance < TimeDelta::days(730) {
        (distance.num_days() / 30, "month")
    } else {
        // Counted as the calendar does, also over centuries.
        ((distance.num_days() * 400 / 146_097).max(2), "year")
    };
    let plural = if count == 1 { "" } else { "s" };
    if past < TimeDelta::zero() {
        format!("in {count} {unit}{plural}")
    } else {
        format!("{count} {unit}{plural} ago")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timestamp;

    #[test]
    fn sizes_have_three_digits_and_the_unit_that_fits_them() {
        for (bytes, text) in [
            (0, "0B"),
            (1, "1B"),
            (999, "999B"),
            (1000, "1kB"),
            (1024, "1.02kB"),
            (2048, "2.05kB"),
            (8601, "8.6kB"),
            (12_595, "12.6kB"),
            (99_949, "99.9kB"),
            (99_950, "100kB"),
            (999_499, "999kB"),
            (999_500, "1MB"),
            (1_048_575, "1.05MB"),
            (46_766_489, "46.8MB"),
            (46_800_000, "46.8MB"),
            (2_000_000_000, "2GB"),
            (i64::MAX, "9.22EB"),
            (-5, "-5B"),
            (-46_766_489, "-46.8MB"),
            (i64::MIN, "-9.22EB"),
        ] {
            assert_eq!(size(bytes), text, "{bytes}");
        }
    }

    #[test]
    fn times_are_told_from_both_sides_of_now() {
        let now = timestamp::parse("2026-03-01T12:00:00Z").unwrap();
        for (time, text) in [
            ("2026-03-01T11:59:01Z", "just now"),
            ("2026-03-01T12:00:59Z", "just now"),
            ("2026-03-01T11:59:00Z", "1 minute ago"),
            ("2026-03-01T05:00:00-05:00", "2 hours ago"),
            ("2026-02-28T11:00:00Z", "1 day ago"),
            ("2026-02-20T11:00:00Z", "1 week ago"),
            ("2026-01-01T11:00:00Z", "1 month ago"),
            ("2025-01-01T11:00:00Z", "14 months ago"),
            ("2020-01-01T11:00:00Z", "6 years ago"),
            ("2024-03-02T12:00:00Z", "24 months ago"),
            ("2024-03-01T12:00:00Z", "2 years ago"),
            ("2023-03-02T12:00:00Z", "2 years ago"),
            ("2023-03-01T12:00:00Z", "3 years ago"),
            ("1926-03-01T12:00:00Z", "100 years ago"),
            ("0001-01-02T00:00:00Z", "2025 years ago"),
            ("0000-01-01T00:00:00Z", "2026 years ago"),
            ("2026-03-01T14:30:00Z", "in 2 hours"),
            ("9999-12-31T23:59:59Z", "in 7973 years"),
        ] {
            assert_eq!(ago(&timestamp::parse(time).unwrap(), &now), text, "{time}");
        }
    }
}
