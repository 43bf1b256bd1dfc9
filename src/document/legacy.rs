//! Conversion of the older forms: `components.json`, and an `artifacts.json`
//! whose entries stand under `components`.

use super::{Document, EntryView, VERSION};
use crate::fields::{Field, FieldTexts};
use crate::json::{Scanner, SyntaxError, decode, go_string};
use crate::timestamp;

impl Document {
    /// The document in the form of today: version v2, the entries as cldctl
    /// writes them, then unknown members. What a field holds that cannot be
    /// read is carried over as it stands.
    pub(super) fn converted(&self) -> Document {
        let entries: Vec<String> = self
            .entries()
            .map(|entry| converted_entry(&entry))
            .collect();
        let array = match entries.as_slice() {
            [] => "[]".to_owned(),
            entries => format!("[\n    {}\n  ]", entries.join(",\n    ")),
        };
        let mut text = format!("{{\n  \"version\": {VERSION},\n  \"artifacts\": {array}");
        for (key, value) in self.unknown_members() {
            text.push_str(",\n  ");
            text.push_str(key);
            text.push_str(": ");
            text.push_str(value);
        }
        text.push_str("\n}");
        let document =
            Document::scan(text.into(), "artifacts").expect("what was just written is a document");
        Document {
            made_from: self.foreign_version().map(str::to_owned),
            ..document
        }
    }

    /// The members of the root besides the version and the entries.
    fn unknown_members(&self) -> Vec<(&str, &str)> {
        let mut members = Vec::new();
        let text = &self.text;
        // The text was scanned before; a root that is null has no members.
        let _ = Scanner::new(text).object::<SyntaxError>(|scanner, key| {
            let value = scanner.value()?;
            let known = decode(&text[key.clone()])
                .is_some_and(|key| matches!(&*key, "version" | "artifacts" | "components"));
            if !known {
                members.push((&text[key], &text[value]));
            }
            Ok(())
        });
        members
    }
}

/// An entry in the form of today. Fields that are missing are written as Go
/// writes what was never set; an artifact without a type is a component.
fn converted_entry(entry: &EntryView<'_>) -> String {
    let literal = |text: &str| {
        let mut literal = String::new();
        go_string(&mut literal, text);
        literal
    };
    let string = |field: Field, default: &str| match entry.string(field) {
        Ok(Some(text)) if text.is_empty() => literal(default),
        Ok(Some(text)) => literal(&text),
        Ok(None) => literal(default),
        Err(_) => entry.raw(field).unwrap_or("\"\"").to_owned(),
    };
    let no_digest = entry
        .string(Field::Digest)
        .is_ok_and(|digest| digest.is_none_or(|digest| digest.is_empty()));
    FieldTexts {
        reference: string(Field::Reference, ""),
        repository: string(Field::Repository, ""),
        tag: string(Field::Tag, ""),
        artifact_type: string(Field::Type, "component"),
        digest: (!no_digest).then(|| string(Field::Digest, "")),
        size: match entry.size() {
            Ok(size) => size.unwrap_or_default().to_string(),
            Err(_) => entry.raw(Field::Size).unwrap_or("0").to_owned(),
        },
        created_at: match entry.created_at() {
            Ok(None) => literal(timestamp::ZERO),
            // Go reads any number of digits and offsets of -00:00, and writes
            // the time in its own form.
            Ok(Some(time)) => match timestamp::format(&time) {
                Some(text) => literal(&text),
                None => string(Field::CreatedAt, ""),
            },
            Err(_) => entry.raw(Field::CreatedAt).unwrap_or("\"\"").to_owned(),
        },
        cache_path: string(Field::CachePath, ""),
    }
    .join(&entry.unknown_members())
}
