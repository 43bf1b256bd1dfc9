//! Values of options, as they are typed.

pub(super) mod time;

use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, FixedOffset};
use clap::builder::{PathBufValueParser, PossibleValue, PossibleValuesParser, TypedValueParser};

use super::home;
use crate::{ArtifactType, timestamp};

/// Parses a duration, an integer and a unit: `s`, `m`, `h`, `d` or `w`.
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
const UNITS: [(&str, u128); 19] = [
    ("", 1),
    ("b", 1),
    ("k", 1000),
    ("kb", 1000),
    ("m", 1000_u128.pow(2)),
    ("mb", 1000_u128.pow(2)),
    ("g", 1000_u128.pow(3)),
    ("gb", 1000_u128.pow(3)),
    ("t", 1000_u128.pow(4)),
    ("tb", 1000_u128.pow(4)),
    ("p", 1000_u128.pow(5)),
    ("pb", 1000_u128.pow(5)),
    ("eb", 1000_u128.pow(6)),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
    ("pib", 1 << 50),
    ("eib", 1 << 60),
];

/// Reads a number of bytes, or a number and a unit, with or without blanks
/// between: SI (k, kB, M, MB, …) or binary (KiB, MiB, …), in any case.
///
/// A number of a larger unit can have a fraction; it is rounded down to whole
/// bytes.
pub(super) fn size(text: &str) -> Result<i64, String> {
    let expected = || {
        "expected a number of bytes, or a number and a unit such as kB, MB, GB, KiB, MiB or GiB"
            .to_owned()
    };
    if text.starts_with('-') {
        return Err("a size cannot be negative".to_owned());
    }
    let unit_at = text
        .find(|c: char| c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let number = match unit {
        "" => number,
        _ => number.trim_end_matches(' '),
    };
    let unit = unit.to_ascii_lowercase();
    let unit = UNITS.into_iter().find(|(name, _)| *name == unit);
    let (_, unit) = unit.ok_or_else(expected)?;

    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) {
        return Err(expected());
    }
    // All further digits together are less than a byte.
    let fraction = &fraction[..fraction.len().min(19)];
    if unit == 1 && fraction.bytes().any(|digit| digit != b'0') {
        return Err("a number of bytes has no fraction".to_owned());
    }
    let scale = fraction.bytes().fold(1_u128, |scale, _| scale * 10);
    let bytes = format!("{whole}{fraction}")
        .parse::<u128>()
        .ok()
        .and_then(|digits| Some(digits.checked_mul(unit)? / scale));
    bytes
        .and_then(|bytes| i64::try_from(bytes).ok())
        .ok_or_else(|| "the size is larger than 2^63 - 1 bytes".to_owned())
}

/// Parses a number of things.
pub(super) fn count(text: &str) -> Result<usize, String> {
    let expected = |_| "expected a whole number, such as 10".to_owned();
    text.parse().map_err(expected)
}

/// Parses a time in the form that is stored.
pub(super) fn created_at(text: &str) -> Result<DateTime<FixedOffset>, String> {
    timestamp::parse_to_store(text).ok_or_else(|| {
        "expected a time such as 2026-02-14T13:03:11Z or 2026-02-14T13:03:11.5-05:00".to_owned()
    })
}

/// Returns a parser of paths that replaces a leading `~` by the user's home, because
/// the shell leaves it in `--option=~/x`.
pub(super) fn path() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(home::expand_tilde)
}

/// Returns a parser of artifact types, with cldctl's short names for them.
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
            ("7 b", 7),
            ("1.000", 1),
            ("0.0B", 0),
            ("1kb", 1000),
            ("1k", 1000),
            ("2K", 2000),
            ("3m", 3_000_000),
            ("4G", 4_000_000_000),
            ("5T", 5_000_000_000_000),
            ("1 kB", 1000),
            ("1.5  MB", 1_500_000),
            ("1.7GiB", 1_825_361_100),
            ("0.0001kB", 0),
            ("1.9999999999999999999999kB", 1999),
            ("00000000000000000000001MB", 1_000_000),
            ("7.999EiB", 9_222_219_115_350_168_961),
            ("9.22EB", 9_220_000_000_000_000_000),
            ("9223372036854775807B", i64::MAX),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn an_invalid_size_is_refused_with_the_reason() {
        let (form, large, negative) = ("expected a number", "larger than", "negative");
        for (text, reason) in [
            ("", form),
            ("x", form),
            ("kB", form),
            ("1XB", form),
            ("1 2", form),
            ("1_000", form),
            ("1,5MB", form),
            ("1.5.1MB", form),
            ("1e3", form),
            ("1.", form),
            (".5kB", form),
            ("1.kB", form),
            ("+1", form),
            (" 1kB", form),
            ("1 ", form),
            ("1kB ", form),
            ("1\tkB", form),
            ("1k B", form),
            ("1é", form),
            ("١kB", form),
            ("0.5", "has no fraction"),
            ("0.5B", "has no fraction"),
            ("-1", negative),
            ("-1.5GB", negative),
            ("-", negative),
            ("9223372036854775808", large),
            ("9.3EB", large),
            ("99999999999999PiB", large),
            ("8EiB", large),
            ("9999999999999999999999999999999999999999999999", large),
        ] {
            let error = size(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
