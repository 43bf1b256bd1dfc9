//! Holds operands against entries, and keeps what each matches best.

use super::DigestPrefix;
use super::index::Index;
use super::operand::{Operand, STEPS};
use super::outcome::{Named, Outcome};
use crate::document::EntryRef;

/// Up to this many operands are compared with each entry one by one, because that takes
/// less time than to look them up.
pub(super) const FEW: usize = 4;

/// Operands, ready to be held against entries.
pub(crate) struct Resolver<'o> {
    operands: Vec<Operand<'o>>,
    /// The operands that an entry may match; `None` if they are few.
    index: Option<Index<'o>>,
}

/// What operands match so far, each at the best of its steps.
pub(super) struct Matches<T>(Vec<BestMatch<T>>);

impl<T> Default for Matches<T> {
    fn default() -> Self {
        Matches(Vec::new())
    }
}

struct BestMatch<T> {
    step: usize,
    /// The references of the entries, empty where there is none, and what was kept of
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

    /// Calls `found` with each operand that an entry matches, and with the first step at
    /// which it does.
    pub(crate) fn hold_against(&self, entry: &EntryRef<'_>, mut found: impl FnMut(usize, usize)) {
        let compare = |at: usize| {
            let operand = &self.operands[at];
            if let Some(step) = STEPS.iter().position(|step| step(operand, entry)) {
                found(at, step);
            }
        };
        match &self.index {
            None => (0..self.operands.len()).for_each(compare),
            Some(index) => index.candidates(entry).into_iter().for_each(compare),
        }
    }

    /// Adds an entry to what operands match; `keep` makes what is kept of it.
    pub(super) fn visit<T>(
        &self,
        matches: &mut Matches<T>,
        entry: &EntryRef<'_>,
        keep: impl Fn() -> T,
    ) {
        self.hold_against(entry, |operand, step| {
            let found = (entry.reference().into_owned(), keep());
            matches.of(operand).add(step, [found]);
        });
    }

    /// Returns what each operand names. The parts of the registry come in their order.
    pub(super) fn outcomes<T>(
        &self,
        parts: impl IntoIterator<Item = Matches<T>>,
    ) -> Vec<Outcome<T>> {
        let mut all = Matches::default();
        for Matches(part) in parts {
            for (at, BestMatch { step, found }) in part.into_iter().enumerate() {
                all.of(at).add(step, found);
            }
        }
        let mut best = all.0.into_iter();
        let outcomes = self.operands.iter().map(|_| match best.next() {
            None => Err(Vec::new()),
            Some(best) => best.into_outcome(),
        });
        outcomes.collect()
    }
}

impl<T> Matches<T> {
    /// Adds an entry that has exactly the reference that an operand is.
    pub(super) fn add_exact(&mut self, operand: usize, reference: &str, kept: T) {
        let step = 0;
        self.of(operand).add(step, [(reference.to_owned(), kept)]);
    }

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

    fn into_outcome(self) -> Outcome<T> {
        let (mut references, kept): (Vec<_>, Vec<_>) = self.found.into_iter().unzip();
        references.sort_unstable();
        references.dedup();
        match (references.pop(), references.is_empty()) {
            (Some(reference), true) => Ok(Named { reference, kept }),
            (last, _) => {
                references.extend(last);
                Err(references)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Document;

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

    /// The places of entries, or the references of an ambiguous operand.
    type Found = Result<Vec<usize>, Vec<String>>;

    const MISSING: Found = Err(Vec::new());

    fn find_all(document: &Document, resolver: &Resolver<'_>) -> Vec<Found> {
        let mut matches = Matches::default();
        for (index, entry) in document.entries().enumerate() {
            resolver.visit(&mut matches, &entry, || index);
        }
        found([matches], resolver)
    }

    fn found<const N: usize>(parts: [Matches<usize>; N], resolver: &Resolver<'_>) -> Vec<Found> {
        let outcomes = resolver.outcomes(parts).into_iter();
        outcomes.map(|it| it.map(|named| named.kept)).collect()
    }

    /// As the one operand and as one of many.
    fn find(operand: &str, digits: DigestPrefix) -> Found {
        let document = document();
        let alone = find_all(&document, &Resolver::new(&[operand], digits));
        let among = [[operand].repeat(FEW), vec!["web", "app@sha256:aa"]].concat();
        let among = find_all(&document, &Resolver::new(&among, digits));
        assert!(
            among[..FEW].iter().all(|found| *found == alone[0]),
            "{operand}"
        );
        alone.into_iter().next().unwrap()
    }

    fn look(operand: &str) -> Found {
        find(operand, DigestPrefix::Short)
    }

    fn at(indices: &[usize]) -> Found {
        Ok(indices.to_vec())
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
        assert_eq!(look("ghcr.io/acme/web"), MISSING);
        assert_eq!(look(""), MISSING);
    }

    #[test]
    fn with_a_digest_only_an_entry_of_that_repository_and_digest_is_found() {
        assert_eq!(look(&format!("app@sha256:{HEX}")), at(&[0]));
        assert_eq!(look(&format!("web@sha256:{HEX}")), MISSING);
        assert_eq!(look("ghcr.io/acme/web@sha256:aa"), at(&[4]));
        assert_eq!(look("ghcr.io/acme/web:v1@sha256:aa"), MISSING);
    }

    #[test]
    fn then_digests_and_their_starts_as_far_as_the_command_allows() {
        assert_eq!(look(&format!("sha256:{HEX}")), at(&[0]));
        assert_eq!(look("a1b2c3d4e5f6"), at(&[0]));
        assert_eq!(look("sha256:a1b2c3d4e5f6"), at(&[0]));
        assert_eq!(
            look("a1b2"),
            Err(vec![
                "app:latest".to_owned(),
                "ghcr.io/acme/web:v1".to_owned()
            ])
        );
        assert_eq!(look("a1b"), MISSING);
        assert_eq!(look("sha512:a1b2c3d4e5f6"), MISSING);
        assert_eq!(look("7b22"), MISSING, "no digest");
        assert_eq!(look("cafe"), at(&[7]), "a name that looks like hex");

        let change = |operand: &str| find(operand, DigestPrefix::Long);
        assert_eq!(change("a1b2c3d4e5f"), MISSING);
        assert_eq!(change("a1b2c3d4e5f6"), at(&[0]));
        let whole = |operand: &str| find(operand, DigestPrefix::Whole);
        assert_eq!(whole("a1b2c3d4e5f6"), MISSING);
        assert_eq!(whole(HEX), at(&[0]));
        assert_eq!(whole(&format!("sha512:{HEX}")), MISSING);
        assert_eq!(whole(&LONG[..64]), MISSING, "the start of a longer one");
        assert_eq!(whole(&format!("sha512:{}", &LONG[..64])), MISSING);
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
            let whole = find_all(&document, &resolver);
            for cut in 0..document.entries().len() {
                let mut parts = [Matches::default(), Matches::default()];
                for (index, entry) in document.entries().enumerate() {
                    let part = &mut parts[usize::from(index >= cut)];
                    resolver.visit(part, &entry, || index);
                }
                assert_eq!(found(parts, &resolver), whole);
            }
        }
    }
}
