//! Go templates, as users of docker and cldctl write them. Only this module uses the
//! template library.

mod escapes;
mod fields;
mod functions;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use gotmpl::{MissingKey, TemplateError, Value};

use fields::Fields;

use super::row::Row;
use crate::deployed::DeployedBy;
use crate::escape::escape_display;
use crate::fields::Field;
use crate::status::FileTotal;

/// The fields of an entry, each with the header of its column.
const TITLES: [(&str, &str); 12] = [
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
    (DEPLOYED, "DEPLOYED"),
];

/// The field that needs a look at deployments, so that an entry has it only where the
/// template names it.
const DEPLOYED: &str = "Deployed";

/// The fields of `.Status`, which `inspect` has alone.
const STATUS_FIELDS: [&str; 7] = [
    "Cache",
    "Files",
    "Bytes",
    "Digest",
    "Generated",
    "Deployed",
    "Error",
];
const STATUS: &str = "Status";

/// A template that is applied to each entry.
pub(in crate::cli) struct Template {
    compiled: gotmpl::Template,
    fields: Fields,
    has_status: bool,
}

/// The status of an entry's content, as a template shows it.
#[derive(Default)]
pub(in crate::cli) struct StatusFields {
    pub(in crate::cli) cache: &'static str,
    pub(in crate::cli) files: u64,
    pub(in crate::cli) bytes: u64,
    pub(in crate::cli) digest: &'static str,
    pub(in crate::cli) generated: FileTotal,
    pub(in crate::cli) deployed: Vec<DeployedBy>,
    pub(in crate::cli) error: String,
}

impl Template {
    /// Compiles a template and tries it out, so that an unknown field is an error even
    /// if there is no entry.
    pub(in crate::cli) fn new(text: &str) -> Result<Self, String> {
        Self::compile(text, false)
    }

    /// Compiles a template that may use `.Status`; otherwise like [`new`](Self::new).
    pub(in crate::cli) fn with_status(text: &str) -> Result<Self, String> {
        Self::compile(text, true)
    }

    fn compile(text: &str, has_status: bool) -> Result<Self, String> {
        let invalid = |error: TemplateError| format!("invalid template: {error}");
        let text = escapes::expand(text);
        let compiled = gotmpl::Template::new("format").missing_key(MissingKey::Error);
        let compiled = functions::add_to(compiled).parse(&text).map_err(invalid)?;
        let template = Template {
            compiled,
            fields: Fields::of(&text).map_err(invalid)?,
            has_status,
        };
        // Also where no entry would come to it.
        if let Some(name) = template.unknown_field() {
            return Err(format!(
                "invalid template: there is no field .{name}; {}",
                known(has_status)
            ));
        }
        match template
            .compiled
            .execute_to_string(&object(template.sample()))
        {
            // It depends on the entry what can be taken out of its texts.
            Err(error) if !is_out_of_range(&error) => Err(template.explain(&error)),
            _ => Ok(template),
        }
    }

    /// Returns a field of the template that no entry has.
    fn unknown_field(&self) -> Option<&str> {
        let is_known = |name: &str| {
            let is_status = name == STATUS || STATUS_FIELDS.contains(&name);
            self.has_status && is_status || TITLES.iter().any(|(field, _)| *field == name)
        };
        let mut names = self.fields.paths().flatten().map(String::as_str);
        names.find(|name| !is_known(name))
    }

    /// Returns the header for the template's columns: the titles of the fields in each.
    pub(in crate::cli) fn header(&self) -> Vec<String> {
        let title = |name: &String| TITLES.iter().find(|(field, _)| field == name);
        let columns = self.fields.columns.iter();
        columns
            .map(|paths| {
                let titles = paths.iter().flatten().filter_map(title);
                titles
                    .map(|(_, title)| *title)
                    .collect::<Vec<_>>()
                    .join(" ")
            })
            .collect()
    }

    /// Applies the template to an entry.
    pub(in crate::cli) fn render(&self, row: &Row<'_, '_>) -> Result<String, String> {
        self.apply(members_of(row))
    }

    /// Applies the template to an entry and to the status of its content.
    pub(in crate::cli) fn render_with(
        &self,
        row: &Row<'_, '_>,
        status: &StatusFields,
    ) -> Result<String, String> {
        let mut members = members_of(row);
        members.push((STATUS, status.to_value()));
        self.apply(members)
    }

    /// Returns true if the template uses the status of the content.
    pub(in crate::cli) fn wants_status(&self) -> bool {
        let is_status = |path: &Vec<String>| path.first().is_some_and(|name| name == STATUS);
        self.has_status && (self.fields.takes_all || self.fields.paths().any(is_status))
    }

    /// Returns true if the template names whether an entry is deployed.
    pub(in crate::cli) fn wants_deployed(&self) -> bool {
        let is_deployed = |path: &Vec<String>| path.first().is_some_and(|name| name == DEPLOYED);
        self.fields.paths().any(is_deployed)
    }

    fn apply(&self, members: Vec<(&str, Value)>) -> Result<String, String> {
        let text = self.compiled.execute_to_string(&object(members));
        text.map_err(|error| self.explain(&error))
    }

    fn explain(&self, error: &TemplateError) -> String {
        match error {
            TemplateError::MissingKey { .. } => {
                format!("invalid template: {error}; {}", known(self.has_status))
            }
            _ => format!("invalid template: {error}"),
        }
    }

    /// Returns an entry with every field.
    fn sample(&self) -> Vec<(&str, Value)> {
        let mut members: Vec<(&str, Value)> = TITLES
            .iter()
            .map(|(name, title)| match *name {
                "SizeBytes" => (*name, Value::Int(1)),
                DEPLOYED => (*name, Value::Bool(true)),
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
            object(vec![
                ("Files", number(self.generated.files)),
                ("Bytes", number(self.generated.bytes)),
            ]),
            Value::List(self.deployed.iter().map(deployed_value).collect()),
            string(&self.error),
        ];
        object(STATUS_FIELDS.into_iter().zip(values).collect())
    }
}

/// Returns true if a text or a list is too short for what is taken out of it.
fn is_out_of_range(error: &TemplateError) -> bool {
    match error {
        TemplateError::IndexOutOfRange { .. } => true,
        TemplateError::Exec(message) => message.starts_with("slice: "),
        _ => false,
    }
}

fn known(has_status: bool) -> String {
    let mut names = TITLES.map(|(name, _)| format!(".{name}")).to_vec();
    if has_status {
        names.extend(STATUS_FIELDS.map(|name| format!(".{STATUS}.{name}")));
    }
    format!("the fields are {}", names.join(" "))
}

fn members_of(row: &Row<'_, '_>) -> Vec<(&'static str, Value)> {
    let mut members = vec![
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
    ];
    members.extend(
        row.deployed
            .map(|deployed| (DEPLOYED, Value::Bool(deployed))),
    );
    members
}

/// Returns what deploys an artifact. What does not apply is empty.
fn deployed_value(by: &DeployedBy) -> Value {
    let (mut datacenter, mut environment, mut path) = ("", "", Cow::Borrowed(""));
    let mut number = 0;
    match by {
        DeployedBy::Datacenter { datacenter: name } => datacenter = name,
        DeployedBy::Environment {
            datacenter: name,
            environment: of,
        } => (datacenter, environment) = (name, of),
        DeployedBy::Extends { reference } => datacenter = reference,
        DeployedBy::State {
            path: at,
            resources,
        } => {
            path = at.to_string_lossy();
            number = i64::try_from(resources.unwrap_or_default()).unwrap_or(i64::MAX);
        }
    }
    object(vec![
        ("By", string(by.as_str())),
        ("Datacenter", string(&escape_display(datacenter))),
        ("Environment", string(&escape_display(environment))),
        ("Path", string(&escape_display(&path))),
        ("Resources", Value::Int(number)),
    ])
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
            deployed: None,
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
            ("{{join (split .Tag \"\") \"\\n\"}}", "v\n1"),
            ("{{/* .Nope */}}{{.Tag}}", "v1"),
            ("{{index (split .Repository \"/\") 2}}", "b"),
            ("{{slice .Reference 8 11}}", "a/b"),
            ("{{lower \".Nope\"}} {{printf \"%.1f\" 1.25}}", ".nope 1.2"),
        ] {
            assert_eq!(render(template), expected, "{template}");
        }
        let object: serde_json::Value = serde_json::from_str(&render("{{json .}}")).unwrap();
        // Whether an entry is deployed has to be asked for by name.
        assert_eq!(object.as_object().unwrap().len(), TITLES.len() - 1);
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
            "{{lower .Tag .ID}}",
            "{{join .Tag \",\"}}",
            "{{index . 1}}",
            "{{range .Tag}}{{end}}",
            "{{template \"x\"}}",
            "{{.Cache}}",
            "{{.Status.Cache}}",
        ] {
            assert!(Template::new(template).is_err(), "{template}");
        }
        for template in ["{{.Cache}}", "{{.Status.Nope}}", "{{.Status.Cache.Nope}}"] {
            assert!(Template::with_status(template).is_err(), "{template}");
        }
    }

    #[test]
    fn only_an_entry_tells_whether_its_texts_are_long_enough() {
        let row = |reference: &str| {
            let text = format!("{{\"artifacts\":[{{\"reference\":\"{reference}\"}}]}}");
            let document = Document::parse(text).unwrap();
            let entry = document.entry(0).unwrap();
            let now = timestamp::parse("2026-03-01T02:00:00Z").unwrap();
            let row = Row {
                entry: &entry,
                now: &now,
                deployed: None,
            };
            let template = "{{index (split .Reference \"/\") 1}}";
            Template::new(template).unwrap().render(&row)
        };
        assert_eq!(row("ghcr.io/app").unwrap(), "app");
        let error = row("app").unwrap_err();
        assert!(
            error.contains("index out of range") && !error.contains(".Tag"),
            "{error}"
        );
        assert!(Template::new("{{slice .Digest 7 19}}").is_ok());
    }

    #[test]
    fn the_content_is_looked_at_only_for_a_template_that_shows_it() {
        for (template, wants) in [
            ("{{.Tag}}", false),
            ("{{.Status.Cache}}", true),
            ("{{with .Status}}{{.Cache}}{{end}}", true),
            ("{{json .}} {{.Tag}}", true),
            ("{{.Digest}}", false),
            ("text", false),
        ] {
            let template = Template::with_status(template).unwrap();
            assert_eq!(template.wants_status(), wants);
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
