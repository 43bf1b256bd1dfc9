//! The figures that must hold.
//!
//! Each is about a fifth above the measurement, because other processors, compilers and
//! C libraries count a little differently. After a change that makes a command faster
//! (`held by far`), or slower for a good reason, write here what the run prints as `new
//! start` and `new entry`.

/// The largest ratio of the growth from 10 to 10,000 entries to that from 10 to 1,000.
/// In proportion it is 10.1; sorting adds a little.
pub(crate) const GROWTH: f64 = 11.0;

/// The largest number of instructions of a command.
pub(crate) struct Figure {
    pub(crate) command: &'static str,
    /// With 10 entries: starting, parsing arguments, ending.
    pub(crate) start: u64,
    /// For each further entry.
    pub(crate) entry: u64,
}

/// The figures, in the order in which the commands run.
pub(crate) const FIGURES: &[Figure] = &[
    figure("images", 1_100_000, 15_000),
    figure("images -q", 950_000, 5_600),
    figure("images --format json", 970_000, 7_800),
    figure("inspect", 950_000, 3_600),
    figure("exists", 880_000, 3_600),
    figure("completion", 1_100_000, 3_400),
    figure("add --metadata-only", 1_100_000, 3_200),
    figure("rm", 970_000, 3_300),
];

const fn figure(command: &'static str, start: u64, entry: u64) -> Figure {
    Figure {
        command,
        start,
        entry,
    }
}
