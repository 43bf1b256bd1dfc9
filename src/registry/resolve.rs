//! Finds the entries that operands name.
//!
//! All operands are held against each entry in one pass, so that the registry is read
//! once however many there are. What an operand matches best is known at the end of the
//! pass; the references that it may have been meant for are kept on the way.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use super::ReadMode;
use super::Registry;
use super::near_miss::Names;
use crate::digest::{digest_hex, is_hex};
use crate::document::{Document, EntryRef, OpenDocument, StoredEntry};
use crate::error::Result;
use crate::fields::Field;
use crate::reference::ReferenceParts;

/// How much of a digest an operand has to give to name the artifacts that have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DigestPrefix {
    /// All of it.
    Whole,
    /// At least 4 hex digits: enough for what only reads.
    Short,
    /// At least 12 hex digits, as tables show them: for what changes something.
    Long,
}

impl DigestPrefix {
    /// Returns the fewest hex digits that will do; `None` if all are needed.
    fn min_digits(self) -> Option<usize> {
        match self {
            DigestPrefix::Whole => None,
            DigestPrefix::Short => Some(4),
            DigestPrefix::Long => Some(12),
        }
    }
}

/// The entries that an operand names.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Resolution<T = StoredEntry> {
    /// The entries of one reference, in the order of the file: more than one where the
    /// file contains the reference twice.
    Found(Vec<T>),
    /// Entries of several references, which are these, sorted.
    Ambiguous(Vec<String>),
    /// No entry.
    Missing,
}

/// An operand that names no one artifact.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unresolved {
    /// No entry has this name or digest.
    Missing {
        /// The operand.
        operand: String,
        /// The reference that is most like it, if one is similar enough to have been
        /// meant. A registry of more than 10,000 entries is not searched.
        similar: Option<String>,
    },
    /// Entries of several references match equally well.
    Ambiguous {
        /// The operand.
        operand: String,
        /// The references, sorted.
        references: Vec<String>,
    },
}

/// The entries that operands name, as one pass over the registry found them.
#[derive(Clone, Debug)]
pub struct Resolved<T = StoredEntry> {
    operands: Vec<String>,
    resolutions: Vec<Resolution<T>>,
    names: Names,
    foreign_version: Option<String>,
}

impl<T> Resolved<T> {
    /// Returns what each operand names, in the order of the operands.
    pub fn resolutions(&self) -> &[Resolution<T>] {
        &self.resolutions
    }

    /// Returns the first entry of each operand that names one.
    pub fn found(&self) -> impl Iterator<Item = &T> {
        self.resolutions.iter().filter_map(|found| match found {
            Resolution::Found(entries) => entries.first(),
            Resolution::Ambiguous(_) | Resolution::Missing => None,
        })
    }

    /// Returns the operands that name no one artifact, in their order. References that
    /// may have been meant are searched for now, which takes its time.
    pub fn unresolved(&self) -> Vec<Unresolved> {
        let operands = self.operands.iter().zip(&self.resolutions);
        let unresolved = operands.filter_map(|(operand, found)| {
            let operand = operand.clone();
            Some(match found {
                Resolution::Found(_) => return None,
                Resolution::Missing => Unresolved::Missing {
                    similar: self.names.similar(&operand).map(str::to_owned),
                    operand,
                },
                Resolution::Ambiguous(references) => Unresolved::Ambiguous {
                    operand,
                    references: references.clone(),
                },
            })
        });
        unresolved.collect()
    }

    /// Returns the version of the registry, as it stands in the file, if it is one that
    /// this library does not write.
    pub fn foreign_version(&self) -> Option<&str> {
        self.foreign_version.as_deref()
    }
}

impl Resolved<usize> {
    /// Finds the entries of a document that operands name, by their places.
    pub(crate) fn of<S: AsRef<str>>(
        document: &Document,
        operands: &[S],
        digits: DigestPrefix,
    ) -> Self {
        let resolutions = Resolver::new(operands, digits).find_in(document);
        let misses = resolutions
            .iter()
            .any(|it| matches!(it, Resolution::Missing));
        Resolved {
            operands: operands.iter().map(|it| it.as_ref().to_owned()).collect(),
            names: match misses {
                true => Names::of(document),
                false => Names::default(),
            },
            foreign_version: document.foreign_version().map(str::to_owned),
            resolutions,
        }
    }

    /// Finds the entries of a few operands that are all exact references, without a pass
    /// over a document that stays in its file. `None` if one is not.
    fn exact<S: AsRef<str>>(
        document: &OpenDocument,
        operands: &[S],
    ) -> Result<Option<Vec<Resolution<usize>>>> {
        let is_empty = |operand: &S| operand.as_ref().is_empty();
        if matches!(document, OpenDocument::InMemory(_))
            || operands.len() > FEW
            || operands.iter().any(is_empty)
        {
            return Ok(None);
        }
        let mut resolutions = Vec::with_capacity(operands.len());
        for operand in operands {
            let found = document.find_named(operand.as_ref(), |_| ())?;
            if found.is_empty() {
                return Ok(None);
            }
            let places = found.into_iter().map(|(index, ())| index);
            resolutions.push(Resolution::Found(places.collect()));
        }
        Ok(Some(resolutions))
    }

    /// Finds the entries of a document that is being changed, in one pass over it at most, and in
    /// another one for similar references if one is missing.
    ///
    /// # Errors
    ///
    /// The document cannot be read.
    pub(crate) fn of_open<S: AsRef<str>>(
        document: &OpenDocument,
        operands: &[S],
        digits: DigestPrefix,
    ) -> Result<Self> {
        let resolutions = match Self::exact(document, operands)? {
            Some(exact) => exact,
            None => {
                let resolver = Resolver::new(operands, digits);
                let parts = document.fold(|matches: &mut Matches<_>, index, entry| {
                    resolver.visit(matches, entry, || index);
                })?;
                resolver.resolutions(parts)
            }
        };
        let is_missing = |it: &Resolution<usize>| matches!(it, Resolution::Missing);
        let names = match resolutions.iter().any(is_missing) {
            true => Names::of_open(document)?,
            false => Names::default(),
        };
        Ok(Resolved {
            operands: operands.iter().map(|it| it.as_ref().to_owned()).collect(),
            resolutions,
            names,
            // A document of a foreign version is never changed.
            foreign_version: None,
        })
    }
}

impl Registry {
    /// Finds the entries that operands name, in one pass over the registry.
    ///
    /// An operand is looked up as an exact stored reference; then by repository and tag,
    /// both split from the references (`app` finds `app:latest`; with a digest, only an
    /// entry of that repository and digest is found); then as a digest, with or without
    /// `sha256:`, or as the start of one. The first of these that finds anything counts.
    ///
    /// ```
    /// use cldctl_registry::resolve::{DigestPrefix, Unresolved};
    /// use cldctl_registry::{ArtifactEntry, ArtifactType, Reference, Registry};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let registry = Registry::open(dir.path().join("artifacts.json"))?;
    /// let reference = Reference::parse("app:latest")?;
    /// let now = chrono::Utc::now().fixed_offset();
    /// registry.add(ArtifactEntry::new(&reference, ArtifactType::Component, now, ""))?;
    ///
    /// let resolved = registry.resolve(&["app", "ap"], DigestPrefix::Short)?;
    /// let found: Vec<_> = resolved.found().collect();
    /// assert_eq!(found[0].reference(), "app:latest");
    /// let missing = Unresolved::Missing {
    ///     operand: "ap".to_owned(),
    ///     similar: Some("app:latest".to_owned()),
    /// };
    /// assert_eq!(resolved.unresolved(), [missing]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`list`](Self::list).
    pub fn resolve<S: AsRef<str>>(&self, operands: &[S], digits: DigestPrefix) -> Result<Resolved> {
        let resolver = Resolver::new(operands, digits);
        let count = Names::counter();
        let scanned = self.scan(
            ReadMode::Patient,
            |(matches, names): &mut (Matches<_>, Names), entry| {
                resolver.visit(matches, entry, || StoredEntry::from(*entry));
                names.push(&count, entry);
            },
        )?;
        let (matches, names): (Vec<_>, Vec<_>) = scanned.parts.into_iter().unzip();
        Ok(Resolved {
            operands: operands.iter().map(|it| it.as_ref().to_owned()).collect(),
            resolutions: resolver.resolutions(matches),
            names: names.into_iter().collect(),
            foreign_version: scanned.foreign_version,
        })
    }
}

/// Up to this many operands are compared with each entry one by one, because that takes
/// less time than to look them up.
const FEW: usize = 4;

/// Operands, ready to be held against entries.
pub(crate) struct Resolver<'o> {
    operands: Vec<Operand<'o>>,
    /// The operands that an entry may match; `None` if they are few.
    index: Option<Index<'o>>,
}

/// Operands by what an entry has to have to match them.
#[derive(Default)]
struct Index<'o> {
    by_repository: HashMap<&'o str, Vec<usize>>,
    by_name: HashMap<(&'o str, &'o str), Vec<usize>>,
    by_hex: HashMap<&'o str, Vec<usize>>,
    /// How many digits the operands have that can be digests.
    hex_lengths: BTreeSet<usize>,
}

/// What operands match so far, each at the best of its steps.
pub(crate) struct Matches<T>(Vec<BestMatch<T>>);

impl<T> Default for Matches<T> {
    fn default() -> Self {
        Matches(Vec::new())
    }
}

struct BestMatch<T> {
    step: usize,
    /// The references of the entries, empty where there is none, and what was made of
    /// the entries.
    found: Vec<(String, T)>,
}

impl<'o> Resolver<'o> {
    pub(crate) fn new<S: AsRef<str>>(operands: &'o [S], digits: DigestPrefix) -> Self {
        let operands = operands.iter().map(|it| Operand::new(it.as_ref(), digits));
        let operands: Vec<_> = operands.collect();
        let index = (operands.len() > FEW).then(|| Index::of(&operands));
        Resolver { operands, index }
    }

    /// Returns what each operand names in a document, the entries by their places.
    pub(crate) fn find_in(&self, document: &Document) -> Vec<Resolution<usize>> {
        let mut matches = Matches::default();
        for (index, entry) in document.entries().enumerate() {
            self.visit(&mut matches, &entry, || index);
        }
        self.resolutions([matches])
    }

    /// Holds the operands against an entry; `keep` makes what is kept of it.
    pub(crate) fn visit<T>(
        &self,
        matches: &mut Matches<T>,
        entry: &EntryRef<'_>,
        keep: impl Fn() -> T,
    ) {
        match &self.index {
            None => (0..self.operands.len()).for_each(|at| self.compare(at, matches, entry, &keep)),
            Some(index) => {
                for at in index.candidates(entry) {
                    self.compare(at, matches, entry, &keep);
                }
            }
        }
    }

    fn compare<T>(
        &self,
        at: usize,
        matches: &mut Matches<T>,
        entry: &EntryRef<'_>,
        keep: impl Fn() -> T,
    ) {
        let operand = &self.operands[at];
        if let Some(step) = STEPS.iter().position(|step| step(operand, entry)) {
            let found = (entry.reference().into_owned(), keep());
            matches.of(at).add(step, [found]);
        }
    }

    /// Returns what each operand names, by the matches in parts of the registry, in
    /// their order.
    pub(crate) fn resolutions<T>(
        &self,
        parts: impl IntoIterator<Item = Matches<T>>,
    ) -> Vec<Resolution<T>> {
        let mut all = Matches(Vec::new());
        for Matches(part) in parts {
            for (at, BestMatch { step, found }) in part.into_iter().enumerate() {
                all.of(at).add(step, found);
            }
        }
        let mut best = all.0.into_iter();
        let resolutions = self.operands.iter().map(|_| match best.next() {
            None => Resolution::Missing,
            Some(BestMatch { found, .. }) => resolution(found),
        });
        resolutions.collect()
    }
}

fn resolution<T>(found: Vec<(String, T)>) -> Resolution<T> {
    let (mut references, entries): (Vec<_>, Vec<_>) = found.into_iter().unzip();
    references.sort_unstable();
    references.dedup();
    match references.len() {
        0 => Resolution::Missing,
        1 => Resolution::Found(entries),
        _ => Resolution::Ambiguous(references),
    }
}

impl<T> Matches<T> {
    fn of(&mut self, operand: usize) -> &mut BestMatch<T> {
        if self.0.len() <= operand {
            self.0.resize_with(operand + 1, || BestMatch {
                step: usize::MAX,
                found: Vec::new(),
            });
        }
        &mut self.0[operand]
    }
}

impl<T> BestMatch<T> {
    /// Adds entries that match at a step, unless others matched at an earlier one.
    fn add(&mut self, step: usize, found: impl IntoIterator<Item = (String, T)>) {
        if step > self.step {
            return;
        }
        if step < self.step {
            self.step = step;
            self.found.clear();
        }
        self.found.extend(found);
    }
}

impl<'o> Index<'o> {
    fn of(operands: &[Operand<'o>]) -> Self {
        let mut index = Index::default();
        for (at, operand) in operands.iter().enumerate() {
            let name = &operand.name;
            // What has the very reference of an operand has its repository and tag too.
            match (name.digest, name.tag) {
                (Some(_), None) => index.by_repository.entry(name.repository).or_default(),
                _ => {
                    let name = (name.repository, name.tag_or_latest());
                    index.by_name.entry(name).or_default()
                }
            }
            .push(at);
            if let Some(hex) = operand.hex {
                index.by_hex.entry(hex).or_default().push(at);
                index.hex_lengths.insert(hex.len());
            }
        }
        index
    }

    /// Returns the operands that an entry can match, in their order.
    fn candidates(&self, entry: &EntryRef<'_>) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        if let Some(reference) = reference(entry) {
            let parts = ReferenceParts::of(&reference);
            found.extend(
                self.by_repository
                    .get(parts.repository)
                    .into_iter()
                    .flatten(),
            );
            let name = (parts.repository, parts.tag_or_latest());
            found.extend(self.by_name.get(&name).into_iter().flatten());
        }
        if !self.by_hex.is_empty()
            && let Some(digest) = digest(entry)
            && let Some(digits) = digest_hex(&digest)
        {
            let starts = self.hex_lengths.iter().filter_map(|&len| digits.get(..len));
            found.extend(starts.filter_map(|start| self.by_hex.get(start)).flatten());
        }
        found
    }
}

/// An operand, split into its parts.
struct Operand<'o> {
    text: &'o str,
    name: ReferenceParts<'o>,
    /// The hex digits, if it can be a digest or the start of one.
    hex: Option<&'o str>,
    /// The digits have to be all that a digest has.
    is_whole: bool,
}

impl<'o> Operand<'o> {
    fn new(operand: &'o str, digits: DigestPrefix) -> Self {
        let hex = ["sha256:", "sha512:"]
            .into_iter()
            .find_map(|algorithm| operand.strip_prefix(algorithm))
            .unwrap_or(operand);
        let min_digits = digits.min_digits().unwrap_or(1);
        Operand {
            text: operand,
            name: ReferenceParts::of(operand),
            hex: (hex.len() >= min_digits && is_hex(hex)).then_some(hex),
            is_whole: digits == DigestPrefix::Whole,
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
        entry.has(Field::Reference, self.text)
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
            matches && (hex.len() == self.text.len() || digest.starts_with(self.text))
        })
    }
}

fn reference<'d>(entry: &EntryRef<'d>) -> Option<Cow<'d, str>> {
    entry.string(Field::Reference).ok().flatten()
}

fn digest<'d>(entry: &EntryRef<'d>) -> Option<Cow<'d, str>> {
    entry.string(Field::Digest).ok().flatten()
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

    /// As the one operand and as one of many.
    fn find(operand: &str, digits: DigestPrefix) -> Resolution<usize> {
        let document = document();
        let alone = Resolver::new(&[operand], digits).find_in(&document);
        let among = [[operand].repeat(FEW), vec!["web", "app@sha256:aa"]].concat();
        let among = Resolver::new(&among, digits).find_in(&document);
        assert!(
            among[..FEW].iter().all(|found| *found == alone[0]),
            "{operand}"
        );
        alone.into_iter().next().unwrap()
    }

    fn look(operand: &str) -> Resolution<usize> {
        find(operand, DigestPrefix::Short)
    }

    fn at(indices: &[usize]) -> Resolution<usize> {
        Resolution::Found(indices.to_vec())
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
        assert_eq!(look("ghcr.io/acme/web"), Resolution::Missing);
        assert_eq!(look(""), Resolution::Missing);
    }

    #[test]
    fn with_a_digest_only_an_entry_of_that_repository_and_digest_is_found() {
        assert_eq!(look(&format!("app@sha256:{HEX}")), at(&[0]));
        assert_eq!(look(&format!("web@sha256:{HEX}")), Resolution::Missing);
        assert_eq!(look("ghcr.io/acme/web@sha256:aa"), at(&[4]));
        assert_eq!(look("ghcr.io/acme/web:v1@sha256:aa"), Resolution::Missing);
    }

    #[test]
    fn then_digests_and_their_starts_as_far_as_the_command_allows() {
        assert_eq!(look(&format!("sha256:{HEX}")), at(&[0]));
        assert_eq!(look("a1b2c3d4e5f6"), at(&[0]));
        assert_eq!(look("sha256:a1b2c3d4e5f6"), at(&[0]));
        assert_eq!(
            look("a1b2"),
            Resolution::Ambiguous(vec![
                "app:latest".to_owned(),
                "ghcr.io/acme/web:v1".to_owned()
            ])
        );
        assert_eq!(look("a1b"), Resolution::Missing);
        assert_eq!(look("sha512:a1b2c3d4e5f6"), Resolution::Missing);
        assert_eq!(look("7b22"), Resolution::Missing, "no digest");
        assert_eq!(look("cafe"), at(&[7]), "a name that looks like hex");

        let change = |operand: &str| find(operand, DigestPrefix::Long);
        assert_eq!(change("a1b2c3d4e5f"), Resolution::Missing);
        assert_eq!(change("a1b2c3d4e5f6"), at(&[0]));
        let whole = |operand: &str| find(operand, DigestPrefix::Whole);
        assert_eq!(whole("a1b2c3d4e5f6"), Resolution::Missing);
        assert_eq!(whole(HEX), at(&[0]));
        assert_eq!(whole(&format!("sha512:{HEX}")), Resolution::Missing);
        assert_eq!(
            whole(&LONG[..64]),
            Resolution::Missing,
            "the start of a longer one"
        );
        assert_eq!(
            whole(&format!("sha512:{}", &LONG[..64])),
            Resolution::Missing
        );
        assert_eq!(whole(LONG), at(&[8]));
        assert_eq!(whole(&format!("sha512:{LONG}")), at(&[8]));
        assert_eq!(look(&LONG[..64]), at(&[8]));
        assert_eq!(whole(&format!("sha256:{HEX}")), at(&[0]));
    }

    #[test]
    fn what_an_operand_names_does_not_depend_on_how_the_registry_is_cut_into_parts() {
        let document = document();
        let operands = ["app", "a1b2", "twice:1", "nothing", "cafe", "web", "my-dc"];
        for count in [FEW, operands.len()] {
            let resolver = Resolver::new(&operands[..count], DigestPrefix::Short);
            let whole = resolver.find_in(&document);
            for cut in 0..document.entries().len() {
                let mut parts = [Matches::default(), Matches::default()];
                for (index, entry) in document.entries().enumerate() {
                    let part = &mut parts[usize::from(index >= cut)];
                    resolver.visit(part, &entry, || index);
                }
                assert_eq!(resolver.resolutions(parts), whole);
            }
        }
    }
}
