//! Sizes as filters take them: a number of bytes, or a number and a unit.

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

/// Why a text is no size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSize {
    /// It begins with a minus.
    #[error("a size cannot be negative")]
    Negative,
    /// It is a number of bytes with a fraction.
    #[error("a number of bytes has no fraction")]
    Fraction,
    /// It is more than cldctl can store.
    #[error("the size is larger than 2^63 - 1 bytes")]
    TooLarge,
    /// It is something else.
    #[error(
        "expected a number of bytes, or a number and a unit such as kB, MB, GB, KiB, MiB or GiB"
    )]
    NotASize,
}

/// Parses a number of bytes, or a number and a unit, with or without blanks
/// between: SI (k, kB, M, MB, …) or binary (KiB, MiB, …), in any case.
///
/// A number of a larger unit can have a fraction; it is rounded down to whole
/// bytes.
///
/// ```
/// use cldctl_registry::select::parse_size;
///
/// assert_eq!(parse_size("1.5 MB"), Ok(1_500_000));
/// assert_eq!(parse_size("2KiB"), Ok(2048));
/// assert!(parse_size("-1").is_err());
/// ```
///
/// # Errors
///
/// What is wrong with the text.
pub fn parse_size(text: &str) -> Result<i64, InvalidSize> {
    let expected = || InvalidSize::NotASize;
    if text.starts_with('-') {
        return Err(InvalidSize::Negative);
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
        return Err(InvalidSize::Fraction);
    }
    let scale = fraction.bytes().fold(1_u128, |scale, _| scale * 10);
    let bytes = format!("{whole}{fraction}")
        .parse::<u128>()
        .ok()
        .and_then(|digits| Some(digits.checked_mul(unit)? / scale));
    bytes
        .and_then(|bytes| i64::try_from(bytes).ok())
        .ok_or(InvalidSize::TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused_with_the_reason() {
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
            let error = parse_size(text).unwrap_err();
            assert!(error.to_string().contains(reason), "{text}: {error}");
        }
    }
}
