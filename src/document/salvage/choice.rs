//! Decides which of the objects that are whole are entries.

use std::collections::HashSet;

use super::found::{Found, Object, Place, Root};
use super::nesting::are_inside_elements;
use super::{Lost, SPACE};
use crate::json::Span;

/// The entries of a text, and the objects that may be entries and are not saved.
#[derive(Debug, Default)]
pub(super) struct Choice<'o> {
    /// In the order of the text; none contains another.
    pub(super) saved: Vec<&'o Object>,
    pub(super) lost: Vec<Lost>,
}

/// Chooses entries among the objects of a text. `whole` are the documents that can be read as they are,
/// in the order of the text: of their objects, the elements of their lists are
/// entries, and no others. Still, one with all the fields that cldctl writes is
/// named.
///
/// Anywhere else, an object with a reference is an entry, at whatever nesting,
/// unless it is in another entry. It may also have been a part of a member
/// that is not cldctl's. There it is saved if it has all the fields that cldctl
/// writes, and otherwise it is named.
pub(super) fn choose<'f>(text: &str, found: &'f Found, whole: &[Root]) -> Choice<'f> {
    let mut choice = Choice::default();
    let mut named = Vec::new();
    let are_inside = are_inside_elements(text, &found.values);
    let is_part = |object: &Object| match object.place {
        Place::Element => false,
        Place::Member => true,
        Place::Free => {
            let index = index_containing(&found.values, object.span.start);
            index.is_some_and(|index| are_inside[index])
        }
    };
    // In the order of the text, each before those inside of it.
    let mut rest = &*found.objects;
    while let [object, behind @ ..] = rest {
        rest = behind;
        if containing(whole, object.span.start).is_some() {
            if object.place == Place::Element && object.depth == 2 {
                choice.saved.push(object);
                rest = &behind[inside(object, behind)..];
            } else if object.is_full {
                named.push(object);
            }
            continue;
        }
        if !object.is_full && is_part(object) {
            named.push(object);
            continue;
        }
        let inside = &behind[..inside(object, behind)];
        // Its beginning and its end may belong to two objects, which shows by
        // entries between them: in a list that is its own, if nothing around it
        // could be read; or anywhere, if the damage may be in it because it is not
        // followed as an element is.
        let is_followed = is_followed(text, object.span.end);
        let is_swallowed = |other: &Object| {
            let is_listed = other.place == Place::Element && other.depth == object.depth + 2;
            is_listed && (object.depth == 0 || !is_followed) || other.is_full && !is_followed
        };
        let is_single = object.depth > 0 && is_followed;
        if !is_single && inside.iter().any(is_swallowed) {
            let reason = "it runs into another part of the file";
            choice.lost.push(lost(object, reason));
            continue;
        }
        if !is_followed {
            named.extend(inside);
        }
        rest = &behind[inside.len()..];
        choice.saved.push(object);
    }
    let text_of = |object: &Object| &text[object.span.clone()];
    let saved: HashSet<&str> = choice.saved.iter().map(|entry| text_of(entry)).collect();
    named.retain(|object| !saved.contains(text_of(object)));
    let reason = "it is part of another value, and may not be an entry";
    let named = named.into_iter().map(|object| lost(object, reason));
    choice.lost.extend(named);
    choice
}

fn lost(object: &Object, reason: &str) -> Lost {
    Lost {
        reference: object.reference.clone(),
        offset: object.span.start,
        reason: reason.to_owned(),
    }
}

/// Returns the document of these that contains an offset.
pub(super) fn containing(documents: &[Root], offset: usize) -> Option<&Root> {
    let next = documents.partition_point(|root| root.span.start <= offset);
    let root = documents.get(next.checked_sub(1)?)?;
    root.span.contains(&offset).then_some(root)
}

/// Returns which of the values in the order of the text contains an offset.
fn index_containing(values: &[Span], offset: usize) -> Option<usize> {
    let next = values.partition_point(|value| value.start <= offset);
    let index = next.checked_sub(1)?;
    values[index].contains(&offset).then_some(index)
}

/// Counts the objects behind an object that are inside of it.
fn inside(object: &Object, behind: &[Object]) -> usize {
    behind.partition_point(|other| other.span.start < object.span.end)
}

/// Returns whether a value is followed as an element of a list is.
fn is_followed(text: &str, end: usize) -> bool {
    let behind = text[end..].trim_start_matches(SPACE);
    behind.starts_with([',', ']'])
}
