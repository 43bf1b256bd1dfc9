//! A registry in memory. Source: the OCI distribution specification 1.1.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};

use super::server::{Answer, Seen, Server};

/// What a registry has. Its clones are the same registry.
#[derive(Clone, Debug, Default)]
pub(super) struct Registry(Arc<Mutex<Held>>);

#[derive(Clone, Debug, Default)]
pub(super) struct Held {
    /// By their digests.
    pub(super) blobs: HashMap<String, Vec<u8>>,
    /// By their tags and digests, whatever the repository.
    pub(super) manifests: HashMap<String, Vec<u8>>,
    /// Uploads that were begun.
    uploads: HashMap<String, Vec<u8>>,
}

pub(super) fn digest_of(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

impl Registry {
    /// Returns another registry that has the same.
    pub(super) fn copy(&self) -> Self {
        Registry(Arc::new(Mutex::new(self.held())))
    }

    pub(super) fn held(&self) -> Held {
        self.0.lock().unwrap().clone()
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Held)) {
        change(&mut self.0.lock().unwrap());
    }

    /// Starts a server of it.
    pub(super) fn serve(&self) -> Server {
        self.serve_but(|_, _| None)
    }

    /// Starts a server of it that answers some requests otherwise.
    pub(super) fn serve_but(
        &self,
        otherwise: impl Fn(&Seen, &Registry) -> Option<Answer> + Send + Sync + 'static,
    ) -> Server {
        let own = self.clone();
        Server::start(move |seen| otherwise(seen, &own).unwrap_or_else(|| own.answer(seen)))
    }

    /// Returns what a registry that behaves answers.
    pub(super) fn answer(&self, seen: &Seen) -> Answer {
        let mut held = self.0.lock().unwrap();
        let (path, query) = seen.path.split_once('?').unwrap_or((&seen.path, ""));
        if path == "/v2/" {
            return Answer::new(200).text("{}");
        }
        let last = path.rsplit('/').next().unwrap_or_default();
        let of = |kind: &str| path.contains(kind);
        match &*seen.method {
            "GET" | "HEAD" if of("/manifests/") => match held.manifests.get(last) {
                Some(manifest) => Answer::new(200)
                    .header("Content-Type", "application/vnd.oci.image.manifest.v1+json")
                    .header("Docker-Content-Digest", digest_of(manifest))
                    .text(manifest.clone()),
                None => missing("MANIFEST_UNKNOWN"),
            },
            "GET" | "HEAD" if of("/blobs/") => match held.blobs.get(last) {
                Some(blob) => part_of(blob, seen.header("range")),
                None => missing("BLOB_UNKNOWN"),
            },
            "POST" if of("/blobs/uploads/") => {
                let id = format!("{}", held.uploads.len());
                held.uploads.insert(id.clone(), Vec::new());
                Answer::new(202).header("Location", format!("{path}{id}"))
            }
            "PATCH" => {
                let upload = held.uploads.entry(last.to_owned()).or_default();
                let range = seen.header("content-range").unwrap_or_default();
                let end = upload.len() + seen.body.len();
                if range != format!("{}-{}", upload.len(), end - 1) {
                    return Answer::new(416);
                }
                upload.extend(&seen.body);
                Answer::new(202).header("Location", path)
            }
            "PUT" if of("/blobs/uploads/") => {
                let mut blob = held.uploads.get(last).cloned().unwrap_or_default();
                blob.extend(&seen.body);
                let digest = digest_of(&blob);
                if !query
                    .replace("%3A", ":")
                    .contains(&format!("digest={digest}"))
                {
                    return Answer::new(400).text(error("DIGEST_INVALID"));
                }
                held.blobs.insert(digest.clone(), blob);
                Answer::new(201).header("Docker-Content-Digest", digest)
            }
            "PUT" if of("/manifests/") => {
                let text = String::from_utf8_lossy(&seen.body).into_owned();
                let mut named = text.split("\"digest\":\"").skip(1);
                if !named.all(|it| held.blobs.contains_key(&it[..71])) {
                    return Answer::new(400).text(error("MANIFEST_BLOB_UNKNOWN"));
                }
                let digest = digest_of(&seen.body);
                for name in [last, &digest] {
                    held.manifests.insert(name.to_owned(), seen.body.clone());
                }
                Answer::new(201).header("Docker-Content-Digest", digest)
            }
            "DELETE" => Answer::new(204),
            _ => missing("UNSUPPORTED"),
        }
    }
}

/// Returns a blob, or the rest of it that a range asks for.
fn part_of(blob: &[u8], range: Option<&str>) -> Answer {
    let start = range.and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-'));
    let Some(start) = start.map(|start| start.parse::<usize>().unwrap()) else {
        return Answer::new(200).text(blob);
    };
    let (last, len) = (blob.len() - 1, blob.len());
    Answer::new(206)
        .header("Content-Range", format!("bytes {start}-{last}/{len}"))
        .text(&blob[start..])
}

fn missing(code: &str) -> Answer {
    Answer::new(404).text(error(code))
}

pub(super) fn error(code: &str) -> String {
    format!(r#"{{"errors":[{{"code":"{code}","message":"said {code}"}}]}}"#)
}
