//! The options of the command line.

use anyhow::{Result, bail};

pub(crate) const USAGE: &str = "\
usage: cargo bench --bench process -- [OPTIONS]
  --quick      fewer runs of each
  --million    with a registry of a million entries too
  --only TEXT  only the rows that have TEXT in their name
  --check      fail if a bar does not hold";

#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) quick: bool,
    pub(crate) million: bool,
    pub(crate) only: Option<String>,
    pub(crate) check: bool,
}

impl Options {
    /// Parses the arguments; `None` unless the process was started to benchmark,
    /// because `cargo test` may start it too.
    pub(crate) fn parse(args: impl IntoIterator<Item = String>) -> Result<Option<Self>> {
        let mut options = Options::default();
        let mut benchmarking = false;
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--bench" => benchmarking = true,
                "--quick" => options.quick = true,
                "--million" => options.million = true,
                "--check" => options.check = true,
                "--only" => match args.next() {
                    Some(text) => options.only = Some(text),
                    None => bail!("`--only` needs a text\n{USAGE}"),
                },
                _ => bail!("unknown argument `{arg}`\n{USAGE}"),
            }
        }
        Ok(benchmarking.then_some(options))
    }

    pub(crate) fn wants(&self, row: &str) -> bool {
        self.only.as_ref().is_none_or(|text| row.contains(text))
    }

    /// Returns the number of runs of a row: `usual`, or a few.
    pub(crate) fn runs(&self, usual: usize) -> usize {
        if self.quick { usual.div_ceil(5) } else { usual }
    }
}
