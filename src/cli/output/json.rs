//! JSON output: stored entries as they stand, and reports.

use serde::Serialize;
use serde_json::value::RawValue;

use super::Out;
use crate::document::EntryRef;
use crate::escape::visible_json;
use crate::json::{Members, decode, pretty};

/// Prints values as one array, each as `append` adds it at one level of
/// indentation.
pub(in crate::cli) fn array<T>(
    out: &mut Out,
    values: &[T],
    append: impl Fn(&mut String, &T),
) -> anyhow::Result<()> {
    let Some((first, others)) = values.split_first() else {
        return Ok(out.write("[]\n")?);
    };
    let mut text = "[\n  ".to_owned();
    append(&mut text, first);
    out.write(&text)?;
    out.each(others, |text, value| {
        text.push_str(",\n  ");
        append(text, value);
    })?;
    Ok(out.write("\n]\n")?)
}

/// Appends an entry to an array.
pub(in crate::cli) fn entry(text: &mut String, entry: &EntryRef<'_>) {
    // The fast way for nearly all entries, because any other layout takes five times as
    // long.
    let Some(members) = entry.in_go_form() else {
        return element(text, entry.text());
    };
    // A byte below the space needs no check because JSON has none.
    let is_safe = entry.text().bytes().fold(true, |safe, b| safe & (b < 0x7f));
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

/// Appends a value, a JSON text, to an array.
pub(in crate::cli) fn element(text: &mut String, value: &str) {
    pretty(text, value, 1);
}

/// Returns a report as an indented JSON object.
pub(in crate::cli) fn object(report: &impl Serialize) -> anyhow::Result<String> {
    let mut text = String::new();
    pretty(&mut text, &serde_json::to_string(report)?, 0);
    text.push('\n');
    Ok(text)
}

/// Returns a stored entry as a part of a report.
pub(in crate::cli) fn stored(entry: &str) -> anyhow::Result<Box<RawValue>> {
    Ok(RawValue::from_string(entry.to_owned())?)
}

/// Returns a stored entry with a member added, which replaces any of that name.
pub(in crate::cli) fn with_member(
    entry: &EntryRef<'_>,
    key: &str,
    value: &impl Serialize,
) -> anyhow::Result<String> {
    let others = Members::of(entry.text())
        .filter(|(name, _)| decode(name).as_deref() != Some(key))
        .map(|(name, value)| format!("{name}:{value}"));
    let mut members: Vec<String> = others.collect();
    members.push(format!("\"{key}\":{}", serde_json::to_string(value)?));
    Ok(format!("{{{}}}", members.join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Document;
    use proptest::prelude::*;

    fn appended(append: impl Fn(&mut String, &EntryRef<'_>), artifacts: &str) -> String {
        let document = Document::parse(format!("{{\"artifacts\": [{artifacts}]}}")).unwrap();
        let mut text = String::new();
        append(&mut text, &document.entry(0).unwrap());
        text
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
            let expected = appended(|text, entry| element(text, entry.text()), &text);
            prop_assert_eq!(appended(entry, &text), expected);
        }
    }
}
