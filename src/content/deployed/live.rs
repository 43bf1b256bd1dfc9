//! Reads how many resources a state file names.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::content::residue::StateFormat;
use crate::store::{attributes_of, if_exists, is_another_kind};

/// The largest state that is read, in bytes; a larger one counts as unreadable.
const MAX_BYTES: u64 = 256 << 20;

/// The infrastructure that a state file records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LiveState {
    /// It names no resource, or is empty.
    None,
    /// It names managed resources that exist.
    Resources(u64),
    /// It is not empty and cannot be read as a state, so that it has to count as live.
    Unreadable,
}

impl LiveState {
    /// Reads a state file.
    ///
    /// # Errors
    ///
    /// The file cannot be read, so that nothing is known about it.
    pub(crate) fn read(file: impl Read, format: StateFormat) -> io::Result<Self> {
        let mut bytes = Vec::new();
        let limit = MAX_BYTES.saturating_add(1);
        file.take(limit).read_to_end(&mut bytes)?;
        if bytes.is_empty() {
            return Ok(LiveState::None);
        }
        if bytes.len() as u64 > MAX_BYTES {
            return Ok(LiveState::Unreadable);
        }
        let count = match format {
            StateFormat::OpenTofu => tofu_resources(&bytes),
            StateFormat::Pulumi { gzip: false } => pulumi_resources(&bytes),
            StateFormat::Pulumi { gzip: true } => {
                decompressed(&bytes).and_then(|bytes| pulumi_resources(&bytes))
            }
        };
        Ok(match count {
            Some(0) => LiveState::None,
            Some(count) => LiveState::Resources(count),
            None => LiveState::Unreadable,
        })
    }
}

/// A state file, with the path of the file that says what it records.
pub(crate) struct ReadState {
    pub(crate) path: PathBuf,
    pub(crate) state: LiveState,
}

impl ReadState {
    /// Reads a state file at a path. OpenTofu empties its state before it writes it, and after
    /// everything was destroyed it is not empty. So an empty one was cut off, and counts by
    /// its backup, which `open` opens by its path.
    ///
    /// # Errors
    ///
    /// The file or its backup cannot be read, so that nothing is known about it.
    pub(crate) fn of(
        file: &File,
        format: StateFormat,
        path: &Path,
        open: impl FnOnce(&Path) -> io::Result<File>,
    ) -> io::Result<Self> {
        let state = LiveState::read(file, format)?;
        let path = path.to_owned();
        if format != StateFormat::OpenTofu || attributes_of(file)?.len > 0 {
            return Ok(ReadState { path, state });
        }
        let mut backup = path.clone().into_os_string();
        backup.push(".backup");
        let backup = PathBuf::from(backup);
        let saved = match if_exists(open(&backup)) {
            Ok(None) => return Ok(ReadState { path, state }),
            Ok(Some(file)) => LiveState::read(file, format)?,
            Err(error) if is_another_kind(&error) => LiveState::Unreadable,
            Err(error) => return Err(error),
        };
        Ok(ReadState {
            path: backup,
            state: saved,
        })
    }
}

/// Decompresses gzip of several members; `None` if it is damaged or too large.
fn decompressed(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let decoder = flate2::read::MultiGzDecoder::new(bytes);
    decoder.take(MAX_BYTES + 1).read_to_end(&mut out).ok()?;
    (out.len() as u64 <= MAX_BYTES).then_some(out)
}

/// Returns the number of managed resources that have an instance; `None` if this is no
/// state of version 4, the only one that OpenTofu writes.
fn tofu_resources(bytes: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct State {
        version: u64,
        resources: Option<Vec<Resource>>,
    }
    #[derive(Deserialize)]
    struct Resource {
        mode: String,
        instances: Option<Vec<IgnoredAny>>,
    }

    let state: State = serde_json::from_slice(bytes).ok()?;
    if state.version != 4 {
        return None;
    }
    let resources = state.resources.unwrap_or_default();
    // What is not known to be a data source counts.
    let managed = resources.iter().filter(|resource| resource.mode != "data");
    let exist = managed.filter(|resource| {
        let instances = resource.instances.as_ref();
        instances.is_some_and(|instances| !instances.is_empty())
    });
    Some(exist.count() as u64)
}

/// Returns the number of resources that a stack manages or is at work on; `None` if this is
/// no checkpoint.
fn pulumi_resources(bytes: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Stack {
        checkpoint: Checkpoint,
    }
    #[derive(Deserialize)]
    struct Checkpoint {
        latest: Option<Latest>,
    }
    #[derive(Deserialize)]
    struct Latest {
        resources: Option<Vec<Resource>>,
        pending_operations: Option<Vec<IgnoredAny>>,
    }
    #[derive(Deserialize)]
    struct Resource {
        #[serde(default)]
        custom: bool,
        #[serde(default)]
        external: bool,
        #[serde(default, rename = "type")]
        kind: String,
    }

    let stack: Stack = serde_json::from_slice(bytes).ok()?;
    let Some(latest) = stack.checkpoint.latest else {
        return Some(0);
    };
    let resources = latest.resources.unwrap_or_default();
    let managed = resources.iter().filter(|resource| {
        resource.custom && !resource.external && !resource.kind.starts_with("pulumi:providers:")
    });
    let pending = latest.pending_operations.unwrap_or_default();
    Some((managed.count() + pending.len()) as u64)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn tofu(text: &str) -> LiveState {
        LiveState::read(text.as_bytes(), StateFormat::OpenTofu).unwrap()
    }

    fn pulumi(text: &str) -> LiveState {
        LiveState::read(text.as_bytes(), StateFormat::Pulumi { gzip: false }).unwrap()
    }

    #[test]
    fn a_tofu_state_counts_managed_resources_with_instances() {
        assert_eq!(tofu(""), LiveState::None);
        assert_eq!(tofu(r#"{"version":4,"resources":[]}"#), LiveState::None);
        assert_eq!(tofu(r#"{"version":4,"outputs":{}}"#), LiveState::None);
        let state =
            |resources: &str| tofu(&format!(r#"{{"version":4,"resources":[{resources}]}}"#));
        let data = r#"{"mode":"data","type":"x","instances":[{}]}"#;
        let empty = r#"{"mode":"managed","type":"x","instances":[]}"#;
        let managed = r#"{"mode":"managed","type":"x","instances":[{"attributes":{}}]}"#;
        assert_eq!(state(&format!("{data},{empty}")), LiveState::None);
        let both = state(&format!("{data},{managed},{managed}"));
        assert_eq!(both, LiveState::Resources(2));
    }

    #[test]
    fn what_is_no_state_counts_as_live() {
        for text in [
            " ",
            "{",
            "{}",
            "[]",
            r#"{"version":3,"modules":[]}"#,
            r#"{"version":4,"resources":[{"mode":"managed""#,
            r#"{"version":4,"resources":{}}"#,
        ] {
            assert_eq!(tofu(text), LiveState::Unreadable, "{text}");
        }
        assert_eq!(pulumi(r#"{"version":3}"#), LiveState::Unreadable);
    }

    #[test]
    fn a_stack_counts_what_it_manages_and_what_is_pending() {
        let stack = |latest: &str| {
            pulumi(&format!(
                r#"{{"version":3,"checkpoint":{{"stack":"dev","latest":{latest}}}}}"#
            ))
        };
        assert_eq!(stack("null"), LiveState::None);
        assert_eq!(stack(r#"{"manifest":{}}"#), LiveState::None);
        let own = r#"{"urn":"u","custom":false,"type":"pulumi:pulumi:Stack"},
            {"urn":"u","custom":true,"type":"pulumi:providers:aws"},
            {"urn":"u","custom":true,"external":true,"type":"aws:s3/bucket:Bucket"}"#;
        let bucket = r#"{"urn":"u","custom":true,"type":"aws:s3/bucket:Bucket"}"#;
        assert_eq!(
            stack(&format!(r#"{{"resources":[{own}]}}"#)),
            LiveState::None
        );
        let with_bucket = stack(&format!(r#"{{"resources":[{own},{bucket}]}}"#));
        assert_eq!(with_bucket, LiveState::Resources(1));
        let pending = stack(r#"{"resources":[],"pending_operations":[{"type":"creating"}]}"#);
        assert_eq!(pending, LiveState::Resources(1));
    }

    #[test]
    fn a_compressed_stack_is_read_to_its_end() {
        let text =
            br#"{"version":3,"checkpoint":{"latest":{"resources":[{"custom":true,"type":"a"}]}}}"#;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        let whole = encoder.finish().unwrap();
        let gzip = StateFormat::Pulumi { gzip: true };
        let read = |bytes: &[u8]| LiveState::read(bytes, gzip).unwrap();
        assert_eq!(read(&whole), LiveState::Resources(1));
        assert_eq!(read(&whole[..whole.len() - 4]), LiveState::Unreadable);
    }
}
