//! What a push sends, in which order, and what it does where that is not taken.

use super::registry::{digest_of, error};
use super::server::{Answer, NOT_READ, Seen, Server};
use super::{Pusher, Registry, add, image};

fn puts(server: &Server) -> Vec<Seen> {
    server.seen_of("PUT", "/blobs/uploads/")
}

/// Returns what a registry answers that takes blobs in parts alone.
fn only_parts(seen: &Seen, status: u16) -> Option<Answer> {
    let refuses = seen.is("PUT", "/blobs/uploads/") && !seen.body.is_empty();
    refuses.then(|| Answer::new(status).text(error("SIZE_INVALID")))
}

#[test]
fn the_manifest_comes_last_and_names_blobs_that_are_there() {
    let server = Registry::default().serve();
    let pusher = Pusher::new(&server.host(), 1_100_000);
    pusher.pushes(&[]);
    let seen = server.seen();
    let last = seen.last().unwrap();
    assert_eq!(
        (&*last.method, &*last.path),
        ("PUT", "/v2/acme/app/manifests/v1")
    );
    assert_eq!(server.seen_of("PUT", "/manifests/").len(), 1);
    assert_eq!(puts(&server).len(), 2);
    // A long one asks first whether it is taken.
    let large = puts(&server).into_iter().find(|it| it.body.len() > 1 << 20);
    assert_eq!(large.unwrap().header("expect"), Some("100-continue"));
}

#[test]
fn what_a_registry_does_not_take_in_parts_either_is_an_error() {
    let server = Registry::default().serve_but(|seen, _| {
        (seen.method != "HEAD" && !seen.body.is_empty())
            .then(|| Answer::new(413).text(error("SIZE_INVALID")))
    });
    let pusher = Pusher::new(&server.host(), 100_000);
    pusher.is_refused(&[], 4, "413 Payload Too Large: said SIZE_INVALID");
    assert_eq!(server.seen_of("PUT", "/manifests/").len(), 0);
}

/// Row 94: the connection is lost.
#[test]
fn an_upload_that_breaks_off_is_begun_anew() {
    let registry = Registry::default();
    let server = registry.serve_but(|seen, _| {
        let raw = super::server::Body::Raw(Vec::new());
        let first = seen.is("PUT", "/blobs/uploads/0");
        first.then(|| Answer::new(201).body(raw))
    });
    Pusher::new(&server.host(), 1_100_000).pushes(&[]);
    let puts = puts(&server);
    assert_eq!(puts.len(), 3);
    // The second one has an upload of its own.
    assert!(puts[1].path.contains("/blobs/uploads/1?"));
    assert_eq!(puts[0].body.len(), puts[1].body.len());
    assert_eq!(registry.held().blobs.len(), 2);
}

#[test]
fn a_blob_that_the_registry_has_is_not_sent() {
    let registry = image().registry();
    registry.change(|held| held.manifests.clear());
    let server = registry.serve();
    let pusher = Pusher::new(&server.host(), 150_000);
    pusher.pushes(&[]);
    assert_eq!(server.seen_of("POST", "").len(), 0);
    assert_eq!(puts(&server).len(), 0);
    assert_eq!(server.seen_of("PUT", "/manifests/").len(), 1);
    assert!(registry.held().manifests.contains_key(&image().manifest));
}

#[test]
fn what_is_unchanged_is_not_sent() {
    let server = Registry::default().serve();
    let pusher = Pusher::new(&server.host(), 150_000);
    pusher.pushes(&[]);
    let sent = server.seen().len();
    let run = pusher.push(&[]);
    assert_eq!(
        run.stdout,
        format!("unchanged {}\n", pusher.reference),
        "{run:?}"
    );
    let seen = server.seen().split_off(sent);
    assert!(
        seen.iter().all(|it| matches!(&*it.method, "GET" | "HEAD")),
        "{seen:?}"
    );
    let layers = seen.iter().filter(|it| it.is("GET", "/blobs/"));
    assert_eq!(layers.count(), 0);
    // Nor is it fetched.
    let run = pusher.sandbox.run(&["pull", &pusher.reference]);
    assert_eq!(
        run.stdout,
        format!("unchanged {}\n", pusher.reference),
        "{run:?}"
    );
    let seen = server.seen_of("GET", "/blobs/");
    assert_eq!(seen.len(), 0, "{seen:?}");
}

#[test]
fn a_blob_that_is_gone_is_sent_again() {
    let registry = Registry::default();
    let server = registry.serve();
    let pusher = Pusher::new(&server.host(), 150_000);
    pusher.pushes(&[]);
    registry.change(|held| held.blobs.clear());
    pusher.pushes(&[]);
    assert_eq!(registry.held().blobs.len(), 2);
}

#[test]
fn a_dry_run_sends_nothing() {
    let registry = Registry::default();
    let server = registry.serve();
    let pusher = Pusher::new(&server.host(), 150_000);
    let run = pusher.push(&["-n"]);
    assert_eq!(
        run.stdout,
        format!("would push {}\n", pusher.reference),
        "{run:?}"
    );
    assert!(server.seen().iter().all(|it| it.body.is_empty()));
    assert_eq!(server.seen_of("PUT", "").len(), 0);
    assert_eq!(server.seen_of("DELETE", "/blobs/uploads/0").len(), 1);
    assert_eq!(registry.held().blobs.len(), 0);
    // It tells what would be refused.
    let closed =
        Registry::default().serve_but(|seen, _| (seen.method == "POST").then(|| Answer::new(403)));
    let pusher = Pusher::new(&closed.host(), 1000);
    pusher.is_refused(&["-n"], 7, "access is denied");
}

#[test]
fn equal_content_of_several_tags_is_sent_once() {
    let registry = Registry::default();
    let server = registry.serve();
    let pusher = Pusher::new(&server.host(), 150_000);
    let repository = pusher.reference.trim_end_matches(":v1").to_owned();
    for tag in ["v2", "v3"] {
        add(&pusher.sandbox, &format!("{repository}:{tag}"), 150_000);
    }
    add(&pusher.sandbox, &format!("{repository}:other"), 1000);
    let pushed = pusher.sandbox.ok(&["push", "--all-tags", &repository]);
    assert_eq!(pushed.lines().count(), 4, "{pushed}");
    // Two layers and two configs; each tag has its manifest.
    assert_eq!(puts(&server).len(), 4);
    assert_eq!(server.seen_of("PUT", "/manifests/").len(), 4);
    let held = registry.held();
    assert_eq!(held.manifests["v1"], held.manifests["v3"]);
    assert_ne!(held.manifests["v1"], held.manifests["other"]);
}

#[test]
fn a_push_that_is_refused_is_said_to_be_so() {
    for (part, status, code) in [
        ("/manifests/", 403, 7),
        ("/manifests/", 400, 4),
        ("/manifests/", 413, 4),
        ("/blobs/uploads/", 403, 7),
        ("/blobs/uploads/", 400, 4),
    ] {
        let server = Registry::default().serve_but(move |seen, _| {
            let is_it = matches!(&*seen.method, "POST" | "PUT") && seen.path.contains(part);
            is_it.then(|| Answer::new(status).text(error("DENIED")))
        });
        let pusher = Pusher::new(&server.host(), 1000);
        pusher.is_refused(&[], code, "");
    }
}

#[test]
fn a_registry_that_takes_only_parts_gets_parts() {
    for (status, len) in [404, 405, 411, 415, 501]
        .map(|it| (it, 1000))
        .into_iter()
        .chain([(413, 4_300_000)])
    {
        let registry = Registry::default();
        let server = registry.serve_but(move |seen, _| only_parts(seen, status));
        Pusher::new(&server.host(), len).pushes(&[]);
        let parts = server.seen_of("PATCH", "/blobs/uploads/");
        // The registry itself refuses a part that does not follow on the one before.
        let ranges = parts.iter().map(|it| it.header("content-range").unwrap());
        let starts: Vec<_> = ranges.map(|it| it.split_once('-').unwrap().0).collect();
        let expected: &[&str] = if len == 1000 {
            &["0", "0"]
        } else {
            &["0", "4194304", "0"]
        };
        assert_eq!(starts, expected, "{status}");
        assert_eq!(registry.held().blobs.len(), 2, "{status}");
    }
}

#[test]
fn parts_that_are_too_large_are_sent_as_smaller_ones() {
    let registry = Registry::default();
    let server =
        registry.serve_but(|seen, _| (seen.body.len() > 2 << 20).then(|| Answer::new(413)));
    Pusher::new(&server.host(), 4_300_000).pushes(&[]);
    let taken = server.seen_of("PATCH", "/blobs/uploads/");
    let sizes: Vec<_> = taken.iter().map(|it| it.body.len()).collect();
    assert_eq!(sizes[..5], [4 << 20, 1 << 20, 1 << 20, 1 << 20, 1 << 20]);
    assert_eq!(registry.held().blobs.len(), 2);
}

/// Row 94: the connection is lost.
#[test]
fn parts_that_break_off_are_begun_anew() {
    let registry = Registry::default();
    let server = registry.serve_but(|seen, _| {
        only_parts(seen, 405).or_else(|| {
            let fails = seen.is("PATCH", "/blobs/uploads/1") && seen.nth == 1;
            fails.then(|| Answer::new(503))
        })
    });
    Pusher::new(&server.host(), 4_300_000).pushes(&[]);
    assert_eq!(registry.held().blobs.len(), 2);
}

#[test]
fn the_least_length_of_parts_is_honoured() {
    let server = Registry::default().serve_but(|seen, registry| {
        only_parts(seen, 405).or_else(|| {
            let least = || {
                registry
                    .answer(seen)
                    .header("OCI-Chunk-Min-Length", "4250000")
            };
            (seen.method == "POST").then(least)
        })
    });
    Pusher::new(&server.host(), 4_300_000).pushes(&[]);
    let parts = server.seen_of("PATCH", "/blobs/uploads/");
    assert_eq!(parts[0].body.len(), 4_250_000);
}

/// Row 94: a registry that lies.
#[test]
fn a_registry_that_stores_something_else_is_an_error() {
    for part in ["/manifests/", "/blobs/uploads/"] {
        let server = Registry::default().serve_but(move |seen, registry| {
            let other = digest_of(b"another");
            let lie = || {
                registry
                    .answer(seen)
                    .instead("Docker-Content-Digest", Some(&other))
            };
            seen.is("PUT", part).then(lie)
        });
        let pusher = Pusher::new(&server.host(), 1000);
        pusher.is_refused(&[], 4, "it stored another");
    }
}

#[test]
fn a_blob_that_is_refused_before_it_is_sent_is_not_sent() {
    let server = Registry::default().serve_but(|seen, registry| {
        if seen.path.contains(NOT_READ) {
            return Some(Answer::new(413).text(error("SIZE_INVALID")));
        }
        let begins = seen.method == "POST";
        begins.then(|| {
            let location = format!("{}1?{NOT_READ}", seen.path);
            registry.answer(seen).instead("Location", Some(&location))
        })
    });
    let pusher = Pusher::new(&server.host(), 1_100_000);
    pusher.is_refused(&[], 4, "413 Payload Too Large: said SIZE_INVALID");
    // As a whole, in large parts, and in small ones.
    let asked = server.seen();
    let asked: Vec<_> = asked
        .iter()
        .filter(|it| it.path.contains(NOT_READ))
        .collect();
    assert_eq!(asked.len(), 3);
    assert!(asked.iter().all(|it| it.body.is_empty()));
}
