//! The outcomes of looking for what operands name.

use crate::error::Result;
use crate::registry::Registry;

/// The entries of the one reference that an operand names, or else the references that it
/// matches equally well, sorted: several or none.
pub(super) type Outcome<T> = std::result::Result<Named<T>, Vec<String>>;

/// The entries of one reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named<T> {
    pub(super) reference: String,
    /// The parts that were kept of the entries, in the order of the file.
    pub(super) kept: Vec<T>,
}

/// Returns the outcomes of operands as `look` finds them, and looks again for those that name
/// nothing, by the content of manifests that were pulled or pushed.
///
/// # Errors
///
/// The directory of what is remembered of manifests cannot be read, and those of `look`.
pub(super) fn by_name_or_manifest<S: AsRef<str>, T>(
    registry: &Registry,
    operands: &[S],
    mut look: impl FnMut(&[&str]) -> Result<Vec<Outcome<T>>>,
) -> Result<Vec<Outcome<T>>> {
    let operands: Vec<&str> = operands.iter().map(AsRef::as_ref).collect();
    let mut outcomes = look(&operands)?;
    let is_missing = |at: &usize| matches!(&outcomes[*at], Err(found) if found.is_empty());
    let missing: Vec<usize> = (0..operands.len()).filter(is_missing).collect();
    let names: Vec<&str> = missing.iter().map(|&at| operands[at]).collect();
    let contents = registry.with_content_digests(&names)?;
    if contents.is_empty() {
        return Ok(outcomes);
    }
    let names: Vec<&str> = contents.iter().map(|(_, name)| name.as_str()).collect();
    for ((at, _), found) in contents.iter().zip(look(&names)?) {
        let outcome = &mut outcomes[missing[*at]];
        let known = std::mem::replace(outcome, Err(Vec::new()));
        *outcome = either(known, found);
    }
    Ok(outcomes)
}

/// Returns what an operand names that stands for two others.
fn either<T>(one: Outcome<T>, other: Outcome<T>) -> Outcome<T> {
    match (one, other) {
        (Err(none), found) | (found, Err(none)) if none.is_empty() => found,
        (Ok(mut one), Ok(other)) if one.reference == other.reference => {
            one.kept.extend(other.kept);
            Ok(one)
        }
        (one, other) => {
            let references = [one, other].map(|found| match found {
                Ok(named) => vec![named.reference],
                Err(references) => references,
            });
            let mut references = references.concat();
            references.sort_unstable();
            references.dedup();
            Err(references)
        }
    }
}

#[cfg(test)]
#[cfg(feature = "remote")]
mod tests {
    use super::*;
    use crate::Digest;
    use crate::document::Edit;
    use crate::registry::Update;
    use crate::registry::remotes::Remote;
    use crate::registry::resolve::{DigestPrefix, ResolvedPlaces, Unresolved};

    /// Returns a registry of artifacts, each with the manifests that have its content.
    fn registry(dir: &tempfile::TempDir, artifacts: &[(&str, &str, &[&str])]) -> Registry {
        let entries = artifacts.iter().map(|(reference, content, _)| {
            let digest = Digest::of(content.as_bytes());
            format!(r#"{{"reference":"{reference}","digest":"{digest}"}}"#)
        });
        let entries = entries.collect::<Vec<_>>().join(",");
        let path = dir.path().join("artifacts.json");
        let text = format!(r#"{{"version":"v2","artifacts":[{entries}]}}"#);
        std::fs::write(&path, text).unwrap();
        let registry = Registry::open(path).unwrap();
        for (_, content, manifests) in artifacts {
            for manifest in *manifests {
                let remote = Remote {
                    reference: format!("r.example/{manifest}"),
                    manifest_digest: Digest::of(manifest.as_bytes()).to_string(),
                    tree: Digest::of(b"tree").to_string(),
                };
                let content = Digest::of(content.as_bytes());
                registry.remember(content.as_str(), remote).unwrap();
            }
        }
        registry
    }

    /// Returns the places, and what is unresolved, as all that resolve operands find them.
    fn find(registry: &Registry, operands: &[&str]) -> (Vec<usize>, Vec<Unresolved>) {
        let digits = DigestPrefix::Long;
        let document = registry.load().unwrap();
        let found = registry.resolve_in(&document, operands, digits).unwrap();
        let open = registry.update(|document| {
            let found = registry.resolve_in_open(document, operands, digits)?;
            Ok(Update::new(Edit::default(), found))
        });
        let parts = |it: &ResolvedPlaces| (it.all().collect(), it.unresolved());
        assert_eq!(parts(&open.unwrap()), parts(&found));
        let streamed = registry.resolve(operands, digits).unwrap();
        assert_eq!(streamed.unresolved(), found.unresolved());
        parts(&found)
    }

    fn ambiguous(operand: &str, references: &[&str]) -> (Vec<usize>, Vec<Unresolved>) {
        let references = references.iter().map(|it| (*it).to_owned()).collect();
        (vec![], vec![Unresolved::new(operand, references)])
    }

    #[test]
    fn a_manifest_of_several_artifacts_is_ambiguous_and_not_missing() {
        let dir = tempfile::tempdir().unwrap();
        let registry = registry(
            &dir,
            &[
                ("a:v1", "one", &["m", "both", "single"]),
                ("b:v1", "one", &["m"]),
                ("c:v1", "two", &["n", "both"]),
            ],
        );
        let digest = |manifest: &str| Digest::of(manifest.as_bytes()).to_string();
        let m = digest("m");
        assert_eq!(find(&registry, &[&m]), ambiguous(&m, &["a:v1", "b:v1"]));
        assert_eq!(find(&registry, &[&format!("b@{m}")]), (vec![1], vec![]));
        let n = digest("n");
        let hex = &n["sha256:".len()..];
        assert_eq!(find(&registry, &[&n, hex]), (vec![2, 2], vec![]));
        let hex = &digest("both")["sha256:".len()..];
        let all = ["a:v1", "b:v1", "c:v1"];
        assert_eq!(find(&registry, &[hex]), ambiguous(hex, &all));
        let unknown = digest("unknown");
        assert_eq!(find(&registry, &[&unknown]), ambiguous(&unknown, &[]));
        let both = format!("c@{}", digest("both"));
        assert_eq!(find(&registry, &[&both]), (vec![2], vec![]));
    }
}
