//! The report of what crossed to another machine.

use serde::Serialize;

use super::json;
#[cfg(feature = "remote")]
use super::messages;
#[cfg(feature = "remote")]
use crate::cli::exit::Exit;
use crate::escape::escape_display;
#[cfg(feature = "remote")]
use crate::remote::RemoteName;

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
    /// The name in a registry that it was sent to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) remote: Option<String>,
    /// The bytes that were sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) sent: Option<u64>,
    /// The name in a registry by its digest.
    #[serde(skip)]
    pub(in crate::cli) named: Option<String>,
}

impl Transfer {
    /// Creates one of which nothing is known but the reference.
    pub(in crate::cli) fn new(reference: &str) -> Self {
        Transfer {
            reference: reference.to_owned(),
            result: "",
            error: None,
            content_digest: None,
            manifest_digest: None,
            artifact_type: None,
            size: None,
            compressed_size: None,
            remote: None,
            sent: None,
            named: None,
        }
    }
}

/// Prints what became of artifacts. What failed has been explained on standard error.
pub(in crate::cli) fn report(transfers: &[Transfer], as_json: bool) -> anyhow::Result<()> {
    let text = match as_json {
        true => json::object(&transfers)?,
        false => lines(transfers, |it| {
            let name = it.remote.as_ref().unwrap_or(&it.reference);
            format!("{} {}", it.result, escape_display(name))
        }),
    };
    super::report(&text);
    Ok(())
}

/// Returns a line for each transfer that succeeded.
fn lines(transfers: &[Transfer], line: impl Fn(&Transfer) -> String) -> String {
    let succeeded = transfers.iter().filter(|it| it.error.is_none());
    succeeded.map(|it| line(it) + "\n").collect()
}

/// The report of transfers from or to registries, of which one may fail and others not.
#[cfg(feature = "remote")]
#[derive(Default)]
pub(in crate::cli) struct Report {
    transfers: Vec<Transfer>,
    exit: Option<Exit>,
    interrupted: Option<anyhow::Error>,
}

#[cfg(feature = "remote")]
impl Report {
    /// Adds what succeeded.
    pub(in crate::cli) fn add(&mut self, transfer: Transfer) {
        self.transfers.push(transfer);
    }

    /// Notes an exit.
    pub(in crate::cli) fn exit(&mut self, exit: Exit) {
        self.exit = Some(self.exit.map_or(exit, |known| known.worst(exit)));
    }

    /// Adds a failure, and prints why. `to` is the name that it was sent to.
    pub(in crate::cli) fn failed(
        &mut self,
        reference: &str,
        to: Option<&RemoteName>,
        error: anyhow::Error,
    ) {
        self.transfers.push(Transfer {
            result: "failed",
            error: Some(error.to_string()),
            remote: to.map(RemoteName::to_string),
            ..Transfer::new(reference)
        });
        let exit = Exit::of(&error);
        self.exit(exit);
        match exit {
            // It is said once, however many it stopped.
            Exit::Interrupted(_) => self.interrupted = Some(error),
            _ => messages::error(&error),
        }
    }

    /// Prints the report, and returns the exit.
    pub(in crate::cli) fn print(self, as_json: bool, is_quiet: bool) -> anyhow::Result<Exit> {
        match is_quiet {
            true => {
                let name = |it: &Transfer| it.named.clone().unwrap_or_default();
                super::report(&lines(&self.transfers, name));
            }
            false => report(&self.transfers, as_json)?,
        }
        match self.interrupted {
            Some(interrupted) => Err(interrupted),
            None => Ok(self.exit.unwrap_or(Exit::Success)),
        }
    }
}
