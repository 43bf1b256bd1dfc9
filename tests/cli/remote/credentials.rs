//! Who asks, as registries want to know it: names and passwords, tokens, and what may be
//! sent where.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::server::{Answer, Seen, Server};
use super::{Pusher, Registry, There, image};
use crate::support::{Run, Sandbox, write_tree};

const PASSWORD: &str = "pass word&=ü";
const TOKEN: &str = "token.of-the_registry";
const IDENTITY: &str = "identity+token/=";

fn basic() -> String {
    format!("Basic {}", STANDARD.encode(format!("user:{PASSWORD}")))
}

/// Writes docker's file with a password for a registry.
fn store_password(sandbox: &Sandbox, host: &str) {
    let auth = STANDARD.encode(format!("user:{PASSWORD}"));
    let text = format!(r#"{{"auths":{{"{host}":{{"auth":"{auth}"}}}}}}"#);
    write_tree(&sandbox.user(), &[(".docker/config.json", &*text)]);
}

fn store_identity(sandbox: &Sandbox, host: &str) {
    let text = format!(r#"{{"auths":{{"{host}":{{"auth":"","identitytoken":"{IDENTITY}"}}}}}}"#);
    write_tree(&sandbox.user(), &[(".docker/config.json", &*text)]);
}

/// Starts a token server.
fn token_server() -> Server {
    Server::start(|_| Answer::new(200).text(format!(r#"{{"token":"{TOKEN}"}}"#)))
}

/// Returns the challenge that a request without the token gets; none for one with it.
fn wants_token(seen: &Seen, realm: &str, more: &str) -> Option<Answer> {
    let is_known = seen.header("authorization") == Some(&format!("Bearer {TOKEN}"));
    let challenge = format!("Bearer realm=\"{realm}\"{more}");
    let asks = || Answer::new(401).header("WWW-Authenticate", challenge);
    (!is_known).then(asks)
}

/// Starts a registry that wants a token of a token server.
fn with_tokens(registry: &Registry, tokens: &Server, more: &'static str) -> Server {
    let realm = format!("http://{}/token?x=1", tokens.host());
    registry.serve_but(move |seen, _| wants_token(seen, &realm, more))
}

/// Expects that nothing that a run printed shows a secret.
#[track_caller]
fn shows_no_secret(run: &Run) {
    for secret in [
        PASSWORD,
        TOKEN,
        IDENTITY,
        basic().trim_start_matches("Basic "),
    ] {
        assert!(!run.stdout.contains(secret), "{run:?}");
        assert!(!run.stderr.contains(secret), "{run:?}");
    }
}

/// Expects that a server was never sent a text, in any form.
#[track_caller]
fn never_saw(server: &Server, secret: &str) {
    for seen in server.seen() {
        assert!(!seen.text().contains(secret), "{seen:?}");
    }
}

#[test]
fn a_pull_asks_for_a_token_to_pull() {
    let tokens = token_server();
    let more = ",service=\"r & s\",scope=\"repository:acme/app:pull\"";
    let server = with_tokens(&image().registry(), &tokens, more);
    let there = There::new(&server);
    store_password(&there.sandbox, &server.host());
    let run = there.pull(&[]);
    there.has_pulled(&run);
    shows_no_secret(&run);
    let [asked] = &tokens.seen()[..] else {
        unreachable!("one token is enough");
    };
    let scope = "scope=repository%3Aacme%2Fapp%3Apull";
    assert_eq!(
        asked.path,
        format!("/token?x=1&service=r%20%26%20s&{scope}")
    );
    assert_eq!(asked.header("authorization"), Some(&*basic()));
    // The registry gets the token alone, and the token server the password alone.
    never_saw(&server, "Basic");
    never_saw(&tokens, TOKEN);
}

#[test]
fn a_push_asks_for_a_token_to_pull_and_push_at_once() {
    let tokens = token_server();
    // Whatever part of it the registry asks for first.
    let more = ",scope=\"repository:acme/app:pull repository:base/app:pull\"";
    let server = with_tokens(&Registry::default(), &tokens, more);
    let pusher = Pusher::new(&server.host(), 1000);
    store_password(&pusher.sandbox, &server.host());
    pusher.pushes(&[]);
    let [asked] = &tokens.seen()[..] else {
        unreachable!("one token is enough");
    };
    let own = "scope=repository%3Aacme%2Fapp%3Apull%2Cpush";
    let other = "scope=repository%3Abase%2Fapp%3Apull";
    assert_eq!(asked.path, format!("/token?x=1&{own}&{other}"));
}

/// Row 94: a registry that asks for credentials half way.
#[test]
fn a_token_that_expires_half_way_is_renewed() {
    let expires = |seen: &Seen, part: &str| {
        let is_first = seen.nth == 0 && seen.header("authorization").is_some();
        seen.path.contains(part) && is_first
    };
    for part in [&image().layer, &image().config] {
        let part = part.clone();
        let registry = image().registry();
        let server = registry.serve_but(move |seen, _| {
            if seen.path.starts_with("/token") {
                return Some(Answer::new(200).text(format!(r#"{{"token":"{TOKEN}"}}"#)));
            }
            let realm = format!("http://{}/token", seen.host());
            if expires(seen, &part) {
                return Some(
                    Answer::new(401)
                        .header("WWW-Authenticate", format!("Bearer realm=\"{realm}\"")),
                );
            }
            wants_token(seen, &realm, "")
        });
        let there = There::new(&server);
        there.has_pulled(&there.pull(&["--retries", "0"]));
        assert_eq!(server.seen_of("GET", "/token").len(), 2);
    }
    // While blobs are sent, and as the manifest is.
    for part in ["/blobs/uploads/0", "/manifests/"] {
        let tokens = token_server();
        let realm = format!("http://{}/token", tokens.host());
        let registry = Registry::default();
        let server = registry.serve_but(move |seen, _| {
            let expired = seen.method == "PUT" && expires(seen, part);
            let challenge = format!("Bearer realm=\"{realm}\"");
            expired
                .then(|| Answer::new(401).header("WWW-Authenticate", challenge))
                .or_else(|| wants_token(seen, &realm, ""))
        });
        let pusher = Pusher::new(&server.host(), 200_000);
        pusher.pushes(&["--retries", "0"]);
        assert_eq!(tokens.seen().len(), 2);
        assert_eq!(registry.held().blobs.len(), 2);
    }
}

#[test]
fn an_identity_token_is_exchanged_by_a_post() {
    let tokens = Server::start(|seen| match &*seen.method {
        "POST" => Answer::new(200).text(format!(r#"{{"access_token":"{TOKEN}"}}"#)),
        _ => Answer::new(405),
    });
    let server = with_tokens(&image().registry(), &tokens, ",service=\"r\"");
    let there = There::new(&server);
    store_identity(&there.sandbox, &server.host());
    let run = there.pull(&[]);
    there.has_pulled(&run);
    shows_no_secret(&run);
    let [asked] = &tokens.seen()[..] else {
        unreachable!("one token is enough");
    };
    assert_eq!(asked.path, "/token?x=1");
    assert_eq!(asked.header("authorization"), None);
    let form = "application/x-www-form-urlencoded";
    assert_eq!(asked.header("content-type"), Some(form));
    let form = String::from_utf8(asked.body.clone()).unwrap();
    let mut fields: Vec<_> = form.split('&').collect();
    fields.sort_unstable();
    assert_eq!(
        fields,
        [
            "client_id=cldctl-registry",
            "grant_type=refresh_token",
            "refresh_token=identity%2Btoken%2F%3D",
            "scope=repository%3Aacme%2Fapp%3Apull",
            "service=r",
        ]
    );
    // It is no password, so that a registry that asks for one does not get it.
    let server = image()
        .registry()
        .serve_but(|_, _| Some(Answer::new(401).header("WWW-Authenticate", "Basic realm=\"r\"")));
    let there = There::new(&server);
    store_identity(&there.sandbox, &server.host());
    there.refuses(&there.pull(&[]), 7, "access is denied");
    never_saw(&server, "identity");
}

#[test]
fn a_token_server_that_gives_none_is_said_to_be_so() {
    type Said = (u16, &'static str, i32, &'static str);
    let cases: [Said; 7] = [
        (200, "{}", 6, "gives no token"),
        (200, "no JSON", 6, "gives no token"),
        (200, r#"{"token":"a\r\nX-Header: b"}"#, 6, "gives no token"),
        (401, "{}", 7, "access is denied"),
        (403, "{}", 7, "access is denied"),
        (404, "{}", 6, "its token server: it answered 404"),
        (503, "{}", 6, "503"),
    ];
    for (status, text, code, fact) in cases {
        let tokens = Server::start(move |_| Answer::new(status).text(text));
        let server = with_tokens(&image().registry(), &tokens, "");
        let there = There::new(&server);
        store_password(&there.sandbox, &server.host());
        let run = there.pull(&[]);
        there.refuses(&run, code, fact);
        shows_no_secret(&run);
        assert_eq!(tokens.seen().len(), if status == 503 { 2 } else { 1 });
    }
    // One that redirects is not followed with the password.
    let thief = token_server();
    let to = format!("http://{}/", thief.host());
    let tokens = Server::start(move |_| Answer::new(307).header("Location", to.clone()));
    let server = with_tokens(&image().registry(), &tokens, "");
    let there = There::new(&server);
    store_password(&there.sandbox, &server.host());
    there.refuses(&there.pull(&[]), 6, "its token server");
    assert_eq!(thief.seen().len(), 0);
}

#[test]
fn a_challenge_that_names_no_token_server_is_refused() {
    for challenge in [
        "Bearer",
        "Bearer realm=\"\"",
        "Bearer realm=\"ftp://r.example/\"",
        "Bearer realm=\"http://r.example/token\"",
        "Bearer realm=\"http://user:x@127.0.0.1/token\"",
    ] {
        let server = image()
            .registry()
            .serve_but(move |_, _| Some(Answer::new(401).header("WWW-Authenticate", challenge)));
        let there = There::new(&server);
        store_password(&there.sandbox, &server.host());
        there.refuses(
            &there.pull(&[]),
            6,
            "no token server that may see credentials",
        );
    }
    for challenge in ["", "Negotiate", "Digest realm=\"r\""] {
        let server = image()
            .registry()
            .serve_but(move |_, _| Some(Answer::new(401).header("WWW-Authenticate", challenge)));
        let there = There::new(&server);
        store_password(&there.sandbox, &server.host());
        there.refuses(&there.pull(&[]), 7, "access is denied");
        never_saw(&server, "Basic");
    }
}

/// Row 95: no message shows a secret.
#[test]
fn a_secret_that_comes_back_in_an_answer_is_not_shown() {
    let echo = |seen: &Seen, status| {
        let all = seen.text().replace(['"', '\\'], "'");
        // It is cut off within the secret.
        let secret = seen.header("authorization").unwrap_or_default();
        let cut = format!("{}{secret}", "x".repeat(250));
        let text = |it: &str| format!(r#"{{"errors":[{{"code":"A","message":"{it}"}}]}}"#);
        let text = if seen.nth == 0 {
            text(&all[all.find("auth").unwrap_or(0)..])
        } else {
            text(&cut)
        };
        Answer::new(status).text(text)
    };
    // Of the registry, that knows the token or the password.
    for is_basic in [true, false] {
        let tokens = token_server();
        let realm = format!("http://{}/token", tokens.host());
        let server = image().registry().serve_but(move |seen, _| {
            let challenge = match is_basic {
                true => "Basic realm=\"r\"".to_owned(),
                false => format!("Bearer realm=\"{realm}\""),
            };
            let asks = || Answer::new(401).header("WWW-Authenticate", challenge);
            let is_probe = seen.path == "/v2/";
            let is_known = seen.header("authorization").is_some();
            (!is_probe && !is_known)
                .then(asks)
                .or_else(|| (!is_probe).then(|| echo(seen, 400)))
        });
        let there = There::new(&server);
        store_password(&there.sandbox, &server.host());
        for _ in 0..2 {
            let run = there.pull(&[]);
            there.refuses(&run, 6, "400 Bad Request");
            shows_no_secret(&run);
            assert!(!run.stderr.contains(&TOKEN[..10]), "{run:?}");
            assert!(!run.stderr.contains(&basic()[6..20]), "{run:?}");
        }
    }
    // Of the token server, that knows the password or the identity token.
    for is_identity in [true, false] {
        let tokens = Server::start(move |seen| {
            let text = seen.text().replace(['"', '\\'], "'");
            let text = &text[text
                .find(if is_identity { "refresh" } else { "auth" })
                .unwrap()..];
            Answer::new(400).text(format!(
                r#"{{"errors":[{{"code":"A","message":"{text}"}}]}}"#
            ))
        });
        let server = with_tokens(&image().registry(), &tokens, "");
        let there = There::new(&server);
        match is_identity {
            true => store_identity(&there.sandbox, &server.host()),
            false => store_password(&there.sandbox, &server.host()),
        }
        let run = there.pull(&[]);
        there.refuses(&run, 6, "its token server: it answered 400");
        shows_no_secret(&run);
        assert!(!run.stderr.contains("identity%2Btoken"), "{run:?}");
    }
}

#[test]
fn a_token_is_asked_for_without_a_scope_and_without_credentials() {
    let tokens = Server::start(|_| {
        Answer::new(200).text(format!(r#"{{"access_token":"{TOKEN}","token":""}}"#))
    });
    let server = with_tokens(&image().registry(), &tokens, "");
    let there = There::new(&server);
    there.has_pulled(&there.pull(&[]));
    let [asked] = &tokens.seen()[..] else {
        unreachable!("one token is enough");
    };
    assert_eq!(
        asked.path,
        "/token?x=1&scope=repository%3Aacme%2Fapp%3Apull"
    );
    assert_eq!(asked.header("authorization"), None);
}

/// Row 95: a redirect to another host.
#[test]
fn a_token_is_sent_to_the_registry_alone() {
    let tokens = token_server();
    let storage = image().registry().serve();
    let realm = format!("http://{}/token", tokens.host());
    let host = storage.host();
    let server = image().registry().serve_but(move |seen, _| {
        wants_token(seen, &realm, "").or_else(|| {
            let to = format!("http://{host}{}", seen.path);
            let leads = seen.path.contains("/blobs/");
            leads.then(|| Answer::new(307).header("Location", to))
        })
    });
    let there = There::new(&server);
    store_password(&there.sandbox, &server.host());
    there.has_pulled(&there.pull(&[]));
    assert_eq!(storage.seen().len(), 2);
    for other in [&storage, &tokens] {
        never_saw(other, TOKEN);
    }
    never_saw(&storage, "authorization");
}
