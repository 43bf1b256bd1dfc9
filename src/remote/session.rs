//! The connection to one repository of a registry: who asks, and what is asked again.

use std::cell::{OnceCell, RefCell};
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ureq::http::Method;

use super::answer::{Answer, Fault, NoAnswer};
use super::challenge::{Challenge, challenges};
use super::client::Client;
use super::credentials::{Credential, Lookup};
use super::helper::Helpers;
use super::http::Request;
use super::name::{RemoteName, is_loopback};
use super::retry::{Retries, retry_after};
use super::url::{Url, encoded};
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;

/// The most redirects of a request.
const MAX_REDIRECTS: usize = 5;

/// The longest reason that a message gives, in characters.
const MAX_REASON: usize = 300;

/// What is done with a repository.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Pull,
    Push,
}

/// The connection to one repository.
pub(super) struct Session<'c> {
    pub(super) client: &'c Client,
    pub(super) name: RemoteName,
    pub(super) access: Access,
    /// The registry itself: what is meant for it is sent nowhere else.
    pub(super) origin: Url,
    interrupt: &'c Interrupt,
    /// The values of `Authorization` that the registry was shown. The last one counts.
    authorizations: RefCell<Vec<String>>,
    lookup: OnceCell<Lookup>,
}

/// Why a request has no answer that counts.
pub(super) enum Trouble {
    /// Another try may help, after the time that the registry asks for.
    MayPass(String, Option<std::time::Duration>),
    Final(Error),
}

impl<'c> Session<'c> {
    /// Prepares the connection, and finds out whether it is encrypted.
    pub(super) fn open(
        client: &'c Client,
        name: RemoteName,
        access: Access,
        interrupt: &'c Interrupt,
    ) -> Result<Self> {
        let host = name.host().to_owned();
        let mut session = Session {
            client,
            name,
            access,
            origin: Url::new(true, &host, "/v2/"),
            interrupt,
            authorizations: RefCell::default(),
            lookup: OnceCell::new(),
        };
        if client.is_plain(session.name.registry()) {
            session.origin.is_https = false;
        } else if is_loopback(&host) {
            session.origin.is_https = session.speaks_tls()?;
        }
        Ok(session)
    }

    /// Returns whether a registry on this machine speaks TLS: it is asked without first.
    fn speaks_tls(&self) -> Result<bool> {
        let ask = |is_https| {
            let url = Url::new(is_https, &self.origin.authority, "/v2/");
            let request = Request::new(Method::GET, url);
            self.client.http().send(&request, &request.url, None)
        };
        let mut retries = self.retries();
        loop {
            let failure = match ask(false) {
                // Go's servers say so to HTTP where they expect TLS.
                Ok(answer) if answer.status() == 400 => {
                    let text = answer.read_up_to(1024).unwrap_or_default();
                    return Ok(String::from_utf8_lossy(&text).contains("HTTPS"));
                }
                Ok(_) => return Ok(false),
                Err(failure) => failure,
            };
            let tls = match failure.fault {
                Fault::NotHttp => return Ok(true),
                // Others close the connection.
                Fault::Closed => Some(ask(true)),
                Fault::Tls | Fault::Other => None,
            };
            match tls {
                Some(Ok(_)) => return Ok(true),
                Some(Err(failure)) if failure.fault == Fault::Tls => return Ok(true),
                Some(Err(_)) | None => {}
            }
            if !failure.may_pass || !retries.wait(None)? {
                return Err(self.unavailable(failure.reason));
            }
        }
    }

    pub(super) fn interrupt(&self) -> &'c Interrupt {
        self.interrupt
    }

    /// Returns the tries for something that may have to be done again.
    pub(super) fn retries(&self) -> Retries<'c> {
        Retries::new(self.client.options().retries, self.interrupt)
    }

    /// Returns the URL of something in the repository.
    pub(super) fn url(&self, path: &str) -> Url {
        let path = format!("/v2/{}/{path}", self.name.path());
        Url::new(self.origin.is_https, &self.origin.authority, path)
    }

    /// Resolves a `Location`. It does not lead from TLS to plain HTTP.
    pub(super) fn join(&self, from: &Url, location: Option<&str>) -> Result<Url> {
        let target = location.and_then(|location| from.join(location));
        match target {
            Some(target) if target.is_https || !from.is_https => Ok(target),
            Some(_) => Err(self.unavailable("it redirects from HTTPS to plain HTTP")),
            None => Err(self.unavailable("it redirects without an address")),
        }
    }

    pub(super) fn unavailable(&self, reason: impl Into<String>) -> Error {
        Error::Unavailable {
            registry: self.name.registry().to_owned(),
            reason: self.presentable(reason.into()),
        }
    }

    /// Hides what no message may show, in case that a registry sends it back, and shortens
    /// what is left: not before, because a part of a secret would not be found.
    pub(super) fn presentable(&self, mut reason: String) -> String {
        for secret in self.secrets() {
            reason = reason.replace(&secret, "***");
        }
        reason.chars().take(MAX_REASON).collect()
    }

    /// Returns what no message may show, in all the forms that it is sent in, the longest
    /// first, because one may be a part of another.
    fn secrets(&self) -> Vec<String> {
        let credential = self.lookup.get().and_then(|it| it.credential.as_ref());
        let mut secrets = match credential {
            Some(Credential::Password { user, password }) => {
                let shown = basic(user, password).replacen("Basic ", "", 1);
                vec![password.clone(), shown]
            }
            Some(Credential::IdentityToken(token)) => vec![token.clone(), encoded(token)],
            None => Vec::new(),
        };
        let shown = self.authorizations.borrow();
        let shown = shown.iter().filter_map(|it| it.split_once(' '));
        secrets.extend(shown.map(|(_, token)| token.to_owned()));
        secrets.retain(|secret| !secret.is_empty());
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets
    }

    /// Returns the error for a registry that does not let in.
    pub(super) fn denied(&self) -> Error {
        let lookup = self.lookup.get();
        Error::Denied {
            reference: self.name.to_string(),
            registry: self.name.registry().to_owned(),
            looked: lookup.map_or_else(Vec::new, |lookup| lookup.looked.clone()),
            has_credentials: lookup.is_some_and(|lookup| lookup.credential.is_some()),
        }
    }

    /// Sends a request until it is answered with something else than a passing failure, and
    /// shows who asks where the registry wants to know it. Where it only reads, it is
    /// redirected.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`], [`Error::Denied`], and [`Error::Interrupted`]. What else the
    /// registry answers, 404 for example, is returned.
    pub(super) fn send(&self, request: &Request<'_>) -> Result<Answer> {
        let mut retries = self.retries();
        loop {
            self.interrupt.check()?;
            match self.attempt(request) {
                Ok(answer) => return Ok(answer),
                Err(Trouble::Final(error)) => return Err(error),
                Err(Trouble::MayPass(reason, asked)) => {
                    if !retries.wait(asked)? {
                        return Err(self.unavailable(reason));
                    }
                }
            }
        }
    }

    /// Sends a request once, otherwise as [`send`](Self::send).
    pub(super) fn attempt(&self, request: &Request<'_>) -> std::result::Result<Answer, Trouble> {
        let reads = matches!(request.method, Method::GET | Method::HEAD);
        let mut url = request.url.clone();
        let mut redirects = 0;
        let mut is_asked = false;
        loop {
            let is_own = url.has_origin_of(&self.origin);
            let shown = self.authorizations.borrow().last().cloned();
            let authorization = shown.filter(|_| is_own);
            let http = self.client.http();
            let answer = http.send(request, &url, authorization.as_deref());
            let answer = answer.map_err(|failure| self.trouble(failure))?;
            match answer.status() {
                401 if is_own && !is_asked => {
                    is_asked = true;
                    self.show(&answer)?;
                }
                401 | 403 => return Err(Trouble::Final(self.denied())),
                status @ (301 | 302 | 303 | 307 | 308) if reads || status >= 307 => {
                    redirects += 1;
                    if redirects > MAX_REDIRECTS {
                        let error = self.unavailable("it redirects too often");
                        return Err(Trouble::Final(error));
                    }
                    let target = self.join(&url, answer.header("location"));
                    url = target.map_err(Trouble::Final)?;
                }
                status if may_pass(status) => return Err(passing(answer)),
                _ => return Ok(answer),
            }
        }
    }

    pub(super) fn trouble(&self, failure: NoAnswer) -> Trouble {
        match failure.may_pass {
            true => Trouble::MayPass(failure.reason, None),
            false => Trouble::Final(self.unavailable(failure.reason)),
        }
    }

    /// Prepares to show who asks, as the challenges of the registry itself want it.
    fn show(&self, answer: &Answer) -> std::result::Result<(), Trouble> {
        let all: Vec<Challenge> = answer
            .headers("www-authenticate")
            .flat_map(challenges)
            .collect();
        let lookup = self.lookup.get_or_init(|| {
            let credentials = &self.client.options().credentials;
            credentials.find(&self.name, &Helpers::new(self.interrupt))
        });
        self.interrupt.check().map_err(Trouble::Final)?;
        let find = |scheme| all.iter().find(|challenge| challenge.is(scheme));
        let authorization = match (find("bearer"), find("basic"), &lookup.credential) {
            (Some(challenge), _, credential) => {
                let token = self.token(challenge, credential.as_ref())?;
                format!("Bearer {token}")
            }
            (None, Some(_), Some(Credential::Password { user, password })) => basic(user, password),
            _ => return Err(Trouble::Final(self.denied())),
        };
        self.authorizations.borrow_mut().push(authorization);
        Ok(())
    }
}

/// Returns whether another try may help: not where something is not implemented.
pub(super) fn may_pass(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502..)
}

/// Returns the trouble of a registry that cannot answer now.
pub(super) fn passing(answer: Answer) -> Trouble {
    let now = SystemTime::now();
    let asked = answer.header("retry-after");
    let asked = asked.and_then(|text| retry_after(text, now));
    Trouble::MayPass(answer.into_reason(), asked)
}

pub(super) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::RemoteOptions;

    /// Row 94: a registry that redirects.
    #[test]
    fn a_redirect_never_leads_from_tls_to_plain_http() {
        let client = Client::new(RemoteOptions::default()).unwrap();
        let interrupt = Interrupt::default();
        let name = RemoteName::parse("r.example/app:v1").unwrap();
        let session = Session::open(&client, name, Access::Pull, &interrupt).unwrap();
        let from = session.url("blobs/x");
        assert!(from.is_https);
        let joined = |from: &Url, to| session.join(from, Some(to)).map(|url| url.to_string());
        for to in [
            "http://r.example/b",
            "http://127.0.0.1/b",
            "HTTP://s.example/b",
        ] {
            let error = joined(&from, to).unwrap_err().to_string();
            assert!(error.contains("from HTTPS to plain HTTP"), "{error}");
        }
        assert_eq!(
            joined(&from, "//s.example/b").unwrap(),
            "https://s.example/b"
        );
        let plain = Url::new(false, "s.example", "/");
        assert_eq!(
            joined(&plain, "https://t.example/").unwrap(),
            "https://t.example/"
        );
        assert_eq!(
            joined(&plain, "http://t.example/").unwrap(),
            "http://t.example/"
        );
    }
}
