//! The registry against a simple model, over files of every form: what a
//! sequence of operations leaves, byte by byte, as serde_json reads it.

use proptest::prelude::*;
use proptest::sample::select;

use super::stored::{Expected, Stored, around, check, reference_of};
use super::*;
use crate::document::generated::{self, REFERENCES};

/// The number of sequences that are tried: each writes and syncs real files.
const CASES: u32 = 96;

#[derive(Clone, Debug)]
enum Operation {
    /// Registers a reference with a size.
    Add(&'static str, i64),
    /// Registers again what is there, as it was read.
    AddAgain(&'static str),
    /// Registers what cannot be: a reference that is none, a negative size.
    AddInvalid(&'static str, i64),
    Remove(&'static str),
    Clear,
    List,
}

fn operation() -> impl Strategy<Value = Operation> {
    let reference = || select(&REFERENCES[..]);
    prop_oneof![
        3 => (reference(), 0..3_i64).prop_map(|(name, size)| Operation::Add(name, size)),
        2 => reference().prop_map(Operation::AddAgain),
        1 => select(vec![("", 1), ("..", 1), ("a:1", -1)])
            .prop_map(|(name, size)| Operation::AddInvalid(name, size)),
        3 => reference().prop_map(Operation::Remove),
        1 => Just(Operation::Clear),
        1 => Just(Operation::List),
    ]
}

/// A home with one file in it, and its model.
struct Home {
    _dir: tempfile::TempDir,
    registry: Registry,
    path: PathBuf,
    stored: Stored,
}

impl Home {
    fn with(text: &str, is_legacy: bool) -> Self {
        let (dir, registry, path) = registry();
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let file = if is_legacy {
            registry.legacy_path()
        } else {
            path.clone()
        };
        fs::write(file, text).unwrap();
        Home {
            _dir: dir,
            registry,
            path,
            stored: Stored::read(text, is_legacy),
        }
    }

    fn text(&self) -> Option<String> {
        fs::read_to_string(&self.path).ok()
    }

    /// The places of the entries of a reference.
    fn places(&self, reference: &str) -> Vec<usize> {
        let entries = self.stored.entries.iter().enumerate();
        entries
            .filter(|(_, entry)| reference_of(entry) == reference)
            .map(|(at, _)| at)
            .collect()
    }

    /// Does it, and says what is to be there then; `None` if it is refused.
    fn run(&self, operation: &Operation) -> Option<Vec<Expected>> {
        let mut expected = self.stored.expected();
        let is_foreign = self.stored.is_foreign;
        let refused = |error: Error| {
            assert_eq!(
                matches!(error, Error::ForeignVersion { .. }),
                is_foreign,
                "{error}"
            );
        };
        let mut added = |new: ArtifactEntry, is_again: bool| {
            let reference = new.reference.clone().unwrap();
            let places = self.places(&reference);
            let result = self.registry.add(new.clone()).map_err(refused).ok()?;
            let old = |at: usize| self.stored.entries[at].clone();
            assert_eq!(result == Added::Added, places.is_empty());
            let Some((&first, more)) = places.split_first() else {
                expected.push(Expected::Written(new.into(), "{}".to_owned()));
                return Some(expected.clone());
            };
            more.iter().rev().for_each(|&at| drop(expected.remove(at)));
            // One that was read and says the same keeps its bytes, also where
            // others of its reference go.
            let stands = || self.text().is_some_and(|text| text.contains(&old(first)));
            let is_kept =
                result == Added::Unchanged && is_again || is_again && !more.is_empty() && stands();
            if !is_kept {
                expected[first] = Expected::Written(new.into(), old(first));
            }
            Some(expected.clone())
        };
        match *operation {
            Operation::Add(reference, size) => added(
                ArtifactEntry {
                    size: Some(size),
                    ..entry(reference)
                },
                false,
            ),
            Operation::AddAgain(reference) => {
                let there = self.registry.get(reference).unwrap();
                assert_eq!(there.is_some(), !self.places(reference).is_empty());
                match there {
                    None => Some(expected),
                    // That it cannot be created again is another operation's matter.
                    Some(there) if there.size.is_some_and(|size| size < 0) => Some(expected),
                    Some(there) => added(there, true),
                }
            }
            Operation::AddInvalid(reference, size) => {
                let new = ArtifactEntry {
                    reference: Some(reference.to_owned()),
                    size: Some(size),
                    ..entry("a:1")
                };
                refused_as_invalid(self.registry.add(new).unwrap_err(), is_foreign);
                None
            }
            Operation::Remove(reference) => {
                let places = self.places(reference);
                let removed = self.registry.remove(reference).map_err(refused).ok()?;
                assert_eq!(removed, !places.is_empty());
                places
                    .iter()
                    .rev()
                    .for_each(|&at| drop(expected.remove(at)));
                Some(expected)
            }
            Operation::Clear => {
                self.registry.clear().map_err(refused).ok()?;
                Some(Vec::new())
            }
            Operation::List => {
                let mut listed: Vec<_> = self
                    .registry
                    .list()
                    .unwrap()
                    .into_iter()
                    .map(|entry| entry.reference.unwrap_or_default())
                    .collect();
                let mut stored: Vec<_> = self
                    .stored
                    .entries
                    .iter()
                    .map(|it| reference_of(it))
                    .collect();
                listed.sort();
                stored.sort();
                assert_eq!(listed, stored);
                Some(expected)
            }
        }
    }

    /// Does it and compares the file with the model, which then follows.
    fn step(&mut self, operation: &Operation) {
        let before = self.text();
        let expected = self.run(operation);
        let after = self.text();
        if after == before {
            // Nothing was to change, or a later version may not be.
            if let Some(expected) = expected.filter(|_| !self.stored.is_foreign) {
                assert_eq!(expected.len(), self.stored.entries.len(), "{operation:?}");
                for (entry, expected) in self.stored.entries.iter().zip(&expected) {
                    if !matches!(expected, Expected::Converted(_)) {
                        check(entry, expected);
                    }
                }
            }
            return;
        }
        let expected = expected.expect("what is refused changes nothing");
        assert!(!self.stored.is_foreign, "a later version is never written");
        let after = after.unwrap();
        let stored = Stored::read(&after, false);
        assert!(!stored.is_older, "{after}");
        let mut others = self.stored.others.clone();
        let version = others.iter_mut().rfind(|(key, _)| key == "version");
        if let (Operation::Clear, Some((_, version))) = (operation, version) {
            *version = "\"v2\"".to_owned();
        }
        assert_eq!(stored.others, others);
        assert_eq!(stored.entries.len(), expected.len(), "{after}");
        for (entry, expected) in stored.entries.iter().zip(&expected) {
            check(entry, expected);
        }
        if let Some(before) = before.filter(|_| !self.stored.is_older)
            && !matches!(operation, Operation::Clear)
        {
            assert_eq!(around(&after), around(&before).or(around(&after)));
        }
        self.stored = stored;
    }
}

#[track_caller]
fn refused_as_invalid(error: Error, is_foreign: bool) {
    let is_invalid = matches!(
        error,
        Error::InvalidReference { .. } | Error::NegativeSize(_)
    );
    assert!(is_invalid || is_foreign, "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    /// Rows 33 and 55: over files of every form.
    #[test]
    fn a_sequence_of_operations_leaves_what_the_model_says(
        text in generated::registry(),
        is_legacy in prop::bool::weighted(0.2),
        operations in proptest::collection::vec(operation(), 1..6),
    ) {
        let mut home = Home::with(&text, is_legacy);
        for operation in &operations {
            home.step(operation);
            // The second time there is nothing to do, and nothing is written.
            let identity = || crate::store::Identity::of(&home.path).unwrap();
            let before = identity();
            home.run(operation);
            prop_assert_eq!(identity(), before, "{:?} twice", operation);
        }
        let legacy = home.registry.legacy_path();
        if is_legacy {
            prop_assert_eq!(fs::read_to_string(legacy).unwrap(), text, "it is kept");
        }
    }
}
