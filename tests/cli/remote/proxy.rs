//! Proxies: which requests they get, and which they never do.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use super::{There, image};
use crate::support::Run;

/// The name of a registry that only the proxy can reach.
const NAME: &str = "registry.test:5000";

/// A proxy that connects each tunnel to the same server.
struct ForwardProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    listening: Option<JoinHandle<()>>,
}

struct Shared {
    target: String,
    /// The first lines of the requests, each with its `Proxy-Authorization`.
    asked: Mutex<Vec<(String, Option<String>)>>,
    connections: Mutex<Vec<TcpStream>>,
    is_over: AtomicBool,
}

impl ForwardProxy {
    fn to(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            target: target.to_owned(),
            asked: Mutex::default(),
            connections: Mutex::default(),
            is_over: AtomicBool::new(false),
        });
        let own = Arc::clone(&shared);
        let listening = thread::spawn(move || {
            thread::scope(|scope| {
                for stream in listener.incoming() {
                    let Ok(stream) = stream else { continue };
                    own.keep(&stream);
                    if own.is_over.load(Ordering::SeqCst) {
                        return;
                    }
                    let own = &own;
                    scope.spawn(move || {
                        let _ = own.tunnel(&stream);
                        let _ = stream.shutdown(Shutdown::Both);
                    });
                }
            });
        });
        ForwardProxy {
            address,
            shared,
            listening: Some(listening),
        }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn asked(&self) -> Vec<String> {
        let asked = self.shared.asked.lock().unwrap();
        asked.iter().map(|(line, _)| line.clone()).collect()
    }
}

impl Drop for ForwardProxy {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        for connection in self.shared.connections.lock().unwrap().drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
        let _ = self.listening.take().map(JoinHandle::join);
    }
}

impl Shared {
    fn keep(&self, stream: &TcpStream) {
        let stream = stream.try_clone().unwrap();
        self.connections.lock().unwrap().push(stream);
    }

    fn tunnel(&self, mut client: &TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(client);
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let first = lines.first().cloned().unwrap_or_default();
        let mut shown = lines.iter().filter_map(|line| line.split_once(": "));
        let shown = shown.find(|(name, _)| name.eq_ignore_ascii_case("proxy-authorization"));
        let shown = shown.map(|(_, value)| value.to_owned());
        self.asked.lock().unwrap().push((first.clone(), shown));
        if !first.starts_with(&format!("CONNECT {NAME} ")) {
            return client.write_all(b"HTTP/1.1 502 Elsewhere\r\nContent-Length: 0\r\n\r\n");
        }
        let server = TcpStream::connect(&self.target)?;
        self.keep(&server);
        client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n")?;
        thread::scope(|scope| {
            scope.spawn(|| {
                let _ = io::copy(&mut &server, &mut &*client);
                let _ = client.shutdown(Shutdown::Both);
            });
            let _ = io::copy(&mut reader, &mut &server);
            let _ = server.shutdown(Shutdown::Both);
        });
        Ok(())
    }
}

/// Pulls with an environment and more arguments.
fn pull(there: &There, args: &[&str], env: &[(&str, &str)]) -> Run {
    let mut command = there.sandbox.command(&there.args(args));
    Run::from(command.envs(env.iter().copied()).output().unwrap())
}

#[test]
fn a_registry_without_tls_is_reached_by_the_proxy_for_http() {
    let server = image().registry().serve();
    for variable in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        let proxy = ForwardProxy::to(&server.host());
        let there = There::at(NAME);
        // The one for HTTPS is another, which is not there.
        let env = [
            (variable, &*proxy.url()),
            ("https_proxy", "http://127.0.0.1:9"),
        ];
        let run = pull(&there, &["--plain-http", NAME], &env);
        there.has_pulled(&run);
        assert!(!proxy.asked().is_empty());
    }
    let seen = server.seen();
    assert!(seen.iter().all(|it| it.host() == NAME), "{seen:?}");
    // No proxy has to do with what is for it alone.
    assert!(
        seen.iter()
            .all(|it| it.header("proxy-authorization").is_none())
    );
}

#[test]
fn a_registry_with_tls_is_reached_by_the_proxy_for_https() {
    let server = image().registry().serve();
    for variable in ["https_proxy", "HTTPS_PROXY", "all_proxy"] {
        let proxy = ForwardProxy::to(&server.host());
        let there = There::at(NAME);
        let env = [
            (variable, &*proxy.url()),
            ("http_proxy", "http://127.0.0.1:9"),
        ];
        // Behind the proxy, the server of this test speaks no TLS.
        let run = pull(&there, &["--retries", "0"], &env);
        there.refuses(&run, 6, "");
        assert_eq!(proxy.asked(), [format!("CONNECT {NAME} HTTP/1.1")]);
    }
    assert_eq!(server.seen().len(), 0);
}

#[test]
fn a_registry_on_this_machine_is_reached_without_a_proxy() {
    let server = image().registry().serve();
    let proxy = ForwardProxy::to(&server.host());
    for host in ["127.0.0.1", "localhost"] {
        let host = server.host().replace("127.0.0.1", host);
        let there = There::at(&host);
        let url = proxy.url();
        let env = [
            ("http_proxy", &*url),
            ("https_proxy", &url),
            ("all_proxy", &url),
        ];
        there.has_pulled(&pull(&there, &[], &env));
    }
    assert_eq!(proxy.asked(), [""; 0]);
}

#[test]
fn what_needs_no_proxy_is_reached_without() {
    let server = image().registry().serve();
    let proxy = ForwardProxy::to(&server.host());
    for (variable, hosts) in [
        ("no_proxy", "other.example, registry.test"),
        ("NO_PROXY", ".test"),
        ("NO_PROXY", "registry.test:5000"),
        ("NO_PROXY", "*"),
    ] {
        let there = There::at(NAME);
        let env = [("http_proxy", &*proxy.url()), (variable, hosts)];
        // There is no such host, so that the proxy would be the only way.
        let args = ["--plain-http", NAME, "--retries", "0", "--timeout", "1s"];
        let run = pull(&there, &args, &env);
        there.refuses(&run, 6, "cannot use the registry `registry.test:5000`");
    }
    assert_eq!(proxy.asked(), [""; 0]);
    let there = There::at(NAME);
    let env = [
        ("http_proxy", &*proxy.url()),
        ("no_proxy", "other.test,registry.test:80"),
    ];
    there.has_pulled(&pull(&there, &["--plain-http", NAME], &env));
}

#[test]
fn a_proxy_gets_its_own_credentials_and_they_are_not_shown() {
    let server = image().registry().serve();
    let proxy = ForwardProxy::to(&server.host());
    let url = proxy.url().replace("http://", "http://me:s%20ecret@");
    let there = There::at(NAME);
    let run = pull(&there, &["--plain-http", NAME], &[("http_proxy", &*url)]);
    there.has_pulled(&run);
    let asked = proxy.shared.asked.lock().unwrap().clone();
    // `me:s ecret`
    assert_eq!(asked[0].1.as_deref(), Some("Basic bWU6cyBlY3JldA=="));
    assert!(server.seen().iter().all(|it| !it.text().contains("bWU6")));
    // One that is no URL is not shown either.
    for url in ["http://me:secret@/x y", "nonsense://me:secret@h"] {
        let there = There::at(NAME);
        let run = pull(&there, &["--plain-http", NAME], &[("http_proxy", url)]);
        there.refuses(&run, 6, "the URL of the proxy is invalid");
        assert!(!run.stderr.contains("secret"), "{run:?}");
        let there = There::new(&server);
        there.has_pulled(&pull(&there, &[], &[("http_proxy", url)]));
    }
}

#[test]
fn a_proxy_that_refuses_or_is_gone_makes_a_registry_unavailable() {
    let other = "other.test:5000";
    let proxy = ForwardProxy::to("127.0.0.1:9");
    for (url, fact) in [
        (proxy.url(), "proxy"),
        ("http://127.0.0.1:9".to_owned(), "connection refused"),
    ] {
        let there = There::at(other);
        let run = pull(&there, &["--plain-http", other], &[("http_proxy", &url)]);
        there.refuses(&run, 6, fact);
    }
}
