//! The figures that must hold.
//!
//! Each stands about a fifth above what was measured, as other processors,
//! compilers and C libraries count a little differently. After a change that
//! makes a command faster (`held by far`), or slower for a good reason, write here
//! what the run prints as `new start` and `new entry`.

/// The growth from 10 to 10,000 entries is at most so many times that from 10 to
/// 1,000. In proportion it is 10.1; sorting adds a little.
pub(crate) const GROWTH: f64 = 11.0;

/// At most so many instructions.
pub(crate) struct Figure {
    pub(crate) command: &'static str,
    /// With 10 entries: starting, parsing arguments, ending.
    pub(crate) start: u64,
    /// For each further entry.
    pub(crate) entry: u64,
}

/// In the order in which the commands are run.
pub(crate) const FIGURES: &[Figure] = &[
    figure("images", 1_400_000, 44_000),
    figure("images -q", 970_000, 6_400),
    figure("images --format json", 1_000_000, 9_200),
    figure("inspect", 940_000, 3_100),
    figure("exists", 870_000, 3_100),
    figure("completion", 1_100_000, 3_100),
    figure("add --metadata-only", 1_100_000, 3_200),
    figure("rm", 980_000, 3_300),
];

const fn figure(command: &'static str, start: u64, entry: u64) -> Figure {
    Figure {
        command,
        start,
        entry,
    }
}
