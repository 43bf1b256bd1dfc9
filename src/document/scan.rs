//! Finds the parts of a document in one pass.

use super::{EntrySpans, Layout, elements};
use crate::json::{Kind, Scanner, Span, SyntaxError, decode};

/// The value of a key that holds entries.
struct Entries {
    span: Span,
    /// None if the value is null.
    list: Option<Vec<EntrySpans>>,
}

/// One pass over a document.
pub(super) struct Scan<'t> {
    text: &'t str,
    pub(super) entries: Vec<EntrySpans>,
    pub(super) form: Layout,
    pub(super) version: Option<Span>,
}

impl<'t> Scan<'t> {
    pub(super) fn run(text: &'t str, main_key: &str) -> Result<Self, SyntaxError> {
        let mut scan = Scan {
            text,
            entries: Vec::new(),
            form: Layout::Nothing,
            version: None,
        };
        let mut scanner = Scanner::new(text);
        match scanner.kind()? {
            Kind::Null => {
                scanner.value()?;
            }
            Kind::Object => scan.root(&mut scanner, main_key)?,
            other => {
                let found = other.describe();
                return Err(scanner.error(format!("expected an object, found {found}")));
            }
        }
        scanner.end()?;
        Ok(scan)
    }

    /// The root object. Of members with the same key the last one counts.
    fn root(&mut self, scanner: &mut Scanner<'t>, main_key: &str) -> Result<(), SyntaxError> {
        let mut artifacts = None;
        let mut components = None;
        let mut end_of_members = None;
        scanner.object::<SyntaxError>(|scanner, key| {
            let key = decode(&self.text[key]);
            let span = match key.as_deref() {
                Some("artifacts") => {
                    let found = self.entries(scanner, "artifacts")?;
                    let span = found.span.clone();
                    artifacts = Some(found);
                    span
                }
                // Beside `artifacts` this is a key like any other, and its
                // value may be anything.
                Some("components") => {
                    let span = scanner.value()?;
                    components = Some(span.clone());
                    span
                }
                Some("version") => {
                    let span = scanner.value()?;
                    self.version = Some(span.clone());
                    span
                }
                _ => scanner.value()?,
            };
            end_of_members = Some(span.end);
            Ok(())
        })?;

        let legacy = main_key == "components";
        let artifacts = artifacts.filter(|_| !legacy);
        if let Some(Entries {
            span,
            list: Some(list),
        }) = artifacts
        {
            self.entries = list;
            self.form = Layout::Array(span);
            return Ok(());
        }
        if let Some(span) = components {
            let found = self.entries(&mut Scanner::at(self.text, span.start), "components")?;
            if let Some(list) = found.list {
                self.entries = list;
                self.form = Layout::Components;
                return Ok(());
            }
        }
        self.form = match (artifacts, end_of_members) {
            (Some(Entries { span, .. }), _) => Layout::Null(span),
            (None, Some(end_of_members)) => Layout::NoArtifacts { end_of_members },
            (None, None) => Layout::Nothing,
        };
        Ok(())
    }

    /// The value of `artifacts` or `components`: an array of objects, or null.
    fn entries(&self, scanner: &mut Scanner<'t>, key: &str) -> Result<Entries, SyntaxError> {
        match scanner.kind()? {
            Kind::Null => Ok(Entries {
                span: scanner.value()?,
                list: None,
            }),
            Kind::Array => {
                let (list, span) = elements::entries(self.text, scanner, key)?;
                Ok(Entries {
                    span,
                    list: Some(list),
                })
            }
            other => {
                let found = other.describe();
                Err(scanner.error(format!("expected `{key}` to be an array, found {found}")))
            }
        }
    }
}
