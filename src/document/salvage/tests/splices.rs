//! Two documents, cut and joined at every kind of place.
//!
//! The judge knows the documents before the damage and looks for their bytes in
//! the damaged text. It shares no code with what it judges: serde_json reads what
//! is saved.

use std::collections::HashSet;
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;
use crate::json::oracle::{Members, elements};

/// The size of a sector, which a disk writes as a whole.
const BLOCK: usize = 512;

/// A registry before the damage.
#[derive(Clone, Debug)]
struct ImportSource {
    text: String,
    entries: Vec<Original>,
}

/// An entry of a registry before the damage.
#[derive(Clone, Debug)]
struct Original {
    text: String,
    reference: String,
    /// Its text up to the end of its reference.
    beginning: String,
}

impl ImportSource {
    fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        let members = Members::of(&text);
        let list = members.last("artifacts").or(members.last("components"));
        let entries = elements(list.unwrap_or("[]")).into_iter();
        let entries = entries.map(|entry| {
            let reference = Members::of(entry).last("reference").unwrap().to_owned();
            let key = entry.find("\"reference\"").unwrap();
            let end = key + entry[key..].find(&reference).unwrap() + reference.len();
            Original {
                text: entry.to_owned(),
                reference: decode(&reference).unwrap().into_owned(),
                beginning: entry[..end].to_owned(),
            }
        });
        ImportSource {
            entries: entries.collect(),
            text,
        }
    }
}

/// An entry as cldctl writes it.
fn full(reference: &str, tag: &str, size: i64) -> String {
    format!(
        "{{\n      \"reference\": \"{reference}:{tag}\",\n      \"repository\": \"{reference}\",\n      \
         \"tag\": \"{tag}\",\n      \"type\": \"component\",\n      \"size\": {size},\n      \
         \"createdAt\": \"2026-02-14T13:03:11.482915736-05:00\",\n      \"cachePath\": \
         \"/home/dev/.cldctl/cache/artifacts/{reference}_{tag}\"\n    }}"
    )
}

/// Registries of every form: cldctl's own; compact ones, whose entries have few
/// fields, odd strings, and values of a later version; in the older form; none.
static SOURCES: LazyLock<Vec<ImportSource>> = LazyLock::new(|| {
    let fixtures = [
        include_str!("../../../../tests/fixtures/cldctl/base/artifacts.json"),
        include_str!("../../../../tests/fixtures/cldctl/after-add/artifacts.json"),
        include_str!("../../../../tests/fixtures/cldctl/v1-inline/artifacts.json"),
    ];
    let many: Vec<String> = (0..9)
        .map(|n| full("many", &n.to_string(), 1 << n))
        .collect();
    let others: Vec<String> = (4..13)
        .map(|n| full("many", &n.to_string(), 3 << n))
        .collect();
    let compact = r#"{"version":"v2","artifacts":[{"reference":"a:1","size":1},{"reference":"b:1","tag":"1","note":"{\"reference\":\"no:1\",\"size\":1}"},{"size":12345,"reference":"c:1","odd":"}],{[:\\\""},{"reference":"d:1","type":"component","deps":[{"reference":"dep:1","type":"component"},{"reference":"dep:2","tag":"2"},[1,[2,{}]]],"size":-1.5e3},{"reference":"é日本😀:1","é":"\u00e9\ud83d\ude00{","size":null}]}"#;
    let nested = r#"{"version": "v2", "x": {"y": ["}", "\\", {"artifacts": 1}, true]}, "artifacts": [ {"reference": "n:1", "meta": {"a": {"b": [{"c": "]"}]}}, "size": 0}, {"reference": "a:1", "size": 2},
        {"tag": "1", "reference": "n:2", "parts": {"reference": "part:1", "tag": "{"}, "x": []} ], "z": [[], 1, "\"artifacts\": ["]}"#;
    let older = compact
        .replace("artifacts\":[", "components\":[")
        .replace("v2", "v1");
    let [base, after_add, v1] = fixtures;
    [
        base,
        after_add,
        v1,
        &document(&many),
        &document(&others),
        compact,
        nested,
        &older,
        &document(&[]),
    ]
    .map(ImportSource::new)
    .to_vec()
});

/// The members of the sources whose values contain objects like entries.
const NESTED: [&str; 3] = [
    r#""deps":[{"reference":"dep:1","type":"component"}"#,
    r#""deps":[{"reference":"dep:1","type":"component"},{"reference":"dep:2","tag":"2"}"#,
    r#""parts": {"reference": "part:1", "tag": "{"}"#,
];

/// Something that happens to a text, and that another one may prevent.
/// Places are any numbers; they count beyond the end from the start again.
#[derive(Clone, Debug)]
enum Damage {
    /// The text ends here.
    Cut(Place),
    /// From here on, there is the other text, from its own place on.
    Join(Place, Place),
    /// From here on, there is the other text, from the same place on.
    Overwrite(Place),
    /// The end of the other text, if it is longer, comes after this one.
    Tail,
    Zero(usize),
    /// A block of the other text, or of this one, is at another place.
    Copy(bool, usize, usize),
    Exchange(usize, usize),
    Insert(Place, &'static [u8]),
    Remove(Place, usize),
    Around(&'static str, &'static str),
}

/// A place anywhere, or at a byte that means something to JSON.
#[derive(Clone, Copy, Debug)]
enum Place {
    Any(usize),
    Mark(usize),
}

impl Place {
    fn of(self, bytes: &[u8]) -> usize {
        match self {
            Place::Any(at) => at % (bytes.len() + 1),
            Place::Mark(at) => {
                let is_mark = |at: &usize| b"{}[]\":,\\".contains(&bytes[*at]);
                let marks: Vec<usize> = (0..bytes.len()).filter(is_mark).collect();
                // Before such a byte, or behind it.
                marks
                    .get(at / 2 % marks.len().max(1))
                    .map_or(0, |mark| mark + at % 2)
            }
        }
    }
}

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![
        any::<usize>().prop_map(Place::Any),
        any::<usize>().prop_map(Place::Mark)
    ]
}

fn damage() -> impl Strategy<Value = Damage> {
    let pieces: Vec<&'static [u8]> = vec![
        b"\"",
        b"\\",
        b"{",
        b"}",
        b"[",
        b"]",
        b":",
        b",",
        b"\n",
        b"\0",
        b"\xff",
        b"\xc3",
        b"1",
        b"x",
        b"\xef\xbb\xbf",
        b"\"artifacts\":[",
        b"\"reference\":",
        b"{\"x\":",
        b"//",
        b"null",
    ];
    prop_oneof![
        2 => place().prop_map(Damage::Cut),
        6 => (place(), place()).prop_map(|(here, there)| Damage::Join(here, there)),
        2 => place().prop_map(Damage::Overwrite),
        1 => Just(Damage::Tail),
        1 => any::<usize>().prop_map(Damage::Zero),
        2 => any::<(bool, usize, usize)>().prop_map(|(own, from, to)| Damage::Copy(own, from, to)),
        2 => any::<(usize, usize)>().prop_map(|(one, other)| Damage::Exchange(one, other)),
        2 => (place(), select(pieces)).prop_map(|(at, piece)| Damage::Insert(at, piece)),
        1 => (place(), 1..40_usize).prop_map(|(at, len)| Damage::Remove(at, len)),
        1 => (select(vec!["", ":", "\u{feff}", "x", "\"", "{", "[", "{\"x\":", "}]"]),
              select(vec!["", "\0\0", "x", "]\n}", "{}", "\"", "[", "\n"]))
            .prop_map(|(before, behind)| Damage::Around(before, behind)),
    ]
}

impl Damage {
    /// Returns whether this joins what did not belong together at one place only.
    fn is_single(&self) -> bool {
        match self {
            Damage::Cut(_)
            | Damage::Join(..)
            | Damage::Overwrite(_)
            | Damage::Tail
            | Damage::Zero(_)
            | Damage::Insert(..)
            | Damage::Remove(..) => true,
            Damage::Copy(..) | Damage::Exchange(..) | Damage::Around(..) => false,
        }
    }

    fn apply(&self, bytes: &mut Vec<u8>, other: &[u8]) {
        let blocks = bytes.len().div_ceil(BLOCK).max(1);
        let block = |index: usize, bytes: &[u8]| {
            let start = index % bytes.len().div_ceil(BLOCK).max(1) * BLOCK;
            start..bytes.len().min(start + BLOCK)
        };
        match *self {
            Damage::Cut(at) => bytes.truncate(at.of(bytes)),
            Damage::Join(here, there) => {
                bytes.truncate(here.of(bytes));
                bytes.extend(&other[there.of(other)..]);
            }
            Damage::Overwrite(at) => {
                let at = at.of(bytes);
                bytes.truncate(at);
                bytes.extend(&other[at.min(other.len())..]);
            }
            Damage::Tail => bytes.extend(other.get(bytes.len()..).unwrap_or_default()),
            Damage::Zero(index) => {
                let block = block(index, bytes);
                bytes[block].fill(0);
            }
            Damage::Copy(is_own, from, to) => {
                let from = match is_own {
                    true => bytes[block(from, bytes)].to_vec(),
                    false => other[block(from, other)].to_vec(),
                };
                let to = block(to, bytes);
                bytes.splice(to, from);
            }
            Damage::Exchange(one, other) => {
                let (one, other) = (one % blocks, other % blocks);
                let (first, second) = (block(one.min(other), bytes), block(one.max(other), bytes));
                if first.end <= second.start {
                    let moved = bytes[first.clone()].to_vec();
                    let there = bytes[second.clone()].to_vec();
                    bytes.splice(second, moved);
                    bytes.splice(first, there);
                }
            }
            Damage::Insert(at, piece) => {
                let at = at.of(bytes);
                bytes.splice(at..at, piece.iter().copied());
            }
            Damage::Remove(at, len) => {
                let at = at.of(bytes);
                bytes.drain(at..bytes.len().min(at + len));
            }
            Damage::Around(before, behind) => {
                bytes.splice(0..0, before.bytes());
                bytes.extend(behind.bytes());
            }
        }
    }
}

/// Returns what serde_json reads of a document: its entries, and their references.
fn read(document: &str) -> (Vec<&str>, HashSet<String>) {
    let members = Members::of(document);
    let list = members.last("artifacts").or(members.last("components"));
    let entries = elements(list.filter(|list| *list != "null").unwrap_or("[]"));
    let reference = |entry: &&str| {
        let members = Members::of(entry);
        Some(decode(members.last("reference")?)?.into_owned())
    };
    let references = entries.iter().filter_map(reference);
    (entries.clone(), references.collect())
}

/// Judges what is saved of a text that was made of these sources, by damage at a
/// single place or at several.
fn judge(damaged: &[u8], sources: [&ImportSource; 2], is_single: bool) -> Result<(), String> {
    let text = String::from_utf8_lossy(damaged);
    let originals = || sources.into_iter().flat_map(|source| &source.entries);
    let Some(salvaged) = salvage_of(damaged) else {
        // Then not even one entry began in it.
        let dropped = originals().find(|original| text.contains(&original.beginning));
        return match dropped {
            Some(original) => Err(format!("`{}` is dropped", original.reference)),
            None => Ok(()),
        };
    };
    let (saved, references) = read(&salvaged.text);
    let lost = named(&salvaged);
    let is_known = |reference| references.contains(reference) || lost.contains(&Some(reference));
    for Original {
        text: entry,
        reference,
        beginning,
    } in originals()
    {
        // In an object, or in another member of a document, that the damage itself
        // made whole, nothing may tell that it was an entry of its own.
        let is_inside = |part: &str| !is_single && salvaged.text.contains(part);
        if text.contains(entry) {
            if !saved.contains(&&**entry) && !is_inside(entry) && !lost.contains(&Some(reference)) {
                return Err(format!("`{reference}` is whole, neither saved nor named"));
            }
        } else if text.contains(beginning) && !is_known(reference) && !is_inside(beginning) {
            return Err(format!(
                "`{reference}` begins, and is neither saved nor named"
            ));
        }
    }
    for entry in &saved {
        // No part of an entry is one, if so much is there that this shows.
        let count = |part: &str| text.matches(part).count();
        let shown = NESTED.iter().filter(|part| part.ends_with(entry));
        let shown: usize = shown.map(|part| count(part)).sum();
        if !originals().any(|it| it.text == *entry) && shown > 0 && shown == count(entry) {
            return Err(format!("{entry} was no entry"));
        }
    }
    // Unless a list without entries came of the damage, or nothing at all.
    let without_space: String = text.split(char::is_whitespace).collect();
    let is_empty = without_space.contains("\"artifacts\":[]")
        || without_space.contains("\"components\":[]")
        || without_space.trim_matches('\u{feff}').is_empty();
    if saved.is_empty() && lost.is_empty() && !is_empty {
        return Err("nothing is saved, and nothing is named".to_owned());
    }
    // It can be read, and is what would be saved of it.
    let entries = Document::parse(&*salvaged.text).map(|document| document.entries().len());
    if entries != Ok(salvaged.entries) || salvaged.entries != saved.len() {
        return Err(format!("{entries:?} entries can be read"));
    }
    match salvage_of(salvaged.text.as_bytes()) {
        Some(again) if again.text == salvaged.text => Ok(()),
        again => Err(format!("saved once more: {again:#?}")),
    }
}

#[test]
fn what_stands_around_a_document_costs_nothing() {
    let before = [
        "", "\u{feff}", "x", ":", "\"", "}]", "//\n", "[", "{", "{\"x\":", "\0\0", "null",
    ];
    let behind = [
        "", "\n\0", "x", "]\n}", "\"", "{}", "[", "{", "\\", ",\n", "null",
    ];
    for source in SOURCES.iter().filter(|source| !source.entries.is_empty()) {
        for (before, behind) in before.iter().flat_map(|it| behind.map(|other| (it, other))) {
            let salvaged = saved(format!("{before}{}{behind}", source.text).as_bytes());
            let (entries, _) = read(&salvaged.text);
            let originals = source.entries.iter().map(|original| &*original.text);
            assert!(
                entries.into_iter().eq(originals),
                "{before:?} {behind:?}: {salvaged:#?}"
            );
            assert_eq!(salvaged.lost, [], "{before:?} {behind:?}: {}", source.text);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn every_entry_of_two_spliced_documents_is_saved_or_named(
        (one, other) in any::<(Index, Index)>(),
        damages in proptest::collection::vec(damage(), 1..3),
    ) {
        let (one, other) = (one.get(&SOURCES), other.get(&SOURCES));
        let mut bytes = one.text.clone().into_bytes();
        for (count, damage) in damages.iter().enumerate() {
            damage.apply(&mut bytes, other.text.as_bytes());
            if std::str::from_utf8(&bytes).is_ok_and(|text| Document::parse(text.to_owned()).is_ok()) {
                // It can be read, so nothing is to be repaired.
                continue;
            }
            let is_single = count == 0 && damage.is_single();
            judge(&bytes, [one, other], is_single).map_err(|what| {
                let text = String::from_utf8_lossy(&bytes);
                let salvaged = salvage_of(&bytes);
                TestCaseError::fail(format!("{what}\n{text}\n{salvaged:#?}"))
            })?;
        }
    }
}
