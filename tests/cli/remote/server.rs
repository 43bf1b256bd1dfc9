//! A small HTTP server that can misbehave, and that remembers what it was asked.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

/// In the path of a request that asks first, it leaves the body unread.
pub(super) const NOT_READ: &str = "not-read";

/// A request that came.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) method: String,
    /// The path, with the query.
    pub(super) path: String,
    /// The names are in lower case.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// How many requests of the same method and path came before.
    pub(super) nth: usize,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(header, _)| header == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Returns the name and port that the client reached this server by.
    pub(super) fn host(&self) -> &str {
        self.header("host").unwrap_or_default()
    }

    pub(super) fn is(&self, method: &str, part_of_path: &str) -> bool {
        self.method == method && self.path.contains(part_of_path)
    }

    /// Returns all of it as text, to look for what must not be in it.
    pub(super) fn text(&self) -> String {
        let body = String::from_utf8_lossy(&self.body);
        format!("{} {} {:?} {body}", self.method, self.path, self.headers)
    }
}

/// What is answered.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Body,
}

/// The body of an answer.
#[derive(Clone, Debug)]
pub(super) enum Body {
    Whole(Vec<u8>),
    /// Its length is stated, and the connection closed after this many bytes.
    Cut(Vec<u8>, usize),
    /// Its length is stated, and nothing comes after this many bytes.
    Stalled(Vec<u8>, usize),
    /// In chunks, without a stated length.
    Chunked(Vec<u8>),
    /// Without a stated length; the connection is closed after this many bytes.
    UntilClose(Vec<u8>, usize),
    /// In chunks, again and again.
    Endless(Vec<u8>),
    /// These bytes are all that is sent, without a head.
    Raw(Vec<u8>),
    /// Nothing is sent.
    Silence,
}

impl Answer {
    pub(super) fn new(status: u16) -> Self {
        Answer {
            status,
            headers: Vec::new(),
            body: Body::Whole(Vec::new()),
        }
    }

    pub(super) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Replaces a header, or leaves it out.
    pub(super) fn instead(mut self, name: &str, value: Option<&str>) -> Self {
        self.headers
            .retain(|(header, _)| !header.eq_ignore_ascii_case(name));
        match value {
            Some(value) => self.header(name, value),
            None => self,
        }
    }

    pub(super) fn text(self, text: impl Into<Vec<u8>>) -> Self {
        self.body(Body::Whole(text.into()))
    }

    pub(super) fn body(mut self, body: Body) -> Self {
        self.body = body;
        self
    }

    /// Changes how the bytes of the body are sent.
    pub(super) fn sent(self, how: impl FnOnce(Vec<u8>) -> Body) -> Self {
        let bytes = match &self.body {
            Body::Whole(bytes) => Some(bytes.clone()),
            _ => None,
        };
        self.body(how(bytes.expect("it was changed already")))
    }
}

/// Decides what is answered.
pub(super) type Hook = Box<dyn Fn(&Seen) -> Answer + Send + Sync>;

/// A running server. It ends with all of its threads when it is dropped.
pub(super) struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    listening: Option<JoinHandle<()>>,
}

struct Shared {
    answer: Hook,
    seen: Mutex<Vec<Seen>>,
    connections: Mutex<Vec<TcpStream>>,
    is_over: AtomicBool,
}

impl Server {
    pub(super) fn start(answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            answer: Box::new(answer),
            seen: Mutex::default(),
            connections: Mutex::default(),
            is_over: AtomicBool::new(false),
        });
        let own = Arc::clone(&shared);
        let listening = thread::spawn(move || {
            thread::scope(|scope| {
                for stream in listener.incoming() {
                    if own.is_over.load(Ordering::SeqCst) {
                        return;
                    }
                    let Ok(stream) = stream else { continue };
                    own.connections
                        .lock()
                        .unwrap()
                        .push(stream.try_clone().unwrap());
                    // It may have been missed by what closes all.
                    if own.is_over.load(Ordering::SeqCst) {
                        return;
                    }
                    let own = &own;
                    scope.spawn(move || {
                        // Clients may leave when they like.
                        let _ = own.serve(&stream);
                        let _ = stream.shutdown(Shutdown::Both);
                    });
                }
            });
        });
        Server {
            address,
            shared,
            listening: Some(listening),
        }
    }

    /// Returns the host and port.
    pub(super) fn host(&self) -> String {
        self.address.to_string()
    }

    /// Returns all requests that came.
    pub(super) fn all(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// Returns the requests that came, without the question whether TLS is spoken.
    pub(super) fn seen(&self) -> Vec<Seen> {
        let mut seen = self.all();
        seen.retain(|it| it.path != "/v2/");
        seen
    }

    /// Returns the requests of a method whose path contains this.
    pub(super) fn seen_of(&self, method: &str, part_of_path: &str) -> Vec<Seen> {
        let mut seen = self.seen();
        seen.retain(|it| it.is(method, part_of_path));
        seen
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        // The last one wakes what listens.
        let _ = TcpStream::connect(self.address);
        for connection in self.shared.connections.lock().unwrap().drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
        if let Some(listening) = self.listening.take() {
            let ended = listening.join();
            // A panic of a thread of it is a failure of the test.
            assert!(ended.is_ok() || thread::panicking());
        }
    }
}

impl Shared {
    fn serve(&self, stream: &TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(stream);
        while let Some(mut request) = read_request(&mut reader, stream)? {
            {
                let mut seen = self.seen.lock().unwrap();
                let same = |it: &&Seen| it.method == request.method && it.path == request.path;
                request.nth = seen.iter().filter(same).count();
                seen.push(request.clone());
            }
            let answer = (self.answer)(&request);
            if !send(stream, &request, &answer)? {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// Reads the next request; `None` if the client closed the connection.
fn read_request(
    reader: &mut BufReader<&TcpStream>,
    mut stream: &TcpStream,
) -> io::Result<Option<Seen>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut parts = line.split_whitespace().map(str::to_owned);
    let (Some(method), Some(path)) = (parts.next(), parts.next()) else {
        return Ok(None);
    };
    let mut seen = Seen {
        method,
        path,
        headers: Vec::new(),
        body: Vec::new(),
        nth: 0,
    };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        let (name, value) = (name.to_ascii_lowercase(), value.trim().to_owned());
        seen.headers.push((name, value));
    }
    if seen.header("expect").is_some() {
        if seen.path.contains(NOT_READ) {
            return Ok(Some(seen));
        }
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let length = seen.header("content-length").unwrap_or("0");
    let length: u64 = length.parse().unwrap();
    // What breaks off is seen as far as it came.
    reader.take(length).read_to_end(&mut seen.body)?;
    Ok(Some(seen))
}

/// Sends an answer. Returns whether the connection goes on.
fn send(mut stream: &TcpStream, request: &Seen, answer: &Answer) -> io::Result<bool> {
    match &answer.body {
        Body::Raw(bytes) => {
            stream.write_all(bytes)?;
            return Ok(false);
        }
        Body::Silence => return silence(stream),
        _ => {}
    }
    let mut head = format!("HTTP/1.1 {} Said\r\n", answer.status);
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let states_length = |head: &str| head.to_ascii_lowercase().contains("\ncontent-length:");
    match &answer.body {
        Body::Whole(bytes) | Body::Cut(bytes, _) | Body::Stalled(bytes, _)
            if !states_length(&head) =>
        {
            head.push_str(&format!("Content-Length: {}\r\n", bytes.len()));
        }
        Body::Chunked(_) | Body::Endless(_) => head.push_str("Transfer-Encoding: chunked\r\n"),
        Body::UntilClose(..) => head.push_str("Connection: close\r\n"),
        _ => {}
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    if request.method == "HEAD" {
        return Ok(true);
    }
    match &answer.body {
        Body::Whole(bytes) => {
            stream.write_all(bytes)?;
            // After a wrong length, nobody knows where the next answer begins.
            let is_right = head.contains(&format!("Content-Length: {}\r\n", bytes.len()));
            Ok(is_right)
        }
        Body::Cut(bytes, after) | Body::UntilClose(bytes, after) => {
            stream.write_all(&bytes[..*after])?;
            Ok(false)
        }
        Body::Stalled(bytes, after) => {
            stream.write_all(&bytes[..*after])?;
            silence(stream)
        }
        Body::Chunked(bytes) => {
            for part in bytes.chunks(10_000) {
                chunk(stream, part)?;
            }
            chunk(stream, b"")?;
            Ok(true)
        }
        Body::Endless(bytes) => loop {
            chunk(stream, bytes)?;
        },
        Body::Raw(_) | Body::Silence => Ok(false),
    }
}

fn chunk(mut stream: &TcpStream, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(format!("{:x}\r\n", bytes.len()).as_bytes())?;
    stream.write_all(bytes)?;
    stream.write_all(b"\r\n")
}

/// Waits until the client, or the end of the test, closes the connection.
fn silence(mut stream: &TcpStream) -> io::Result<bool> {
    let _ = stream.read(&mut [0])?;
    Ok(false)
}
