//! Values of options, as they are typed.

pub(super) mod time;

use std::time::Duration;

use chrono::{DateTime, FixedOffset};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use crate::{ArtifactType, timestamp};

/// An integer and a unit: `s`, `m`, `h`, `d` or `w`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let expected = || "expected a whole number and s, m, h, d or w, such as 30s".to_owned();
    let (unit_at, _) = text.char_indices().next_back().ok_or_else(expected)?;
    let seconds = match &text[unit_at..] {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        "w" => 7 * 24 * 60 * 60,
        _ => return Err(expected()),
    };
    let digits = &text[..unit_at];
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(expected());
    }
    let number: u64 = digits
        .parse()
        .map_err(|_| "the number is too large".to_owned())?;
    number
        .checked_mul(seconds)
        .map(Duration::from_secs)
        .ok_or_else(|| "the number is too large".to_owned())
}

/// The units of sizes, in lower case, and how many bytes each is.
const UNITS: [(&str, u128); 12] = [
    ("", 1),
    ("b", 1),
    ("kb", 1000),
    ("mb", 1000_u128.pow(2)),
    ("gb", 1000_u128.pow(3)),
    ("tb", 1000_u128.pow(4)),
    ("pb", 1000_u128.pow(5)),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
    ("pib", 1 << 50),
];

/// A number of bytes, or a number and a unit: SI (kB, MB, …) or binary (KiB,
/// MiB, …), in any case. The number may have a fraction as long as the size is
/// a whole number of bytes.
pub(super) fn size(text: &str) -> Result<i64, String> {
    let expected = "expected a number of bytes, or a number and kB, MB, GB, KiB, MiB or GiB";
    if text.starts_with('-') {
        return Err("a size cannot be negative".to_owned());
    }
    let unit_at = text
        .find(|c: char| c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let unit = unit.to_ascii_lowercase();
    let (_, unit) = UNITS
        .into_iter()
        .find(|(name, _)| *name == unit)
        .ok_or(expected)?;

    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = format!("{whole}{fraction}");
    let is_number = !whole.is_empty()
        && (1..=18).contains(&fraction.len())
        && digits.len() <= 38
        && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number {
        return Err(expected.to_owned());
    }
    let scale = fraction.bytes().fold(1_u128, |scale, _| scale * 10);
    let too_large = || "the size is larger than 2^63 - 1 bytes".to_owned();
    let scaled = digits
        .parse::<u128>()
        .ok()
        .and_then(|digits| digits.checked_mul(unit));
    let scaled = scaled.ok_or_else(too_large)?;
    if !scaled.is_multiple_of(scale) {
        return Err("the size is no whole number of bytes".to_owned());
    }
    i64::try_from(scaled / scale).map_err(|_| too_large())
}

/// A time in the form that is stored.
pub(super) fn created_at(text: &str) -> Result<DateTime<FixedOffset>, String> {
    timestamp::parse_to_store(text).ok_or_else(|| {
        "expected a time such as 2026-02-14T13:03:11Z or 2026-02-14T13:03:11.5-05:00".to_owned()
    })
}

/// The types that artifacts have, with cldctl's short names for them.
pub(super) fn artifact_type() -> impl TypedValueParser<Value = ArtifactType> {
    PossibleValuesParser::new([
        PossibleValue::new("component").alias("comp"),
        PossibleValue::new("datacenter").alias("dc"),
    ])
    .map(|name| match name.as_str() {
        "component" | "comp" => ArtifactType::Component,
        _ => ArtifactType::Datacenter,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_whole_numbers_with_a_unit() {
        for (text, seconds) in [
            ("10s", 10),
            ("5m", 300),
            ("0s", 0),
            ("2h", 7200),
            ("30d", 2_592_000),
            ("1w", 604_800),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)));
        }
        for text in [
            "",
            "s",
            "10",
            "1.5s",
            "-1s",
            "+1s",
            "1 s",
            "1h30m",
            "1y",
            "10é",
            "99999999999999999999s",
            "18446744073709551615w",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_bytes_or_have_a_unit_of_either_kind() {
        for (text, bytes) in [
            ("0", 0),
            ("9007199254740993", 9_007_199_254_740_993),
            ("9223372036854775807", i64::MAX),
            ("2GB", 2_000_000_000),
            ("2gib", 2 << 30),
            ("1.5MB", 1_500_000),
            ("1KiB", 1024),
            ("0.5KiB", 512),
            ("7B", 7),
            ("1.000", 1),
            ("1kb", 1000),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in [
            "",
            "x",
            "-1",
            "9223372036854775808",
            "1XB",
            "1 2",
            "1_000",
            "1k",
            "1e3",
            "0.5",
            "1.",
            ".5kB",
            "+1",
            "1 kB",
            "0.0001kB",
            "99999999999999PiB",
        ] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
