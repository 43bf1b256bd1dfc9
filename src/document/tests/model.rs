//! A document against the simplest model: a list of entries.

use super::*;
use crate::document::generated;
use crate::json::oracle::{Members, elements, place};
use proptest::prelude::*;

#[derive(Clone, Debug)]
pub(super) enum Change {
    Append(u8),
    Remove(usize),
    Replace(usize, u8),
    /// Several at once, in one edit.
    Mixed(Vec<bool>, Option<usize>, u8),
    Clear,
}

pub(super) fn change() -> impl Strategy<Value = Change> {
    let places = proptest::collection::vec(any::<bool>(), 5);
    let replaced = proptest::option::of(any::<usize>());
    prop_oneof![
        any::<u8>().prop_map(Change::Append),
        any::<usize>().prop_map(Change::Remove),
        (any::<usize>(), any::<u8>()).prop_map(|(index, name)| Change::Replace(index, name)),
        (places, replaced, any::<u8>()).prop_map(|(a, b, c)| Change::Mixed(a, b, c)),
        Just(Change::Clear),
    ]
}

impl Change {
    /// The edit, and what it makes of the list.
    pub(super) fn apply(self, model: &mut Vec<String>) -> Edit {
        let mut edit = Edit::default();
        let count = model.len();
        match self {
            Change::Append(name) => {
                edit.append(entry(name));
                model.push(entry(name));
            }
            Change::Remove(at) if count > 0 => {
                edit.remove(at % count);
                model.remove(at % count);
            }
            Change::Replace(at, name) if count > 0 => {
                edit.replace(at % count, entry(name));
                model[at % count] = entry(name);
            }
            Change::Mixed(removed, replaced, name) => {
                if let Some(at) = replaced.filter(|_| count > 0) {
                    edit.replace(at % count, entry(name));
                    model[at % count] = entry(name);
                }
                for at in (0..count).rev() {
                    let is_replaced = replaced.is_some_and(|replaced| replaced % count == at);
                    if !is_replaced && removed.get(at) == Some(&true) {
                        edit.remove(at);
                        model.remove(at);
                    }
                }
                edit.append(entry(name));
                model.push(entry(name));
            }
            Change::Clear => {
                edit = Edit::clear();
                model.clear();
            }
            Change::Remove(_) | Change::Replace(..) => {}
        }
        edit
    }
}

fn entry(name: u8) -> String {
    format!("{{\"reference\":\"r{name}\", \"x\": [{name},  \"\\ud800\"]}}")
}

/// The entries of a document in the form of today, as serde_json finds them.
fn found(text: &str) -> Vec<String> {
    let members = Members::of(text);
    let array = members.last("artifacts").filter(|&value| value != "null");
    let entries = array.map(elements).unwrap_or_default();
    entries.into_iter().map(str::to_owned).collect()
}

/// Returns the text before the array of entries, and after it.
fn around(text: &str) -> Option<(&str, &str)> {
    let array = Members::of(text).last("artifacts")?;
    let place = place(text, array);
    Some((&text[..place.start], &text[place.end..]))
}

proptest! {
    /// Row 33: in edits of every kind.
    #[test]
    fn untouched_entries_keep_their_bytes_and_places(
        text in generated::registry(),
        changes in proptest::collection::vec(change(), 0..8),
    ) {
        // One in the older form is converted when it is read.
        let mut text = Document::parse(text).unwrap().text().to_owned();
        let mut model = found(&text);
        for change in changes {
            let clears = matches!(change, Change::Clear);
            let document = Document::parse(text.clone()).unwrap();
            let before: Vec<_> = document.entries().map(|entry| entry.text()).collect();
            prop_assert_eq!(&before, &model);

            let edit = change.apply(&mut model);
            let Some(edited) = document.edited(&edit) else {
                prop_assert_eq!(&found(&text), &model);
                continue;
            };
            prop_assert_ne!(&edited, &text, "an edit that changes nothing is none");
            prop_assert_eq!(&found(&edited), &model);
            if let (Some(before), Some(after)) = (around(&text), around(&edited))
                && !clears
            {
                prop_assert_eq!(after, before);
            }
            text = edited;
        }
    }

    #[test]
    fn what_stands_beside_the_entries_stays(
        text in generated::registry(),
        changes in proptest::collection::vec(change(), 1..4),
    ) {
        let mut text = Document::parse(text).unwrap().text().to_owned();
        let beside = |text: &str| -> Vec<(String, String)> {
            let members = Members::of(text);
            let mut beside: Vec<_> = members
                .iter()
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect();
            if let Some(at) = beside.iter().rposition(|(key, _)| key == "artifacts") {
                beside.remove(at);
            }
            beside
        };
        let mut expected = beside(&text);
        if expected.is_empty() && around(&text).is_none() {
            // There is nothing to keep: a new registry is written.
            expected.push(("version".to_owned(), VERSION.to_owned()));
        }
        for change in changes {
            let document = Document::parse(text.clone()).unwrap();
            let clears = matches!(change, Change::Clear);
            let edit = change.apply(&mut found(&text));
            let Some(edited) = document.edited(&edit) else { continue };
            let version = expected.iter_mut().rfind(|(key, _)| key == "version");
            if let Some((_, version)) = version.filter(|_| clears) {
                *version = VERSION.to_owned();
            }
            prop_assert_eq!(beside(&edited), &expected[..]);
            text = edited;
        }
    }
}
