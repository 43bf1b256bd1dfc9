//! Finds the entries that an operand names.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell};
use std::collections::HashMap;

use crate::digest::{digest_hex, is_hex};
use crate::document::{Document, EntryRef, OpenDocument};
use crate::error::Result;
use crate::fields::Field;
use crate::reference::ReferenceParts;
use crate::registry::{ReadMode, Registry};

/// How many hex digits at least may stand for a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DigestPrefix {
    /// Only a whole digest will do.
    Whole,
    /// For what only looks.
    ToLook,
    /// For what changes something: what the table shows.
    ToChange,
}

impl DigestPrefix {
    /// None if no start will do.
    fn min_digits(self) -> Option<usize> {
        match self {
            DigestPrefix::Whole => None,
            DigestPrefix::ToLook => Some(4),
            DigestPrefix::ToChange => Some(12),
        }
    }
}

/// What an operand names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Entries of one reference, by their places in the document: more than one
    /// where the file has the reference twice.
    Entries(Vec<usize>),
    /// Nothing.
    Nothing,
    /// Entries of these references.
    Ambiguous(Vec<String>),
}

/// After this many operands it pays to sort the references.
const FEW: usize = 4;

/// Looks operands up in a document: as a stored reference; by the repository and
/// tag that the references parse to; as a digest or the start of one.
pub(crate) struct Resolver<'d> {
    document: &'d Document,
    asked: Cell<usize>,
    sorted: OnceCell<Sorted>,
}

/// The places of the entries, for many operands.
#[derive(Default)]
struct Sorted {
    by_reference: HashMap<String, Vec<usize>>,
    by_repository: HashMap<String, Vec<usize>>,
    by_name: HashMap<(String, String), Vec<usize>>,
    /// The hex digits of digests, in order.
    by_digest: Vec<(String, usize)>,
}

impl<'d> Resolver<'d> {
    pub(crate) fn new(document: &'d Document) -> Self {
        Resolver {
            document,
            asked: Cell::new(0),
            sorted: OnceCell::new(),
        }
    }

    /// Looks an operand up.
    pub(crate) fn find(&self, operand: &str, start: DigestPrefix) -> Found {
        let wanted = Operand::new(operand, start);
        self.asked.set(self.asked.get() + 1);
        let sorted = (self.asked.get() > FEW).then(|| self.sorted.get_or_init(|| self.sort()));
        for (step, matches) in STEPS.into_iter().enumerate() {
            let matches = |index: &usize| {
                let entry = self.document.entry(*index);
                entry.is_some_and(|entry| matches(&wanted, &entry))
            };
            let found: Vec<usize> = match sorted {
                None => (0..self.document.entries().len()).filter(matches).collect(),
                Some(sorted) => {
                    let mut candidates = sorted.candidates(&wanted, step);
                    candidates.retain(matches);
                    candidates
                }
            };
            let name = |&index: &usize| self.reference(index).unwrap_or_default();
            let mut names: Vec<_> = found.iter().map(name).collect();
            names.sort_unstable();
            names.dedup();
            match names.len() {
                0 => {}
                1 => return Found::Entries(found),
                _ => return Found::Ambiguous(names.into_iter().map(Cow::into_owned).collect()),
            }
        }
        Found::Nothing
    }

    /// None where there is no reference to read: such an entry cannot be named
    /// by one.
    fn reference(&self, index: usize) -> Option<Cow<'d, str>> {
        reference(&self.document.entry(index)?)
    }

    fn sort(&self) -> Sorted {
        let mut sorted = Sorted::default();
        for index in 0..self.document.entries().len() {
            if let Some(reference) = self.reference(index) {
                let parts = ReferenceParts::of(&reference);
                let name = (
                    parts.repository.to_owned(),
                    parts.tag_or_latest().to_owned(),
                );
                sorted
                    .by_repository
                    .entry(name.0.clone())
                    .or_default()
                    .push(index);
                sorted.by_name.entry(name).or_default().push(index);
                sorted
                    .by_reference
                    .entry(reference.into_owned())
                    .or_default()
                    .push(index);
            }
            let digest = self.document.entry(index).and_then(|entry| digest(&entry));
            if let Some(hex) = digest.as_deref().and_then(digest_hex) {
                sorted.by_digest.push((hex.to_owned(), index));
            }
        }
        sorted.by_digest.sort_unstable();
        sorted
    }
}

impl Sorted {
    /// The places of all entries that can match at a step, in their order.
    fn candidates(&self, wanted: &Operand<'_>, step: usize) -> Vec<usize> {
        let ReferenceParts {
            repository, digest, ..
        } = wanted.name;
        let found = match (step, digest) {
            (0, _) => self.by_reference.get(wanted.operand),
            (1, Some(_)) => self.by_repository.get(repository),
            (1, None) => {
                let tag = wanted.name.tag_or_latest();
                self.by_name.get(&(repository.to_owned(), tag.to_owned()))
            }
            _ => {
                let Some(hex) = wanted.hex else {
                    return Vec::new();
                };
                let first = self
                    .by_digest
                    .partition_point(|(digits, _)| digits.as_str() < hex);
                let digests = self.by_digest[first..].iter();
                let matching = digests.take_while(|(digits, _)| digits.starts_with(hex));
                let mut found: Vec<usize> = matching.map(|(_, index)| *index).collect();
                found.sort_unstable();
                return found;
            }
        };
        found.cloned().unwrap_or_default()
    }
}

/// An operand, taken apart.
struct Operand<'o> {
    operand: &'o str,
    name: ReferenceParts<'o>,
    /// The hex digits, if it can be a digest or the start of one.
    hex: Option<&'o str>,
    /// Whether the digits have to be all that a digest has.
    is_whole: bool,
}

impl<'o> Operand<'o> {
    fn new(operand: &'o str, start: DigestPrefix) -> Self {
        let hex = ["sha256:", "sha512:"]
            .into_iter()
            .find_map(|algorithm| operand.strip_prefix(algorithm))
            .unwrap_or(operand);
        let min_digits = start.min_digits().unwrap_or(1);
        Operand {
            operand,
            name: ReferenceParts::of(operand),
            hex: (hex.len() >= min_digits && is_hex(hex)).then_some(hex),
            is_whole: start == DigestPrefix::Whole,
        }
    }
}

/// How an operand may name an entry. The first step at which it names any counts.
const STEPS: [fn(&Operand<'_>, &EntryRef<'_>) -> bool; 3] = [
    |wanted, entry| wanted.is_reference(entry),
    |wanted, entry| wanted.is_name(entry),
    |wanted, entry| wanted.is_digest(entry),
];

impl Operand<'_> {
    fn is_reference(&self, entry: &EntryRef<'_>) -> bool {
        entry.has(Field::Reference, self.operand)
    }

    fn is_name(&self, entry: &EntryRef<'_>) -> bool {
        let Some(reference) = reference(entry) else {
            return false;
        };
        let name = &self.name;
        if !reference.starts_with(name.repository) {
            return false;
        }
        let parts = ReferenceParts::of(&reference);
        if parts.repository != name.repository {
            return false;
        }
        match name.digest {
            None => parts.tag_or_latest() == name.tag_or_latest(),
            Some(wanted) => {
                let agrees = parts.digest == Some(wanted)
                    || digest(entry).is_some_and(|found| found == wanted);
                name.tag.is_none_or(|tag| tag == parts.tag_or_latest()) && agrees
            }
        }
    }

    fn is_digest(&self, entry: &EntryRef<'_>) -> bool {
        let (Some(hex), Some(digest)) = (self.hex, digest(entry)) else {
            return false;
        };
        // With an algorithm before it, the operand starts as the digest does.
        digest_hex(&digest).is_some_and(|digits| {
            let matches = match self.is_whole {
                true => digits == hex,
                false => digits.starts_with(hex),
            };
            matches && (hex.len() == self.operand.len() || digest.starts_with(self.operand))
        })
    }
}

fn reference<'d>(entry: &EntryRef<'d>) -> Option<Cow<'d, str>> {
    entry.string(Field::Reference).ok().flatten()
}

fn digest<'d>(entry: &EntryRef<'d>) -> Option<Cow<'d, str>> {
    entry.string(Field::Digest).ok().flatten()
}

impl Registry {
    /// Reads the registry, but of many entries only those that operands may name:
    /// a [`Resolver`] finds the same in them as in all.
    pub(crate) fn load_named(&self, operands: &[String], start: DigestPrefix) -> Result<Document> {
        if operands.len() > FEW {
            return self.load();
        }
        let is_named = is_named_by(operands, start);
        let scanned = self.scan(ReadMode::Patient, |named: &mut Vec<String>, entry| {
            if is_named(entry) {
                named.push(entry.text().to_owned());
            }
        })?;
        let named: Vec<_> = scanned.parts.into_iter().flatten().collect();
        Ok(Document::of(&named, scanned.foreign_version))
    }
}

/// The entries of a document that operands may name: a [`Resolver`] finds the same in
/// them as in all.
pub(crate) struct Named<'d> {
    document: Cow<'d, Document>,
    /// Their places in the document that they are of, unless they are all of it.
    places: Option<Vec<usize>>,
}

impl<'d> Named<'d> {
    /// Finds them in a document.
    ///
    /// # Errors
    ///
    /// The document cannot be read.
    pub(crate) fn in_document(
        document: &'d OpenDocument,
        operands: &[String],
        start: DigestPrefix,
    ) -> Result<Self> {
        if operands.len() > FEW {
            return Ok(Named {
                document: Cow::Borrowed(document.whole()?),
                places: None,
            });
        }
        let is_named = is_named_by(operands, start);
        let found = document.find(|entry| is_named(entry).then(|| entry.text().to_owned()))?;
        let (places, texts): (Vec<_>, Vec<_>) = found.into_iter().unzip();
        Ok(Named {
            document: Cow::Owned(Document::of(&texts, None)),
            places: Some(places),
        })
    }

    /// Returns a document of them.
    pub(crate) fn document(&self) -> &Document {
        &self.document
    }

    /// Returns the place of one of them in the document that they are of.
    pub(crate) fn place(&self, index: usize) -> usize {
        let places = self.places.as_ref();
        places
            .and_then(|places| places.get(index).copied())
            .unwrap_or(index)
    }
}

/// Returns what tells whether any of these operands may name an entry.
fn is_named_by(
    operands: &[String],
    start: DigestPrefix,
) -> impl Fn(&EntryRef<'_>) -> bool + Send + Sync {
    let wanted = operands.iter().map(|operand| Operand::new(operand, start));
    let wanted: Vec<_> = wanted.collect();
    move |entry| {
        let mut wanted = wanted.iter();
        wanted.any(|wanted| STEPS.iter().any(|step| step(wanted, entry)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90";

    /// Of SHA-512.
    const LONG: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\
                        ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100";

    fn document() -> Document {
        let other = HEX.replace("a1b2c3d4e5f6", "a1b2c3d4e5ff");
        let entries = [
            ("app:latest", format!("sha256:{HEX}")),
            ("my-dc", String::new()),
            ("my-dc:latest", String::new()),
            ("ghcr.io/acme/web:v1", format!("sha256:{other}")),
            ("ghcr.io/acme/web:v2@sha256:aa", "sha256:7b22...".to_owned()),
            ("twice:1", String::new()),
            ("twice:1", String::new()),
            ("cafe", String::new()),
            ("long:1", format!("sha512:{LONG}")),
        ]
        .map(|(reference, digest)| {
            format!("{{\"reference\":\"{reference}\",\"digest\":\"{digest}\"}}")
        });
        Document::parse(format!("{{\"artifacts\":[{}]}}", entries.join(","))).unwrap()
    }

    /// As the first of few operands and as one of many.
    fn find(operand: &str, start: DigestPrefix) -> Found {
        let document = document();
        let finder = Resolver::new(&document);
        let found = finder.find(operand, start);
        for _ in 0..2 * FEW {
            assert_eq!(finder.find(operand, start), found, "{operand}");
        }
        found
    }

    fn look(operand: &str) -> Found {
        find(operand, DigestPrefix::ToLook)
    }

    fn at(indices: &[usize]) -> Found {
        Found::Entries(indices.to_vec())
    }

    #[test]
    fn the_exact_reference_comes_first() {
        assert_eq!(look("my-dc"), at(&[1]));
        assert_eq!(look("my-dc:latest"), at(&[2]));
        assert_eq!(look("ghcr.io/acme/web:v2@sha256:aa"), at(&[4]));
        assert_eq!(look("twice:1"), at(&[5, 6]));
    }

    #[test]
    fn then_repository_and_tag() {
        assert_eq!(look("app"), at(&[0]));
        assert_eq!(look("ghcr.io/acme/web:v2"), at(&[4]));
        assert_eq!(look("ghcr.io/acme/web"), Found::Nothing);
        assert_eq!(look(""), Found::Nothing);
    }

    #[test]
    fn with_a_digest_only_an_entry_of_that_repository_and_digest_is_found() {
        assert_eq!(look(&format!("app@sha256:{HEX}")), at(&[0]));
        assert_eq!(look(&format!("web@sha256:{HEX}")), Found::Nothing);
        assert_eq!(look("ghcr.io/acme/web@sha256:aa"), at(&[4]));
        assert_eq!(look("ghcr.io/acme/web:v1@sha256:aa"), Found::Nothing);
    }

    #[test]
    fn then_digests_and_their_starts_as_far_as_the_command_allows() {
        assert_eq!(look(&format!("sha256:{HEX}")), at(&[0]));
        assert_eq!(look("a1b2c3d4e5f6"), at(&[0]));
        assert_eq!(look("sha256:a1b2c3d4e5f6"), at(&[0]));
        assert_eq!(
            look("a1b2"),
            Found::Ambiguous(vec![
                "app:latest".to_owned(),
                "ghcr.io/acme/web:v1".to_owned()
            ])
        );
        assert_eq!(look("a1b"), Found::Nothing);
        assert_eq!(look("sha512:a1b2c3d4e5f6"), Found::Nothing);
        assert_eq!(look("7b22"), Found::Nothing, "no digest");
        assert_eq!(look("cafe"), at(&[7]), "a name that looks like hex");

        let change = |operand: &str| find(operand, DigestPrefix::ToChange);
        assert_eq!(change("a1b2c3d4e5f"), Found::Nothing);
        assert_eq!(change("a1b2c3d4e5f6"), at(&[0]));
        let whole = |operand: &str| find(operand, DigestPrefix::Whole);
        assert_eq!(whole("a1b2c3d4e5f6"), Found::Nothing);
        assert_eq!(whole(HEX), at(&[0]));
        assert_eq!(whole(&format!("sha512:{HEX}")), Found::Nothing);
        assert_eq!(
            whole(&LONG[..64]),
            Found::Nothing,
            "the start of a longer one"
        );
        assert_eq!(whole(&format!("sha512:{}", &LONG[..64])), Found::Nothing);
        assert_eq!(whole(LONG), at(&[8]));
        assert_eq!(whole(&format!("sha512:{LONG}")), at(&[8]));
        assert_eq!(look(&LONG[..64]), at(&[8]));
        assert_eq!(whole(&format!("sha256:{HEX}")), at(&[0]));
    }
}
