//! `verify`: looks for damage, and mends the registry.

use std::borrow::Cow;
use std::fmt::Write;

use serde::Serialize;

use super::operands::{Names, resolve_to_look};
use crate::cli::args::{ReportFormat, Verify};
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::hints;
use crate::cli::output::{self, Out, json, messages, units};
use crate::escape::escape_display;
use crate::{Code, Damage, Error, Finding, Repaired, Report, TakenOver};

pub(super) fn run(context: &Context, args: &Verify) -> anyhow::Result<Exit> {
    let mut repairs = Repairs::default();
    let checked = match args.repair {
        true => repair(context, &mut repairs),
        false => Ok(()),
    };
    let (report, mut exit) = match checked.and_then(|()| check(context, args)) {
        Ok(checked) => checked,
        Err(error) => {
            // The repair stands, so it is reported all the same.
            if !repairs.is_empty() {
                let nothing = Report::default();
                output::report(&rendered(context, args, &repairs, &nothing)?);
            }
            return Err(error);
        }
    };
    let has_lost = repairs.of_file.iter().any(has_lost);
    if has_lost || !report.problems.is_empty() {
        exit = exit.worst(Exit::Failure);
    }
    let text = rendered(context, args, &repairs, &report)?;
    if repairs.is_empty() {
        let mut out = Out::new();
        out.write(&text)?;
        out.finish()?;
    } else {
        output::report(&text);
    }
    let is_about_something = report.entries > 0 || args.references.is_empty();
    if args.format == ReportFormat::Text && is_about_something {
        summarize(&report, has_lost);
    }
    Ok(exit)
}

/// What was repaired.
#[derive(Default)]
struct Repairs {
    /// Of the registry file.
    of_file: Vec<Repaired>,
    /// Of a home that was moved.
    taken_over: Option<TakenOver>,
}

impl Repairs {
    fn is_empty(&self) -> bool {
        self.of_file.is_empty() && self.taken_over.is_none()
    }
}

/// Looks for damage in what was chosen, or in everything.
fn check(context: &Context, args: &Verify) -> anyhow::Result<(Report, Exit)> {
    let (chosen, exit) = choose(context, &args.references)?;
    let chosen: Option<Vec<&str>> = match args.references.is_empty() {
        true => None,
        false => Some(chosen.iter().map(String::as_str).collect()),
    };
    let now = std::time::SystemTime::now();
    let report = context.cache.verify(chosen.as_deref(), now)?;
    Ok((report, exit))
}

/// The report in the format that was asked for.
fn rendered(
    context: &Context,
    args: &Verify,
    repairs: &Repairs,
    report: &Report,
) -> anyhow::Result<String> {
    match args.format {
        ReportFormat::Json => {
            let of_file = repairs.of_file.iter().map(Mended::from);
            let taken_over = repairs.taken_over.iter().map(Mended::from);
            json::object(&Object {
                problems: report.problems.iter().map(Item::from).collect(),
                notes: report.notes.iter().map(Item::from).collect(),
                repaired: args.repair.then(|| of_file.chain(taken_over).collect()),
            })
        }
        ReportFormat::Text => Ok([
            of_repairs(context, &repairs.of_file),
            of_taken_over(context, repairs.taken_over.as_ref()),
            of_findings("problem", &report.problems),
            of_findings("note", &report.notes),
        ]
        .concat()),
    }
}

/// Repairs until nothing is left to repair: a document that is recovered may
/// contain copies of an entry.
fn repair(context: &Context, repairs: &mut Repairs) -> anyhow::Result<()> {
    context.defer_signals()?;
    let registry = context.cache.registry();
    loop {
        match registry.repair() {
            Ok(Some(another)) => repairs.of_file.push(another),
            Ok(None) => break,
            // The report will say so, and what to do.
            Err(Error::Corrupt { path, .. }) if registry.is_legacy_path(&path) => break,
            Err(error) => return Err(error.into()),
        }
    }
    repairs.taken_over = take_over_moved(context)?;
    Ok(())
}

/// Whether entries are lost for good.
fn has_lost(repaired: &Repaired) -> bool {
    matches!(&repaired.damage, Damage::Unparsable { lost, .. } if !lost.is_empty())
}

/// Points entries of a moved home at their content. Of a registry that cannot be
/// read, the report says so.
fn take_over_moved(context: &Context) -> anyhow::Result<Option<TakenOver>> {
    match context.cache.take_over_moved() {
        Err(Error::Corrupt { .. }) => Ok(None),
        taken_over => Ok(taken_over?),
    }
}

/// Returns what was taken over of a moved home, in lines.
fn of_taken_over(context: &Context, taken_over: Option<&TakenOver>) -> String {
    let mut text = String::new();
    if let Some(TakenOver {
        copy, references, ..
    }) = taken_over
    {
        let path = context.cache.registry().path().to_string_lossy();
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

/// The references of the operands, and the exit code for those that name none.
fn choose(context: &Context, operands: &[String]) -> anyhow::Result<(Vec<String>, Exit)> {
    let nothing = (Vec::new(), Exit::Success);
    if operands.is_empty() {
        return Ok(nothing);
    }
    let document = match context.cache.registry().load() {
        Ok(document) => document,
        // The report will say so.
        Err(Error::Corrupt { .. }) => return Ok(nothing),
        Err(error) => return Err(error.into()),
    };
    let names = Names::of(context.cache.registry());
    let (found, exit) = resolve_to_look(&document, &names, operands);
    let references = found.iter().map(|entry| entry.reference().into_owned());
    Ok((references.collect(), exit))
}

/// Repairs, in lines.
fn of_repairs(context: &Context, repaired: &[Repaired]) -> String {
    let mut text = String::new();
    let path = context.cache.registry().path().to_string_lossy();
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
            // Once for all that it mends.
            let next = group.get(index + 1);
            if next.is_none_or(|next| next.remedy != finding.remedy) {
                let remedy = hints::in_named_home(&finding.remedy);
                let _ = writeln!(text, "  remedy: {}", escape_display(&remedy));
            }
        }
    }
    text
}

fn summarize(report: &Report, has_lost: bool) {
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

/// Whether nothing was looked at because of this.
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
    repaired: Option<Vec<Mended<'r>>>,
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

/// A repair: of an unparsable file with what was saved and lost, of duplicates
/// with their references.
#[derive(Default, Serialize)]
struct Mended<'r> {
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

impl<'r> From<&'r TakenOver> for Mended<'r> {
    fn from(taken_over: &'r TakenOver) -> Self {
        Mended {
            copy: taken_over.copy.to_string_lossy().into_owned(),
            moved: Some(&taken_over.references),
            ..Mended::default()
        }
    }
}

#[derive(Serialize)]
struct Lost<'r> {
    reference: Option<&'r str>,
    cause: String,
}

impl<'r> From<&'r Repaired> for Mended<'r> {
    fn from(repaired: &'r Repaired) -> Self {
        let copy = repaired.copy.to_string_lossy().into_owned();
        match &repaired.damage {
            Damage::Unparsable { cause, saved, lost } => Mended {
                copy,
                cause: Some(cause.to_string()),
                saved: Some(*saved),
                lost: Some(lost.iter().map(Lost::from).collect()),
                ..Mended::default()
            },
            Damage::Duplicates { references } => Mended {
                copy,
                duplicates: Some(references),
                ..Mended::default()
            },
        }
    }
}

impl<'r> From<&'r crate::LostEntry> for Lost<'r> {
    fn from(lost: &'r crate::LostEntry) -> Self {
        Lost {
            reference: lost.reference.as_deref(),
            cause: lost.cause.to_string(),
        }
    }
}
