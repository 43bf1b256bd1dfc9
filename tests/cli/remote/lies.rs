//! What a registry says of what it sends, and what it sends otherwise.

use super::registry::digest_of;
use super::server::{Answer, Body};
use super::{There, image};
use crate::support::at_once;

/// Pulls from a registry that has an answer changed, and expects that to be refused.
#[track_caller]
fn is_refused(
    part: &str,
    change: impl Fn(Answer) -> Answer + Send + Sync + 'static,
    code: i32,
    fact: &str,
) {
    let part = part.to_owned();
    let server = image().registry().serve_but(move |seen, registry| {
        seen.is("GET", &part).then(|| change(registry.answer(seen)))
    });
    let there = There::new(&server);
    there.refuses(&there.pull(&[]), code, fact);
}

fn changed(bytes: Vec<u8>, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = bytes;
    change(&mut bytes);
    bytes
}

/// Row 93: lies about sizes.
#[test]
fn a_layer_of_another_length_is_refused() {
    let longer = |it: Vec<u8>| changed(it, |it| it.push(0));
    let shorter = |it: Vec<u8>| changed(it, |it| it.truncate(5000));
    type How = Box<dyn Fn(Vec<u8>) -> Body + Send + Sync>;
    let cases: [(How, &str); 4] = [
        (
            Box::new(move |it| Body::Whole(longer(it))),
            "bytes instead of",
        ),
        (
            Box::new(move |it| Body::Whole(shorter(it))),
            "5000 bytes instead of",
        ),
        // The length comes to light at the end.
        (Box::new(move |it| Body::Chunked(longer(it))), "cannot load"),
        (
            Box::new(move |it| Body::Chunked(shorter(it))),
            "cannot load",
        ),
    ];
    at_once(cases, |(how, fact)| {
        is_refused(&image().layer, move |answer| answer.sent(&how), 4, fact);
    });
}

/// Row 93: lies about sizes.
#[test]
fn a_stated_length_that_is_wrong_is_refused_before_the_layer_is_read() {
    for length in ["1", "99999999999", "18446744073709551615"] {
        let change = move |answer: Answer| answer.header("Content-Length", length);
        is_refused(
            &image().layer,
            change,
            4,
            &format!("{length} bytes instead of"),
        );
    }
}

/// Row 93: lies about digests.
#[test]
fn bytes_that_are_not_those_of_the_digest_are_refused() {
    let other = |it: Vec<u8>| {
        Body::Whole(changed(it, |it| {
            let at = it.len() / 2;
            it[at] ^= 1;
        }))
    };
    for part in [&image().layer, &image().config] {
        is_refused(part, move |answer| answer.sent(other), 4, "cannot load");
    }
    // What was asked for by its tag has the digest that the registry states.
    let change = |answer: Answer| {
        let other = digest_of(b"another");
        answer.instead("Docker-Content-Digest", Some(&other))
    };
    is_refused("/manifests/", change, 4, "is not what its digest says");
    let change = |answer: Answer| answer.instead("Docker-Content-Digest", Some("no digest"));
    is_refused("/manifests/", change, 4, "is not what its digest says");
}

/// Row 93: lies about digests.
#[test]
fn a_manifest_that_is_not_the_one_of_the_digest_is_refused() {
    let other = digest_of(b"another");
    let registry = image().registry();
    registry.change(|held| {
        let manifest = held.manifests["v1"].clone();
        held.manifests.insert(other.clone(), manifest);
    });
    let server = registry.serve_but(|seen, registry| {
        let answer = registry.answer(seen);
        Some(answer.instead("Docker-Content-Digest", None))
    });
    let there = There::new(&server);
    let pinned = format!("{}@{other}", there.reference);
    let run = there
        .sandbox
        .run(&["pull", &pinned, "--as", &there.reference]);
    there.refuses(&run, 4, "is not what its digest says");
    // The one of its own digest is taken, without a word of the registry.
    let pinned = format!("{}@{}", there.reference, image().manifest);
    let run = there
        .sandbox
        .run(&["pull", &pinned, "--as", &there.reference]);
    there.has_pulled(&run);
}

/// Row 94: a registry that lies.
#[test]
fn what_is_no_manifest_is_refused() {
    for text in ["", "{", "[]", "null", r#"{"schemaVersion":2}"#] {
        let change = move |answer: Answer| answer.instead("Docker-Content-Digest", None).text(text);
        is_refused("/manifests/", change, 4, "its manifest");
    }
    let change = |answer: Answer| {
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(4 << 20));
        answer.instead("Docker-Content-Digest", None).text(long)
    };
    is_refused("/manifests/", change, 4, "longer than 4 MiB");
}

/// Row 93: what a manifest names.
#[test]
fn a_digest_that_would_lead_elsewhere_is_not_asked_for() {
    for digest in ["sha256:../../../../v2/", "../../secret", "", "sha512:00"] {
        let registry = image().registry();
        registry.change(|held| {
            let text = String::from_utf8(held.manifests["v1"].clone()).unwrap();
            let text = text.replace(&image().layer, digest);
            held.manifests.insert("v1".to_owned(), text.into_bytes());
        });
        let server = registry.serve();
        let there = There::new(&server);
        there.refuses(&there.pull(&[]), 4, "a digest in it is not");
        let paths: Vec<_> = server.seen().into_iter().map(|it| it.path).collect();
        assert_eq!(paths, ["/v2/acme/app/manifests/v1"]);
    }
}

/// Row 94: a registry that lies.
#[test]
fn an_answer_that_is_not_http_is_unavailable() {
    for garbage in [&b"SSH-2.0-OpenSSH_9.2p1\r\n"[..], b"\x00\x01\x02\x03", b""] {
        for part in ["/v2/", "/manifests/", &image().layer] {
            let is_first = part == "/v2/";
            let part = part.to_owned();
            let server = image().registry().serve_but(move |seen, _| {
                seen.is("GET", &part)
                    .then(|| Answer::new(200).body(Body::Raw(garbage.to_vec())))
            });
            let there = There::new(&server);
            let run = there.pull(&["--retries", "0"]);
            // After such an answer to the first question, TLS is tried, which fails too.
            let fact = match garbage.starts_with(b"SSH") && !is_first {
                true => "not HTTP",
                false => "cannot use the registry",
            };
            there.refuses(&run, 6, fact);
        }
    }
}

#[test]
fn what_is_not_there_is_not_found() {
    // The manifest.
    let registry = image().registry();
    registry.change(|held| held.manifests.clear());
    let server = registry.serve();
    let there = There::new(&server);
    there.refuses(&there.pull(&[]), 3, "not found in its registry");
    // A blob that the manifest names.
    for blob in [&image().layer, &image().config] {
        let registry = image().registry();
        registry.change(|held| {
            held.blobs.remove(blob);
        });
        let server = registry.serve();
        let there = There::new(&server);
        there.refuses(
            &there.pull(&[]),
            3,
            &format!("does not contain the blob `{blob}`"),
        );
    }
}

#[test]
fn what_is_forbidden_is_said_to_be_so() {
    for part in ["/manifests/", &image().layer] {
        let change = |_: Answer| Answer::new(403).text(super::registry::error("DENIED"));
        is_refused(part, change, 7, "does not exist, or access is denied");
    }
}
