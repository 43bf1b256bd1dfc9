//! A registry of images in memory, to push to and to pull from.
//!
//! A real one takes too long for thousands of runs, and refuses a manifest whose blobs are
//! missing. This one stores whatever is sent, so that a manifest that comes too early, or
//! without its blobs, is seen afterwards. Source: the OCI distribution specification 1.1.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Mutex, OnceLock};
use std::thread;

use serde_json::Value;
use sha2::{Digest, Sha256};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// The registry. It ends with this process.
pub(crate) struct Registry {
    address: SocketAddr,
    repositories: Mutex<HashMap<String, Repository>>,
}

/// A repository, with everything by its digest.
#[derive(Default)]
struct Repository {
    blobs: HashMap<String, Vec<u8>>,
    manifests: HashMap<String, Vec<u8>>,
    /// The digests of manifests, by their tags.
    tags: HashMap<String, String>,
    uploads: HashMap<String, Vec<u8>>,
}

/// A request that was read to its end.
struct Request {
    method: String,
    /// The path below `/v2/`.
    path: String,
    query: String,
    headers: HashMap<String, String>,
    body: Vec<u8>,
}

struct Answer {
    status: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

/// Returns the registry, and starts it if nothing did so yet.
pub(crate) fn get() -> &'static Registry {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    static LISTENER: OnceLock<TcpListener> = OnceLock::new();
    let listener = LISTENER.get_or_init(|| TcpListener::bind("127.0.0.1:0").unwrap());
    let mut is_new = false;
    let registry = REGISTRY.get_or_init(|| {
        is_new = true;
        Registry {
            address: listener.local_addr().unwrap(),
            repositories: Mutex::default(),
        }
    });
    if is_new {
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                // A client that was killed is gone in the middle of something.
                thread::spawn(move || registry.serve(connection));
            }
        });
    }
    registry
}

impl Registry {
    /// Returns the reference of a tag in a repository.
    pub(crate) fn reference(&self, repository: &str, tag: &str) -> String {
        format!("{}/{repository}:{tag}", self.address)
    }

    /// Returns the host and port.
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    /// Forgets a repository. Returns whether it had a tag.
    ///
    /// # Errors
    ///
    /// Which manifest or blob of a tag is missing.
    pub(crate) fn take(&self, repository: &str) -> Result<bool, String> {
        let mut repositories = self.repositories.lock().unwrap();
        match repositories.remove(repository) {
            Some(repository) => repository.require_whole().map(|tags| tags > 0),
            None => Ok(false),
        }
    }

    fn serve(&self, connection: TcpStream) -> io::Result<()> {
        connection.set_nodelay(true)?;
        let mut reader = BufReader::new(connection.try_clone()?);
        while let Some(request) = Request::read(&mut reader, &connection)? {
            let answer = self.answer(&request);
            answer.write(&connection, request.method == "HEAD")?;
        }
        Ok(())
    }

    fn answer(&self, request: &Request) -> Answer {
        let kinds = ["/blobs/uploads/", "/blobs/", "/manifests/"];
        let parts = kinds.iter().find_map(|kind| {
            let (name, rest) = request.path.split_once(kind)?;
            Some((name, *kind, rest))
        });
        let Some((name, kind, rest)) = parts else {
            return Answer::of("200 OK");
        };
        let mut repositories = self.repositories.lock().unwrap();
        let repository = repositories.entry(name.to_owned()).or_default();
        match kind {
            "/manifests/" => repository.manifest(request, rest),
            "/blobs/" => repository.blob(request, rest),
            _ => repository.upload(request, name, rest),
        }
    }
}

impl Repository {
    /// Returns the number of tags whose manifest and blobs are all there.
    fn require_whole(&self) -> Result<usize, String> {
        for (tag, digest) in &self.tags {
            let manifest = self.manifests.get(digest);
            let manifest = manifest.ok_or_else(|| format!("no manifest of `{tag}`"))?;
            let manifest: Value = serde_json::from_slice(manifest).map_err(|it| it.to_string())?;
            let layers = manifest["layers"].as_array().into_iter().flatten();
            for blob in layers.chain([&manifest["config"]]) {
                let digest = blob["digest"].as_str().unwrap_or_default();
                if !self.blobs.contains_key(digest) {
                    return Err(format!("`{tag}` has no blob `{digest}`"));
                }
            }
        }
        Ok(self.tags.len())
    }

    fn manifest(&mut self, request: &Request, version: &str) -> Answer {
        if request.method == "PUT" {
            let digest = digest(&request.body);
            self.manifests.insert(digest.clone(), request.body.clone());
            self.tags.insert(version.to_owned(), digest.clone());
            return Answer::of("201 Created").header("Docker-Content-Digest", digest);
        }
        let digest = self.tags.get(version);
        let digest = digest.map_or(version, String::as_str);
        match self.manifests.get(digest) {
            Some(manifest) => Answer::of("200 OK")
                .header("Content-Type", MANIFEST)
                .header("Docker-Content-Digest", digest)
                .body(manifest.clone()),
            None => Answer::of("404 Not Found"),
        }
    }

    fn blob(&self, request: &Request, digest: &str) -> Answer {
        let Some(blob) = self.blobs.get(digest) else {
            return Answer::of("404 Not Found");
        };
        let start = request.headers.get("range").and_then(|range| {
            let start = range.strip_prefix("bytes=")?.strip_suffix('-')?;
            start.parse().ok().filter(|start| *start < blob.len())
        });
        match start {
            Some(start) => {
                let (last, size) = (blob.len() - 1, blob.len());
                Answer::of("206 Partial Content")
                    .header("Content-Range", format!("bytes {start}-{last}/{size}"))
                    .body(blob[start..].to_vec())
            }
            None => Answer::of("200 OK").body(blob.clone()),
        }
    }

    fn upload(&mut self, request: &Request, name: &str, id: &str) -> Answer {
        let location = |id: &str| format!("/v2/{name}/blobs/uploads/{id}");
        match &*request.method {
            "POST" => {
                let id = format!("{:06}", self.uploads.len());
                let answer = Answer::of("202 Accepted").header("Location", location(&id));
                self.uploads.insert(id, Vec::new());
                answer
            }
            "PATCH" => match self.uploads.get_mut(id) {
                Some(upload) => {
                    upload.extend_from_slice(&request.body);
                    Answer::of("202 Accepted").header("Location", location(id))
                }
                None => Answer::of("404 Not Found"),
            },
            "PUT" => {
                let Some(upload) = self.uploads.get_mut(id) else {
                    return Answer::of("404 Not Found");
                };
                upload.extend_from_slice(&request.body);
                let expected = format!("digest={}", digest(upload).replace(':', "%3A"));
                if !request.query.eq_ignore_ascii_case(&expected) {
                    return Answer::of("400 Bad Request");
                }
                let blob = std::mem::take(upload);
                self.blobs.insert(digest(&blob), blob);
                Answer::of("201 Created")
            }
            _ => Answer::of("204 No Content"),
        }
    }
}

impl Request {
    /// Reads a request; `None` if the connection has ended.
    fn read(reader: &mut impl BufRead, mut writer: &TcpStream) -> io::Result<Option<Self>> {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let mut words = line.split(' ');
        let method = words.next().unwrap_or_default().to_owned();
        let target = words.next().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut request = Request {
            method,
            path: path.trim_start_matches("/v2").to_owned(),
            query: query.to_owned(),
            headers: HashMap::new(),
            body: Vec::new(),
        };
        request.path = request.path.trim_start_matches('/').to_owned();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim().split_once(':') else {
                break;
            };
            let (name, value) = (name.to_ascii_lowercase(), value.trim().to_owned());
            request.headers.insert(name, value);
        }
        if request.headers.contains_key("expect") {
            writer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let len = request.headers.get("content-length");
        let len = len.and_then(|len| len.parse().ok()).unwrap_or(0);
        reader.take(len).read_to_end(&mut request.body)?;
        // What a killed client did not send completely was not sent.
        let is_whole = request.body.len() as u64 == len;
        Ok(is_whole.then_some(request))
    }
}

impl Answer {
    fn of(status: &'static str) -> Self {
        Answer {
            status,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn body(mut self, body: Vec<u8>) -> Self {
        self.body = body;
        self
    }

    /// Writes the answer at once, so that a client always reads it in the same calls.
    fn write(&self, mut connection: &TcpStream, head_alone: bool) -> io::Result<()> {
        let mut head = format!("HTTP/1.1 {}\r\n", self.status);
        for (name, value) in &self.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        let _ = write!(head, "Content-Length: {}\r\n\r\n", self.body.len());
        let mut bytes = head.into_bytes();
        if !head_alone {
            bytes.extend_from_slice(&self.body);
        }
        connection.write_all(&bytes)
    }
}

fn digest(bytes: &[u8]) -> String {
    let hash: [u8; 32] = Sha256::digest(bytes).into();
    let hex = hash.iter().map(|byte| format!("{byte:02x}"));
    format!("sha256:{}", hex.collect::<String>())
}
