//! Saves what is whole of a document that is not.
//!
//! The usual damage is one whole document with the tail of another behind it,
//! or one that was cut off: two processes of cldctl wrote the same temporary
//! file at once, or one was stopped while it wrote. Whatever it is, an entry is
//! saved with every byte if all of it is there, and nothing is made up.

use std::collections::HashMap;

use super::{Document, Edit, VERSION};
use crate::fields::Field;
use crate::json::{Kind, ParseError, Places, Scanner, Span, SyntaxError, decode};

const BYTE_ORDER_MARK: &str = "\u{feff}";

/// How often, on average, a byte may be looked at. What is nested in itself over
/// and over could otherwise take hours.
const LOOKS: usize = 16;

/// What was saved of a damaged document.
#[derive(Clone, Debug)]
pub(crate) struct Salvaged {
    /// A document that can be read.
    pub(crate) text: String,
    /// How many entries are in it.
    pub(crate) entries: usize,
    /// What is not in it, as far as it can be told apart.
    pub(crate) lost: Vec<Loss>,
}

/// An entry that could not be saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Loss {
    /// The reference, if that much of it was there.
    pub(crate) reference: Option<String>,
    /// Where it stands and what is wrong with it.
    pub(crate) cause: ParseError,
}

/// A loss before its place is told in lines.
struct Lost {
    reference: Option<String>,
    offset: usize,
    reason: String,
}

/// What is saved, before the places of what is lost are told.
struct Saved {
    text: String,
    entries: usize,
    lost: Vec<Lost>,
}

/// Saves what is whole of a damaged document.
pub(crate) fn salvage(bytes: &[u8]) -> Salvaged {
    let text = text_of(bytes);
    let start = if text.starts_with(BYTE_ORDER_MARK) {
        BYTE_ORDER_MARK.len()
    } else {
        0
    };
    let saved = whole_document(&text, start);
    let mut saved = saved.unwrap_or_else(|| Pieces::of(&text, start).into_document());
    saved.lost.sort_by_key(|lost| lost.offset);
    let mut places = Places::new(bytes);
    let lost = saved.lost.into_iter().map(|lost| Loss {
        reference: lost.reference,
        cause: places.error(lost.offset, lost.reason),
    });
    Salvaged {
        lost: lost.collect(),
        text: saved.text,
        entries: saved.entries,
    }
}

/// The text, with a NUL for each byte that is not UTF-8: no JSON has one, so
/// that what it stands in is not whole.
fn text_of(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| '\0'));
    }
    text
}

/// The document that a text begins with, if that is whole, with the entries
/// that stand behind it.
fn whole_document(text: &str, start: usize) -> Option<Saved> {
    let span = Scanner::at(text, start).value().ok()?;
    let document = Document::parse(&text[span.clone()]).ok()?;
    let mut search = Search::new(text, span.end);
    search.run();

    let mut known: HashMap<_, Vec<&str>> = HashMap::new();
    for entry in document.entries() {
        let reference = entry.reference().into_owned();
        known.entry(reference).or_default().push(entry.text());
    }
    let mut edit = Edit::default();
    for (reference, span) in &search.found {
        let entry = &text[span.clone()];
        let known = known.entry(reference.clone()).or_default();
        if known.is_empty() {
            edit.append(entry.to_owned());
            known.push(entry);
        } else if !known.contains(&entry) {
            search.lost.push(conflict(reference, span));
        }
    }
    let pieces = document.pieces(&edit).map(|pieces| pieces.concat());
    let text = pieces.unwrap_or_else(|| document.text().to_owned());
    Some(Saved {
        entries: Document::parse(text.as_str()).map_or(0, |saved| saved.entries().len()),
        text,
        lost: search.lost,
    })
}

fn conflict(reference: &str, span: &Span) -> Lost {
    Lost {
        reference: Some(reference.to_owned()),
        offset: span.start,
        reason: "another entry of the same reference was saved".to_owned(),
    }
}

/// The parts of a document that is not whole.
struct Pieces<'t> {
    text: &'t str,
    /// The members of the root before the damage, as key and value, those
    /// besides the entries.
    members: Vec<(&'t str, &'t str)>,
    /// The key that the entries stood under, and how many members before it.
    entries_key: Option<(&'static str, usize)>,
    entries: Vec<Span>,
    lost: Vec<Lost>,
}

impl<'t> Pieces<'t> {
    fn of(text: &'t str, start: usize) -> Self {
        let mut pieces = Pieces {
            text,
            members: Vec::new(),
            entries_key: None,
            entries: Vec::new(),
            lost: Vec::new(),
        };
        let mut scanner = Scanner::at(text, start);
        // Where the last whole value ends.
        let mut reached = start;
        let ended = scanner.object::<SyntaxError>(|scanner, key| {
            let key = &text[key];
            let kind = scanner.kind()?;
            match decode(key).as_deref() {
                Some("artifacts") if kind == Kind::Array => {
                    pieces.elements(scanner, "artifacts", &mut reached)?;
                }
                Some("components") if kind == Kind::Array && !pieces.has("artifacts") => {
                    pieces.elements(scanner, "components", &mut reached)?;
                }
                Some(name @ ("artifacts" | "components")) => {
                    let span = scanner.value()?;
                    if !matches!(kind, Kind::Null | Kind::Array) {
                        pieces.lost.push(Lost {
                            reference: None,
                            offset: span.start,
                            reason: format!("`{name}` is {}", kind.describe()),
                        });
                    }
                }
                _ => {
                    let value = scanner.value()?;
                    pieces.members.push((key, &text[value]));
                }
            }
            reached = scanner.offset();
            Ok(())
        });
        let rest = match ended {
            Ok(span) => span.end,
            Err(_) => reached,
        };
        pieces.search(rest);
        pieces
    }

    fn has(&self, key: &str) -> bool {
        self.entries_key.is_some_and(|(found, _)| found == key)
    }

    /// The elements of the array of entries, each that is whole.
    fn elements(
        &mut self,
        scanner: &mut Scanner<'t>,
        key: &'static str,
        reached: &mut usize,
    ) -> Result<(), SyntaxError> {
        self.entries_key = Some((key, self.members.len()));
        if scanner.first_element()?.is_some() {
            scanner.elements::<SyntaxError>(usize::MAX, |scanner| {
                let kind = scanner.kind()?;
                let span = scanner.value()?;
                *reached = span.end;
                if kind == Kind::Object {
                    self.entries.push(span);
                } else {
                    let reason = format!("{} is no entry", kind.describe());
                    self.lost.push(Lost {
                        reference: None,
                        offset: span.start,
                        reason,
                    });
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Adds the entries that stand from here on.
    fn search(&mut self, from: usize) {
        let mut search = Search::new(self.text, from);
        search.run();
        let mut known: HashMap<String, Span> = HashMap::new();
        for span in &self.entries {
            if let Some(reference) = reference_of(&self.text[span.clone()]) {
                known.insert(reference, span.clone());
            }
        }
        self.lost.extend(search.lost);
        for (reference, span) in search.found {
            match known.get(&reference) {
                Some(other) if self.text[other.clone()] == self.text[span.clone()] => {}
                Some(_) => self.lost.push(conflict(&reference, &span)),
                None => {
                    known.insert(reference, span.clone());
                    self.entries.push(span);
                }
            }
        }
    }

    /// A document of these parts, in the form that Go writes.
    fn into_document(self) -> Saved {
        let entries: Vec<_> = self
            .entries
            .iter()
            .map(|span| &self.text[span.clone()])
            .collect();
        let array = match entries.as_slice() {
            [] => "[]".to_owned(),
            entries => format!("[\n    {}\n  ]", entries.join(",\n    ")),
        };
        let (key, place) = self
            .entries_key
            .unwrap_or(("artifacts", self.members.len()));
        let mut members: Vec<_> = self
            .members
            .iter()
            .map(|(k, v)| format!("{k}: {v}"))
            .collect();
        members.insert(place, format!("\"{key}\": {array}"));
        if !self.members.iter().any(|(key, _)| *key == "\"version\"") {
            members.insert(0, format!("\"version\": {VERSION}"));
        }
        Saved {
            text: format!("{{\n  {}\n}}", members.join(",\n  ")),
            entries: entries.len(),
            lost: self.lost,
        }
    }
}

/// Looks for entries in a text of which nobody knows where its values begin.
struct Search<'t> {
    text: &'t str,
    at: usize,
    /// How many bytes may still be looked at.
    budget: usize,
    /// Up to here, all is a part of a member that is not whole.
    torn: usize,
    found: Vec<(String, Span)>,
    lost: Vec<Lost>,
}

impl<'t> Search<'t> {
    fn new(text: &'t str, at: usize) -> Self {
        Search {
            text,
            at,
            budget: (text.len() - at).saturating_mul(LOOKS),
            torn: 0,
            found: Vec::new(),
            lost: Vec::new(),
        }
    }

    fn run(&mut self) {
        while let Some(found) = self.text[self.at..].find(['{', '[']) {
            self.at += found;
            if self.budget == 0 {
                let reason = "from here on it is too deeply nested to be searched";
                self.lose(None, self.at, reason);
                return;
            }
            self.value();
        }
    }

    /// Passes over the object or array that comes next, or over its bracket.
    fn value(&mut self) {
        let start = self.at;
        let value = Scanner::at(self.text, start).value();
        let end = value
            .as_ref()
            .map_or_else(|error| error.offset, |span| span.end);
        self.budget = self.budget.saturating_sub(end - start + 1);
        let is_object = self.text[start..].starts_with('{');
        match (self.role(start), value) {
            // A member is whole, so what is in it is a part of it.
            (Role::Member, Ok(span)) => self.at = span.end,
            // Whatever stands in it may be no entry.
            (Role::Member, Err(_)) => {
                self.torn = self.torn.max(end);
                self.at += 1;
            }
            (Role::Element, Ok(span)) if is_object => {
                match reference_of(&self.text[span.clone()]) {
                    Some(reference) => {
                        self.at = span.end;
                        if span.start < self.torn {
                            let reason =
                                "it stands in a field that is not whole, and may be no entry";
                            self.lose(Some(reference), span.start, reason);
                        } else {
                            self.found.push((reference, span));
                        }
                    }
                    None => self.at += 1,
                }
            }
            (Role::Element, Err(error)) if is_object => {
                // As much of it as there is.
                let mut reference = None;
                let _ = Scanner::at(self.text, start).object::<SyntaxError>(|scanner, key| {
                    let value = scanner.value()?;
                    if is_key(&self.text[key], Field::Reference) {
                        reference = decode(&self.text[value]).map(|text| text.into_owned());
                    }
                    Ok(())
                });
                if reference.is_some() {
                    self.lose(reference, start, &error.reason);
                }
                self.at += 1;
            }
            _ => self.at += 1,
        }
    }

    fn lose(&mut self, reference: Option<String>, at: usize, reason: &str) {
        self.lost.push(Lost {
            reference,
            offset: at,
            reason: reason.to_owned(),
        });
    }

    /// What a value is a part of, by what stands before it.
    fn role(&self, start: usize) -> Role {
        let before = self.text[..start].trim_end_matches([' ', '\n', '\r', '\t']);
        let Some(before) = before.strip_suffix(':') else {
            return Role::Element;
        };
        let key = before.trim_end_matches([' ', '\n', '\r', '\t']);
        if key.ends_with("\"artifacts\"") || key.ends_with("\"components\"") {
            Role::Entries
        } else {
            Role::Member
        }
    }
}

/// What a value is a part of.
enum Role {
    /// Of an array, or of nothing that is there.
    Element,
    /// It is the value of a key.
    Member,
    /// It is the array of entries.
    Entries,
}

/// The reference of an object that is an entry: one that has it, a string, and
/// another field of an entry.
fn reference_of(object: &str) -> Option<String> {
    let mut reference = None;
    let mut has_more = false;
    let _ = Scanner::new(object).object::<SyntaxError>(|scanner, key| {
        let kind = scanner.kind()?;
        let value = scanner.value()?;
        let key = &object[key];
        if is_key(key, Field::Reference) {
            reference = (kind == Kind::String)
                .then(|| decode(&object[value]))
                .flatten();
        } else {
            has_more |= Field::ALL.into_iter().any(|field| is_key(key, field));
        }
        Ok(())
    });
    reference.filter(|_| has_more).map(|text| text.into_owned())
}

fn is_key(literal: &str, field: Field) -> bool {
    decode(literal).as_deref() == Some(field.name())
}

#[cfg(test)]
mod tests;
