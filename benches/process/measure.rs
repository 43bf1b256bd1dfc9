//! Running contenders in turn, so that the load of the machine affects all of them.

use std::io::{Read, Seek};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Result, bail};

/// Measures a process from its start to its end, in milliseconds. Its output goes to
/// /dev/null, for every contender.
///
/// # Errors
///
/// The command cannot be run, or fails.
pub(crate) fn time(command: &mut Command) -> Result<f64> {
    let mut errors = tempfile::tempfile()?;
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(errors.try_clone()?);
    let start = Instant::now();
    let status = command.spawn()?.wait()?;
    let taken = start.elapsed();
    if !status.success() {
        let mut text = String::new();
        errors.rewind()?;
        errors.read_to_string(&mut text)?;
        bail!("{command:?}: {status}\n{text}");
    }
    Ok(taken.as_secs_f64() * 1e3)
}

/// A measured command: ours, a yardstick or a peer.
pub(crate) struct Contender {
    pub(crate) name: String,
    measure: Box<dyn FnMut() -> Result<f64>>,
}

impl Contender {
    /// Creates a contender. `measure` returns the figure of one run, and may prepare
    /// before it and clean up after it.
    pub(crate) fn new(
        name: impl Into<String>,
        measure: impl FnMut() -> Result<f64> + 'static,
    ) -> Self {
        Contender {
            name: name.into(),
            measure: Box::new(measure),
        }
    }

    /// Returns the figure of one run.
    pub(crate) fn measure(&mut self) -> Result<f64> {
        (self.measure)()
    }

    /// Runs a command before each measurement, to prepare it.
    pub(crate) fn after(mut self, mut command: Command) -> Self {
        Contender::new(self.name, move || {
            time(&mut command)?;
            (self.measure)()
        })
    }

    /// Runs a command after each measurement, to undo it.
    pub(crate) fn then(mut self, mut command: Command) -> Self {
        Contender::new(self.name, move || {
            let figure = (self.measure)()?;
            time(&mut command)?;
            Ok(figure)
        })
    }

    /// Creates a contender for the time of a command that changes nothing.
    pub(crate) fn timing(name: impl Into<String>, mut command: Command) -> Self {
        Contender::new(name, move || time(&mut command))
    }
}

/// The figures of one contender.
pub(crate) struct Sample {
    pub(crate) median: f64,
    pub(crate) least: f64,
}

impl Sample {
    fn of(mut runs: Vec<f64>) -> Self {
        runs.sort_by(f64::total_cmp);
        let middle = runs.len() / 2;
        Sample {
            median: match runs.len() % 2 {
                0 => f64::midpoint(runs[middle - 1], runs[middle]),
                _ => runs[middle],
            },
            least: runs[0],
        }
    }
}

/// Measures each contender `runs` times in turn, after one round that does not
/// count.
pub(crate) fn in_turn(contenders: &mut [&mut Contender], runs: usize) -> Result<Vec<Sample>> {
    let mut figures = vec![Vec::with_capacity(runs); contenders.len()];
    for round in 0..=runs {
        for (contender, figures) in contenders.iter_mut().zip(&mut figures) {
            let figure = (contender.measure)()?;
            if round > 0 {
                figures.push(figure);
            }
        }
    }
    Ok(figures.into_iter().map(Sample::of).collect())
}
