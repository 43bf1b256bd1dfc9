//! JSON output: stored entries as they stand, and reports.

use serde::Serialize;
use serde_json::value::RawValue;

use super::Out;
use crate::cli::exit::OutputError;
use crate::document::EntryView;
use crate::json::{Scanner, SyntaxError, compact, decode, pretty};

/// Prints values, each a JSON text, as one array.
pub(in crate::cli) fn array<'t>(
    out: &mut Out,
    values: impl ExactSizeIterator<Item = &'t str>,
) -> Result<(), OutputError> {
    if values.len() == 0 {
        return out.write("[]\n");
    }
    let mut text = String::new();
    for (index, value) in values.enumerate() {
        text.clear();
        text.push_str(if index == 0 { "[\n  " } else { ",\n  " });
        pretty(&mut text, value, 1);
        out.write(&text)?;
    }
    out.write("\n]\n")
}

/// Prints values, each a JSON text, one a line.
pub(in crate::cli) fn lines<'t>(
    out: &mut Out,
    values: impl Iterator<Item = &'t str>,
) -> Result<(), OutputError> {
    let mut text = String::new();
    for value in values {
        text.clear();
        compact(&mut text, value);
        text.push('\n');
        out.write(&text)?;
    }
    Ok(())
}

/// A report as an indented JSON object.
pub(in crate::cli) fn object(report: &impl Serialize) -> anyhow::Result<String> {
    let mut text = String::new();
    pretty(&mut text, &serde_json::to_string(report)?, 0);
    text.push('\n');
    Ok(text)
}

/// A stored entry, to stand in a report.
pub(in crate::cli) fn stored(entry: &str) -> anyhow::Result<Box<RawValue>> {
    Ok(RawValue::from_string(entry.to_owned())?)
}

/// A stored entry with one member more, in place of any of that name.
pub(in crate::cli) fn with_member(
    entry: &EntryView<'_>,
    key: &str,
    value: &impl Serialize,
) -> anyhow::Result<String> {
    let text = entry.text();
    let mut members = Vec::new();
    // The entry was scanned when its document was read.
    let _ = Scanner::new(text).object::<SyntaxError>(|scanner, name| {
        let value = scanner.value()?;
        if decode(&text[name.clone()]).as_deref() != Some(key) {
            members.push(format!("{}:{}", &text[name], &text[value]));
        }
        Ok(())
    });
    members.push(format!("\"{key}\":{}", serde_json::to_string(value)?));
    Ok(format!("{{{}}}", members.join(",")))
}
