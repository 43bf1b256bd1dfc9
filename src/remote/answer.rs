//! The answers of registries, and the reasons for which there is none.

use std::io::{self, Read};

use ureq::BodyReader;
use ureq::http::{HeaderValue, Response};

/// The longest answer that is read to explain a failure, in bytes.
const MAX_REASON: u64 = 64 * 1024;

/// The reason for a host that does not exist.
const NO_SUCH_NAME: &str = "there is no host of this name";

/// An answer of a registry.
pub(super) struct Answer(pub(super) Response<ureq::Body>);

/// A request failed without an answer.
#[derive(Debug)]
pub(super) struct NoAnswer {
    /// The reason, as the end of a sentence.
    pub(super) reason: String,
    /// Another try may help.
    pub(super) may_pass: bool,
    pub(super) fault: Fault,
}

/// The part of the way that is at fault, where that tells whether a port speaks TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The answer is no HTTP.
    NotHttp,
    /// The connection was closed before an answer.
    Closed,
    /// TLS, a certificate for example.
    Tls,
    Other,
}

impl NoAnswer {
    pub(super) fn final_of(reason: String, fault: Fault) -> Self {
        NoAnswer {
            reason,
            may_pass: false,
            fault,
        }
    }

    /// Returns why there is no answer.
    pub(super) fn of(error: &ureq::Error) -> Self {
        use ureq::Error as E;
        let fault = match error {
            E::Protocol(_) => Fault::NotHttp,
            E::Rustls(_) => Fault::Tls,
            _ => Fault::Other,
        };
        let (reason, may_pass) = match error {
            E::Timeout(_) => ("it did not answer in time".to_owned(), true),
            E::HostNotFound => (NO_SUCH_NAME.to_owned(), false),
            E::Io(error) => return Self::of_io(error),
            E::Protocol(error) => (format!("its answer is not HTTP: {error}"), true),
            E::ConnectionFailed => ("the connection failed".to_owned(), true),
            E::Rustls(error) => (of_tls(error), false),
            error => (error.to_string(), false),
        };
        NoAnswer {
            reason,
            may_pass,
            fault,
        }
    }

    /// Returns why an answer broke off.
    pub(super) fn of_io(error: &io::Error) -> Self {
        let inner = error.get_ref();
        if let Some(error) = inner.and_then(|inner| inner.downcast_ref::<ureq::Error>()) {
            return Self::of(error);
        }
        if let Some(error) = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            return NoAnswer::final_of(of_tls(error), Fault::Tls);
        }
        let reason = match error.kind() {
            io::ErrorKind::UnexpectedEof => "the connection was closed early".to_owned(),
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
                "it did not answer in time".to_owned()
            }
            _ => crate::error::os_message(error),
        };
        // The resolver has no kind of error for names that do not exist.
        let is_unknown = reason.contains("not known") || reason.contains("No address");
        let reason = match is_unknown {
            true => NO_SUCH_NAME.to_owned(),
            false => reason,
        };
        NoAnswer {
            reason,
            may_pass: !is_unknown,
            fault: match error.kind() {
                io::ErrorKind::UnexpectedEof
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::BrokenPipe => Fault::Closed,
                _ => Fault::Other,
            },
        }
    }
}

/// Returns what is wrong with a TLS connection, as the end of a sentence.
fn of_tls(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(error) => {
            format!("its certificate is not valid: {error}")
        }
        rustls::Error::InvalidMessage(_) => "it does not speak TLS".to_owned(),
        error => format!("TLS: {error}"),
    }
}

/// Returns a value as text. Some registries send characters that are not ASCII, such as the
/// unit of microseconds.
fn text_of(value: &HeaderValue) -> Option<&str> {
    let text = std::str::from_utf8(value.as_bytes()).ok()?;
    (!text.contains(|c: char| c.is_control() && c != '\t')).then_some(text)
}

impl Answer {
    pub(super) fn status(&self) -> u16 {
        self.0.status().as_u16()
    }

    /// Returns a header, if it is text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        text_of(self.0.headers().get(name)?)
    }

    /// Returns all headers of a name that are text.
    pub(super) fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        let values = self.0.headers().get_all(name).into_iter();
        values.filter_map(text_of)
    }

    /// Returns the length that the body has as its head says, in bytes.
    pub(super) fn content_length(&self) -> Option<u64> {
        self.header("content-length")?.trim().parse().ok()
    }

    /// Returns what reads the body.
    pub(super) fn into_reader(self) -> BodyReader<'static> {
        let body = self.0.into_body();
        body.into_with_config().limit(u64::MAX).reader()
    }

    /// Reads the body, up to a byte more than the longest that is allowed.
    pub(super) fn read_up_to(self, max_bytes: u64) -> std::result::Result<Vec<u8>, NoAnswer> {
        let mut text = Vec::new();
        let read = self
            .into_reader()
            .take(max_bytes + 1)
            .read_to_end(&mut text);
        read.map_err(|error| NoAnswer::of_io(&error))?;
        Ok(text)
    }

    /// Returns what is behind a failure as the registry states it, however long that is, and
    /// with secrets, if it sends any back. Source: the OCI distribution specification 1.1,
    /// "Error Codes".
    pub(super) fn into_reason(self) -> String {
        #[derive(serde::Deserialize)]
        struct Errors {
            errors: Vec<Stated>,
        }
        #[derive(serde::Deserialize)]
        struct Stated {
            #[serde(default)]
            code: String,
            #[serde(default)]
            message: String,
        }
        let status = self.0.status();
        let text = self.read_up_to(MAX_REASON).unwrap_or_default();
        let stated = serde_json::from_slice::<Errors>(&text).ok();
        let stated = stated.and_then(|stated| stated.errors.into_iter().next());
        let stated = match stated {
            Some(Stated { code, message }) if message.is_empty() => code,
            Some(Stated { message, .. }) => message,
            None => String::new(),
        };
        match stated.is_empty() {
            true => format!("it answered {status}"),
            false => format!("it answered {status}: {stated}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::retry::retry_after;
    use std::time::{Duration, SystemTime};

    fn answer(value: &[u8]) -> Answer {
        let value = HeaderValue::from_bytes(value).unwrap();
        let response = Response::builder().header("retry-after", value);
        let body = ureq::Body::builder().data("");
        Answer(response.body(body).unwrap())
    }

    #[test]
    fn a_header_is_utf_8_without_control_characters() {
        let answer_of_ghcr = answer("531.481µs".as_bytes());
        let asked = answer_of_ghcr.header("retry-after").unwrap();
        let asked = retry_after(asked, SystemTime::now()).unwrap();
        assert_eq!(asked, Duration::from_nanos(531_481));
        assert_eq!(answer_of_ghcr.headers("retry-after").count(), 1);
        for value in [&b"531\xb5s"[..], "a\u{85}b".as_bytes()] {
            assert_eq!(answer(value).header("retry-after"), None);
        }
    }
}
