//! Requests over HTTP and TLS: one at a time, neither repeated nor redirected.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ureq::http::{Method, Request as HttpRequest};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, Proxy, SendBody};

use super::answer::{Answer, Fault, NoAnswer};
use super::options::RemoteOptions;
use super::proxy::is_direct;
use super::resolve::InterruptibleResolver;
use super::url::Url;
use crate::error::{AtPath, Result};

/// The longest time that a registry may be silent: a limit of the clock's arithmetic.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The length of a body from which a registry is asked first whether it takes it.
const ASKS_FIRST: u64 = 1 << 20;

/// A request that can be sent again.
pub(super) struct Request<'r> {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Body<'r>,
}

/// What is sent.
pub(super) enum Body<'r> {
    None,
    Bytes(&'r [u8]),
    /// A part of a file, and what is told of each piece that was sent.
    Part(FilePart<'r>, &'r dyn Fn(u64)),
}

/// A part of a file: where it starts, and its length, in bytes.
#[derive(Clone, Copy)]
pub(super) struct FilePart<'f> {
    pub(super) file: &'f File,
    pub(super) start: u64,
    pub(super) len: u64,
}

/// The reason that nothing is sent by a proxy. The URL may have a password, so it is not shown.
const INVALID_PROXY: &str = "the URL of the proxy is invalid";

/// A proxy that is named.
enum ByProxy {
    Agent(Box<Agent>),
    /// Its URL is invalid, which matters when it would be used.
    Invalid,
}

/// Sends requests. Its clones share their connections.
pub(super) struct Http {
    direct: Agent,
    by_proxy: [Option<ByProxy>; 2],
    resolver: InterruptibleResolver,
    no_proxy: String,
}

impl<'r> Request<'r> {
    pub(super) fn new(method: Method, url: Url) -> Self {
        Request {
            method,
            url,
            headers: Vec::new(),
            body: Body::None,
        }
    }

    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn body(mut self, body: Body<'r>) -> Self {
        self.body = body;
        self
    }
}

impl Http {
    /// # Errors
    ///
    /// The file of certificates cannot be read.
    pub(super) fn new(options: &RemoteOptions) -> Result<Self> {
        let roots = match &options.ca_file {
            Some(path) => roots_with(path)?,
            None => RootCerts::PlatformVerifier,
        };
        let tls = TlsConfig::builder()
            .root_certs(roots)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        let idle = Some(options.timeout.min(LONGEST_TIMEOUT));
        let resolver = InterruptibleResolver::default();
        let agent = |proxy: Option<Proxy>| {
            let config = Agent::config_builder()
                .tls_config(tls.clone())
                .proxy(proxy)
                .http_status_as_error(false)
                .max_redirects(0)
                .user_agent(concat!("cldctl-registry/", env!("CARGO_PKG_VERSION")))
                .timeout_resolve(idle)
                .timeout_connect(idle)
                .timeout_per_read(idle)
                .timeout_per_write(idle)
                .max_idle_age(Duration::from_secs(60))
                .build();
            Agent::with_parts(config, DefaultConnector::default(), resolver.clone())
        };
        let proxies = &options.proxies;
        let by_proxy = [&proxies.http, &proxies.https].map(|url| {
            url.as_ref().map(|url| match Proxy::new(url) {
                Ok(proxy) => ByProxy::Agent(Box::new(agent(Some(proxy)))),
                Err(_) => ByProxy::Invalid,
            })
        });
        Ok(Http {
            direct: agent(None),
            by_proxy,
            resolver: resolver.clone(),
            no_proxy: proxies.exceptions.clone(),
        })
    }

    /// Returns the agent that sends a request to a URL.
    fn agent(&self, url: &Url) -> std::result::Result<&Agent, NoAnswer> {
        match &self.by_proxy[usize::from(url.is_https)] {
            Some(by_proxy) if !is_direct(&url.authority, &self.no_proxy) => match by_proxy {
                ByProxy::Agent(agent) => Ok(agent),
                ByProxy::Invalid => Err(NoAnswer::final_of(INVALID_PROXY.to_owned(), Fault::Other)),
            },
            _ => Ok(&self.direct),
        }
    }

    /// Ends all requests, and those to come.
    pub(super) fn shutdown(&self) {
        self.resolver.end();
        let by_proxy = self.by_proxy.iter().flatten();
        let by_proxy = by_proxy.filter_map(|by_proxy| match by_proxy {
            ByProxy::Agent(agent) => Some(&**agent),
            ByProxy::Invalid => None,
        });
        let agents = by_proxy.chain([&self.direct]);
        agents.for_each(|agent| agent.clone().shutdown());
    }

    /// Sends a request to a URL, which may be another than its own, and waits for the head
    /// of the answer.
    pub(super) fn send(
        &self,
        request: &Request<'_>,
        url: &Url,
        authorization: Option<&str>,
    ) -> std::result::Result<Answer, NoAnswer> {
        let mut builder = HttpRequest::builder()
            .method(&request.method)
            .uri(url.to_string());
        for (name, value) in &request.headers {
            builder = builder.header(*name, value);
        }
        if let Some(authorization) = authorization {
            builder = builder.header("authorization", authorization);
        }
        let agent = self.agent(url)?;
        let answer = match &request.body {
            Body::None => {
                // Without it, some registries wait for a body.
                if matches!(request.method, Method::POST | Method::PUT) {
                    builder = builder.header("content-length", "0");
                }
                agent.run(builder.body(()).map_err(unusable)?)
            }
            Body::Bytes(bytes) => agent.run(builder.body(*bytes).map_err(unusable)?),
            Body::Part(part, sent) => {
                // Of several parts the first one, because a registry that does not say so costs
                // a second each time.
                if part.len >= ASKS_FIRST && part.start == 0 {
                    builder = builder.header("expect", "100-continue");
                }
                builder = builder.header("content-length", part.len.to_string());
                let mut reader = PartReader {
                    part: *part,
                    read: 0,
                    sent,
                };
                let body = SendBody::from_reader(&mut reader);
                agent.run(builder.body(body).map_err(unusable)?)
            }
        };
        answer.map(Answer).map_err(|error| NoAnswer::of(&error))
    }
}

/// Returns the failure for a request that cannot be sent.
fn unusable(error: ureq::http::Error) -> NoAnswer {
    NoAnswer::final_of(error.to_string(), Fault::Other)
}

/// Returns the certificates of the system and those of a file.
fn roots_with(path: &Path) -> Result<RootCerts> {
    let text = std::fs::read(path).at("read", path)?;
    let mut certificates = Vec::new();
    for item in parse_pem(&text) {
        if let Ok(PemItem::Certificate(certificate)) = item {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        let none = io::Error::new(io::ErrorKind::InvalidData, "it contains no certificate");
        return Err(none).at("use", path);
    }
    let system = rustls_native_certs::load_native_certs().certs;
    let system = system
        .iter()
        .map(|certificate| Certificate::from_der(certificate).to_owned());
    certificates.extend(system);
    Ok(RootCerts::new_with_certs(&certificates))
}

/// Reads a part of a file, and tells of each piece.
struct PartReader<'r> {
    part: FilePart<'r>,
    read: u64,
    sent: &'r dyn Fn(u64),
}

impl Read for PartReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.part.len - self.read;
        let most = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let at = self.part.start + self.read;
        let file = self.part.file;
        let read = crate::store::uninterrupted(|| file.read_at(&mut buffer[..most], at))?;
        self.read += read as u64;
        (self.sent)(read as u64);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::options::Proxies;

    #[test]
    fn an_invalid_proxy_matters_where_it_would_be_used() {
        let http = Http::new(&RemoteOptions {
            proxies: Proxies {
                http: Some("http://user:secret@".to_owned()),
                https: None,
                exceptions: "direct.example".to_owned(),
            },
            ..RemoteOptions::default()
        });
        let http = http.unwrap();
        for authority in ["localhost:5000", "direct.example"] {
            assert!(http.agent(&Url::new(false, authority, "/")).is_ok());
        }
        assert!(http.agent(&Url::new(true, "r.example", "/")).is_ok());
        let refused = http.agent(&Url::new(false, "r.example", "/"));
        assert_eq!(refused.unwrap_err().reason, INVALID_PROXY);
        http.shutdown();
    }
}
