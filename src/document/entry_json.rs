//! Entries laid out as JSON for people and programs: every value as it is stored, unknown
//! fields included.

use super::{EntryRef, StoredEntry};
use crate::escape::visible_json;
use crate::json::{compact, pretty};

impl EntryRef<'_> {
    /// Appends the entry as an element of an array, indented by one level.
    pub(crate) fn append_json(&self, text: &mut String) {
        // As nearly all are; to lay out any other takes five times as long.
        let Some(members) = self.in_go_form() else {
            return pretty(text, self.text(), 1);
        };
        // What is unsafe is not below the space, since this is JSON.
        let is_safe = self.text().bytes().fold(true, |safe, b| safe & (b < 0x7f));
        let mut start = "{\n    ";
        for member in members {
            text.push_str(start);
            match is_safe {
                true => text.push_str(member),
                false => text.push_str(&visible_json(member)),
            }
            start = ",\n    ";
        }
        text.push_str("\n  }");
    }
}

impl StoredEntry {
    /// Returns the entry as indented JSON, with every stored value as it is. Characters
    /// that a terminal would obey are escaped.
    pub fn pretty_json(&self) -> String {
        let mut text = String::new();
        pretty(&mut text, self.json(), 0);
        text
    }

    /// Returns the entry as JSON in one line, otherwise as
    /// [`pretty_json`](Self::pretty_json).
    pub fn compact_json(&self) -> String {
        let mut text = String::new();
        compact(&mut text, self.json());
        text
    }

    /// Returns entries as an indented JSON array, each as
    /// [`pretty_json`](Self::pretty_json) has it.
    ///
    /// ```
    /// use cldctl_registry::StoredEntry;
    ///
    /// assert_eq!(StoredEntry::json_array(&[]), "[]");
    /// ```
    pub fn json_array(entries: &[StoredEntry]) -> String {
        if entries.is_empty() {
            return "[]".to_owned();
        }
        let mut text = String::new();
        let mut start = "[\n  ";
        for entry in entries {
            text.push_str(start);
            entry.as_entry_ref().append_json(&mut text);
            start = ",\n  ";
        }
        text.push_str("\n]");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Document;
    use proptest::prelude::*;

    fn appended(append: impl Fn(&EntryRef<'_>, &mut String), artifacts: &str) -> String {
        let document = Document::parse(format!("{{\"artifacts\": [{artifacts}]}}")).unwrap();
        let mut text = String::new();
        append(&document.entry(0).unwrap(), &mut text);
        text
    }

    #[test]
    fn a_stored_entry_keeps_every_value_as_it_stands() {
        let artifacts = "{ \"tag\":\"a\\u0062\",\n\"x\": [1.50,{}], \"y\":\"\u{9b}\" }";
        let document = Document::parse(format!("{{\"artifacts\": [{artifacts}]}}")).unwrap();
        let entry = StoredEntry::from(document.entry(0).unwrap());
        assert_eq!(entry.json(), artifacts);
        assert_eq!(entry.to_entry().tag.as_deref(), Some("ab"));
        let compact = "{\"tag\":\"a\\u0062\",\"x\":[1.50,{}],\"y\":\"\\u009b\"}";
        assert_eq!(entry.compact_json(), compact);
        let pretty = "{\n  \"tag\": \"a\\u0062\",\n  \"x\": [\n    1.50,\n    {}\n  ],\n  \
                      \"y\": \"\\u009b\"\n}";
        assert_eq!(entry.pretty_json(), pretty);
        let array = StoredEntry::json_array(&[entry.clone(), entry]);
        assert_eq!(array.matches("1.50").count(), 2, "{array}");
    }

    proptest! {
        #[test]
        fn an_entry_is_laid_out_as_any_other_value_is(
            members in proptest::collection::vec(
                (
                    proptest::sample::select(vec![
                        "reference", "repository", "tag", "type", "digest", "size", "createdAt",
                        "cachePath", "other", "re\\u0066erence",
                    ]),
                    proptest::sample::select(vec![
                        "\"x\"", "1", "null", "\"\\u001b\"", "\"\u{9b}\"", "{}", "[1, 2]", "\"}\"",
                    ]),
                ),
                1..9,
            ),
            sort in any::<bool>(),
            blank in proptest::sample::select(vec!["\n      ", "\n      ", "\n      ", " ", ""]),
        ) {
            let mut members = members;
            if sort {
                let order = crate::fields::Field::ALL.map(crate::fields::Field::name);
                members.sort_by_key(|(key, _)| order.iter().position(|name| name == key));
                members.retain(|(key, _)| order.contains(key));
                members.dedup_by_key(|(key, _)| *key);
            }
            let members: Vec<_> = members
                .iter()
                .map(|(key, value)| format!("{blank}\"{key}\": {value}"))
                .collect();
            let text = format!("{{{}\n    }}", members.join(","));
            let expected = appended(|entry, text| pretty(text, entry.text(), 1), &text);
            prop_assert_eq!(appended(|entry, text| entry.append_json(text), &text), expected);
        }
    }
}
