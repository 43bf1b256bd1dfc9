//! Filters as they are typed: `KEY=VALUE`, and for some keys `!=`, `<`, `<=`,
//! `>` and `>=`.

use std::str::FromStr;

use chrono::Local;
use wildmatch::WildMatch;

use crate::escape::escape_display;
use crate::fields::Field;

use super::parse_size;
use super::time::{self, When};

/// The keys that filters have.
pub const KEYS: &[&str] = &[
    "reference",
    "repository",
    "tag",
    "type",
    "digest",
    "dangling",
    "cache",
    "deployed",
    "before",
    "since",
    "until",
    "size",
];

/// The values of the filter `cache`.
pub const CACHE_STATES: &[&str] = &["foreign", "missing", "none", "present"];

/// A demand on artifacts, as it is typed: `KEY=VALUE`, with some keys also `!=`, `<`,
/// `<=`, `>` or `>=`.
///
/// | key | value |
/// |---|---|
/// | `reference`, `repository`, `tag`, `type`, `digest` | a glob; `*` stands for any text, `?` for one character; also `!=` |
/// | `dangling` | `true` for artifacts without repository and tag, or `false` |
/// | `cache` | where the content is, one of [`CACHE_STATES`] |
/// | `deployed` | `true` for artifacts that are [deployed](crate::deployed), or `false` |
/// | `before`, `since` | a time, or an artifact that has one |
/// | `until` | a time, or an age such as `30d` |
/// | `size` | bytes, or a number and a unit; also `<`, `<=`, `>`, `>=` |
///
/// ```
/// use cldctl_registry::select::Filter;
///
/// let filter: Filter = "size>=10MB".parse()?;
/// assert!("colour=red".parse::<Filter>().is_err());
/// # Ok::<(), cldctl_registry::select::InvalidFilter>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Filter(pub(super) Condition);

/// A text that is no [`Filter`], and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidFilter(String);

/// The demand of a filter.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Condition {
    /// That the artifact was made at a certain time.
    Made(Bound),
    /// That it has a property.
    Has(Property),
}

/// A bound on the time at which an artifact was made.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Bound {
    /// Before a time, or before another artifact.
    Before(Moment),
    /// After a time, or after another artifact.
    Since(Moment),
    /// Before a time.
    Until(When),
}

/// A property of an artifact.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Property {
    /// A text field matches a glob, or does not.
    Text {
        field: Field,
        glob: WildMatch,
        negated: bool,
    },
    /// It has no repository and tag of its own, or has them.
    Dangling(bool),
    /// Its content is in this state, one of [`CACHE_STATES`].
    Cached(&'static str),
    /// It is deployed, or not.
    Deployed(bool),
    /// Its size has a relation to this.
    Size { relation: Relation, bytes: i64 },
}

/// The moment that a bound names: that of an artifact that has a time, or a time.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Moment {
    /// The artifact, as an operand.
    pub(super) operand: String,
    /// The time, or why it is none.
    pub(super) time: Result<When, String>,
}

/// A relation of two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    Equal,
    Less,
    AtMost,
    More,
    AtLeast,
}

impl Relation {
    pub(super) fn holds(self, left: i64, right: i64) -> bool {
        match self {
            Relation::Equal => left == right,
            Relation::Less => left < right,
            Relation::AtMost => left <= right,
            Relation::More => left > right,
            Relation::AtLeast => left >= right,
        }
    }
}

impl Filter {
    /// Returns true if it depends on what is deployed.
    #[cfg(feature = "cli")]
    pub(super) fn asks_for_deployed(&self) -> bool {
        matches!(self.0, Condition::Has(Property::Deployed(_)))
    }

    /// The artifact that is compared with, if it can name one.
    pub(super) fn operand(&self) -> Option<&str> {
        match &self.0 {
            Condition::Made(Bound::Before(moment) | Bound::Since(moment)) => Some(&moment.operand),
            _ => None,
        }
    }
}

impl FromStr for Filter {
    type Err = InvalidFilter;

    fn from_str(filter: &str) -> Result<Self, InvalidFilter> {
        let expected = || InvalidFilter("expected KEY=VALUE".to_owned());
        let at = filter.find(['=', '!', '<', '>']).ok_or_else(expected)?;
        let (key, rest) = filter.split_at(at);
        let (operator, value) = ["!=", "<=", ">=", "=", "<", ">"]
            .into_iter()
            .find_map(|operator| Some((operator, rest.strip_prefix(operator)?)))
            .ok_or_else(expected)?;
        let condition = condition(key, operator, value).map_err(InvalidFilter)?;
        Ok(Filter(condition))
    }
}

fn condition(key: &str, operator: &str, value: &str) -> Result<Condition, String> {
    let field = match key {
        "reference" => Some(Field::Reference),
        "repository" => Some(Field::Repository),
        "tag" => Some(Field::Tag),
        "type" => Some(Field::Type),
        "digest" => Some(Field::Digest),
        _ => None,
    };
    if let Some(field) = field {
        if !matches!(operator, "=" | "!=") {
            return Err(format!("`{key}` accepts `=` and `!=`"));
        }
        let value = match (key, value) {
            ("type", "comp") => "component",
            ("type", "dc") => "datacenter",
            _ => value,
        };
        return Ok(Condition::Has(Property::Text {
            field,
            glob: WildMatch::new(value),
            negated: operator == "!=",
        }));
    }
    if key == "size" {
        let relation = match operator {
            "=" => Relation::Equal,
            "<" => Relation::Less,
            "<=" => Relation::AtMost,
            ">" => Relation::More,
            ">=" => Relation::AtLeast,
            _ => return Err("`size` accepts `=`, `<`, `<=`, `>` and `>=`".to_owned()),
        };
        let bytes = parse_size(value).map_err(|error| error.to_string())?;
        return Ok(Condition::Has(Property::Size { relation, bytes }));
    }
    if !KEYS.contains(&key) {
        return Err(format!(
            "unknown key `{}`; the keys are {}",
            escape_display(key),
            KEYS.join(", ")
        ));
    }
    if operator != "=" {
        return Err(format!("`{key}` accepts only `=`"));
    }
    let moment = || Moment {
        operand: value.to_owned(),
        time: time::when(value, &Local),
    };
    match (key, value) {
        ("dangling", "true") => Ok(Condition::Has(Property::Dangling(true))),
        ("dangling", "false") => Ok(Condition::Has(Property::Dangling(false))),
        ("deployed", "true") => Ok(Condition::Has(Property::Deployed(true))),
        ("deployed", "false") => Ok(Condition::Has(Property::Deployed(false))),
        ("deployed", _) => Err("expected `deployed=true` or `deployed=false`".to_owned()),
        ("dangling", _) => Err("expected `dangling=true` or `dangling=false`".to_owned()),
        ("cache", _) => cached(value),
        ("before", _) => Ok(Condition::Made(Bound::Before(moment()))),
        ("since", _) => Ok(Condition::Made(Bound::Since(moment()))),
        _ => Ok(Condition::Made(Bound::Until(time::when(value, &Local)?))),
    }
}

fn cached(state: &str) -> Result<Condition, String> {
    let state = CACHE_STATES.iter().find(|known| **known == state).copied();
    let property = state.map(Property::Cached);
    property
        .map(Condition::Has)
        .ok_or_else(|| format!("expected `cache=` and {}", CACHE_STATES.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_filter_is_refused() {
        for text in [
            "",
            "reference",
            "=x",
            "colour=red",
            "reference<x",
            "reference>=x",
            "tag!x",
            "size!=5",
            "size=many",
            "size=-1",
            "dangling=yes",
            "dangling!=true",
            "cache=gone",
            "cache=",
            "cache!=present",
            "until=soon",
            "until=",
            "until=-1h",
            "until=2026-02-30",
            "until<5d",
            "before!=x",
            "since>x",
        ] {
            assert!(text.parse::<Filter>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_value_may_hold_what_looks_like_an_operator() {
        let text = |filter: &str| match filter.parse::<Filter>().map(|filter| filter.0) {
            Ok(Condition::Has(Property::Text { glob, negated, .. })) => (glob.to_string(), negated),
            other => panic!("{other:?}"),
        };
        assert_eq!(text("tag=<none>"), ("<none>".to_owned(), false));
        assert_eq!(text("tag!=<none>"), ("<none>".to_owned(), true));
        assert_eq!(text("reference==a=b"), ("=a=b".to_owned(), false));
        assert_eq!(text("type=dc"), ("datacenter".to_owned(), false));
    }
}
