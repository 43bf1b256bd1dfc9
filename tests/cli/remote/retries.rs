//! Registries that limit, or that fail now and then.

use std::collections::HashSet;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use super::server::Answer;
use super::{Pusher, There, image};
use crate::support::at_once;

/// Returns a date of HTTP that is so many seconds from now.
fn date(seconds: u64) -> String {
    let at = SystemTime::now() + Duration::from_secs(seconds);
    let at = chrono::DateTime::<chrono::Utc>::from(at);
    at.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// Row 94: a registry that limits.
#[test]
fn a_registry_that_limits_is_asked_again() {
    let after = |text: &str| Some(text.to_owned());
    let cases = [
        (429, None),
        (429, after("0")),
        (429, after("1")),
        (429, Some(date(1))),
        (429, after("Thu, 01 Jan 1970 00:00:00 GMT")),
        (429, after("531.481µs")),
        (429, after("20.5ms")),
        (429, after("1m in the future")),
        (429, after("-5")),
        (503, None),
        (503, after("0")),
        (408, None),
    ];
    at_once(cases, |(status, form)| {
        let server = image().registry().serve_but(move |seen, _| {
            let fails = seen.nth == 0 && seen.path != "/v2/";
            fails.then(|| Answer::new(status).instead("Retry-After", form.as_deref()))
        });
        let there = There::new(&server);
        there.has_pulled(&there.pull(&[]));
        // Each was asked for twice: the manifest, the config, the layer.
        assert_eq!(server.seen().len(), 6, "{status}");
    });
}

/// Row 94: a registry that limits.
#[test]
fn the_time_that_a_registry_asks_for_is_waited() {
    at_once(["1", "1s", "1000.5ms"], |form| {
        let server = image().registry().serve_but(move |seen, _| {
            let fails = seen.nth == 0 && seen.is("GET", "/manifests/");
            fails.then(|| Answer::new(429).header("Retry-After", form))
        });
        let there = There::new(&server);
        let start = std::time::Instant::now();
        there.has_pulled(&there.pull(&[]));
        assert!(start.elapsed() >= Duration::from_secs(1), "{form}");
    });
}

/// Row 94: a registry that is gone.
#[test]
fn a_registry_that_fails_for_ever_is_given_up() {
    for (retries, requests) in [("0", 1), ("2", 3)] {
        let server = image().registry().serve_but(|seen, _| {
            let text = super::registry::error("UNKNOWN");
            (seen.path != "/v2/").then(|| Answer::new(500).text(text))
        });
        let there = There::new(&server);
        let run = there.pull(&["--retries", retries]);
        there.refuses(
            &run,
            6,
            "it answered 500 Internal Server Error: said UNKNOWN",
        );
        assert_eq!(server.seen().len(), requests);
    }
}

#[test]
fn what_is_final_is_asked_once() {
    for (status, code) in [(400, 6), (403, 7), (404, 3), (405, 6), (418, 6)] {
        let server = image()
            .registry()
            .serve_but(move |seen, _| (seen.path != "/v2/").then(|| Answer::new(status)));
        let there = There::new(&server);
        let run = there.pull(&["--retries", "3"]);
        there.refuses(&run, code, "");
        assert_eq!(server.seen().len(), 1, "{status}");
    }
}

/// Row 94: a registry that limits.
#[test]
fn a_push_goes_on_after_each_passing_failure() {
    let failed = Mutex::new(HashSet::new());
    let server = super::Registry::default().serve_but(move |seen, _| {
        // Each kind of request fails once; a new upload has a path of its own.
        let (kind, _) = seen.path.rsplit_once('/').unwrap();
        let fails = failed
            .lock()
            .unwrap()
            .insert(format!("{} {kind}", seen.method));
        (fails && seen.path != "/v2/").then(|| Answer::new(503))
    });
    Pusher::new(&server.host(), 1000).pushes(&["--retries", "2"]);
    assert_eq!(server.seen_of("PUT", "/manifests/").len(), 2);
}

/// What a registry says is text of a stranger.
#[test]
fn what_a_registry_says_is_escaped_and_short() {
    let server = image().registry().serve_but(|seen, _| {
        let message = format!("\\u001b[31mred\\n{}", "x".repeat(5000));
        let text = format!(r#"{{"errors":[{{"code":"A","message":"{message}"}}]}}"#);
        (seen.path != "/v2/").then(|| Answer::new(400).text(text))
    });
    let there = There::new(&server);
    let run = there.pull(&[]);
    there.refuses(&run, 6, "400 Bad Request: ");
    assert!(!run.stderr.contains('\x1b'), "{run:?}");
    assert!(run.stderr.len() < 500, "{run:?}");
}
