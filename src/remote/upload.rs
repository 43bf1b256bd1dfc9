//! Uploads: blobs as a whole, or in parts where a registry wants that, and manifests.
//! Source: the OCI distribution specification 1.1, "Push".

use std::cell::Cell;
use std::fs::File;

use ureq::http::Method;

use super::answer::Answer;
use super::http::{Body, FilePart, Request};
use super::session::{Session, Trouble};
use super::url::{Url, encoded};
use crate::archive::image::MANIFEST;
use crate::digest::Digest;
use crate::error::{Error, Result};

/// The lengths of parts that are tried where a registry does not take a blob as a whole, in
/// bytes. Some take no more than 4 MiB at once, and proxies by default no more than 1 MiB.
const PART_SIZES: [u64; 2] = [4 << 20, 1 << 20];

/// A blob that is uploaded.
#[derive(Clone, Copy)]
pub(super) enum Blob<'b> {
    Bytes(&'b [u8]),
    /// A file, and its length in bytes.
    File(&'b File, u64),
}

impl Blob<'_> {
    pub(super) fn len(&self) -> u64 {
        match self {
            Blob::Bytes(bytes) => bytes.len() as u64,
            Blob::File(_, len) => *len,
        }
    }

    /// Returns a part of it as what is sent.
    fn part<'a>(&'a self, start: u64, len: u64, sent: &'a dyn Fn(u64)) -> Body<'a> {
        match self {
            Blob::Bytes(bytes) => {
                let at = |offset| usize::try_from(offset).unwrap_or(usize::MAX);
                let part = bytes.get(at(start)..at(start + len));
                Body::Bytes(part.unwrap_or_default())
            }
            Blob::File(file, _) => Body::Part(FilePart { file, start, len }, sent),
        }
    }
}

/// An upload that is under way.
struct Upload {
    location: Url,
    /// The least length of a part but the last, in bytes.
    min_part: u64,
}

impl Session<'_> {
    /// Returns whether the registry has a blob.
    pub(super) fn has_blob(&self, digest: &str) -> Result<bool> {
        let url = self.url(&format!("blobs/{digest}"));
        let answer = self.send(&Request::new(Method::HEAD, url))?;
        match answer.status() {
            200 => Ok(true),
            404 => Ok(false),
            _ => Err(self.unavailable(answer.into_reason())),
        }
    }

    /// Uploads a blob, and tells `sent` of each piece.
    pub(super) fn upload(&self, digest: &Digest, blob: Blob<'_>, sent: &dyn Fn(u64)) -> Result<()> {
        // Bytes that another try sends again are reported once.
        let furthest = Cell::new(0);
        let mut retries = self.retries();
        loop {
            self.interrupt().check()?;
            let done = Cell::new(0);
            let sent = |bytes| {
                done.set(done.get() + bytes);
                if done.get() > furthest.get() {
                    sent(done.get() - furthest.get());
                    furthest.set(done.get());
                }
            };
            match self.try_upload(digest, blob, &sent) {
                Ok(()) => return Ok(()),
                Err(Trouble::Final(error)) => return Err(error),
                Err(Trouble::MayPass(reason, asked)) => {
                    if !retries.wait(asked)? {
                        return Err(self.unavailable(reason));
                    }
                }
            }
        }
    }

    fn try_upload(
        &self,
        digest: &Digest,
        blob: Blob<'_>,
        sent: &dyn Fn(u64),
    ) -> std::result::Result<(), Trouble> {
        let upload = self.begin_upload()?;
        let whole = blob.part(0, blob.len(), sent);
        let answer = self.put(upload.location, digest, whole)?;
        match answer.status() {
            200..=204 => return self.require_stored(&answer, digest),
            404 | 405 | 411 | 413 | 415 | 501 => {}
            _ => return Err(self.not_taken(answer)),
        }
        let mut refused = answer;
        for size in PART_SIZES {
            match self.upload_parts(digest, blob, size, sent)? {
                None => return Ok(()),
                Some(answer) => refused = answer,
            }
            if refused.status() != 413 {
                break;
            }
        }
        Err(self.not_taken(refused))
    }

    /// Uploads a blob in parts. Returns the answer with which the registry refused.
    fn upload_parts(
        &self,
        digest: &Digest,
        blob: Blob<'_>,
        size: u64,
        sent: &dyn Fn(u64),
    ) -> std::result::Result<Option<Answer>, Trouble> {
        let mut upload = self.begin_upload()?;
        let size = size.max(upload.min_part);
        let mut start = 0;
        while start < blob.len() {
            let len = size.min(blob.len() - start);
            let last = start + len - 1;
            let request = Request::new(Method::PATCH, upload.location.clone())
                .header("content-type", "application/octet-stream")
                .header("content-range", format!("{start}-{last}"))
                .body(blob.part(start, len, sent));
            let answer = self.attempt(&request)?;
            if answer.status() != 202 {
                return Ok(Some(answer));
            }
            upload.location = self
                .join(&upload.location, answer.header("location"))
                .map_err(Trouble::Final)?;
            start += len;
        }
        let answer = self.put(upload.location, digest, Body::None)?;
        match answer.status() {
            200..=204 => self.require_stored(&answer, digest).map(|()| None),
            _ => Ok(Some(answer)),
        }
    }

    fn begin_upload(&self) -> std::result::Result<Upload, Trouble> {
        let url = self.url("blobs/uploads/");
        let answer = self.attempt(&Request::new(Method::POST, url.clone()))?;
        if answer.status() != 202 {
            return Err(self.not_taken(answer));
        }
        let min_part = answer.header("oci-chunk-min-length");
        Ok(Upload {
            min_part: min_part.and_then(|it| it.parse().ok()).unwrap_or(0),
            location: self
                .join(&url, answer.header("location"))
                .map_err(Trouble::Final)?,
        })
    }

    /// Ends an upload with what is left of the blob.
    fn put(
        &self,
        location: Url,
        digest: &Digest,
        body: Body<'_>,
    ) -> std::result::Result<Answer, Trouble> {
        let url = location.with(&format!("digest={}", encoded(digest.as_str())));
        let request = Request::new(Method::PUT, url)
            .header("content-type", "application/octet-stream")
            .body(body);
        self.attempt(&request)
    }

    /// Refuses a blob that is not stored as what it is.
    fn require_stored(&self, answer: &Answer, digest: &Digest) -> std::result::Result<(), Trouble> {
        let stored = answer.header("docker-content-digest");
        match stored.is_none_or(|stored| stored == digest.as_str()) {
            true => Ok(()),
            false => Err(Trouble::Final(
                self.not_taken_for("it stored another blob".to_owned()),
            )),
        }
    }

    fn not_taken(&self, answer: Answer) -> Trouble {
        Trouble::Final(self.not_taken_for(answer.into_reason()))
    }

    fn not_taken_for(&self, reason: String) -> Error {
        Error::NotTaken {
            reference: self.name.to_string(),
            reason: self.presentable(reason),
        }
    }

    /// Finds out whether something could be uploaded: an upload is begun and given up.
    pub(super) fn require_writable(&self) -> Result<()> {
        let url = self.url("blobs/uploads/");
        let answer = self.send(&Request::new(Method::POST, url.clone()))?;
        if answer.status() != 202 {
            return Err(self.not_taken_for(answer.into_reason()));
        }
        let location = self.join(&url, answer.header("location"))?;
        // The registry gives it up itself after a while.
        let _ = self.attempt(&Request::new(Method::DELETE, location));
        Ok(())
    }

    /// Uploads a manifest under the tag of this session. All that it names is there.
    pub(super) fn put_manifest(&self, manifest: &[u8]) -> Result<()> {
        let url = self.url(&format!("manifests/{}", self.name.version()));
        let request = Request::new(Method::PUT, url)
            .header("content-type", MANIFEST)
            .body(Body::Bytes(manifest));
        let answer = self.send(&request)?;
        if !matches!(answer.status(), 200..=204) {
            return Err(self.not_taken_for(answer.into_reason()));
        }
        let stored = answer.header("docker-content-digest");
        match stored.is_none_or(|stored| stored == Digest::of(manifest).as_str()) {
            true => Ok(()),
            false => Err(self.not_taken_for("it stored another manifest".to_owned())),
        }
    }
}
