//! A document against what is promised of it: one file for each concern.

mod beside_cldctl;
mod editing;
mod hostile;
mod in_file;
mod model;
mod older_forms;
mod reading;

use super::go_form::VERSION;
use super::*;
use crate::entry::{ArtifactEntry, ArtifactType};
use crate::fields::Field;
use crate::reference::Reference;
use crate::timestamp;

fn parse(text: &str) -> Document {
    Document::parse(text.to_owned()).unwrap()
}

fn error(text: &str) -> String {
    Document::parse(text.to_owned()).unwrap_err().to_string()
}

fn references(document: &Document) -> Vec<String> {
    document
        .entries()
        .map(|entry| entry.reference().into_owned())
        .collect()
}

fn with(build: impl FnOnce(&mut Edit)) -> Edit {
    let mut edit = Edit::default();
    build(&mut edit);
    edit
}

const MINIFIED: &str = r#"{"version":"v2","artifacts":[{"reference":"a"},{"reference":"b","x":1},{"reference":"c"}],"y":2}"#;
