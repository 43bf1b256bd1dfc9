//! JSON output: stored entries as they are, and reports.

use serde::Serialize;
use serde_json::value::RawValue;

use super::Out;
use crate::document::EntryRef;
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
