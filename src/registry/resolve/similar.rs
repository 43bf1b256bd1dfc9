//! References that an operand without an entry may have been meant for.

use crate::escape::is_unsafe;
use crate::reference::ReferenceParts;

/// A registry of more entries is not searched, because that would take longer than the
/// command.
pub(super) const MAX_COMPARED: usize = 10_000;

/// Longer names are not compared, in bytes.
const MAX_LENGTH: usize = 255;

/// How similar a name has to be to be suggested, of 1.
const MIN_SIMILARITY: f64 = 0.6;

/// For each operand, the most similar reference so far, if one is similar enough.
#[derive(Debug, Default)]
pub(super) struct MostSimilar(Vec<Option<(f64, String)>>);

impl MostSimilar {
    /// Compares operands with a reference.
    pub(super) fn compare(&mut self, operands: &[&str], reference: &str) {
        // What is shown escaped cannot be typed.
        if reference.len() > MAX_LENGTH || reference.contains(is_unsafe) {
            return;
        }
        self.0.resize_with(operands.len(), || None);
        for (best, operand) in self.0.iter_mut().zip(operands) {
            // It may have been added since it was not found.
            if operand.len() > MAX_LENGTH || *operand == reference {
                continue;
            }
            let similarity = similarity(reference, operand);
            let least = best.as_ref().map_or(MIN_SIMILARITY, |(best, _)| *best);
            if similarity >= least {
                *best = Some((similarity, reference.to_owned()));
            }
        }
    }

    /// Takes what is more similar, or equally and later in the registry.
    pub(super) fn or(mut self, later: Self) -> Self {
        let len = self.0.len().max(later.0.len());
        self.0.resize_with(len, || None);
        for (best, other) in self.0.iter_mut().zip(later.0) {
            let least = best.as_ref().map_or(MIN_SIMILARITY, |(best, _)| *best);
            if other.as_ref().is_some_and(|(found, _)| *found >= least) {
                *best = other;
            }
        }
        self
    }

    /// Returns the references for all operands.
    pub(super) fn into_names(self, operands: usize) -> Vec<Option<String>> {
        let names = self.0.into_iter().map(|best| best.map(|(_, name)| name));
        let mut names: Vec<_> = names.collect();
        names.resize(operands, None);
        names
    }
}

/// Returns how much an operand is like a reference, or like its end, because people leave
/// out the host and the organisation.
fn similarity(reference: &str, operand: &str) -> f64 {
    let parts = ReferenceParts::of(reference);
    let tagged = reference.rsplit('/').next().unwrap_or_default();
    let name = parts.repository.rsplit('/').next().unwrap_or_default();
    [reference, tagged, name]
        .map(|candidate| strsim::normalized_damerau_levenshtein(candidate, operand))
        .into_iter()
        .fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Finds the reference that is most like an operand, in parts of a registry.
    fn most_similar(operand: &str, parts: &[&[&str]]) -> Option<String> {
        let parts = parts.iter().map(|part| {
            let mut found = MostSimilar::default();
            part.iter().for_each(|name| found.compare(&[operand], name));
            found
        });
        let all = parts.reduce(MostSimilar::or).unwrap_or_default();
        all.into_names(1).remove(0)
    }

    #[test]
    fn the_most_similar_reference_is_found_in_any_part() {
        let parts: [&[&str]; 3] = [&["ghcr.io/acme/app:v1"], &[], &["web:v1", "web:v2"]];
        let similar = |operand: &str| most_similar(operand, &parts);
        assert_eq!(
            similar("ghcr.io/acme/app:v9").as_deref(),
            Some("ghcr.io/acme/app:v1")
        );
        assert_eq!(similar("ap").as_deref(), Some("ghcr.io/acme/app:v1"));
        assert_eq!(similar("web:v1").as_deref(), Some("web:v2"));
        assert_eq!(similar("nothing like it"), None);
        assert_eq!(most_similar("app", &[]), None);
    }

    #[test]
    fn a_name_that_cannot_be_typed_is_not_suggested() {
        assert_eq!(most_similar("web:v1", &[&["web:v\u{1b}"]]), None);
        let long = "x".repeat(MAX_LENGTH + 1);
        assert_eq!(most_similar(&long[1..], &[&[&long]]), None);
    }
}
