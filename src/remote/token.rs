//! Tokens for registries. Source: distribution's "Token Authentication" and "OAuth2 Token
//! Authentication".

use ureq::http::Method;

use super::challenge::Challenge;
use super::credentials::Credential;
use super::http::{Body, Request};
use super::name::is_loopback;
use super::session::{Access, Session, Trouble, basic, may_pass, passing};
use super::url::{Url, encoded};

/// The longest answer of a token server, in bytes.
const MAX_TOKEN: u64 = 1 << 20;

/// The name of this program for token servers.
const CLIENT_ID: &str = "cldctl-registry";

impl Session<'_> {
    /// Gets a token from the token server that a challenge names. Source: distribution's
    /// "Token Authentication" and "OAuth2 Token Authentication".
    pub(super) fn token(
        &self,
        challenge: &Challenge,
        credential: Option<&Credential>,
    ) -> std::result::Result<String, Trouble> {
        let realm = challenge.parameter("realm").and_then(Url::parse);
        let realm = realm.filter(|realm| self.may_see_credentials(realm));
        let Some(realm) = realm else {
            let error = self.unavailable("it names no token server that may see credentials");
            return Err(Trouble::Final(error));
        };
        let mut query = String::new();
        let mut add = |name: &str, value: &str| {
            let sign = if query.is_empty() { "" } else { "&" };
            query.push_str(&format!("{sign}{name}={}", encoded(value)));
        };
        if let Some(service) = challenge.parameter("service") {
            add("service", service);
        }
        for scope in self.scopes(challenge.parameter("scope")) {
            add("scope", &scope);
        }
        let (request, authorization) = match credential {
            Some(Credential::IdentityToken(token)) => {
                add("grant_type", "refresh_token");
                add("client_id", CLIENT_ID);
                add("refresh_token", token);
                let form = "application/x-www-form-urlencoded";
                let request = Request::new(Method::POST, realm).header("content-type", form);
                (request.body(Body::Bytes(query.as_bytes())), None)
            }
            Some(Credential::Password { user, password }) => (
                Request::new(Method::GET, realm.with(&query)),
                Some(basic(user, password)),
            ),
            None => (Request::new(Method::GET, realm.with(&query)), None),
        };
        let http = self.client.http();
        let answer = http.send(&request, &request.url, authorization.as_deref());
        let answer = answer.map_err(|failure| self.trouble(failure))?;
        match answer.status() {
            200 => {}
            401 | 403 => return Err(Trouble::Final(self.denied())),
            status if may_pass(status) => return Err(passing(answer)),
            _ => {
                let reason = format!("its token server: {}", answer.into_reason());
                return Err(Trouble::Final(self.unavailable(reason)));
            }
        }
        #[derive(serde::Deserialize)]
        struct Answered {
            token: Option<String>,
            access_token: Option<String>,
        }
        let text = answer.read_up_to(MAX_TOKEN);
        let text = text.map_err(|failure| self.trouble(failure))?;
        let answered = serde_json::from_slice::<Answered>(&text).ok();
        // The token goes into a header, so that other characters are refused.
        let is_token = |it: &String| !it.is_empty() && it.bytes().all(|c| c.is_ascii_graphic());
        let tokens = answered.map(|it| [it.token, it.access_token]);
        let token = tokens.into_iter().flatten().flatten().find(is_token);
        token.ok_or_else(|| Trouble::Final(self.unavailable("its token server gives no token")))
    }

    /// Returns whether a token server may see credentials: over TLS, on this machine for a
    /// registry on this machine, or where the registry itself sees them.
    fn may_see_credentials(&self, realm: &Url) -> bool {
        let both_here = is_loopback(&realm.authority) && is_loopback(&self.origin.authority);
        realm.is_https
            || both_here
            || realm.has_origin_of(&self.origin)
            || self.client.is_plain(&realm.authority)
    }

    /// Returns what a token is asked for: all that is to be done, at once, and what the
    /// registry names besides.
    fn scopes(&self, asked: Option<&str>) -> Vec<String> {
        let path = self.name.path();
        let actions = match self.access {
            Access::Pull => "pull",
            Access::Push => "pull,push",
        };
        let own = format!("repository:{path}:");
        let others = asked.into_iter().flat_map(str::split_whitespace);
        let others = others.filter(|scope| !scope.starts_with(&own));
        let others = others.map(str::to_owned);
        std::iter::once(format!("{own}{actions}"))
            .chain(others)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Interrupt;
    use crate::remote::client::Client;
    use crate::remote::{RemoteName, RemoteOptions};

    /// Returns whether the token server of a registry may see credentials.
    fn may_see(registry: &str, realm: &str) -> bool {
        let mut options = RemoteOptions::default();
        options.plain_http.push("plain.example:5000".to_owned());
        let client = Client::new(options).unwrap();
        let interrupt = Interrupt::default();
        let name = RemoteName::parse("r.example/app:v1").unwrap();
        let mut session = Session::open(&client, name, Access::Pull, &interrupt).unwrap();
        session.origin = Url::parse(registry).unwrap();
        session.may_see_credentials(&Url::parse(realm).unwrap())
    }

    /// Row 95: credentials over plain HTTP.
    #[test]
    fn a_token_server_over_plain_http_sees_no_credentials() {
        for (registry, realm) in [
            ("https://r.example/", "http://r.example/token"),
            ("https://r.example/", "http://auth.example/token"),
            ("https://r.example/", "http://127.0.0.1:5001/token"),
            ("https://r.example/", "http://localhost/token"),
            ("http://127.0.0.1:5000/", "http://auth.example/token"),
            ("http://127.0.0.1:5000/", "http://127.0.0.1.example/token"),
            ("http://plain.example:5000/", "http://auth.example/token"),
            (
                "http://plain.example:5000/",
                "http://plain.example:5001/token",
            ),
        ] {
            assert!(!may_see(registry, realm), "{registry} {realm}");
        }
        for (registry, realm) in [
            ("https://r.example/", "https://auth.example/token"),
            ("http://127.0.0.1:5000/", "https://auth.example/token"),
            ("http://127.0.0.1:5000/", "http://localhost:5001/token"),
            (
                "http://plain.example:5000/",
                "http://plain.example:5000/token",
            ),
        ] {
            assert!(may_see(registry, realm), "{registry} {realm}");
        }
    }
}
