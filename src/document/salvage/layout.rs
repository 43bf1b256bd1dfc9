//! Writes a document of what is saved, in the form that Go gives it.

use std::collections::HashSet;

use super::SPACE;
use super::found::Root;
use crate::document::elements::known_field;
use crate::document::{VERSION, is_foreign};
use crate::json::{Scanner, SyntaxError, decode};

/// The members of documents besides their lists of entries.
struct Members<'t> {
    /// As key and value.
    members: Vec<(&'t str, &'t str)>,
    /// How many of them stand before the first list.
    before_list: usize,
}

/// Writes a document of these entries, under this key, and of the members that
/// are whole of these documents. Of members of the same key the first one counts,
/// but a version that is not ours is never replaced by one that is.
pub(super) fn document(text: &str, roots: &[Root], entries: &[&str], key: &str) -> String {
    let Members {
        mut members,
        before_list,
    } = members(text, roots);
    let list = match entries {
        [] => "[]".to_owned(),
        entries => format!("[\n    {}\n  ]", entries.join(",\n    ")),
    };
    let key = format!("\"{key}\"");
    members.insert(before_list, (&key, &list));
    if !members.iter().any(is_version) {
        members.insert(0, ("\"version\"", VERSION));
    }
    let members: Vec<String> = members
        .iter()
        .map(|(key, value)| format!("{key}: {value}"))
        .collect();
    format!("{{\n  {}\n}}", members.join(",\n  "))
}

fn members<'t>(text: &'t str, roots: &[Root]) -> Members<'t> {
    let mut members = Vec::new();
    let mut before_list = None;
    let mut known = HashSet::new();
    let mut versions = Vec::new();
    // The other roots may be anything.
    for root in roots.iter().filter(|root| root.is_first || root.lists > 0) {
        // Ends where it is torn; all members before that are whole.
        let _ = Scanner::at(text, root.span.start).object(|scanner, key| {
            let value = scanner.value()?;
            if value.end > root.span.end {
                return Err(scanner.error("after the end of the root"));
            }
            // In what is torn, it may be another value that ends here.
            let behind = text[value.end..].trim_start_matches(SPACE);
            if !behind.starts_with([',', '}']) {
                return Err(scanner.error("expected `,` or `}`"));
            }
            let (key, value) = (&text[key], &text[value]);
            let name = decode(key).unwrap_or(key.into());
            match &*name {
                "artifacts" | "components" => {
                    before_list.get_or_insert(members.len());
                    return Ok(());
                }
                "version" => versions.push(value),
                // It is a field of the entry that the root runs into.
                _ if root.has_reference && known_field(key).is_some() => return Ok(()),
                _ => {}
            }
            if known.insert(name) {
                members.push((key, value));
            }
            Ok::<_, SyntaxError>(())
        });
    }
    let foreign = versions.into_iter().find(|version| is_foreign(version));
    if let (Some(foreign), Some(member)) = (foreign, members.iter_mut().find(|it| is_version(it))) {
        member.1 = foreign;
    }
    Members {
        before_list: before_list.unwrap_or(members.len()),
        members,
    }
}

fn is_version((key, _): &(&str, &str)) -> bool {
    decode(key).as_deref() == Some("version")
}
