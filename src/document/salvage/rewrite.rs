//! Writes a document of what is saved, in the form that Go gives it.

use std::collections::HashSet;

use super::SPACE;
use super::found::Root;
use crate::document::go_form::{self, VERSION};
use crate::document::index::known_field;
use crate::document::is_foreign;
use crate::json::{self, decode};

/// The members of documents besides their lists of entries.
struct RootMembers<'t> {
    /// As key and value.
    members: Vec<(&'t str, &'t str)>,
    /// The number of them before the first list.
    before_list: usize,
}

/// Writes a document of these entries, under this key, and of the members that
/// are whole of these documents. Of members of the same key the first one counts,
/// but a version that is not ours is never replaced by one that is.
pub(super) fn document(text: &str, roots: &[Root], entries: &[&str], key: &str) -> String {
    let RootMembers {
        mut members,
        before_list,
    } = members(text, roots);
    let list = go_form::array(entries);
    let key = format!("\"{key}\"");
    members.insert(before_list, (&key, &list));
    if !members.iter().any(is_version) {
        members.insert(0, ("\"version\"", VERSION));
    }
    go_form::document(&members)
}

fn members<'t>(text: &'t str, roots: &[Root]) -> RootMembers<'t> {
    let mut members = Vec::new();
    let mut before_list = None;
    let mut known = HashSet::new();
    let mut versions = Vec::new();
    // The other roots may be anything.
    for root in roots.iter().filter(|root| root.is_first || root.lists > 0) {
        // They end where it is torn; all members before that are whole.
        let mut of_root = json::Members::at(text, root.span.start);
        while let Some((key, value)) = of_root.next() {
            // In what is torn, it may be another value that ends here.
            let behind = text[of_root.offset()..].trim_start_matches(SPACE);
            if of_root.offset() > root.span.end || !behind.starts_with([',', '}']) {
                break;
            }
            let name = decode(key).unwrap_or(key.into());
            match &*name {
                "artifacts" | "components" => {
                    before_list.get_or_insert(members.len());
                    continue;
                }
                "version" => versions.push(value),
                // It is a field of the entry that the root runs into.
                _ if root.has_reference && known_field(key).is_some() => continue,
                _ => {}
            }
            if known.insert(name) {
                members.push((key, value));
            }
        }
    }
    let foreign = versions.into_iter().find(|version| is_foreign(version));
    if let (Some(foreign), Some(member)) = (foreign, members.iter_mut().find(|it| is_version(it))) {
        member.1 = foreign;
    }
    RootMembers {
        before_list: before_list.unwrap_or(members.len()),
        members,
    }
}

fn is_version((key, _): &(&str, &str)) -> bool {
    decode(key).as_deref() == Some("version")
}
