//! Content digests as the OCI image specification spells them.

use std::fmt::{self, Write as _};

use sha2::{Digest as _, Sha256};

/// The algorithms a digest can name, with the number of hex digits of each.
///
/// Source: OCI image specification, descriptor, "registered algorithms".
const ALGORITHMS: [(&str, usize); 2] = [("sha256:", 64), ("sha512:", 128)];

/// The number of hex digits in the short form of a digest.
#[cfg(feature = "cli")]
pub(crate) const SHORT_HEX: usize = 12;

/// Returns the hex digits of a digest.
///
/// `None` if the text is not a whole digest, such as what `cldctl pull` stores
/// (`sha256:7b22…`, ending in three dots).
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

/// A computed digest: `sha256:` and 64 hex digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Digest(String);

impl Digest {
    /// Computes the digest of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Digest(format!("sha256:{}", hex(&Sha256::digest(bytes))))
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

/// Returns bytes in lower-case hex.
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
