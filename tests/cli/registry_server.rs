//! Debian's docker-registry on this machine, with its storage in a directory.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use tempfile::TempDir;

use crate::layouts::{Layout, hex};
use crate::running::{has, wait_until};

/// A registry that runs until it is dropped.
pub(crate) struct Server {
    process: Child,
    dir: TempDir,
    /// Its host and port.
    pub(crate) host: String,
}

impl Server {
    /// Starts a registry that is open to all; `None` if the tool is missing.
    #[track_caller]
    pub(crate) fn open() -> Option<Self> {
        Server::with(|_| String::new())
    }

    /// Starts a registry with more configuration, which may name files in its directory.
    #[track_caller]
    pub(crate) fn with(more: impl FnOnce(&Path) -> String) -> Option<Self> {
        if !has("docker-registry", &["--version"]) {
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let more = more(dir.path());
        let storage = dir.path().join("storage");
        let (http, more) = match more.strip_prefix("tls:") {
            Some(tls) => (format!("\n  tls:{tls}"), ""),
            None => (String::new(), &*more),
        };
        let config = format!(
            "version: 0.1\nlog:\n  level: info\n  accesslog:\n    disabled: true\n\
             storage:\n  filesystem:\n    rootdirectory: {}\n  delete:\n    enabled: true\n\
             http:\n  addr: 127.0.0.1:0{http}\n{more}",
            storage.display()
        );
        let (file, log) = (dir.path().join("config.yml"), dir.path().join("log"));
        fs::write(&file, config).unwrap();
        let process = Command::new("docker-registry")
            .args(["serve", file.to_str().unwrap()])
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut server = Server {
            process,
            dir,
            host: String::new(),
        };
        wait_until("the registry listens", || {
            let text = fs::read_to_string(&log).unwrap();
            let ended = server.process.try_wait().unwrap();
            assert!(ended.is_none(), "docker-registry ended: {text}");
            let port = text.split("listening on 127.0.0.1:").nth(1);
            let is_digit = |c: char| c.is_ascii_digit();
            let port = port.and_then(|rest| rest.split(|c| !is_digit(c)).next());
            server.host = format!("localhost:{}", port.unwrap_or_default());
            port.is_some()
        });
        Some(server)
    }

    /// Returns a reference in this registry.
    pub(crate) fn name(&self, rest: &str) -> String {
        format!("{}/{rest}", self.host)
    }

    fn storage(&self) -> PathBuf {
        self.dir.path().join("storage/docker/registry/v2")
    }

    /// Returns the file of a blob.
    pub(crate) fn blob(&self, digest: &str) -> PathBuf {
        let hex = digest.strip_prefix("sha256:").unwrap();
        let dir = self.storage().join("blobs/sha256").join(&hex[..2]);
        dir.join(hex).join("data")
    }

    /// Puts a blob into the storage, as part of a repository.
    pub(crate) fn put_blob(&self, repository: &str, bytes: &[u8]) -> String {
        self.put_as(repository, &hex(bytes), bytes)
    }

    /// Puts a blob into the storage under a digest, as a blob and as a manifest.
    fn put_as(&self, repository: &str, hex: &str, bytes: &[u8]) -> String {
        let digest = format!("sha256:{hex}");
        write(&self.blob(&digest), bytes);
        for kind in ["_layers", "_manifests/revisions"] {
            let link = self
                .of(repository)
                .join(format!("{kind}/sha256/{hex}/link"));
            write(&link, digest.as_bytes());
        }
        digest
    }

    /// Puts a manifest into the storage, under a tag. Nothing checks what it says.
    pub(crate) fn put_manifest(&self, repository: &str, tag: &str, manifest: &[u8]) -> String {
        let digest = self.put_blob(repository, manifest);
        let manifests = self.of(repository).join("_manifests");
        let index = format!("tags/{tag}/index/sha256/{}/link", hex(manifest));
        for path in [index, format!("tags/{tag}/current/link")] {
            write(&manifests.join(path), digest.as_bytes());
        }
        digest
    }

    fn of(&self, repository: &str) -> PathBuf {
        self.storage().join("repositories").join(repository)
    }

    /// Puts the image of a layout into the storage, and returns its name.
    pub(crate) fn put(&self, layout: &Layout, repository: &str, tag: &str) -> String {
        let read = |path: &str| fs::read(layout.dir.join(path)).unwrap();
        for hex in crate::support::names(&layout.dir.join("blobs/sha256")) {
            self.put_as(repository, &hex, &read(&format!("blobs/sha256/{hex}")));
        }
        let index: serde_json::Value = serde_json::from_slice(&read("index.json")).unwrap();
        let digest = index["manifests"][0]["digest"].as_str().unwrap();
        let manifest = read(&format!("blobs/{}", digest.replace(':', "/")));
        self.put_manifest(repository, tag, &manifest);
        self.name(&format!("{repository}:{tag}"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// Runs openssl in a directory; it has to succeed.
#[track_caller]
pub(crate) fn openssl(dir: &Path, args: &[&str]) -> Vec<u8> {
    let output = Command::new("openssl").args(args).current_dir(dir).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

/// Makes a certificate authority, `ca.pem`, and a certificate for this machine by it,
/// `cert.pem` with `key.pem`.
#[track_caller]
pub(crate) fn make_certificates(dir: &Path) {
    let new = [
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
    ];
    let ca = [
        "-keyout",
        "ca-key.pem",
        "-out",
        "ca.pem",
        "-subj",
        "/CN=test CA",
    ];
    openssl(dir, &[&new[..], &ca].concat());
    let own = [
        "-keyout",
        "key.pem",
        "-out",
        "request.pem",
        "-subj",
        "/CN=localhost",
    ];
    openssl(
        dir,
        &[&["req", "-newkey", "rsa:2048", "-nodes"][..], &own].concat(),
    );
    fs::write(
        dir.join("names"),
        "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n",
    )
    .unwrap();
    let sign = [
        "x509",
        "-req",
        "-in",
        "request.pem",
        "-CA",
        "ca.pem",
        "-CAkey",
        "ca-key.pem",
        "-CAcreateserial",
        "-days",
        "2",
        "-extfile",
        "names",
        "-out",
        "cert.pem",
    ];
    openssl(dir, &sign);
}

/// A server that gives tokens to those who know a password, as distribution describes it.
pub(crate) struct TokenServer {
    pub(crate) realm: String,
    /// What was asked for: the first line of each request, and its credentials.
    pub(crate) asked: Arc<Mutex<Vec<(String, String)>>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl TokenServer {
    /// Starts one that signs with `key.pem` and shows `cert.pem` in a directory. It takes
    /// the user `user` with the password `password`, and `wrong` with none.
    pub(crate) fn start(dir: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let is_over = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let (asked, is_over) = (Arc::clone(&asked), Arc::clone(&is_over));
            move || {
                for stream in listener.incoming() {
                    if is_over.load(Ordering::SeqCst) {
                        return;
                    }
                    answer(&dir, stream.unwrap(), &asked);
                }
            }
        });
        TokenServer {
            realm: format!("http://{address}/token"),
            asked,
            is_over,
            thread: Some(thread),
        }
    }
}

impl Drop for TokenServer {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        let address = self.realm.trim_start_matches("http://");
        // Wakes the thread.
        let _ = TcpStream::connect(address.split('/').next().unwrap());
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn answer(dir: &Path, mut stream: TcpStream, asked: &Mutex<Vec<(String, String)>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut first = String::new();
    reader.read_line(&mut first).unwrap();
    let (mut credentials, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(": ").unwrap();
        match &*name.to_ascii_lowercase() {
            "authorization" => credentials = value.to_owned(),
            "content-length" => length = value.parse().unwrap(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    asked
        .lock()
        .unwrap()
        .push((first.clone(), credentials.clone()));
    let expected = format!("Basic {}", base64(b"user:password", false));
    let (status, text) = match credentials == expected {
        true => ("200 OK", format!(r#"{{"token":"{}"}}"#, token(dir, &first))),
        false => ("401 Unauthorized", "{}".to_owned()),
    };
    let length = text.len();
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    let _ = stream.write_all((head + &text).as_bytes());
}

/// Makes the token for a request. Source: distribution's "Token Authentication
/// Implementation".
fn token(dir: &Path, request: &str) -> String {
    let scope = request.split("scope=repository%3A").nth(1).unwrap();
    let scope = scope.split(['&', ' ']).next().unwrap();
    let scope = scope
        .replace("%2F", "/")
        .replace("%3A", ":")
        .replace("%2C", ",");
    let (name, actions) = scope.rsplit_once(':').unwrap();
    let actions: Vec<&str> = actions.split(',').collect();
    let certificate = fs::read_to_string(dir.join("cert.pem")).unwrap();
    let certificate: String = certificate
        .lines()
        .skip_while(|line| !line.starts_with("-----BEGIN"))
        .filter(|line| !line.starts_with("-----"))
        .collect();
    let header = serde_json::json!({"typ": "JWT", "alg": "RS256", "x5c": [certificate]});
    let now = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap()
        .as_secs();
    let access = serde_json::json!([{"type": "repository", "name": name, "actions": actions}]);
    let claims = serde_json::json!({
        "iss": "test", "aud": "registry.test", "sub": "user", "jti": "1", "access": access,
        "iat": now - 10, "nbf": now - 10, "exp": now + 300
    });
    let [header, claims] = [header, claims].map(|part| base64(part.to_string().as_bytes(), true));
    let signed = format!("{header}.{claims}");
    let to_sign = tempfile::NamedTempFile::new_in(dir).unwrap();
    fs::write(to_sign.path(), &signed).unwrap();
    let path = to_sign.path().to_str().unwrap();
    let signature = openssl(dir, &["dgst", "-sha256", "-sign", "key.pem", path]);
    format!("{signed}.{}", base64(&signature, true))
}

/// Encodes bytes (RFC 4648, section 4; or 5 without padding, for URLs).
pub(crate) fn base64(bytes: &[u8], for_urls: bool) -> String {
    let last = if for_urls { b"-_" } else { b"+/" };
    let digit = |value: u8| match value {
        0..26 => b'A' + value,
        26..52 => b'a' + value - 26,
        52..62 => b'0' + value - 52,
        _ => last[usize::from(value - 62)],
    };
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            match at <= group.len() {
                true => text.push(char::from(digit((bits >> (18 - 6 * at) & 63) as u8))),
                false if !for_urls => text.push('='),
                false => {}
            }
        }
    }
    text
}
