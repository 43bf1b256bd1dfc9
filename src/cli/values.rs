//! Values of options, as they are typed.

use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, FixedOffset};
use clap::ValueEnum;
use clap::builder::{PathBufValueParser, PossibleValue, PossibleValuesParser, TypedValueParser};

use super::home;
use crate::select::SortKey;
use crate::{ArtifactEntry, ArtifactType};

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

/// Parses a number of things.
pub(super) fn count(text: &str) -> Result<usize, String> {
    let expected = |_| "expected a whole number, such as 10".to_owned();
    text.parse().map_err(expected)
}

/// Parses a number of tries.
#[cfg(feature = "remote")]
pub(super) fn retries(text: &str) -> Result<u32, String> {
    let count = count(text)?;
    u32::try_from(count).map_err(|_| "the number is too large".to_owned())
}

/// Parses a time in the form that is stored.
pub(super) fn created_at(text: &str) -> Result<DateTime<FixedOffset>, String> {
    ArtifactEntry::parse_time(text).ok_or_else(|| {
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

/// The orders of a list, with what they put first.
impl ValueEnum for SortKey {
    fn value_variants<'a>() -> &'a [Self] {
        &SortKey::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let help = match self {
            SortKey::Created => "Newest first",
            SortKey::Size => "Largest first",
            SortKey::Reference | SortKey::Repository | SortKey::Tag | SortKey::Type => {
                "Alphabetical"
            }
        };
        Some(PossibleValue::new(self.as_str()).help(help))
    }
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
}
