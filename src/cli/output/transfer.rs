//! The report of what crossed to another machine.

use serde::Serialize;

use super::json;
use crate::escape::escape_display;

/// The outcome for an artifact; its shape is part of the stable interface.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct Transfer {
    pub(in crate::cli) reference: String,
    pub(in crate::cli) result: &'static str,
    pub(in crate::cli) error: Option<String>,
    pub(in crate::cli) content_digest: Option<String>,
    pub(in crate::cli) manifest_digest: Option<String>,
    #[serde(rename = "type")]
    pub(in crate::cli) artifact_type: Option<String>,
    pub(in crate::cli) size: Option<u64>,
    pub(in crate::cli) compressed_size: Option<u64>,
}

/// Prints what became of artifacts. What failed has been explained on standard error.
pub(in crate::cli) fn report(transfers: &[Transfer], as_json: bool) -> anyhow::Result<()> {
    let text = match as_json {
        true => json::object(&transfers)?,
        false => transfers
            .iter()
            .filter(|transfer| transfer.error.is_none())
            .map(|it| format!("{} {}\n", it.result, escape_display(&it.reference)))
            .collect(),
    };
    super::report(&text);
    Ok(())
}
