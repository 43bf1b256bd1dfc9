//! The report of `verify`: what was repaired, problems and notes.

use std::borrow::Cow;
use std::fmt::Write;

use serde::Serialize;

use super::{json, messages, units};
use crate::Registry;
use crate::cli::args::ReportFormat;
use crate::cli::hints;
use crate::escape::escape_display;
use crate::verify::{Code, Damage, Finding, LostEntry, Repaired, Repairs, Report, TakenOver};

/// Returns the report in a format; `repairs` are missing where none were asked for.
pub(in crate::cli) fn render(
    registry: &Registry,
    format: ReportFormat,
    repairs: Option<&Repairs>,
    report: &Report,
) -> anyhow::Result<String> {
    match format {
        ReportFormat::Json => json::object(&Object {
            problems: report.problems.iter().map(Item::from).collect(),
            notes: report.notes.iter().map(Item::from).collect(),
            repaired: repairs.map(reports_of),
        }),
        ReportFormat::Text => Ok([
            repairs.map_or_else(String::new, |repairs| {
                of_repairs(registry, &repairs.of_file)
                    + &of_taken_over(registry, repairs.taken_over.as_ref())
            }),
            of_findings("problem", &report.problems),
            of_findings("note", &report.notes),
        ]
        .concat()),
    }
}

/// Returns what was taken over of a moved home, in lines.
fn of_taken_over(registry: &Registry, taken_over: Option<&TakenOver>) -> String {
    let mut text = String::new();
    if let Some(TakenOver {
        copy, references, ..
    }) = taken_over
    {
        let path = registry.path().to_string_lossy();
        let _ = writeln!(text, "repaired: {}", escape_display(&path));
        for reference in references {
            let _ = writeln!(text, "  path corrected: {}", escape_display(reference));
        }
        let _ = writeln!(
            text,
            "  original kept as: {}",
            escape_display(&copy.to_string_lossy())
        );
    }
    text
}

/// Repairs, in lines.
fn of_repairs(registry: &Registry, repaired: &[Repaired]) -> String {
    let mut text = String::new();
    let path = registry.path().to_string_lossy();
    for Repaired { copy, damage, .. } in repaired {
        let _ = writeln!(text, "repaired: {}", escape_display(&path));
        match damage {
            Damage::Unparsable { saved, lost, .. } => {
                let _ = writeln!(text, "  recovered: {}", counted(*saved, "entry", "entries"));
                for entry in lost {
                    let name = entry.reference.as_deref().map(escape_display);
                    let name = name.as_deref().unwrap_or("an entry without a reference");
                    let cause = entry.cause.to_string();
                    let _ = writeln!(text, "  lost: {name} ({})", escape_display(&cause));
                }
            }
            Damage::Duplicates { references } => {
                for reference in references {
                    let _ = writeln!(text, "  one copy kept: {}", escape_display(reference));
                }
            }
        }
        let copy = copy.to_string_lossy();
        let _ = writeln!(text, "  original kept as: {}", escape_display(&copy));
    }
    text
}

/// Findings in lines, those about one subject together.
fn of_findings(label: &str, findings: &[Finding]) -> String {
    let mut text = String::new();
    let mut rest = findings;
    while let Some(first) = rest.first() {
        let (group, others) = rest.split_at(
            rest.iter()
                .position(|finding| finding.subject != first.subject)
                .unwrap_or(rest.len()),
        );
        rest = others;
        let subject = match &*first.subject {
            "" => "(no reference)".into(),
            subject => escape_display(subject),
        };
        let _ = writeln!(text, "{label}: {subject}");
        for (index, finding) in group.iter().enumerate() {
            let _ = writeln!(
                text,
                "  {}: {}",
                finding.code,
                escape_display(&finding.message)
            );
            // Printed once for all findings that it repairs.
            let next = group.get(index + 1);
            if next.is_none_or(|next| next.remedy != finding.remedy) {
                let remedy = hints::in_named_home(&finding.remedy);
                let _ = writeln!(text, "  remedy: {}", escape_display(&remedy));
            }
        }
    }
    text
}

/// Prints what was looked at, and what is wrong.
pub(in crate::cli) fn summarize(report: &Report, has_lost: bool) {
    let found = match (report.problems.len(), report.notes.len()) {
        (0, 0) if has_lost => "no other problems".to_owned(),
        (0, 0) => "no problems".to_owned(),
        (0, notes) => format!("no problems, {}", counted(notes, "note", "notes")),
        (problems, 0) => counted(problems, "problem", "problems"),
        (problems, notes) => format!(
            "{}, {}",
            counted(problems, "problem", "problems"),
            counted(notes, "note", "notes")
        ),
    };
    if report.entries == 0 && report.problems.iter().any(is_unreadable) {
        return messages::note(format_args!("{found}"));
    }
    messages::note(format_args!(
        "{}, {}, {}: {found}",
        counted(report.entries, "artifact", "artifacts"),
        counted(report.files, "file", "files"),
        units::size(i64::try_from(report.bytes).unwrap_or(i64::MAX)),
    ));
}

/// Returns whether nothing was looked at because of this.
fn is_unreadable(problem: &Finding) -> bool {
    problem.code == Code::UnparsableRegistry
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// The report; its shape is part of the stable interface.
#[derive(Serialize)]
struct Object<'r> {
    problems: Vec<Item<'r>>,
    notes: Vec<Item<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repaired: Option<Vec<RepairReport<'r>>>,
}

#[derive(Serialize)]
struct Item<'r> {
    code: &'static str,
    subject: &'r str,
    message: &'r str,
    remedy: Cow<'r, str>,
}

impl<'r> From<&'r Finding> for Item<'r> {
    fn from(finding: &'r Finding) -> Self {
        Item {
            code: finding.code.as_str(),
            subject: &finding.subject,
            message: &finding.message,
            remedy: hints::in_named_home(&finding.remedy),
        }
    }
}

fn reports_of(repairs: &Repairs) -> Vec<RepairReport<'_>> {
    let of_file = repairs.of_file.iter().map(RepairReport::from);
    let taken_over = repairs.taken_over.iter().map(RepairReport::from);
    of_file.chain(taken_over).collect()
}

/// A repair: of an unparsable file with what was saved and lost, of duplicates
/// with their references.
#[derive(Default, Serialize)]
struct RepairReport<'r> {
    copy: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    saved: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lost: Option<Vec<Lost<'r>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duplicates: Option<&'r [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    moved: Option<&'r [String]>,
}

impl<'r> From<&'r TakenOver> for RepairReport<'r> {
    fn from(taken_over: &'r TakenOver) -> Self {
        RepairReport {
            copy: taken_over.copy.to_string_lossy().into_owned(),
            moved: Some(&taken_over.references),
            ..RepairReport::default()
        }
    }
}

#[derive(Serialize)]
struct Lost<'r> {
    reference: Option<&'r str>,
    cause: String,
}

impl<'r> From<&'r Repaired> for RepairReport<'r> {
    fn from(repaired: &'r Repaired) -> Self {
        let copy = repaired.copy.to_string_lossy().into_owned();
        match &repaired.damage {
            Damage::Unparsable { cause, saved, lost } => RepairReport {
                copy,
                cause: Some(cause.to_string()),
                saved: Some(*saved),
                lost: Some(lost.iter().map(Lost::from).collect()),
                ..RepairReport::default()
            },
            Damage::Duplicates { references } => RepairReport {
                copy,
                duplicates: Some(references),
                ..RepairReport::default()
            },
        }
    }
}

impl<'r> From<&'r LostEntry> for Lost<'r> {
    fn from(lost: &'r LostEntry) -> Self {
        Lost {
            reference: lost.reference.as_deref(),
            cause: lost.cause.to_string(),
        }
    }
}
