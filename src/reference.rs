//! References, and the cache keys that follow from them.
//!
//! The rules are those of cldctl's `pkg/registry` (`ParseReference` and
//! `CacheKey`), since both programs must find each other's directories.

use std::fmt;
use std::str::FromStr;

use crate::escape::{brief, escape_display};

/// The tag of a reference that names none.
pub(crate) const DEFAULT_TAG: &str = "latest";

/// The repository and the tag of an artifact that has neither.
pub(crate) const UNTAGGED: &str = "<none>";

/// The beginnings of digests in references.
const DIGESTS: [&str; 2] = ["sha256:", "sha512:"];

/// The longest name, in bytes, that the file systems we know give a directory.
const MAX_KEY_BYTES: usize = 255;

/// The beginnings of the names that the cache gives its own directories in its root.
const RESERVED_PREFIXES: [&str; 4] = [".staging-", ".trash-", ".swap-", ".kept-"];

/// The number of random letters and digits after the prefix of such a name.
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

/// The parts that cldctl reads out of a reference: `repository[:tag][@digest]`.
///
/// Any text can be split, also one that is no valid [`Reference`].
///
/// ```
/// use cldctl_registry::ReferenceParts;
///
/// let parts = ReferenceParts::of("localhost:5000/myapp");
/// assert_eq!((parts.repository, parts.tag), ("localhost:5000/myapp", None));
/// assert_eq!(ReferenceParts::of("@clerk/clerk:v2").tag_or_latest(), "v2");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReferenceParts<'r> {
    /// Everything before the tag.
    pub repository: &'r str,
    /// The tag, where the reference gives one.
    pub tag: Option<&'r str>,
    /// The trailing digest (`sha256:…` or `sha512:…`), where there is one.
    pub digest: Option<&'r str>,
}

impl<'r> ReferenceParts<'r> {
    /// Splits a reference by cldctl's rule.
    pub fn of(reference: &'r str) -> Self {
        let (name, digest) = match reference.rsplit_once('@') {
            // A leading `@` opens a scoped name such as `@clerk/clerk`.
            Some((name, digest))
                if !name.is_empty() && DIGESTS.iter().any(|start| digest.starts_with(start)) =>
            {
                (name, Some(digest))
            }
            _ => (reference, None),
        };
        match name.rsplit_once(':') {
            // With a slash behind it, the colon belongs to a port.
            Some((repository, tag)) if !tag.contains('/') => ReferenceParts {
                repository,
                tag: Some(tag),
                digest,
            },
            _ => ReferenceParts {
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
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference(String);

impl Reference {
    /// Checks a reference that an entry may have: one whose directory can be
    /// named.
    ///
    /// # Errors
    ///
    /// [`InvalidReference`] if the cache key would be empty, `.`, `..`, longer
    /// than 255 bytes or a name that the cache reserves for its own directories,
    /// or if the reference contains a control character.
    pub fn parse(text: &str) -> Result<Self, InvalidReference> {
        let reason = if text.is_empty() {
            InvalidReason::Empty
        } else if text == "." || text == ".." {
            InvalidReason::SpecialDirectory
        } else if text.len() > MAX_KEY_BYTES {
            InvalidReason::TooLong
        } else if text.chars().any(char::is_control) {
            InvalidReason::ControlCharacter
        } else if is_reserved_name(text) {
            InvalidReason::Reserved
        } else {
            return Ok(Reference(text.to_owned()));
        };
        Err(InvalidReference::new(text, reason))
    }

    /// Checks a reference that an entry is to be created for: as
    /// [`parse`](Self::parse), and refuses what an empty variable or a slip
    /// leaves in a script.
    ///
    /// ```
    /// use cldctl_registry::Reference;
    ///
    /// assert!(Reference::parse_new("ghcr.io/org/app").is_ok());
    /// for slip in ["app:", ":v1", "ghcr.io//app", "https://ghcr.io/org/app", "app:v1 "] {
    ///     assert!(Reference::parse_new(slip).is_err());
    ///     assert!(Reference::parse(slip).is_ok(), "an entry may have it already");
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidReference`] as of [`parse`](Self::parse), and if the repository,
    /// a part of it, the tag or the digest is empty, or if the reference contains
    /// white space, `://` or `<none>` as a name.
    pub fn parse_new(text: &str) -> Result<Self, InvalidReference> {
        let reference = Reference::parse(text)?;
        reference.check_new()?;
        Ok(reference)
    }

    /// Checks that an entry may be created for this reference.
    ///
    /// # Errors
    ///
    /// As [`parse_new`](Self::parse_new).
    pub(crate) fn check_new(&self) -> Result<(), InvalidReference> {
        match slip_in(&self.0) {
            None => Ok(()),
            Some(reason) => Err(InvalidReference::new(&self.0, reason)),
        }
    }

    /// The reference as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Repository, tag and digest.
    pub fn parts(&self) -> ReferenceParts<'_> {
        ReferenceParts::of(&self.0)
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

impl AsRef<str> for Reference {
    fn as_ref(&self) -> &str {
        &self.0
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

impl AsRef<str> for CacheKey {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns what an empty variable or a slip left in a reference.
fn slip_in(text: &str) -> Option<InvalidReason> {
    if let Some(blank) = text.chars().find(|&c| is_blank(c)) {
        return Some(InvalidReason::WhiteSpace(blank));
    }
    if text.contains("://") {
        return Some(InvalidReason::Url);
    }
    let ReferenceParts {
        repository,
        tag,
        digest,
    } = ReferenceParts::of(text);
    // Split as a scoped name, but written as a digest without a name.
    let is_digest_alone = DIGESTS
        .into_iter()
        .any(|algorithm| text.starts_with(&format!("@{algorithm}")));
    if is_digest_alone || matches!(repository, "" | "@") {
        return Some(InvalidReason::EmptyRepository);
    }
    if text.ends_with('@') || digest.is_some_and(|digest| DIGESTS.contains(&digest)) {
        return Some(InvalidReason::EmptyDigest);
    }
    if tag == Some("") {
        return Some(InvalidReason::EmptyTag);
    }
    // Such a colon belongs to a port, and the port or its host is empty.
    let is_empty =
        |part: &str| matches!(part, "" | "@") || part.starts_with(':') || part.ends_with(':');
    if repository.split('/').any(is_empty) {
        return Some(InvalidReason::EmptyPart);
    }
    (repository == UNTAGGED || tag == Some(UNTAGGED)).then_some(InvalidReason::Unnamed)
}

/// Returns true for white space, and for characters that are as invisible.
fn is_blank(c: char) -> bool {
    // Not white space to Unicode: the Mongolian vowel separator, the zero-width
    // space, the word joiner, the byte-order mark.
    c.is_whitespace() || matches!(c, '\u{180e}' | '\u{200b}' | '\u{2060}' | '\u{feff}')
}

/// The longest reference that is shown in an error, in characters: a valid one fits.
const MAX_SHOWN: usize = 300;

/// A text that no entry can be made for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid reference `{}`: {reason}", escape_display(&brief(.reference, MAX_SHOWN)))]
#[non_exhaustive]
pub struct InvalidReference {
    /// The text.
    pub reference: String,
    /// The reason.
    pub reason: InvalidReason,
}

impl InvalidReference {
    fn new(reference: &str, reason: InvalidReason) -> Self {
        InvalidReference {
            reference: reference.to_owned(),
            reason,
        }
    }
}

/// The reason that a text is no [`Reference`], or none for a new entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidReason {
    /// It is empty.
    #[error("it is empty")]
    Empty,
    /// It is `.` or `..`.
    #[error("its cache key would be `.` or `..`")]
    SpecialDirectory,
    /// It is longer than a file system lets a name be.
    #[error("its cache key would be longer than {MAX_KEY_BYTES} bytes")]
    TooLong,
    /// It contains a control character.
    #[error("it contains a control character")]
    ControlCharacter,
    /// Its cache key is a name that the cache gives its own directories.
    #[error("the cache reserves this name for its own directories")]
    Reserved,
    /// For a new entry: the repository is empty.
    #[error("its repository is empty")]
    EmptyRepository,
    /// For a new entry: a part of the repository is empty, between slashes or
    /// beside the colon of a port.
    #[error("a part of its repository is empty")]
    EmptyPart,
    /// For a new entry: the tag is empty, although a colon announces one.
    #[error("its tag is empty")]
    EmptyTag,
    /// For a new entry: the digest is empty, although an `@` announces one.
    #[error("its digest is empty")]
    EmptyDigest,
    /// For a new entry: it contains white space, this character first.
    #[error("it contains white space (U+{:04X})", u32::from(*.0))]
    WhiteSpace(char),
    /// For a new entry: it contains `://`.
    #[error("it is a URL, since it contains `://`")]
    Url,
    /// For a new entry: its repository or tag is `<none>`.
    #[error("`<none>` marks an artifact without a name")]
    Unnamed,
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
            let parts = ReferenceParts::of(reference);
            assert_eq!(
                (parts.repository, parts.tag_or_latest()),
                (repository, tag),
                "{reference}"
            );
        }
    }

    #[test]
    fn the_trailing_digest_is_kept_apart() {
        let parts = ReferenceParts::of("ghcr.io/org/app:v1@sha256:abc");
        assert_eq!(parts.digest, Some("sha256:abc"));
        assert_eq!(ReferenceParts::of("@clerk/clerk:latest").digest, None);
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
    fn what_an_empty_variable_leaves_is_no_reference_of_a_new_entry() {
        use InvalidReason::*;
        // `$HOST:$PORT/$ORG/$NAME:$TAG@$DIGEST`, with one or more of them empty.
        for (text, reason) in [
            (":v1", EmptyRepository),
            (":", EmptyRepository),
            ("@sha256:abc", EmptyRepository),
            ("@sha512:", EmptyRepository),
            (":v1@sha256:abc", EmptyRepository),
            ("@", EmptyRepository),
            ("@:v1", EmptyRepository),
            ("app:", EmptyTag),
            ("localhost:5000/app:", EmptyTag),
            ("app:@sha256:abc", EmptyTag),
            ("@clerk/clerk:", EmptyTag),
            ("app@", EmptyDigest),
            ("app:v1@", EmptyDigest),
            ("app@sha256:", EmptyDigest),
            ("app:v1@sha512:", EmptyDigest),
            ("/", EmptyPart),
            ("/app", EmptyPart),
            ("/app:v1", EmptyPart),
            ("ghcr.io//app:v1", EmptyPart),
            ("ghcr.io/org/:v1", EmptyPart),
            ("ghcr.io/org/", EmptyPart),
            ("ghcr.io/org/@sha256:abc", EmptyPart),
            ("@/clerk", EmptyPart),
            ("@clerk/", EmptyPart),
            ("localhost:/app", EmptyPart),
            (":5000/app:v1", EmptyPart),
            ("<none>", Unnamed),
            ("app:<none>", Unnamed),
            ("<none>:<none>", Unnamed),
        ] {
            let refused = Reference::parse_new(text).unwrap_err();
            assert_eq!(refused.reason, reason, "{text}");
            // Such an entry can be there already.
            assert!(Reference::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn white_space_and_a_scheme_are_no_part_of_a_new_reference() {
        for blank in [
            ' ', '\u{a0}', '\u{1680}', '\u{2003}', '\u{200b}', '\u{2028}', '\u{202f}', '\u{205f}',
            '\u{3000}', '\u{feff}',
        ] {
            for text in [
                format!("{blank}app:v1"),
                format!("app:v1{blank}"),
                format!("my{blank}app"),
                blank.to_string(),
            ] {
                let refused = Reference::parse_new(&text).unwrap_err();
                assert_eq!(refused.reason, InvalidReason::WhiteSpace(blank), "{text:?}");
            }
        }
        for text in ["https://ghcr.io/org/app:v1", "oci://app", "://", "a://b"] {
            let refused = Reference::parse_new(text).unwrap_err();
            assert_eq!(refused.reason, InvalidReason::Url, "{text}");
        }
        assert_eq!(
            Reference::parse_new("a b").unwrap_err().to_string(),
            "invalid reference `a b`: it contains white space (U+0020)"
        );
    }

    #[test]
    fn whole_references_are_those_of_new_entries_too() {
        for text in [
            "app",
            "app:v1",
            "ghcr.io/org/app:v1.0.0",
            "localhost:5000/myapp",
            "ghcr.io/org/app:v1@sha256:abc",
            "@clerk/clerk:latest",
            "@scope/package",
            "sha256:abc",
            "App_1:2026.02-x",
            "日本:é",
            "a:b:c",
            "...",
            "-y",
            "$(x)",
            "<none>x",
        ] {
            assert!(Reference::parse_new(text).is_ok(), "{text}");
        }
        for text in ["", "..", "a\nb"] {
            assert_eq!(
                Reference::parse_new(text),
                Reference::parse(text),
                "{text:?}"
            );
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
