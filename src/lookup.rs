//! Finds the entries that an operand names.

use std::borrow::Cow;

use crate::digest::{digest_hex, is_hex};
use crate::document::Document;
use crate::fields::Field;
use crate::reference::Parts;

/// How many hex digits at least may stand for a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DigestStart {
    /// Only a whole digest will do.
    Whole,
    /// For what only looks.
    ToLook,
    /// For what changes something: what the table shows.
    ToChange,
}

impl DigestStart {
    fn min_digits(self) -> usize {
        match self {
            DigestStart::Whole => usize::MAX,
            DigestStart::ToLook => 4,
            DigestStart::ToChange => 12,
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

/// Looks an operand up: as a stored reference; by the repository and tag that
/// the references parse to; as a digest or the start of one.
pub(crate) fn find(document: &Document, operand: &str, start: DigestStart) -> Found {
    // What has no reference that can be read cannot be named by one.
    let references: Vec<Option<Cow<'_, str>>> = document
        .entries()
        .map(|entry| entry.string(Field::Reference).ok().flatten())
        .collect();
    let wanted = Parts::of(operand);
    let digest_of = |index: usize| {
        let entry = document.entry(index)?;
        entry.string(Field::Digest).ok().flatten()
    };

    let by_reference = |index: usize| references[index].as_deref() == Some(operand);
    let by_name = |index: usize| {
        let Some(parts) = references[index].as_deref().map(Parts::of) else {
            return false;
        };
        if parts.repository != wanted.repository {
            return false;
        }
        match wanted.digest {
            None => parts.tag_or_latest() == wanted.tag_or_latest(),
            Some(digest) => {
                wanted.tag.is_none_or(|tag| tag == parts.tag_or_latest())
                    && (parts.digest == Some(digest)
                        || digest_of(index).is_some_and(|d| d == digest))
            }
        }
    };
    let hex = operand
        .strip_prefix("sha256:")
        .or_else(|| operand.strip_prefix("sha512:"))
        .unwrap_or(operand);
    let is_start = is_hex(hex) && hex.len() >= start.min_digits();
    let is_whole = digest_hex(operand).is_some();
    let by_digest = |index: usize| {
        (is_start || is_whole)
            && digest_of(index).is_some_and(|digest| {
                digest_hex(&digest).is_some_and(|digits| {
                    digest == operand
                        || is_start
                            && digits.starts_with(hex)
                            && (hex.len() == operand.len() || digest.starts_with(operand))
                })
            })
    };
    let steps: [&dyn Fn(usize) -> bool; 3] = [&by_reference, &by_name, &by_digest];
    for step in steps {
        let found: Vec<usize> = (0..references.len()).filter(|&index| step(index)).collect();
        let name = |&index: &usize| references[index].as_deref().unwrap_or_default();
        let mut names: Vec<&str> = found.iter().map(name).collect();
        names.sort_unstable();
        names.dedup();
        match names.len() {
            0 => {}
            1 => return Found::Entries(found),
            _ => return Found::Ambiguous(names.into_iter().map(str::to_owned).collect()),
        }
    }
    Found::Nothing
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90";

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
        ]
        .map(|(reference, digest)| {
            format!("{{\"reference\":\"{reference}\",\"digest\":\"{digest}\"}}")
        });
        Document::parse(format!("{{\"artifacts\":[{}]}}", entries.join(","))).unwrap()
    }

    fn look(operand: &str) -> Found {
        find(&document(), operand, DigestStart::ToLook)
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

        let change = |operand: &str| find(&document(), operand, DigestStart::ToChange);
        assert_eq!(change("a1b2c3d4e5f"), Found::Nothing);
        assert_eq!(change("a1b2c3d4e5f6"), at(&[0]));
        let whole = |operand: &str| find(&document(), operand, DigestStart::Whole);
        assert_eq!(whole("a1b2c3d4e5f6"), Found::Nothing);
        assert_eq!(whole(HEX), Found::Nothing);
        assert_eq!(whole(&format!("sha256:{HEX}")), at(&[0]));
    }
}
