//! A row of the table: some work, its yardstick, and the time that it may take.

use anyhow::Result;

use crate::measure::{Contender, Sample, in_turn};

/// The unit of a row's figures.
#[derive(Clone, Copy)]
pub(crate) enum Unit {
    Milliseconds,
    Bytes,
}

/// The condition that must hold.
#[derive(Clone, Copy)]
pub(crate) enum Bar {
    /// At most this number of milliseconds more than the yardstick.
    Above(f64),
    /// At most this multiple of the yardstick.
    Times(f64),
    /// Less than this number of milliseconds.
    Within(f64),
}

pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) unit: Unit,
    pub(crate) bar: Option<Bar>,
    /// The tool that is missing to measure the row, if one is.
    pub(crate) lacks: Option<&'static str>,
    runs: usize,
    ours: Contender,
    yardstick: Option<Contender>,
    peers: Vec<Contender>,
}

/// The measurements of a row.
pub(crate) struct Outcome {
    pub(crate) ours: Sample,
    pub(crate) yardstick: Option<Sample>,
    pub(crate) peers: Vec<(String, Sample)>,
}

impl Row {
    pub(crate) fn new(name: impl Into<String>, runs: usize, ours: Contender) -> Self {
        Row {
            name: name.into(),
            unit: Unit::Milliseconds,
            bar: None,
            lacks: None,
            runs,
            ours,
            yardstick: None,
            peers: Vec::new(),
        }
    }

    /// Creates a row that cannot be measured here.
    pub(crate) fn lacking(name: impl Into<String>, what: &'static str) -> Self {
        let nothing = Contender::new("", || Ok(f64::NAN));
        let row = Row::new(name, 0, nothing);
        Row {
            lacks: Some(what),
            ..row
        }
    }

    pub(crate) fn in_bytes(mut self) -> Self {
        self.unit = Unit::Bytes;
        self
    }

    pub(crate) fn beside(mut self, yardstick: Option<Contender>) -> Self {
        self.yardstick = yardstick;
        self
    }

    pub(crate) fn bar(mut self, bar: Bar) -> Self {
        self.bar = Some(bar);
        self
    }

    /// Adds programs that do similar work, to be shown below.
    pub(crate) fn peers(mut self, peers: impl IntoIterator<Item = Contender>) -> Self {
        self.peers.extend(peers);
        self
    }

    pub(crate) fn measure(&mut self) -> Result<Outcome> {
        let mut contenders = vec![&mut self.ours];
        contenders.extend(&mut self.yardstick);
        contenders.extend(&mut self.peers);
        let mut samples = in_turn(&mut contenders, self.runs)?.into_iter();
        let ours = samples.next().expect("there is a sample of each contender");
        let yardstick = self.yardstick.is_some().then(|| samples.next()).flatten();
        let names = self.peers.iter().map(|peer| peer.name.clone());
        Ok(Outcome {
            ours,
            yardstick,
            peers: names.zip(samples).collect(),
        })
    }
}

impl Bar {
    /// Returns the judged figure, and whether the bar holds; `None` without a
    /// yardstick.
    pub(crate) fn judge(self, outcome: &Outcome) -> Option<(f64, bool)> {
        let ours = outcome.ours.median;
        let yardstick = outcome.yardstick.as_ref().map(|sample| sample.median);
        let (figure, limit) = match self {
            Bar::Above(limit) => (ours - yardstick?, limit),
            Bar::Times(limit) => (ours / yardstick?, limit),
            Bar::Within(limit) => (ours, limit),
        };
        Some((figure, figure <= limit))
    }
}
