//! Problems of entries that the registry alone shows.

use std::collections::HashMap;

use super::Report;
use super::finding::{Code, Finding, add, command};
use crate::content::Contents;
use crate::document::{Document, EntryRef};
use crate::error::Result;
use crate::escape::escape_display;
use crate::fields::Field;
use crate::reference::CacheKey;

/// A value that is longer is not shown, in bytes.
const LONGEST_VALUE: usize = 80;

pub(super) fn check(
    document: &Document,
    entries: &[EntryRef<'_>],
    contents: &Contents<'_>,
    report: &mut Report,
) -> Result<()> {
    for entry in entries {
        for field in entry.unreadable_fields() {
            report.add(unreadable(entry, field));
        }
    }
    duplicates(document, entries, report);
    collisions(document, entries, contents, report)
}

fn unreadable(entry: &EntryRef<'_>, field: Field) -> Finding {
    let reference = entry.reference();
    let value = entry.raw(field).unwrap_or_default();
    let value = match value.len() {
        0..=LONGEST_VALUE => format!("`{}`", escape_display(value)),
        _ => "too long to show".to_owned(),
    };
    let message = format!(
        "its `{}` is {value}; cldctl rejects the whole registry because of it",
        field.name()
    );
    let remedy = if reference.is_empty() {
        "repair the field by hand; without a reference no command can name the entry".to_owned()
    } else {
        let rm = command("rm", &reference, "");
        match add(&reference, "") {
            Some(add) => format!("{add} registers it again from its content, {rm} removes it"),
            None => format!("{rm} removes it"),
        }
    };
    Finding::new(Code::UnreadableField, reference, message, remedy)
}

/// Reports references that are registered more than once.
fn duplicates(document: &Document, entries: &[EntryRef<'_>], report: &mut Report) {
    let mut texts: HashMap<_, Vec<&str>> = HashMap::new();
    for entry in document.entries() {
        texts
            .entry(entry.reference())
            .or_default()
            .push(entry.text());
    }
    for entry in entries {
        let reference = entry.reference();
        // Reported once, and not for entries that have none.
        let Some(texts) = texts.remove(&reference).filter(|_| !reference.is_empty()) else {
            continue;
        };
        if texts.len() < 2 {
            continue;
        }
        let (what, remedy) = if texts.iter().all(|text| *text == texts[0]) {
            let remedy = "`cldctl-registry verify --repair` keeps one".to_owned();
            ("all identical", remedy)
        } else {
            let rm = command("rm", &reference, "");
            let remedy = match add(&reference, "") {
                Some(add) => {
                    format!("{add} replaces them with one made from its content; {rm} removes all")
                }
                None => format!("{rm} removes all"),
            };
            ("with differences between them", remedy)
        };
        let message = format!("is registered {} times, {what}", texts.len());
        report.add(Finding::new(
            Code::DuplicateReference,
            reference,
            message,
            remedy,
        ));
    }
}

/// Reports references that have one directory.
fn collisions(
    document: &Document,
    entries: &[EntryRef<'_>],
    contents: &Contents<'_>,
    report: &mut Report,
) -> Result<()> {
    // An error is reported with the content of the entry.
    let key_of = |entry: &EntryRef<'_>| {
        let key = contents.own_key(&entry.reference(), &entry.text_of(Field::CachePath));
        key.ok().flatten()
    };
    let mut holders: HashMap<CacheKey, Vec<String>> = HashMap::new();
    for entry in document.entries() {
        if let Some(key) = key_of(&entry) {
            let holders = holders.entry(key).or_default();
            if !holders.iter().any(|holder| *holder == entry.reference()) {
                holders.push(entry.reference().into_owned());
            }
        }
    }
    for entry in entries {
        // Reported once for each directory.
        let key = key_of(entry).filter(|key| holders.get(key).is_some_and(|of| of.len() > 1));
        let Some((key, mut holders)) = key.and_then(|key| holders.remove_entry(&key)) else {
            continue;
        };
        let dir = contents.dir_of(&key)?;
        let reference = entry.reference();
        holders.retain(|holder| *holder != reference);
        let others: Vec<_> = holders
            .iter()
            .map(|other| format!("`{}`", escape_display(other)))
            .collect();
        let message = format!(
            "shares the directory `{}` with {}",
            escape_display(&dir.to_string_lossy()),
            others.join(", ")
        );
        let remedy = "register one of them under another reference; the content is that of the one \
             registered last";
        report.add(Finding::new(Code::KeyCollision, reference, message, remedy));
    }
    Ok(())
}
