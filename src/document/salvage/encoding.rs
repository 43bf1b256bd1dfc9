//! Decodes a file that an editor or a shell wrote in another encoding.

use std::borrow::Cow;

/// Stands for what cannot be decoded: no JSON contains it, so that no value with
/// it counts as whole.
pub(super) const UNREADABLE: char = '\0';

/// The reason that is given for such a place.
pub(super) const UNREADABLE_HERE: &str = "the bytes here are zero, or not UTF-8";

/// The encoding of the characters of a file.
#[derive(Clone, Copy, Debug)]
enum Encoding {
    Utf8,
    Utf16(fn([u8; 2]) -> u16),
    Utf32(fn([u8; 4]) -> u32),
}

/// Decodes UTF-8, UTF-16 or UTF-32. A byte order mark stays in the text. Of UTF-8,
/// each byte keeps its place.
pub(super) fn decode(bytes: &[u8]) -> Cow<'_, str> {
    match encoding(bytes) {
        Encoding::Utf8 => match str::from_utf8(bytes) {
            Ok(text) => text.into(),
            Err(_) => decode_utf8(bytes).into(),
        },
        Encoding::Utf16(unit) => {
            let (units, rest) = bytes.as_chunks();
            let units = units.iter().map(|bytes| unit(*bytes));
            char::decode_utf16(units)
                .map(|c| c.unwrap_or(UNREADABLE))
                .chain((!rest.is_empty()).then_some(UNREADABLE))
                .collect::<String>()
                .into()
        }
        Encoding::Utf32(unit) => {
            let (units, rest) = bytes.as_chunks();
            let units = units.iter().map(|bytes| unit(*bytes));
            units
                .map(|unit| char::from_u32(unit).unwrap_or(UNREADABLE))
                .chain((!rest.is_empty()).then_some(UNREADABLE))
                .collect::<String>()
                .into()
        }
    }
}

/// Detects the encoding by the byte order mark. Without one, UTF-16 shows by the
/// zeros in the first two characters, which are ASCII in every JSON text.
fn encoding(bytes: &[u8]) -> Encoding {
    match *bytes {
        [0xff, 0xfe, 0, 0, ..] => Encoding::Utf32(u32::from_le_bytes),
        [0, 0, 0xfe, 0xff, ..] => Encoding::Utf32(u32::from_be_bytes),
        [0xff, 0xfe, ..] => Encoding::Utf16(u16::from_le_bytes),
        [0xfe, 0xff, ..] => Encoding::Utf16(u16::from_be_bytes),
        [1..=255, 0, 1..=255, 0, ..] => Encoding::Utf16(u16::from_le_bytes),
        [0, 1..=255, 0, 1..=255, ..] => Encoding::Utf16(u16::from_be_bytes),
        _ => Encoding::Utf8,
    }
}

/// Decodes what is UTF-8 in parts.
fn decode_utf8(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| UNREADABLE));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "{\"é\": \"\u{1f600}\"}";

    fn utf16(text: &str, bytes_of: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes_of).collect()
    }

    fn utf32(text: &str, bytes_of: fn(u32) -> [u8; 4]) -> Vec<u8> {
        text.chars().flat_map(|c| bytes_of(u32::from(c))).collect()
    }

    #[test]
    fn every_encoding_is_detected_by_its_byte_order_mark() {
        let marked = format!("\u{feff}{TEXT}");
        for bytes in [
            marked.as_bytes().to_vec(),
            utf16(&marked, u16::to_le_bytes),
            utf16(&marked, u16::to_be_bytes),
            utf32(&marked, u32::to_le_bytes),
            utf32(&marked, u32::to_be_bytes),
        ] {
            assert_eq!(decode(&bytes), marked, "{bytes:x?}");
        }
    }

    #[test]
    fn utf16_is_detected_without_a_mark_too() {
        for bytes in [utf16(TEXT, u16::to_le_bytes), utf16(TEXT, u16::to_be_bytes)] {
            assert_eq!(decode(&bytes), TEXT, "{bytes:x?}");
        }
    }

    #[test]
    fn what_cannot_be_decoded_is_a_zero_in_its_place() {
        assert_eq!(decode(b"a\xffb\xe2\x82c"), "a\0b\0\0c");
        // Half a surrogate pair, and half a unit.
        assert_eq!(decode(b"\xff\xfea\0\x3d\xd8b\0c"), "\u{feff}a\0b\0");
        assert_eq!(
            decode(b"\xff\xfe\0\0a\0\0\0\0\xd8\0\0\x01"),
            "\u{feff}a\0\0"
        );
    }

    #[test]
    fn a_damaged_start_is_not_taken_for_another_encoding() {
        for bytes in [&b"{\0\0\0x"[..], b"\0\0\0\0", b"{\0", b"", b"\0{\"a\""] {
            assert_eq!(decode(bytes).as_bytes(), bytes);
        }
    }
}
