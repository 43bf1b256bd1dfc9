//! Filters with the artifacts and ages in them turned into times, ready to be
//! held against entries.

use std::mem::{Discriminant, discriminant};

use chrono::{DateTime, FixedOffset, TimeDelta, Utc};

use super::filter::{Bound, Condition, Filter, Moment, Property, Relation};
use super::time::When;
use crate::content::Contents;
use crate::document::{Document, EntryRef};
use crate::error::{Error, Result, UnusableFilter};
use crate::fields::Field;
use crate::registry::resolve::{DigestPrefix, Resolved, Unresolved};
use crate::timestamp;

/// Filters that belong together: of alternatives one has to hold, of demands
/// all.
pub(super) struct ReadyFilters<'f> {
    alternatives: Vec<(Alternative, Vec<Test<'f>>)>,
    demands: Vec<Test<'f>>,
}

/// Which filters are of one key.
type Alternative = (Discriminant<Property>, Option<Field>);

enum Test<'f> {
    Before(DateTime<FixedOffset>),
    After(DateTime<FixedOffset>),
    Has(&'f Property),
}

impl<'f> ReadyFilters<'f> {
    pub(super) fn new(
        filters: &'f [Filter],
        document: Option<&Document>,
        now: &DateTime<FixedOffset>,
    ) -> Result<Self> {
        let mut resolved = ReadyFilters {
            alternatives: Vec::new(),
            demands: Vec::new(),
        };
        for Filter(condition) in filters {
            let property = match condition {
                Condition::Has(property) => property,
                Condition::Made(bound) => {
                    resolved.demands.push(resolve(bound, document, now)?);
                    continue;
                }
            };
            let test = Test::Has(property);
            match alternative(property) {
                None => resolved.demands.push(test),
                Some(kind) => match resolved.alternatives.iter_mut().find(|(k, _)| *k == kind) {
                    Some((_, tests)) => tests.push(test),
                    None => resolved.alternatives.push((kind, vec![test])),
                },
            }
        }
        Ok(resolved)
    }

    pub(super) fn match_entry(&self, entry: &EntryRef<'_>, contents: &Contents<'_>) -> bool {
        let holds = |test: &Test<'_>| test.holds(entry, contents);
        self.demands.iter().all(holds)
            && self
                .alternatives
                .iter()
                .all(|(_, tests)| tests.iter().any(holds))
    }
}

/// Equalities of one key are alternatives; negations and comparisons are not.
fn alternative(property: &Property) -> Option<Alternative> {
    let field = match property {
        Property::Text { negated, field, .. } => (!negated).then_some(Some(*field))?,
        Property::Size { relation, .. } => (*relation == Relation::Equal).then_some(None)?,
        Property::Dangling(_) | Property::Deployed(_) | Property::Cached(_) => None,
    };
    Some((discriminant(property), field))
}

impl Test<'_> {
    fn holds(&self, entry: &EntryRef<'_>, contents: &Contents<'_>) -> bool {
        let created_at = || known_time(entry);
        match self {
            Test::Before(time) => created_at().is_some_and(|created| created < *time),
            Test::After(time) => created_at().is_some_and(|created| created > *time),
            Test::Has(Property::Text {
                field,
                glob,
                negated,
            }) =>
            // What cannot be read is neither this nor anything else.
            {
                entry.string(*field).is_ok() && glob.matches(&entry.text_of(*field)) != *negated
            }
            Test::Has(Property::Dangling(wanted)) => entry.is_untagged() == *wanted,
            Test::Has(Property::Deployed(wanted)) => {
                let path = entry.text_of(Field::CachePath);
                contents.known_deployed(&entry.reference(), &path) == Some(*wanted)
            }
            Test::Has(Property::Cached(wanted)) => {
                let path = entry.text_of(Field::CachePath);
                let state = contents.known_state(&entry.reference(), &path);
                state.is_some_and(|state| state.as_str() == *wanted)
            }
            Test::Has(Property::Size { relation, bytes }) => {
                let size = entry.size().ok().flatten();
                size.is_some_and(|size| relation.holds(size, *bytes))
            }
        }
    }
}

/// Returns the time of an entry, unless it has none that is known.
fn known_time(entry: &EntryRef<'_>) -> Option<DateTime<FixedOffset>> {
    let time = entry.created_at().ok().flatten();
    time.filter(timestamp::is_known)
}

/// A bound with the artifact or the age in it turned into a time.
fn resolve<'f>(
    bound: &Bound,
    document: Option<&Document>,
    now: &DateTime<FixedOffset>,
) -> Result<Test<'f>> {
    Ok(match bound {
        Bound::Before(moment) => Test::Before(time_of(moment, document, now)?),
        Bound::Since(moment) => Test::After(time_of(moment, document, now)?),
        Bound::Until(when) => Test::Before(time_at(*when, now)),
    })
}

/// Returns the time that a filter names, itself or by an artifact: first by the artifact's
/// name, last by the start of its digest, because some look like a number of seconds.
fn time_of(
    moment: &Moment,
    document: Option<&Document>,
    now: &DateTime<FixedOffset>,
) -> Result<DateTime<FixedOffset>> {
    let operand = &moment.operand;
    let fail = |reason| Error::UnusableFilter {
        operand: operand.clone(),
        reason,
    };
    let find = |digits| {
        let Some(document) = document else {
            return Ok(None);
        };
        let resolved = Resolved::of(document, &[operand], digits);
        if let Some(Unresolved::Ambiguous { .. }) = resolved.unresolved().first() {
            return Err(fail(UnusableFilter::Ambiguous));
        }
        let Some(&index) = resolved.found().next() else {
            return Ok(None);
        };
        match document.entry(index).as_ref().and_then(known_time) {
            Some(time) => Ok(Some(time)),
            None => Err(fail(UnusableFilter::NoTime)),
        }
    };
    if let Some(time) = find(DigestPrefix::Whole)? {
        return Ok(time);
    }
    match &moment.time {
        Ok(when) => Ok(time_at(*when, now)),
        Err(why) => {
            let unknown = || fail(UnusableFilter::Unknown(why.clone()));
            find(DigestPrefix::Short)?.ok_or_else(unknown)
        }
    }
}

/// A time, itself or by how long ago it was.
fn time_at(when: When, now: &DateTime<FixedOffset>) -> DateTime<FixedOffset> {
    let age = match when {
        When::At(time) => return time,
        When::Ago(age) => TimeDelta::from_std(age).ok(),
    };
    let time = age.and_then(|age| now.checked_sub_signed(age));
    // Nothing is older than what reaches back beyond all time.
    time.unwrap_or(DateTime::<Utc>::MIN_UTC.fixed_offset())
}
