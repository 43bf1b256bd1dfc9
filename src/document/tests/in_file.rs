//! A document that stays in its file against the same one in memory.

use std::sync::Arc;

use super::model::change;
use super::*;
use crate::document::stream::tests::{document, entry, odd_entry};
use crate::document::{InFile, OpenDocument, ReadAt, generated};
use proptest::prelude::*;

struct Text(Vec<u8>);

impl ReadAt for Text {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> std::io::Result<usize> {
        self.0.read_at(bytes, offset)
    }
}

fn in_file(text: &str) -> Option<OpenDocument> {
    let source = Arc::new(Text(text.as_bytes().to_vec()));
    let document = InFile::index(source, "artifacts.json".into()).unwrap();
    document.map(OpenDocument::InFile)
}

/// Returns what is seen of a document by all that looks at it.
fn seen(document: &OpenDocument) -> Vec<String> {
    let text = |entry: &EntryRef<'_>| entry.text().to_owned();
    let all = document.find(|entry| Some(text(entry))).unwrap();
    let odd = document.find(|entry| (entry.text().len() % 2 == 1).then(|| text(entry)));
    let places = (0..document.len() + 1)
        .filter(|index| index % 3 == 0)
        .collect();
    let some = document.pick_at(&places, text).unwrap();
    let found = [all, odd.unwrap(), some].concat();
    let found = found.iter().map(|(index, text)| format!("{index} {text}"));
    let about = format!("{} {:?}", document.len(), document.foreign_version());
    found.chain([about]).collect()
}

fn edited(document: &OpenDocument, text: &str, edit: &Edit) -> Option<String> {
    let pieces = document.pieces(edit).unwrap()?;
    let piece = |piece: &Piece| match piece {
        Piece::Kept(span) => text[span.clone()].to_owned(),
        Piece::New(text) => text.clone(),
    };
    Some(pieces.iter().map(piece).collect())
}

proptest! {
    #[test]
    fn edits_and_looks_come_to_the_same_in_the_file_and_in_memory(
        text in prop_oneof![
            document(entry()),
            document(prop_oneof![entry(), odd_entry()]),
            generated::registry(),
        ],
        changes in proptest::collection::vec(change(), 1..8),
    ) {
        let Some(file) = in_file(&text) else {
            return Ok(());
        };
        let memory = OpenDocument::from(parse(&text));
        prop_assert_eq!(seen(&file), seen(&memory));
        prop_assert_eq!(file.whole().unwrap().text(), &text);
        for change in changes {
            let mut model: Vec<String> = vec![String::new(); memory.len()];
            let edit = change.apply(&mut model);
            let expected = memory.whole().unwrap().edited(&edit);
            prop_assert_eq!(edited(&file, &text, &edit), expected.clone());
            prop_assert_eq!(edited(&memory, &text, &edit), expected);
        }
    }

    #[test]
    fn a_document_as_go_writes_it_stays_in_its_file(text in document(entry())) {
        prop_assert!(in_file(&text).is_some());
    }

    #[test]
    fn another_text_in_the_file_is_an_error(
        (text, other) in (document(entry()), document(entry())),
    ) {
        struct Changing(std::sync::Mutex<Vec<u8>>, u64);
        impl ReadAt for Changing {
            fn len(&self) -> u64 {
                self.1
            }
            fn read_at(&self, bytes: &mut [u8], offset: u64) -> std::io::Result<usize> {
                self.0.lock().unwrap().read_at(bytes, offset)
            }
        }
        let source = Arc::new(Changing(
            std::sync::Mutex::new(text.as_bytes().to_vec()),
            text.len() as u64,
        ));
        let file = InFile::index(source.clone(), "artifacts.json".into()).unwrap().unwrap();
        let file = OpenDocument::InFile(file);
        *source.0.lock().unwrap() = other.clone().into_bytes();
        let starts = |text: &str| -> Vec<usize> {
            parse(text).index.entries.iter().map(|spans| spans.start).collect()
        };
        let found = file.find(|entry| Some(entry.text().to_owned()));
        match text.len() == other.len() && starts(&text) == starts(&other) {
            true => prop_assert!(found.is_ok()),
            false => prop_assert!(found.is_err()),
        }
    }
}
