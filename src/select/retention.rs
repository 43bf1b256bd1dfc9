//! Which artifacts are to be kept when disk is freed.

use std::cmp::Reverse;
use std::collections::HashMap;

use chrono::{DateTime, FixedOffset, Utc};

use crate::timestamp;

/// An artifact that may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// The places of its entries in the document.
    pub(crate) indices: Vec<usize>,
    pub(crate) repository: String,
    pub(crate) reference: String,
    pub(crate) created_at: Option<DateTime<FixedOffset>>,
    /// The disk that removing it frees, in bytes.
    pub(crate) bytes: u64,
    /// True if all filters select it.
    pub(crate) is_selected: bool,
}

/// The limits within which artifacts are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Retention {
    /// The number of the newest of each repository that are kept.
    pub(crate) keep_last: usize,
    /// The number of bytes that may be kept; the newest that fit are.
    pub(crate) max_bytes: Option<u64>,
}

/// The places of the artifacts that go, the oldest first. `kept_bytes` is what
/// is taken by artifacts that are no candidates.
pub(crate) fn select_expired(
    candidates: &[Candidate],
    retention: Retention,
    kept_bytes: u64,
) -> Vec<usize> {
    // The newest first; a time that is not known makes none old.
    let mut order: Vec<&Candidate> = candidates.iter().collect();
    let unknown = DateTime::<Utc>::MAX_UTC.fixed_offset();
    order.sort_by_key(|candidate| {
        let created_at = candidate.created_at.filter(timestamp::is_known);
        let created_at = created_at.unwrap_or(unknown);
        (Reverse(created_at), &candidate.reference)
    });

    let mut seen: HashMap<&str, usize> = HashMap::new();
    let mut going: Vec<&Candidate> = order
        .into_iter()
        .filter(|candidate| {
            let newer = seen.entry(&candidate.repository).or_default();
            *newer += 1;
            *newer > retention.keep_last && candidate.is_selected
        })
        .collect();
    going.reverse();

    if let Some(max_bytes) = retention.max_bytes {
        // Where nothing is to be freed, nothing goes.
        going.retain(|candidate| candidate.bytes > 0);
        let mut total = candidates.iter().fold(kept_bytes, |total, candidate| {
            total.saturating_add(candidate.bytes)
        });
        let enough = going.iter().position(|candidate| {
            let fits = total <= max_bytes;
            if !fits {
                total -= candidate.bytes;
            }
            fits
        });
        going.truncate(enough.unwrap_or(going.len()));
    }
    let going = going.into_iter();
    going
        .flat_map(|candidate| candidate.indices.iter().copied())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(index: usize, repository: &str, day: &str, bytes: u64) -> Candidate {
        Candidate {
            indices: vec![index],
            repository: repository.to_owned(),
            reference: format!("{repository}:{index}"),
            created_at: timestamp::parse(&format!("2026-01-{day}T00:00:00Z")),
            bytes,
            is_selected: true,
        }
    }

    fn candidates() -> Vec<Candidate> {
        vec![
            candidate(0, "a", "01", 10),
            candidate(1, "a", "05", 20),
            candidate(2, "b", "02", 30),
            candidate(3, "a", "03", 40),
            candidate(4, "b", "soon", 50),
        ]
    }

    #[test]
    fn the_newest_of_each_repository_stay() {
        let keep = |keep_last| {
            select_expired(
                &candidates(),
                Retention {
                    keep_last,
                    max_bytes: None,
                },
                0,
            )
        };
        assert_eq!(keep(0), [0, 2, 3, 1, 4]);
        assert_eq!(keep(1), [0, 2, 3]);
        assert_eq!(keep(2), [0]);
        assert_eq!(keep(3), Vec::<usize>::new());
    }

    #[test]
    fn an_artifact_of_unknown_time_is_not_the_oldest() {
        let mut candidates = candidates();
        candidates[3].created_at = timestamp::parse(timestamp::ZERO);
        let retention = Retention {
            keep_last: 1,
            max_bytes: None,
        };
        assert_eq!(select_expired(&candidates, retention, 0), [0, 2, 1]);
    }

    #[test]
    fn only_what_every_filter_selects_goes_but_the_rest_counts_as_newer() {
        let mut candidates = candidates();
        candidates[3].is_selected = false;
        let retention = Retention {
            keep_last: 1,
            max_bytes: None,
        };
        assert_eq!(select_expired(&candidates, retention, 0), [0, 2]);
    }

    #[test]
    fn the_oldest_go_until_the_rest_fits() {
        let limit = |max_bytes, kept| {
            let retention = Retention {
                keep_last: 0,
                max_bytes: Some(max_bytes),
            };
            select_expired(&candidates(), retention, kept)
        };
        assert_eq!(limit(150, 0), Vec::<usize>::new());
        assert_eq!(limit(149, 0), [0]);
        assert_eq!(limit(140, 0), [0]);
        assert_eq!(limit(139, 0), [0, 2]);
        assert_eq!(limit(0, 0), [0, 2, 3, 1, 4]);
        assert_eq!(limit(150, 1), [0]);
    }
}
