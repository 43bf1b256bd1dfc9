//! Content digests as the OCI image specification spells them.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

/// The algorithms a digest can name, with the number of hex digits of each.
///
/// Source: OCI image specification, descriptor, "registered algorithms".
const ALGORITHMS: [(&str, usize); 2] = [("sha256:", 64), ("sha512:", 128)];

/// The hex digits of a digest: `None` if the text is no whole digest, as with
/// what `cldctl pull` stores (`sha256:7b22…`, ending in three dots).
///
/// ```
/// use cldctl_registry::digest_hex;
///
/// assert_eq!(digest_hex("sha256:7b22..."), None);
/// ```
pub fn digest_hex(digest: &str) -> Option<&str> {
    let (algorithm, digits) = ALGORITHMS
        .into_iter()
        .find(|(algorithm, _)| digest.starts_with(algorithm))?;
    let hex = &digest[algorithm.len()..];
    (hex.len() == digits && is_hex(hex)).then_some(hex)
}

/// Returns whether a text consists of lower-case hex digits, as digests do.
pub(crate) fn is_hex(text: &str) -> bool {
    // There is no early exit, so that the compiler can check many bytes at once.
    text.bytes().fold(true, |all, byte| {
        all & matches!(byte, b'0'..=b'9' | b'a'..=b'f')
    })
}

/// A digest as this library computes it: `sha256:` and 64 hex digits.
///
/// ```
/// use cldctl_registry::Digest;
///
/// let digest = Digest::of(b"content");
/// assert_eq!(digest.as_str().parse(), Ok(digest.clone()));
/// assert!("sha256:7b22...".parse::<Digest>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(String);

impl Digest {
    /// Computes the digest of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Digest(format!("sha256:{}", hex(&Sha256::digest(bytes))))
    }

    /// Returns the digest that a hash is.
    #[cfg(feature = "archive")]
    pub(crate) fn from_hash(hash: [u8; 32]) -> Self {
        Digest(format!("sha256:{}", hex(&hash)))
    }

    /// Returns the digest with its algorithm.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the 64 hex digits.
    pub fn hex(&self) -> &str {
        &self.0[ALGORITHMS[0].0.len()..]
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for Digest {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for Digest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        let is_digest = text.starts_with(ALGORITHMS[0].0) && digest_hex(text).is_some();
        match is_digest {
            true => Ok(Digest(text.to_owned())),
            false => Err(InvalidDigest),
        }
    }
}

/// A text that is no [`Digest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected `sha256:` and 64 lower-case hex digits")]
#[non_exhaustive]
pub struct InvalidDigest;

/// Bytes in lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(2 * bytes.len()), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_lower_case_digests_are_accepted() {
        let hex = "0123456789abcdef".repeat(4);
        assert_eq!(digest_hex(&format!("sha256:{hex}")), Some(hex.as_str()));
        assert_eq!(digest_hex(&format!("sha512:{hex}")), None);
        assert!(digest_hex(&format!("sha512:{hex}{hex}")).is_some());
        for text in ["", "sha256:", "sha256:7b22...", &hex] {
            assert_eq!(digest_hex(text), None, "{text}");
        }
        assert_eq!(digest_hex(&format!("sha256:{}", hex.to_uppercase())), None);
    }

    #[test]
    fn the_digest_of_no_bytes_is_the_published_one() {
        let digest = Digest::of(b"");
        assert_eq!(
            digest.as_str(),
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(digest_hex(digest.as_str()), Some(digest.hex()));
    }
}
