//! The table, in Markdown that is also readable as text.

use crate::measure::Sample;
use crate::row::{Bar, Outcome, Row, Unit};

/// Prints rows as they are measured, and counts their results.
#[derive(Default)]
pub(crate) struct Report {
    held: usize,
    missed: usize,
    skipped: usize,
}

impl Report {
    pub(crate) fn begin(yardstick: &str) {
        println!("\n{yardstick}:\n");
        line(&[
            "work",
            "median",
            "least",
            "yardstick",
            "least",
            "figure",
            "at most",
            "",
        ]);
        line(&["---", "--:", "--:", "--:", "--:", "--:", "--:", "---"]);
    }

    pub(crate) fn row(&mut self, row: &Row, outcome: &Outcome) {
        let unit = row.unit;
        let [median, least] = cells(unit, Some(&outcome.ours));
        let [yardstick, its_least] = cells(unit, outcome.yardstick.as_ref());
        let figure = self.judge(row, outcome);
        let [figure, limit, verdict] = figure.each_ref().map(String::as_str);
        line(&[
            &row.name, &median, &least, &yardstick, &its_least, figure, limit, verdict,
        ]);
        for (name, sample) in &outcome.peers {
            let [median, least] = cells(unit, Some(sample));
            line(&[&format!("- {name}"), &median, &least, "", "", "", "", ""]);
        }
    }

    /// Prints a row that cannot be measured here.
    pub(crate) fn skipped(&mut self, row: &Row, lacks: &str) {
        self.skipped += 1;
        println!("| {:<42} | skipped: {lacks} |", row.name);
    }

    /// Prints a row whose work failed.
    pub(crate) fn failed(&mut self, row: &Row, error: &anyhow::Error) {
        self.missed += 1;
        println!("| {:<42} | NOT held, it failed: {error} |", row.name);
    }

    fn judge(&mut self, row: &Row, outcome: &Outcome) -> [String; 3] {
        // The ratio is useful even without a bar.
        let bar = row.bar.unwrap_or(Bar::Times(f64::INFINITY));
        let judged = bar.judge(outcome);
        let say = |figure: f64| match bar {
            Bar::Above(_) => format!("{figure:+.2} ms"),
            Bar::Times(_) => format!("{figure:.2} ×"),
            Bar::Within(_) => shown(row.unit, figure),
        };
        let figure = judged.map(|(figure, _)| say(figure)).unwrap_or_default();
        if row.bar.is_none() {
            return [figure, String::new(), String::new()];
        }
        let limit = match bar {
            Bar::Above(limit) | Bar::Times(limit) | Bar::Within(limit) => say(limit),
        };
        let verdict = match judged {
            Some((_, true)) => "held",
            Some((_, false)) => "NOT held",
            None => "no yardstick",
        };
        self.skipped += usize::from(judged.is_none());
        self.held += usize::from(verdict == "held");
        self.missed += usize::from(verdict == "NOT held");
        [figure, limit, verdict.to_owned()]
    }

    /// Prints the totals. Returns whether every tried bar held.
    pub(crate) fn end(&self) -> bool {
        let Report {
            held,
            missed,
            skipped,
        } = self;
        println!("\n{held} held, {missed} NOT held, {skipped} skipped");
        self.missed == 0
    }
}

fn cells(unit: Unit, sample: Option<&Sample>) -> [String; 2] {
    sample.map_or_else(Default::default, |sample| {
        [sample.median, sample.least].map(|figure| shown(unit, figure))
    })
}

fn shown(unit: Unit, figure: f64) -> String {
    match unit {
        Unit::Bytes => format!("{:.1} MB", figure / 1e6),
        Unit::Milliseconds if figure < 10.0 => format!("{figure:.2} ms"),
        Unit::Milliseconds if figure < 1_000.0 => format!("{figure:.0} ms"),
        Unit::Milliseconds => format!("{:.2} s", figure / 1e3),
    }
}

fn line(cells: &[&str; 8]) {
    let [name, a, b, c, d, figure, limit, verdict] = cells;
    println!(
        "| {name:<42} | {a:>9} | {b:>9} | {c:>9} | {d:>9} | {figure:>9} | {limit:>9} | {verdict:<8} |"
    );
}
