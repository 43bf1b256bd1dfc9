//! The phases of a soak, their results, and the violations.

use std::fmt;
use std::time::Duration;

use crate::ours::Kind;
use crate::round::{self, Seen};

/// A round starts with a new registry, because registries grow.
const ROUND: Duration = Duration::from_secs(3);

/// A line of the table: a name, and the number of each phase.
type Row = (&'static str, fn(&Seen) -> u64);

/// The results of each phase.
pub(crate) struct Phases {
    time: Duration,
    alone: Seen,
    beside_one: Seen,
    beside_two: Seen,
    control_alone: Seen,
    control_beside_one: Seen,
}

impl Phases {
    pub(crate) fn run(time: Duration) -> Self {
        let phase = |kind, writers, percent| {
            let mut left = time * percent / 100;
            let mut seen = Seen::default();
            while !left.is_zero() {
                let round = left.min(ROUND);
                seen.add(round::run(kind, writers, round));
                left -= round;
            }
            seen
        };
        Phases {
            time,
            alone: phase(Kind::Real, 0, 20),
            beside_one: phase(Kind::Real, 1, 40),
            beside_two: phase(Kind::Real, 2, 20),
            control_alone: phase(Kind::Naive, 0, 10),
            control_beside_one: phase(Kind::Naive, 1, 10),
        }
    }

    /// Returns the violations, one line each.
    pub(crate) fn violations(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut must = |holds: bool, what: &str| {
            if !holds {
                found.push(what.to_owned());
            }
        };
        for seen in [&self.alone, &self.beside_one] {
            must(
                seen.invalid + seen.their_failed_reads == 0,
                "an invalid state that only we can have caused",
            );
            must(seen.refused == 0, "an undamaged registry was refused");
        }
        must(keeps_ours(&self.alone), "we lost an entry of ours");
        must(
            keeps_theirs(&self.beside_one),
            "we dropped an entry of cldctl's",
        );
        must(
            self.beside_two.written_over == 0,
            "we overwrote a damaged registry",
        );
        for seen in [&self.alone, &self.beside_one, &self.beside_two] {
            for failure in &seen.failures {
                must(false, failure);
            }
        }
        let is_found = !keeps_ours(&self.control_alone) && !keeps_theirs(&self.control_beside_one);
        must(
            is_found,
            "the control lost nothing, so the soak proves nothing",
        );
        found
    }
}

fn keeps_ours(seen: &Seen) -> bool {
    seen.undone == 0
}

/// Returns whether at most a third of the races fell into the gap. More would mean that
/// the last check does not work: without it, all of them do.
fn keeps_theirs(seen: &Seen) -> bool {
    seen.dropped == 0 && seen.blind * 3 <= seen.noticed + seen.blind
}

impl fmt::Display for Phases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.time.as_secs();
        writeln!(
            f,
            "soak: {seconds} s, registries of {} s\n",
            ROUND.as_secs()
        )?;
        let phases = [
            &self.alone,
            &self.beside_one,
            &self.beside_two,
            &self.control_alone,
            &self.control_beside_one,
        ];
        writeln!(
            f,
            "{:44}{:>10}{:>10}{:>10}{:>10}{:>10}",
            "writers of cldctl's kind", "0", "1", "2", "control 0", "control 1"
        )?;
        let rows: [Row; 12] = [
            ("our changes that were confirmed", |it| it.changes),
            ("our lists", |it| it.lists),
            ("cldctl's commits", |it| it.their_commits),
            ("noticed races with cldctl, repeated", |it| it.noticed),
            ("cldctl's commits replaced in the gap", |it| it.blind),
            ("cldctl's entries that we dropped otherwise", |it| {
                it.dropped
            }),
            ("confirmed entries of ours that are missing", |it| it.undone),
            ("states of the registry that are not JSON", |it| it.invalid),
            ("those that remained", |it| it.damaged),
            ("those that we overwrote", |it| it.written_over),
            ("cldctl's reads that failed because of it", |it| {
                it.their_failed_reads
            }),
            ("our processes that refused a damaged registry", |it| {
                it.refused
            }),
        ];
        for (name, value) in rows {
            write!(f, "{name:44}")?;
            for seen in phases {
                write!(f, "{:>10}", value(seen))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
