//! Members and elements by serde_json: the tests compare the scanner, and what is
//! written, with them.

use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

/// The members of an object in their order, those of the same key too.
pub(crate) struct Members<'t>(Vec<(String, &'t RawValue)>);

impl<'t> Members<'t> {
    /// The members of a text that is an object, or null.
    pub(crate) fn of(text: &'t str) -> Self {
        let members: Option<Members<'_>> = serde_json::from_str(text).unwrap();
        members.unwrap_or(Members(Vec::new()))
    }

    /// Keys, decoded, and values as they are in the text.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (&str, &'t str)> {
        let members = self.0.iter();
        members.map(|(key, value)| (key.as_str(), value.get()))
    }

    /// The value that counts.
    pub(crate) fn last(&self, key: &str) -> Option<&'t str> {
        let found = self.iter().rev().find(|(name, _)| *name == key);
        found.map(|(_, value)| value)
    }
}

/// The elements of an array as they are in the text.
pub(crate) fn elements(array: &str) -> Vec<&str> {
    let elements: Vec<&RawValue> = serde_json::from_str(array).unwrap();
    elements.into_iter().map(RawValue::get).collect()
}

/// The place of a part of a text in it.
pub(crate) fn place(text: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr() as usize - text.as_ptr() as usize;
    start..start + part.len()
}

impl<'de: 't, 't> Deserialize<'de> for Members<'t> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((Key(key), value)) = map.next_entry()? {
                    members.push((key, value));
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(InOrder).map(Members)
    }
}

/// A key, which may hold half a surrogate pair. A string cannot.
struct Key(String);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyKey;
        impl Visitor<'_> for AnyKey {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_bytes<E>(self, key: &[u8]) -> Result<Key, E> {
                Ok(Key(String::from_utf8_lossy(key).into_owned()))
            }
        }
        deserializer.deserialize_bytes(AnyKey)
    }
}
