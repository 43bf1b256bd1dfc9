//! Layers that break off, stall, or do not end.

use super::image;
use super::server::{Answer, Body, Seen};
use super::{There, image_of};
use crate::support::at_once;

/// Returns whether a request is for the layer.
fn is_layer(seen: &Seen) -> bool {
    seen.is("GET", &image().layer)
}

/// Row 94: the connection is lost.
#[test]
fn progress_renews_the_tries_of_a_download() {
    let large = image_of(2_500_000);
    let layer = large.layer.clone();
    let server = large.registry().serve_but(move |seen, registry| {
        let is_it = seen.is("GET", &layer);
        // More often than it is tried without progress.
        (is_it && seen.nth < 2).then(|| registry.answer(seen).sent(|it| Body::Cut(it, 1_100_000)))
    });
    let there = There::new(&server);
    there.has_pulled(&there.pull(&[]));
    assert_eq!(server.seen_of("GET", &large.layer).len(), 3);
}

/// Row 94: the connection is lost.
#[test]
fn a_layer_that_breaks_off_for_ever_is_given_up() {
    let server = image().registry().serve_but(|seen, registry| {
        is_layer(seen).then(|| registry.answer(seen).sent(|bytes| Body::Cut(bytes, 10)))
    });
    let there = There::new(&server);
    there.refuses(&there.pull(&[]), 6, "closed early");
    assert_eq!(server.seen_of("GET", &image().layer).len(), 2);
    there.refuses(&there.pull(&["--retries", "0"]), 6, "closed early");
    assert_eq!(server.seen_of("GET", &image().layer).len(), 3);
}

/// Row 94: the connection is lost.
#[test]
fn a_registry_that_ignores_ranges_sends_the_layer_again() {
    type Change = Box<dyn Fn(Answer) -> Answer + Send + Sync>;
    let of = |status, range: Option<&'static str>| -> Change {
        Box::new(move |answer| Answer { status, ..answer }.instead("Content-Range", range))
    };
    let whole = Box::new(|_| Answer::new(200).text(image().bytes.clone()));
    // Each is what the second request gets; a third one asks for the whole.
    let cases: [(Change, usize); 6] = [
        (whole, 2),
        (of(206, None), 3),
        (of(206, Some("bytes 0-9/10")), 3),
        (of(206, Some("bytes a-b/c")), 3),
        (of(206, Some("bytes 1000-1001/5000")), 3),
        (of(416, None), 3),
    ];
    at_once(cases, |(change, requests)| {
        let server = image().registry().serve_but(move |seen, registry| {
            let answer = registry.answer(seen);
            match (is_layer(seen), seen.header("range")) {
                (true, None) if seen.nth == 0 => Some(answer.sent(|it| Body::Cut(it, 1000))),
                (true, Some(_)) => Some(change(answer)),
                _ => None,
            }
        });
        let there = There::new(&server);
        there.has_pulled(&there.pull(&[]));
        let asked = server.seen_of("GET", &image().layer);
        assert_eq!(asked.len(), requests);
        assert_eq!(asked[1].header("range"), Some("bytes=1000-"));
        assert!(asked.get(2).is_none_or(|it| it.header("range").is_none()));
    });
}

/// Row 94: the connection is lost.
#[test]
fn the_rest_of_a_layer_that_is_another_is_refused() {
    let server = image().registry().serve_but(|seen, registry| {
        let answer = registry.answer(seen);
        match (is_layer(seen), seen.header("range")) {
            (true, None) => Some(answer.sent(|it| Body::Cut(it, 1000))),
            (true, Some(_)) => Some(answer.sent(|it| Body::Whole(vec![7; it.len()]))),
            _ => None,
        }
    });
    let there = There::new(&server);
    there.refuses(&there.pull(&[]), 4, "cannot load");
}

#[test]
fn a_layer_without_a_stated_length_is_pulled() {
    type How = fn(Vec<u8>) -> Body;
    let until_close = |bytes: Vec<u8>| {
        let len = bytes.len();
        Body::UntilClose(bytes, len)
    };
    at_once([Body::Chunked as How, until_close], |how| {
        let server = image().registry().serve_but(move |seen, registry| {
            (seen.method == "GET" && seen.path != "/v2/").then(|| registry.answer(seen).sent(how))
        });
        let there = There::new(&server);
        there.has_pulled(&there.pull(&["--retries", "0"]));
    });
}

/// Row 94: a registry that is silent.
#[test]
fn a_registry_that_falls_silent_is_given_up() {
    let places: [(&str, &str, Option<usize>); 6] = [
        ("GET", "/v2/", None),
        ("GET", "/manifests/", None),
        ("GET", "/manifests/", Some(100)),
        ("GET", "/blobs/", None),
        ("GET", "layer", Some(0)),
        ("GET", "layer", Some(1000)),
    ];
    at_once(places, |(method, path, after)| {
        let path = path.replace("layer", &image().layer);
        let server = image().registry().serve_but(move |seen, registry| {
            let is_it = seen.method == method && seen.path.contains(&path);
            is_it.then(|| match after {
                None => Answer::new(200).body(Body::Silence),
                Some(after) => registry.answer(seen).sent(|it| Body::Stalled(it, after)),
            })
        });
        let there = There::new(&server);
        let run = there.pull(&["--retries", "0", "--timeout", "1s"]);
        there.refuses(&run, 6, "did not answer in time");
        assert!(run.stderr.contains("hint: `--timeout DURATION`"), "{run:?}");
    });
}

/// Row 94: a registry that is silent.
#[test]
fn a_layer_that_stalls_goes_on_where_it_was() {
    let server = image().registry().serve_but(|seen, registry| {
        let first = is_layer(seen) && seen.nth == 0;
        first.then(|| registry.answer(seen).sent(|it| Body::Stalled(it, 1000)))
    });
    let there = There::new(&server);
    // A busy machine may be as slow as that more than once.
    there.has_pulled(&there.pull(&["--timeout", "1s", "--retries", "5"]));
    let asked = server.seen_of("GET", &image().layer);
    assert_eq!(asked[1].header("range"), Some("bytes=1000-"));
}

/// Row 94: a registry that lies.
#[test]
fn bodies_without_end_are_refused() {
    let parts = ["/manifests/", "config", "layer"];
    at_once(parts, |part| {
        let part = match part {
            "config" => image().config.clone(),
            "layer" => image().layer.clone(),
            part => part.to_owned(),
        };
        let server = image().registry().serve_but(move |seen, registry| {
            let is_it = seen.is("GET", &part);
            is_it.then(|| registry.answer(seen).sent(Body::Endless))
        });
        let there = There::new(&server);
        there.refuses(&there.pull(&[]), 4, "cannot load");
    });
}

/// Row 94: a registry that is gone.
#[test]
fn a_registry_that_is_gone_is_unavailable() {
    let host = image().registry().serve().host();
    let there = There::at(&host);
    there.refuses(&there.pull(&[]), 6, "connection refused");
}

/// Row 94: the connection is lost.
#[test]
fn a_layer_that_breaks_off_goes_on_where_it_was() {
    let len = image().bytes.len();
    at_once([0, 1, 100_000, len - 1], |at| {
        let server = image().registry().serve_but(move |seen, registry| {
            let first = is_layer(seen) && seen.nth == 0;
            first.then(|| registry.answer(seen).sent(|bytes| Body::Cut(bytes, at)))
        });
        let there = There::new(&server);
        there.has_pulled(&there.pull(&[]));
        let asked = server.seen_of("GET", &image().layer);
        let ranges: Vec<_> = asked.iter().map(|it| it.header("range")).collect();
        let rest = (at > 0).then(|| format!("bytes={at}-"));
        assert_eq!(ranges, [None, rest.as_deref()]);
        // What is small and was read is not read again.
        assert_eq!(server.seen_of("GET", "/manifests/").len(), 1);
        assert_eq!(server.seen_of("GET", &image().config).len(), 1);
    });
}

/// Row 94: the connection is lost, and nothing tells that more was to come.
#[test]
fn a_layer_that_breaks_off_without_a_stated_length_goes_on_where_it_was() {
    let server = image().registry().serve_but(|seen, registry| {
        let first = is_layer(seen) && seen.nth == 0;
        first.then(|| registry.answer(seen).sent(|it| Body::UntilClose(it, 5000)))
    });
    let there = There::new(&server);
    there.has_pulled(&there.pull(&[]));
    let asked = server.seen_of("GET", &image().layer);
    assert_eq!(asked[1].header("range"), Some("bytes=5000-"));
}
