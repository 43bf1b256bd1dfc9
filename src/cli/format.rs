//! The output formats of lists and artifacts.

/// The output format of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ListFormat {
    /// A table for people.
    Table,
    /// One JSON array of the stored entries.
    Json,
    /// One stored entry a line, as JSON.
    Jsonl,
    /// A YAML list of the stored entries.
    Yaml,
    /// A Go template for each entry.
    Template(String),
    /// A table whose columns are given by a Go template.
    TableTemplate(String),
}

/// The named formats of a list.
pub(super) const OF_LISTS: &[&str] = &["table", "json", "jsonl", "yaml"];

/// Parses a format of a list.
pub(super) fn list(text: &str) -> Result<ListFormat, String> {
    Ok(match text {
        "table" => ListFormat::Table,
        "json" => ListFormat::Json,
        "jsonl" => ListFormat::Jsonl,
        "yaml" => ListFormat::Yaml,
        _ if text.contains("{{") => match text.strip_prefix("table ") {
            Some(template) => ListFormat::TableTemplate(template.to_owned()),
            None => ListFormat::Template(text.to_owned()),
        },
        _ => {
            return Err(
                "expected table, json, jsonl, yaml, or a Go template such as '{{.Repository}}:{{.Tag}}'"
                    .to_owned(),
            );
        }
    })
}

/// The named formats of `inspect`.
pub(super) const OF_INSPECT: &[&str] = &["json"];

/// Parses a format of `inspect`.
pub(super) fn inspect(text: &str) -> Result<ListFormat, String> {
    match list(text) {
        Ok(format @ (ListFormat::Json | ListFormat::Template(_))) => Ok(format),
        _ => Err("expected json, or a Go template such as '{{.Digest}}'".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offered_formats_are_accepted() {
        for name in OF_LISTS {
            assert!(list(name).is_ok(), "{name}");
        }
        for name in OF_INSPECT {
            assert!(inspect(name).is_ok(), "{name}");
        }
    }
}
