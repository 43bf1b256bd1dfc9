//! Signals while a registry is waited for.

use super::server::{Answer, Body, Seen, Server};
use super::{Pusher, Registry, There, image};
use crate::running::{Running, wait_until};

/// Starts a pull that would take minutes, interrupts it when the registry has seen a
/// request for this, and expects that it ends and leaves nothing.
fn is_interrupted(part: &str, answer: impl Fn(Answer) -> Answer + Send + Sync + 'static) {
    let own = part.to_owned();
    let server = image().registry().serve_but(move |seen, registry| {
        seen.is("GET", &own).then(|| answer(registry.answer(seen)))
    });
    let there = There::new(&server);
    let command = there
        .sandbox
        .command(&["pull", &there.reference, "--timeout", "10m"]);
    ends_by_signal(command, || asked(&server, part));
    there.is_unchanged();
}

fn asked(server: &Server, part: &str) -> bool {
    // The question whether TLS is spoken counts too.
    server
        .all()
        .iter()
        .any(|seen: &Seen| seen.path.contains(part))
}

fn ends_by_signal(command: std::process::Command, is_waiting: impl FnMut() -> bool) {
    let running = Running::start(command);
    wait_until("the registry is waited for", is_waiting);
    running.signal("INT");
    let run = running.end();
    assert_eq!((run.code, &*run.stdout), (130, ""), "{run:?}");
}

/// Row 94: ours is interrupted.
#[test]
fn a_signal_while_a_registry_is_silent_ends_a_pull() {
    let silence = |_| Answer::new(200).body(Body::Silence);
    is_interrupted("/v2/", silence);
    is_interrupted("/manifests/", silence);
    is_interrupted(&image().layer, silence);
    is_interrupted(&image().layer, |answer| {
        answer.sent(|bytes| Body::Stalled(bytes, 100_000))
    });
}

/// Row 94: ours is interrupted.
#[test]
fn a_signal_while_a_limit_is_waited_for_ends_a_pull() {
    is_interrupted("/manifests/", |_| {
        Answer::new(429).header("Retry-After", "50")
    });
    is_interrupted(&image().layer, |_| {
        Answer::new(503).header("Retry-After", "50")
    });
}

/// Row 94: ours is interrupted.
#[test]
fn a_signal_ends_a_push_and_leaves_nothing() {
    for part in ["/v2/", "/manifests/", "/blobs/uploads/", "/blobs/uploads/0"] {
        let server = Registry::default().serve_but(move |seen, _| {
            let is_it = seen.path.contains(part) && (seen.method != "HEAD");
            is_it.then(|| Answer::new(200).body(Body::Silence))
        });
        let pusher = Pusher::new(&server.host(), 1000);
        let args = ["push", &pusher.reference, "--timeout", "10m"];
        ends_by_signal(pusher.sandbox.command(&args), || asked(&server, part));
        pusher.leaves_nothing();
    }
}

/// Row 94: ours is interrupted.
#[test]
fn a_signal_while_a_helper_is_waited_for_ends_a_pull() {
    use std::os::unix::fs::PermissionsExt;
    let server =
        Server::start(|_| Answer::new(401).header("WWW-Authenticate", "Basic realm=\"r\""));
    let there = There::new(&server);
    let user = there.sandbox.user();
    crate::support::write_tree(&user, &[(".docker/config.json", r#"{"credsStore":"own"}"#)]);
    let helper = there.sandbox.path("docker-credential-own");
    // It writes its own id, and then does nothing; no process is left behind.
    let started = there.sandbox.path("started");
    let script = format!(
        "#!/bin/sh\necho $$ > '{}'\nexec sleep 60\n",
        started.display()
    );
    std::fs::write(&helper, script).unwrap();
    std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = there.sandbox.command(&["pull", &there.reference]);
    let path = std::env::var("PATH").unwrap();
    let dir = helper.parent().unwrap().display().to_string();
    command.env("PATH", format!("{dir}:{path}"));
    ends_by_signal(command, || {
        std::fs::read_to_string(&started).is_ok_and(|text| text.ends_with('\n'))
    });
    there.is_unchanged();
}
