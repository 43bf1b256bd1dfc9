//! A row of the table: some work, what it is measured beside, and how long it
//! may take.

use anyhow::Result;

use crate::measure::{Contender, Sample, in_turn};

/// What the figures of a row count.
#[derive(Clone, Copy)]
pub(crate) enum Unit {
    Milliseconds,
    Bytes,
}

/// What must hold.
#[derive(Clone, Copy)]
pub(crate) enum Bar {
    /// At most so many milliseconds more than the yardstick.
    Above(f64),
    /// At most so many times the yardstick.
    Times(f64),
    /// Less than so many milliseconds.
    Within(f64),
}

pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) unit: Unit,
    pub(crate) bar: Option<Bar>,
    /// What it takes to measure the row, if that is missing.
    pub(crate) lacks: Option<&'static str>,
    runs: usize,
    ours: Contender,
    yardstick: Option<Contender>,
    peers: Vec<Contender>,
}

/// What was measured for a row.
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

    /// A row that cannot be measured here.
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

    /// Others that do the like, to be shown below.
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
    /// What is judged, and whether the bar holds; none if the yardstick lacks.
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
