//! References, and the cache keys that follow from them.
//!
//! The rules are those of cldctl's `pkg/registry` (`ParseReference` and
//! `CacheKey`), since both programs must find each other's directories.

use std::fmt;
use std::str::FromStr;

/// The tag of a reference that names none.
pub(crate) const DEFAULT_TAG: &str = "latest";

/// What stands for the repository and the tag of an artifact that has neither.
pub(crate) const UNTAGGED: &str = "<none>";

/// The longest name, in bytes, that the file systems we know give a directory.
const MAX_KEY_BYTES: usize = 255;

/// How the names begin that the cache gives its own directories in its root.
const RESERVED_PREFIXES: [&str; 3] = [".staging-", ".trash-", ".swap-"];

/// How many random letters and digits follow the prefix of such a name.
const RESERVED_RANDOM: usize = 12;

/// Returns true for a name that the cache gives a directory of its own in its
/// root: a known prefix and twelve ASCII letters or digits, nothing else.
///
/// No [`Reference`] has such a name as its cache key, so such a directory never
/// is the content of an artifact.
pub(crate) fn is_reserved_name(name: &str) -> bool {
    RESERVED_PREFIXES
        .into_iter()
        .find_map(|prefix| name.strip_prefix(prefix))
        .is_some_and(|random| {
            random.len() == RESERVED_RANDOM
                && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
}

/// Returns true for a name that can be the cache key of a reference as registries
/// and builds make them: OCI's names and tags, a digest, or `@scope/name`.
///
/// What else lies in a cache root, such as `lost+found`, `.snapshot` or `@eaDir`, is
/// the file system's or another program's.
pub(crate) fn can_be_key(name: &str) -> bool {
    let unscoped = match name.strip_prefix('@') {
        Some(scoped) if scoped.contains('_') => scoped,
        Some(_) => return false,
        None => name,
    };
    let is_allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'@');
    unscoped.starts_with(|first: char| first.is_ascii_alphanumeric())
        && unscoped.bytes().all(is_allowed)
}

/// What cldctl reads out of a reference: `repository[:tag][@digest]`.
///
/// Any text can be split, also one that is no valid [`Reference`].
///
/// ```
/// use cldctl_registry::Parts;
///
/// let parts = Parts::of("localhost:5000/myapp");
/// assert_eq!((parts.repository, parts.tag), ("localhost:5000/myapp", None));
/// assert_eq!(Parts::of("@clerk/clerk:v2").tag_or_latest(), "v2");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts<'r> {
    /// Everything before the tag.
    pub repository: &'r str,
    /// The tag, where the reference gives one.
    pub tag: Option<&'r str>,
    /// The trailing digest (`sha256:…` or `sha512:…`), where there is one.
    pub digest: Option<&'r str>,
}

impl<'r> Parts<'r> {
    /// Splits a reference by cldctl's rule.
    pub fn of(reference: &'r str) -> Self {
        let (name, digest) = match reference.rsplit_once('@') {
            // A leading `@` opens a scoped name such as `@clerk/clerk`.
            Some((name, digest))
                if !name.is_empty()
                    && (digest.starts_with("sha256:") || digest.starts_with("sha512:")) =>
            {
                (name, Some(digest))
            }
            _ => (reference, None),
        };
        match name.rsplit_once(':') {
            // With a slash behind it, the colon belongs to a port.
            Some((repository, tag)) if !tag.contains('/') => Parts {
                repository,
                tag: Some(tag),
                digest,
            },
            _ => Parts {
                repository: name,
                tag: None,
                digest,
            },
        }
    }

    /// The tag, or `latest` where the reference gives none.
    pub fn tag_or_latest(&self) -> &'r str {
        self.tag.unwrap_or(DEFAULT_TAG)
    }
}

/// A reference that an entry can be made for: its cache key is a usable
/// directory name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference(String);

impl Reference {
    /// Checks a reference.
    ///
    /// # Errors
    ///
    /// [`InvalidReference`] if the cache key would be empty, `.`, `..`, longer
    /// than 255 bytes or a name that the cache reserves for its own directories,
    /// or if the reference holds a control character.
    pub fn parse(text: &str) -> Result<Self, InvalidReference> {
        let reason = if text.is_empty() {
            "it is empty"
        } else if text == "." || text == ".." {
            "its cache key would be a directory of the file system's own"
        } else if text.len() > MAX_KEY_BYTES {
            "its cache key would be longer than 255 bytes"
        } else if text.chars().any(char::is_control) {
            "it holds a control character"
        } else if is_reserved_name(text) {
            "the cache reserves this name for its own directories"
        } else {
            return Ok(Reference(text.to_owned()));
        };
        Err(InvalidReference {
            reference: text.to_owned(),
            reason,
        })
    }

    /// The reference as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Repository, tag and digest.
    pub fn parts(&self) -> Parts<'_> {
        Parts::of(&self.0)
    }

    /// The name of this reference's directory in the cache.
    pub fn cache_key(&self) -> CacheKey {
        CacheKey(self.0.replace(['/', ':'], "_"))
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Reference {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Reference::parse(text)
    }
}

/// The name of a reference's directory in the cache: the reference with every
/// `/` and `:` replaced by `_`.
///
/// Different references can have the same key: `a/b:c` and `a_b_c` do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CacheKey(String);

impl CacheKey {
    /// The key as the name of a directory.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that no entry can be made for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid reference `{}`: {reason}", crate::escape::visible(.reference))]
#[non_exhaustive]
pub struct InvalidReference {
    /// What was given.
    pub reference: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_split_as_cldctl_splits_them() {
        for (reference, repository, tag) in [
            ("ghcr.io/org/app:v1.0.0", "ghcr.io/org/app", "v1.0.0"),
            ("ghcr.io/org/app", "ghcr.io/org/app", "latest"),
            ("localhost:5000/myapp:v1", "localhost:5000/myapp", "v1"),
            ("localhost:5000/myapp", "localhost:5000/myapp", "latest"),
            ("ghcr.io/org/app@sha256:abc123", "ghcr.io/org/app", "latest"),
            ("ghcr.io/org/app:v1@sha256:abc123", "ghcr.io/org/app", "v1"),
            ("ghcr.io/org/app:v1@sha512:abc", "ghcr.io/org/app", "v1"),
            ("@clerk/clerk:latest", "@clerk/clerk", "latest"),
            ("@scope/package", "@scope/package", "latest"),
            ("@sha256:abc", "@sha256", "abc"),
            ("a@md5:abc", "a@md5", "abc"),
            ("app:", "app", ""),
            (":v1", "", "v1"),
            ("", "", "latest"),
        ] {
            let parts = Parts::of(reference);
            assert_eq!(
                (parts.repository, parts.tag_or_latest()),
                (repository, tag),
                "{reference}"
            );
        }
    }

    #[test]
    fn the_trailing_digest_is_kept_apart() {
        let parts = Parts::of("ghcr.io/org/app:v1@sha256:abc");
        assert_eq!(parts.digest, Some("sha256:abc"));
        assert_eq!(Parts::of("@clerk/clerk:latest").digest, None);
    }

    #[test]
    fn a_cache_key_has_no_separator() {
        let reference = Reference::parse("ghcr.io/org/app:v1").unwrap();
        assert_eq!(reference.cache_key().as_str(), "ghcr.io_org_app_v1");
    }

    #[test]
    fn a_reference_whose_key_is_no_usable_name_is_refused() {
        let long = "a".repeat(256);
        for text in ["", ".", "..", "a\nb", "a\u{7f}", "a\u{9b}m", &long] {
            assert!(Reference::parse(text).is_err(), "{text:?}");
        }
        for text in ["...", "/", "..:", "a/../b", &long[1..], "<none>", "日本"] {
            assert!(Reference::parse(text).is_ok(), "{text:?}");
        }
    }

    #[test]
    fn what_other_programs_put_into_a_cache_root_is_no_key() {
        for key in [
            "app",
            "ghcr.io_org_app_v1.0.0",
            "localhost_5000_my-app_V1",
            "@clerk_clerk_latest",
            "app@sha256_abc",
            "sha256_0123",
        ] {
            assert!(can_be_key(key), "{key}");
        }
        for other in [
            "lost+found",
            ".snapshot",
            ".zfs",
            ".git",
            ".Trash-1000",
            "@eaDir",
            "@Recycle",
            "#recycle",
            "$RECYCLE.BIN",
            "System Volume Information",
            "Network Trash Folder",
            "_x",
            "",
        ] {
            assert!(!can_be_key(other), "{other}");
        }
    }

    #[test]
    fn a_name_that_the_cache_reserves_is_no_reference() {
        for prefix in RESERVED_PREFIXES {
            let reserved = format!("{prefix}a1B2c3D4e5F6");
            assert!(is_reserved_name(&reserved), "{reserved}");
            let error = Reference::parse(&reserved).unwrap_err().to_string();
            assert!(error.contains("reserves this name"), "{error}");
            for other in [
                format!("{reserved}7"),
                format!("{reserved}:v1"),
                format!("{prefix}a1B2c3D4e5F"),
                format!("{prefix}a1B2c3D4e5F_"),
                format!("{prefix}a1B2c3D4e5é"),
                prefix.to_owned(),
                format!("x{reserved}"),
            ] {
                assert!(!is_reserved_name(&other), "{other}");
                assert!(Reference::parse(&other).is_ok(), "{other}");
            }
        }
    }
}
