//! Answers that lead elsewhere, and what is sent there.

use std::sync::Arc;

use super::server::{Answer, Seen, Server};
use super::{Pusher, Registry, There, image};

/// A credential that no other server may see, and how it looks in a header.
const BASIC: &str = "dXNlcjpzZWNyZXQ=";

/// Writes the credential for a registry into docker's file of a home.
fn store_credential(there: &crate::support::Sandbox, host: &str) {
    let text = format!(r#"{{"auths":{{"{host}":{{"auth":"{BASIC}"}}}}}}"#);
    let dir = there.user().join(".docker");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("config.json"), text).unwrap();
}

/// Returns the challenge that a request without the credential gets.
fn challenge(seen: &Seen) -> Option<Answer> {
    let is_known = seen.header("authorization") == Some(&format!("Basic {BASIC}"));
    let basic = || Answer::new(401).header("WWW-Authenticate", "Basic realm=\"r\"");
    (!is_known && seen.path != "/v2/").then(basic)
}

/// Expects that a server was asked, and saw no credential.
#[track_caller]
fn saw_no_credential(server: &Server) {
    let seen = server.seen();
    assert!(!seen.is_empty());
    for seen in seen {
        assert_eq!(seen.header("authorization"), None, "{seen:?}");
        assert!(!seen.text().contains("secret"), "{seen:?}");
        assert!(!seen.text().contains(BASIC), "{seen:?}");
    }
}

/// Starts a registry that wants the credential, and has its blobs at another server.
fn with_storage(storage: &Server, status: u16) -> Server {
    let storage = storage.host();
    image().registry().serve_but(move |seen, _| {
        let blobs = || {
            let location = format!("http://{storage}{}?signed=1", seen.path);
            Answer::new(status).header("Location", location)
        };
        challenge(seen).or_else(|| seen.path.contains("/blobs/").then(blobs))
    })
}

/// Row 95: a redirect to another host.
#[test]
fn a_blob_at_another_server_is_fetched_without_credentials() {
    for status in [301, 302, 303, 307, 308] {
        let storage = image().registry().serve();
        let server = with_storage(&storage, status);
        let there = There::new(&server);
        store_credential(&there.sandbox, &server.host());
        there.has_pulled(&there.pull(&[]));
        assert!(
            server
                .seen()
                .iter()
                .any(|it| it.header("authorization").is_some())
        );
        saw_no_credential(&storage);
    }
}

/// Row 95: a credential that the target of a redirect asks for.
#[test]
fn the_target_of_a_redirect_gets_no_credential_and_neither_does_its_realm() {
    let realm = Server::start(|_| Answer::new(200).text(r#"{"token":"stolen"}"#));
    let host = realm.host();
    for scheme in [
        "Basic realm=\"x\"".to_owned(),
        format!("Bearer realm=\"http://{host}/t\""),
    ] {
        let storage =
            Server::start(move |_| Answer::new(401).header("WWW-Authenticate", scheme.clone()));
        let server = with_storage(&storage, 307);
        let there = There::new(&server);
        store_credential(&there.sandbox, &server.host());
        there.refuses(&there.pull(&[]), 7, "access is denied");
        saw_no_credential(&storage);
        assert_eq!(storage.seen().len(), 1);
    }
    assert_eq!(realm.seen().len(), 0);
}

/// Row 94: a registry that redirects.
#[test]
fn a_redirect_that_does_not_end_is_given_up() {
    let server = image().registry().serve_but(|seen, _| {
        let next = format!("{}x", seen.path);
        seen.path
            .contains("/manifests/")
            .then(|| Answer::new(307).header("Location", next))
    });
    let there = There::new(&server);
    there.refuses(&there.pull(&[]), 6, "it redirects too often");
    assert_eq!(server.seen().len(), 6);
}

/// Row 94: a registry that redirects.
#[test]
fn a_redirect_to_nowhere_is_refused() {
    for location in [
        None,
        Some(""),
        Some("ftp://r.example/"),
        Some("http://u:p@r.example/"),
    ] {
        let server = image().registry().serve_but(move |seen, _| {
            let nowhere = || Answer::new(307).instead("Location", location);
            seen.path.contains("/manifests/").then(nowhere)
        });
        let there = There::new(&server);
        let fact = if location == Some("") {
            "too often"
        } else {
            "without an address"
        };
        there.refuses(&there.pull(&[]), 6, fact);
    }
}

#[test]
fn a_relative_redirect_stays_at_the_registry() {
    let server = image().registry().serve_but(|seen, registry| {
        let at = seen.path.find("/blobs/")?;
        if seen.path.contains("elsewhere") {
            return challenge(seen).or_else(|| Some(registry.answer(seen)));
        }
        let to = format!("/elsewhere{}?x=1", &seen.path[at..]);
        challenge(seen).or(Some(Answer::new(307).header("Location", to)))
    });
    let there = There::new(&server);
    store_credential(&there.sandbox, &server.host());
    there.has_pulled(&there.pull(&[]));
    let elsewhere = server.seen_of("GET", "/elsewhere/");
    assert_eq!(elsewhere.len(), 2);
    // It is the registry itself, which knows who asks by now.
    assert!(
        elsewhere
            .iter()
            .all(|it| it.header("authorization").is_some())
    );
}

/// Row 94: what was found at another server breaks off there.
#[test]
fn a_layer_that_breaks_off_at_another_server_is_asked_for_at_the_registry() {
    let storage = image().registry().serve_but(|seen, registry| {
        let first = seen.path.contains(&image().layer) && seen.nth == 0;
        let cut = |bytes| super::server::Body::Cut(bytes, 1000);
        first.then(|| registry.answer(seen).sent(cut))
    });
    let server = with_storage(&storage, 307);
    let there = There::new(&server);
    store_credential(&there.sandbox, &server.host());
    there.has_pulled(&there.pull(&[]));
    // Where it was redirected to may not be valid any more.
    let asked = server.seen_of("GET", &image().layer);
    assert_eq!(asked.last().unwrap().header("range"), Some("bytes=1000-"));
    let asked = storage.seen_of("GET", &image().layer);
    assert_eq!(asked[1].header("range"), Some("bytes=1000-"));
    saw_no_credential(&storage);
}

/// Starts a registry whose uploads have this location, made of their path.
fn with_location(
    registry: &Registry,
    location: impl Fn(&str) -> String + Send + Sync + 'static,
) -> Server {
    registry.serve_but(move |seen, registry| {
        challenge(seen).or_else(|| {
            let answer = registry.answer(seen);
            let own = answer.headers.iter().find(|(name, _)| name == "Location")?;
            let location = location(&own.1);
            Some(answer.instead("Location", Some(&location)))
        })
    })
}

#[test]
fn the_location_of_an_upload_may_be_relative_and_have_a_query() {
    // Whether it is relative to the path, and its query.
    for (is_name, own, query) in [
        (false, "", "?digest="),
        (false, "?_state=a%3Db%26", "?_state=a%3Db%26&digest="),
        (true, "", "?digest="),
        (true, "?_state=x", "?_state=x&digest="),
    ] {
        let location = move |path: &str| match is_name {
            true => format!("{}{own}", path.rsplit('/').next().unwrap()),
            false => format!("{path}{own}"),
        };
        let server = with_location(&Registry::default(), location);
        let pusher = Pusher::new(&server.host(), 1000);
        store_credential(&pusher.sandbox, &server.host());
        pusher.pushes(&[]);
        let puts = server.seen_of("PUT", "/blobs/uploads/");
        assert_eq!(puts.len(), 2);
        assert!(puts.iter().all(|it| it.path.contains(query)), "{puts:?}");
    }
}

/// Row 95: a `Location` at another host.
#[test]
fn an_upload_to_another_server_is_sent_without_credentials() {
    let registry = Registry::default();
    let storage = Arc::new(registry.serve());
    let host = storage.host();
    let server = with_location(&registry, move |path| {
        format!("http://{host}{path}?signed=1")
    });
    let pusher = Pusher::new(&server.host(), 1000);
    store_credential(&pusher.sandbox, &server.host());
    pusher.pushes(&[]);
    saw_no_credential(&storage);
    assert_eq!(storage.seen_of("PUT", "/blobs/uploads/").len(), 2);
    assert_eq!(server.seen_of("PUT", "/blobs/uploads/").len(), 0);
    // Nor where it asks for some.
    let storage =
        Server::start(|_| Answer::new(401).header("WWW-Authenticate", "Basic realm=\"x\""));
    let host = storage.host();
    let server = with_location(&Registry::default(), move |path| {
        format!("http://{host}{path}")
    });
    let pusher = Pusher::new(&server.host(), 1000);
    store_credential(&pusher.sandbox, &server.host());
    pusher.is_refused(&[], 7, "access is denied");
    saw_no_credential(&storage);
}
