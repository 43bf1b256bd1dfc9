//! Go templates, as docker and cldctl users write them. This is the only file
//! that knows the template library.

use std::collections::BTreeMap;
use std::sync::Arc;

use gotmpl::{MissingKey, TemplateError, Value};

use super::row::Row;
use crate::fields::Field;

/// The fields of an entry, each with the header of its column.
const FIELDS: [(&str, &str); 11] = [
    ("Reference", "REFERENCE"),
    ("Repository", "REPOSITORY"),
    ("Tag", "TAG"),
    ("ID", "ARTIFACT ID"),
    ("Digest", "DIGEST"),
    ("Type", "TYPE"),
    ("Size", "SIZE"),
    ("SizeBytes", "SIZE"),
    ("CreatedAt", "CREATED AT"),
    ("CreatedSince", "CREATED"),
    ("CachePath", "CACHE PATH"),
];

/// The fields of `.Status`, which `inspect` has alone.
const STATUS_FIELDS: [&str; 5] = ["Cache", "Files", "Bytes", "Digest", "Error"];
const STATUS: &str = "Status";

/// A template that is applied to each entry.
pub(in crate::cli) struct Template {
    compiled: gotmpl::Template,
    source: String,
    has_status: bool,
}

/// What a template shows of the content of an entry.
#[derive(Default)]
pub(in crate::cli) struct StatusFields {
    pub(in crate::cli) cache: &'static str,
    pub(in crate::cli) files: u64,
    pub(in crate::cli) bytes: u64,
    pub(in crate::cli) digest: &'static str,
    pub(in crate::cli) error: String,
}

impl Template {
    /// Compiles a template and tries it out, so that a field that does not
    /// exist is an error even where there is no entry.
    pub(in crate::cli) fn new(text: &str) -> Result<Self, String> {
        Self::compile(text, false)
    }

    /// As [`new`](Self::new), for a template that may use `.Status`.
    pub(in crate::cli) fn with_status(text: &str) -> Result<Self, String> {
        Self::compile(text, true)
    }

    fn compile(text: &str, has_status: bool) -> Result<Self, String> {
        let invalid = |error: TemplateError| format!("invalid template: {error}");
        let text = text.replace("\\t", "\t").replace("\\n", "\n");
        let compiled = gotmpl::Template::new("format")
            .missing_key(MissingKey::Error)
            .func("json", json)
            .func("join", join)
            .func("split", split)
            .func("lower", |args| {
                Ok(string(&text_of(args, 0)?.to_lowercase()))
            })
            .func("upper", |args| {
                Ok(string(&text_of(args, 0)?.to_uppercase()))
            })
            .func("title", |args| Ok(string(&title(&text_of(args, 0)?))))
            .func("pad", pad)
            .func("truncate", truncate)
            .parse(&text)
            .map_err(invalid)?;
        // Also where no entry would come to it.
        for name in names(&text) {
            let is_status = name == STATUS || STATUS_FIELDS.contains(&&*name);
            let is_known = FIELDS.iter().any(|(field, _)| *field == name);
            if !is_known && !(has_status && is_status) {
                return Err(format!(
                    "invalid template: there is no field .{name}; {}",
                    known(has_status)
                ));
            }
        }
        let template = Template {
            compiled,
            source: text,
            has_status,
        };
        template.apply(template.sample())?;
        Ok(template)
    }

    /// The header that goes with the template's columns: the titles of the
    /// fields in each.
    pub(in crate::cli) fn header(&self) -> Vec<String> {
        let title = |name: String| {
            FIELDS
                .iter()
                .find(|(field, _)| *field == name)
                .map(|(_, t)| *t)
        };
        let columns = self.source.split('\t');
        columns
            .map(|column| {
                names(column)
                    .into_iter()
                    .filter_map(title)
                    .collect::<Vec<_>>()
                    .join(" ")
            })
            .collect()
    }

    /// The template applied to an entry.
    pub(in crate::cli) fn render(&self, row: &Row<'_, '_>) -> Result<String, String> {
        self.apply(members_of(row))
    }

    /// The template applied to an entry and to the status of its content.
    pub(in crate::cli) fn render_with(
        &self,
        row: &Row<'_, '_>,
        status: &StatusFields,
    ) -> Result<String, String> {
        let mut members = members_of(row);
        members.push((STATUS, status.to_value()));
        self.apply(members)
    }

    /// Whether the template shows anything of the content.
    pub(in crate::cli) fn wants_status(&self) -> bool {
        // Whoever takes all of `.` takes this too.
        let names = names(&self.source);
        self.has_status && (names.is_empty() || names.iter().any(|name| name == STATUS))
    }

    fn apply(&self, members: Vec<(&str, Value)>) -> Result<String, String> {
        self.compiled
            .execute_to_string(&object(members))
            .map_err(|error| format!("invalid template: {error}; {}", known(self.has_status)))
    }

    /// An entry that has everything.
    fn sample(&self) -> Vec<(&str, Value)> {
        let mut members: Vec<(&str, Value)> = FIELDS
            .iter()
            .map(|(name, title)| match *name {
                "SizeBytes" => (*name, Value::Int(1)),
                _ => (*name, string(title)),
            })
            .collect();
        if self.has_status {
            members.push((STATUS, StatusFields::default().to_value()));
        }
        members
    }
}

impl StatusFields {
    fn to_value(&self) -> Value {
        let number = |number: u64| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
        let values = [
            string(self.cache),
            number(self.files),
            number(self.bytes),
            string(self.digest),
            string(&self.error),
        ];
        object(STATUS_FIELDS.into_iter().zip(values).collect())
    }
}

/// The fields that a template names in its actions.
fn names(template: &str) -> Vec<String> {
    let mut names = Vec::new();
    for action in template.split("{{").skip(1) {
        let action = action.split("}}").next().unwrap_or_default();
        // What stands between quotes is text.
        for code in action.split(['"', '`']).step_by(2) {
            let mut rest = code;
            while let Some(at) = rest.find('.') {
                rest = &rest[at + 1..];
                let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
                let name = &rest[..end.unwrap_or(rest.len())];
                if name.starts_with(char::is_alphabetic) {
                    names.push(name.to_owned());
                }
            }
        }
    }
    names
}

fn known(has_status: bool) -> String {
    let mut names = FIELDS.map(|(name, _)| format!(".{name}")).to_vec();
    if has_status {
        names.extend(STATUS_FIELDS.map(|name| format!(".{STATUS}.{name}")));
    }
    format!("the fields are {}", names.join(" "))
}

fn members_of(row: &Row<'_, '_>) -> Vec<(&'static str, Value)> {
    vec![
        ("Reference", string(&row.text(Field::Reference))),
        ("Repository", string(&row.text(Field::Repository))),
        ("Tag", string(&row.text(Field::Tag))),
        ("ID", string(&row.id(false))),
        ("Digest", string(&row.text(Field::Digest))),
        ("Type", string(&row.text(Field::Type))),
        ("Size", string(&row.size())),
        (
            "SizeBytes",
            Value::Int(row.size_bytes().unwrap_or_default()),
        ),
        ("CreatedAt", string(&row.text(Field::CreatedAt))),
        ("CreatedSince", string(&row.created_since())),
        ("CachePath", string(&row.text(Field::CachePath))),
    ]
}

fn object(members: Vec<(&str, Value)>) -> Value {
    let members: BTreeMap<Arc<str>, Value> = members
        .into_iter()
        .map(|(name, value)| (Arc::from(name), value))
        .collect();
    Value::Map(Arc::new(members))
}

fn string(text: &str) -> Value {
    Value::String(text.into())
}

/// An argument as the text that it would print as.
fn text_of(args: &[Value], index: usize) -> gotmpl::Result<String> {
    let missing = || TemplateError::Exec(format!("argument {} is missing", index + 1));
    args.get(index).map(Value::to_string).ok_or_else(missing)
}

fn number_of(args: &[Value], index: usize) -> gotmpl::Result<usize> {
    let number = args.get(index).and_then(Value::as_int);
    number
        .and_then(|number| usize::try_from(number).ok())
        .ok_or_else(|| TemplateError::Exec(format!("argument {} is no number", index + 1)))
}

fn json(args: &[Value]) -> gotmpl::Result<Value> {
    let value = args.first().unwrap_or(&Value::Nil);
    Ok(string(&to_json(value).to_string()))
}

fn to_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Bool(value) => (*value).into(),
        Value::Int(value) => (*value).into(),
        Value::Uint(value) => (*value).into(),
        Value::Float(value) => (*value).into(),
        Value::String(text) => (**text).into(),
        Value::List(values) => values.iter().map(to_json).collect(),
        Value::Map(members) => members
            .iter()
            .map(|(name, value)| (name.to_string(), to_json(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        _ => serde_json::Value::Null,
    }
}

fn join(args: &[Value]) -> gotmpl::Result<Value> {
    let separator = text_of(args, 1)?;
    Ok(match &args[0] {
        Value::List(values) => {
            let texts: Vec<String> = values.iter().map(Value::to_string).collect();
            string(&texts.join(&separator))
        }
        other => string(&other.to_string()),
    })
}

fn split(args: &[Value]) -> gotmpl::Result<Value> {
    let (text, separator) = (text_of(args, 0)?, text_of(args, 1)?);
    Ok(Value::List(text.split(&separator).map(string).collect()))
}

/// The first letter of each word in upper case.
fn title(text: &str) -> String {
    let mut starts = true;
    text.chars()
        .flat_map(|c| {
            let starts_word = std::mem::replace(&mut starts, !c.is_alphanumeric());
            if starts_word {
                c.to_uppercase().collect()
            } else {
                vec![c]
            }
        })
        .collect()
}

/// The most blanks that anybody can want in a line.
const MAX_PADDING: usize = 10_000;

/// Blanks before and behind a text that is not empty, as docker does it.
fn pad(args: &[Value]) -> gotmpl::Result<Value> {
    let text = text_of(args, 0)?;
    let (before, behind) = (number_of(args, 1)?, number_of(args, 2)?);
    if before.max(behind) > MAX_PADDING {
        return Err(TemplateError::Exec(format!(
            "a padding of more than {MAX_PADDING}"
        )));
    }
    if text.is_empty() {
        return Ok(string(""));
    }
    Ok(string(&format!(
        "{}{text}{}",
        " ".repeat(before),
        " ".repeat(behind)
    )))
}

fn truncate(args: &[Value]) -> gotmpl::Result<Value> {
    let (text, length) = (text_of(args, 0)?, number_of(args, 1)?);
    Ok(string(&text.chars().take(length).collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Document;
    use crate::timestamp;

    fn render(template: &str) -> String {
        let document = Document::parse(
            r#"{"artifacts":[{"reference":"ghcr.io/a/b:v1","repository":"ghcr.io/a/b","tag":"v1","size":1500,"createdAt":"2026-03-01T00:00:00Z"}]}"#
                .to_owned(),
        )
        .unwrap();
        let entry = document.entry(0).unwrap();
        let now = timestamp::parse("2026-03-01T02:00:00Z").unwrap();
        let row = Row {
            entry: &entry,
            now: &now,
        };
        Template::new(template).unwrap().render(&row).unwrap()
    }

    #[test]
    fn fields_and_functions_are_those_of_docker() {
        for (template, expected) in [
            ("{{.Repository}}:{{.Tag}}", "ghcr.io/a/b:v1"),
            (
                "{{.Size}} {{.SizeBytes}} {{.CreatedSince}}",
                "1.5kB 1500 2 hours ago",
            ),
            (r"{{.Tag}}\t{{.Tag}}\n", "v1\tv1\n"),
            (
                "{{upper .Tag}} {{lower \"AB\"}} {{title \"a bc\"}}",
                "V1 ab A Bc",
            ),
            ("{{join (split .Reference \"/\") \"+\"}}", "ghcr.io+a+b:v1"),
            (
                "[{{pad .Tag 1 2}}] {{truncate .Reference 4}}",
                "[ v1  ] ghcr",
            ),
            ("{{json .Tag}} {{json .SizeBytes}}", "\"v1\" 1500"),
            ("{{if .Digest}}yes{{else}}no{{end}}", "no"),
            ("{{if gt .SizeBytes 1000}}big{{end}}", "big"),
            ("{{lower \".Nope\"}} {{printf \"%.1f\" 1.25}}", ".nope 1.2"),
        ] {
            assert_eq!(render(template), expected, "{template}");
        }
        let object: serde_json::Value = serde_json::from_str(&render("{{json .}}")).unwrap();
        assert_eq!(object.as_object().unwrap().len(), FIELDS.len());
        assert_eq!(object["SizeBytes"], 1500);
    }

    #[test]
    fn a_field_that_does_not_exist_is_an_error_with_the_list() {
        let error = Template::new("{{.Colour}}").err().unwrap();
        assert!(
            error.contains("Colour") && error.contains(".Reference .Repository"),
            "{error}"
        );
        for template in [
            "{{",
            "{{nosuch .Tag}}",
            "{{.Tag.Name}}",
            "{{if false}}{{.Nope}}{{end}}",
            "{{pad .Tag 4000000000000 0}}",
        ] {
            assert!(Template::new(template).is_err(), "{template}");
        }
    }

    #[test]
    fn a_table_has_the_titles_of_its_fields() {
        let template = Template::new(r"{{.Repository}}\t{{.ID}}").unwrap();
        assert_eq!(template.header(), ["REPOSITORY", "ARTIFACT ID"]);
        let template =
            Template::new(r"{{if gt .SizeBytes 1}}big{{end}}\t{{json .Tag}} x\t-").unwrap();
        assert_eq!(template.header(), ["SIZE", "TAG", ""]);
    }
}
