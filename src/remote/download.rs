//! Downloads: manifests as a whole, blobs as they come. One that breaks off goes on where it
//! was.

use std::io::{self, Read};
use std::path::PathBuf;

use ureq::BodyReader;
use ureq::http::Method;

use super::answer::{Answer, NoAnswer};
use super::http::Request;
use super::retry::Retries;
use super::session::{Session, Trouble};
use super::url::Url;
use crate::archive::image::Descriptor;
use crate::error::{Error, Result};

/// How much has to come after a failure for the tries to be counted anew, in bytes.
const PROGRESS: u64 = 1 << 20;

/// A small answer that was read as a whole.
pub(super) struct Small {
    pub(super) text: Vec<u8>,
    pub(super) media_type: String,
    /// The digest that the registry says it has.
    pub(super) digest: Option<String>,
}

impl<'c> Session<'c> {
    /// Reads something that is no longer than `max_bytes`; a longer one is cut after a byte
    /// more. `None` if it is not there.
    pub(super) fn small(&self, url: Url, accept: &str, max_bytes: u64) -> Result<Option<Small>> {
        let request = Request::new(Method::GET, url).header("accept", accept);
        let mut retries = self.retries();
        loop {
            self.interrupt().check()?;
            let trouble = match self.attempt(&request) {
                Err(trouble) => trouble,
                Ok(answer) => {
                    match answer.status() {
                        200 => {}
                        404 => return Ok(None),
                        _ => return Err(self.unavailable(answer.into_reason())),
                    }
                    let header = |name| answer.header(name).map(str::to_owned);
                    let media_type = header("content-type").unwrap_or_default();
                    let digest = header("docker-content-digest");
                    match answer.read_up_to(max_bytes) {
                        Ok(text) => {
                            return Ok(Some(Small {
                                text,
                                media_type,
                                digest,
                            }));
                        }
                        Err(failure) => self.trouble(failure),
                    }
                }
            };
            self.wait_after(trouble, &mut retries)?;
        }
    }

    /// Waits before something is tried again, if that may help.
    fn wait_after(&self, trouble: Trouble, retries: &mut Retries<'_>) -> Result<()> {
        match trouble {
            Trouble::Final(error) => Err(error),
            Trouble::MayPass(reason, asked) => match retries.wait(asked)? {
                true => Ok(()),
                false => Err(self.unavailable(reason)),
            },
        }
    }

    /// Returns what reads a blob. It does not check it.
    pub(super) fn download(&self, blob: &Descriptor) -> Download<'_, 'c> {
        Download {
            session: self,
            digest: blob.digest.clone(),
            size: blob.size,
            at: 0,
            failed_at: 0,
            body: None,
            ended_at: None,
            takes_ranges: true,
            retries: self.retries(),
            failure: None,
        }
    }
}

/// The body of an answer.
struct Reading {
    reader: BodyReader<'static>,
    /// Whether nothing but the end of the connection ends it, so that it does not say whether
    /// it is complete.
    ends_by_close: bool,
}

impl Reading {
    fn of(answer: Answer) -> Self {
        let has = |name| answer.header(name).is_some();
        Reading {
            ends_by_close: !has("content-length") && !has("transfer-encoding"),
            reader: answer.into_reader(),
        }
    }
}

/// A blob that is being downloaded.
pub(super) struct Download<'s, 'c> {
    session: &'s Session<'c>,
    digest: String,
    /// The length that it should have, in bytes.
    size: u64,
    /// The bytes that were read.
    at: u64,
    /// The bytes that were read when it broke off last.
    failed_at: u64,
    body: Option<Reading>,
    /// The bytes that were read when an answer came to its end too early.
    ended_at: Option<u64>,
    takes_ranges: bool,
    retries: Retries<'c>,
    failure: Option<Error>,
}

impl Download<'_, '_> {
    /// Returns why it ended early, if it did.
    pub(super) fn take_failure(&mut self) -> Option<Error> {
        self.failure.take()
    }

    fn next(&mut self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            self.session.interrupt().check()?;
            let trouble = match self.piece(buffer) {
                Ok(read) => return Ok(read),
                Err(trouble) => trouble,
            };
            self.body = None;
            if self.at >= self.size {
                // It is all there, whatever happened then.
                return Ok(0);
            }
            if self.at - self.failed_at >= PROGRESS {
                self.retries = self.session.retries();
            }
            self.failed_at = self.at;
            self.session.wait_after(trouble, &mut self.retries)?;
        }
    }

    fn piece(&mut self, buffer: &mut [u8]) -> std::result::Result<usize, Trouble> {
        let mut body = match self.body.take() {
            Some(body) => body,
            None => self.connect()?,
        };
        let read = body.reader.read(buffer);
        let read = read.map_err(|error| self.broken(&error))?;
        // An answer that is complete may be short by an error all the same, but not twice.
        let is_final =
            !body.ends_by_close && (self.ended_at == Some(self.at) || self.retries.are_used_up());
        if read == 0 && self.at < self.size && !is_final {
            self.ended_at = Some(self.at);
            return Err(self.broken(&io::ErrorKind::UnexpectedEof.into()));
        }
        self.body = Some(body);
        self.at += read as u64;
        Ok(read)
    }

    fn broken(&self, error: &io::Error) -> Trouble {
        self.session.trouble(NoAnswer::of_io(error))
    }

    /// Asks for the blob, from where it was.
    fn connect(&mut self) -> std::result::Result<Reading, Trouble> {
        let url = self.session.url(&format!("blobs/{}", self.digest));
        let mut request = Request::new(Method::GET, url);
        let resumes = self.at > 0 && self.takes_ranges;
        if resumes {
            request = request.header("range", format!("bytes={}-", self.at));
        }
        let answer = self.session.attempt(&request)?;
        match answer.status() {
            200 => {
                self.require_length(&answer).map_err(Trouble::Final)?;
                let mut body = Reading::of(answer);
                let mut again = body.reader.by_ref().take(self.at);
                let skipped = io::copy(&mut again, &mut io::sink());
                skipped.map_err(|error| self.broken(&error))?;
                Ok(body)
            }
            206 if resumes && self.goes_on(&answer) => Ok(Reading::of(answer)),
            206 | 416 if resumes => {
                self.takes_ranges = false;
                self.connect()
            }
            404 => Err(Trouble::Final(Error::BlobMissing {
                path: self.subject(),
                digest: self.digest.clone(),
            })),
            _ => Err(Trouble::Final(
                self.session.unavailable(answer.into_reason()),
            )),
        }
    }

    fn subject(&self) -> PathBuf {
        PathBuf::from(self.session.name.to_string())
    }

    /// Refuses a blob that is not as long as its manifest says, before it is read.
    fn require_length(&self, answer: &Answer) -> Result<()> {
        match answer.content_length() {
            Some(found) if found != self.size => Err(Error::UnsafeArchive {
                path: self.subject(),
                reason: format!("a blob has {found} bytes instead of {}", self.size),
            }),
            _ => Ok(()),
        }
    }

    /// Returns whether an answer is what was asked for: the rest of the blob.
    fn goes_on(&self, answer: &Answer) -> bool {
        let range = answer.header("content-range").and_then(|range| {
            let (unit, range) = range.trim().split_once(' ')?;
            let (range, _) = range.split_once('/')?;
            let (first, last) = range.split_once('-')?;
            let (first, last) = (first.parse::<u64>().ok()?, last.parse::<u64>().ok()?);
            (unit == "bytes").then_some((first, last))
        });
        range
            .is_some_and(|(first, last)| first == self.at && last.checked_add(1) == Some(self.size))
    }
}

impl Read for Download<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.next(buffer).map_err(|error| {
            self.failure = Some(error);
            io::Error::other("the download failed")
        })
    }
}
