//! Holding operands against entries.

use std::collections::{BTreeSet, HashMap};

use super::operand::{Operand, STEPS, digest, reference};
use super::{DigestPrefix, Resolution};
use crate::digest::digest_hex;
use crate::document::{Document, EntryRef};
use crate::reference::ReferenceParts;

/// Up to this many operands are compared with each entry one by one, because that takes
/// less time than to look them up.
pub(super) const FEW: usize = 4;

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

    /// Returns whether an entry matches any operand, be it at a step that does not count
    /// because another entry matches at an earlier one.
    #[cfg(feature = "cli")]
    pub(crate) fn matches_any(&self, entry: &EntryRef<'_>) -> bool {
        let is_match = |at: usize| STEPS.iter().any(|step| step(&self.operands[at], entry));
        match &self.index {
            None => (0..self.operands.len()).any(is_match),
            Some(index) => index.candidates(entry).into_iter().any(is_match),
        }
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
