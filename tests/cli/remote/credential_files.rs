//! Where credentials are found: the files of docker and podman, and their order.

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::sandbox;
use super::server::{Answer, Server};
use crate::support::{Run, Sandbox};

/// Starts a registry that wants a name and a password, and has nothing.
fn closed() -> Server {
    Server::start(|seen| match seen.header("authorization") {
        Some(_) => Answer::new(404),
        None => Answer::new(401).header("WWW-Authenticate", "Basic realm=\"r\""),
    })
}

/// Returns a file with a credential for each of these registries.
fn file_of(auths: &[(&str, &str)]) -> String {
    let auth = |user: &str| STANDARD.encode(format!("{user}:secret"));
    let auths = auths.iter();
    let auths: Vec<_> = auths
        .map(|(key, user)| format!(r#""{key}":{{"auth":"{}"}}"#, auth(user)))
        .collect();
    format!(r#"{{"auths":{{{}}}}}"#, auths.join(","))
}

fn write(path: &Path, text: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Pulls something that is not there, with an environment.
fn pull(sandbox: &Sandbox, server: &Server, repository: &str, env: &[(&str, &Path)]) -> Run {
    let reference = format!("{}/{repository}:v1", server.host());
    let mut command = sandbox.command(&["pull", &reference]);
    command.envs(env.iter().copied());
    Run::from(command.output().unwrap())
}

/// Returns the name that the registry was shown last.
fn shown(server: &Server) -> String {
    let seen = server.seen().pop().unwrap();
    let basic = seen
        .header("authorization")
        .unwrap()
        .strip_prefix("Basic ")
        .unwrap();
    let text = String::from_utf8(STANDARD.decode(basic).unwrap()).unwrap();
    text.strip_suffix(":secret").unwrap().to_owned()
}

#[test]
fn the_first_file_that_has_a_credential_counts() {
    let server = closed();
    let sandbox = sandbox();
    let runtime = sandbox.path("runtime");
    let config = sandbox.path("config");
    let env = [("XDG_RUNTIME_DIR", &*runtime), ("DOCKER_CONFIG", &*config)];
    let without = [("XDG_RUNTIME_DIR", &*runtime)];
    // Each is written before those that were, because it comes before them.
    let places = [
        (
            sandbox.user().join(".config/containers/auth.json"),
            &env[..],
        ),
        (runtime.join("containers/auth.json"), &env[..]),
        (sandbox.user().join(".docker/config.json"), &without[..]),
        (config.join("config.json"), &env[..]),
    ];
    for (at, (place, env)) in places.iter().enumerate() {
        let user = format!("user{at}");
        write(place, file_of(&[(&server.host(), &user)]));
        let run = pull(&sandbox, &server, "app", env);
        assert_eq!(run.code, 3, "{run:?}");
        assert_eq!(shown(&server), user, "{place:?}");
        assert!(!run.stderr.contains("secret"), "{run:?}");
    }
    // Without the directory of docker in the environment, the one at home counts.
    pull(&sandbox, &server, "app", &without);
    assert_eq!(shown(&server), "user2");
    // What has none for this registry is passed over, as what is empty or damaged is.
    for text in [
        &*file_of(&[("other.example", "x")]),
        "",
        "{",
        "{\"auths\": 1}",
        "{}",
        "null",
    ] {
        write(&places[3].0, text);
        let run = pull(&sandbox, &server, "app", &env);
        assert_eq!(run.code, 3, "{text}: {run:?}");
        assert_eq!(shown(&server), "user1", "{text}");
    }
}

#[test]
fn the_file_that_the_environment_names_is_the_only_one() {
    let server = closed();
    let sandbox = sandbox();
    let home = sandbox.user().join(".docker/config.json");
    write(&home, file_of(&[(&server.host(), "home")]));
    let only = sandbox.path("auth.json");
    let env = [("REGISTRY_AUTH_FILE", &*only)];
    let run = pull(&sandbox, &server, "app", &env);
    run.fails(7, "access is denied");
    assert!(
        run.stderr
            .contains(&format!("`{}` (missing)", only.display())),
        "{run:?}"
    );
    assert!(!run.stderr.contains("config.json"), "{run:?}");
    write(&only, file_of(&[(&server.host(), "only")]));
    assert_eq!(pull(&sandbox, &server, "app", &env).code, 3);
    assert_eq!(shown(&server), "only");
}

#[test]
fn the_longest_path_counts_and_an_entry_without_a_secret_is_none() {
    let server = closed();
    let sandbox = sandbox();
    let host = server.host();
    let file = file_of(&[
        (&host, "all"),
        (&format!("{host}/acme"), "acme"),
        (&format!("{host}/acme/app"), "app"),
        (&format!("{host}/acme/ap"), "no"),
    ]);
    // As docker writes them beside a store.
    let file = file.replacen(
        "{\"auths\":{",
        &format!("{{\"auths\":{{\"{host}/acme/none\":{{}},"),
        1,
    );
    write(&sandbox.user().join(".docker/config.json"), file);
    for (repository, user) in [
        ("acme/app", "app"),
        ("acme/app/more", "app"),
        ("acme/apps", "acme"),
        ("acme/none", "acme"),
        ("acmes/app", "all"),
        ("app", "all"),
    ] {
        pull(&sandbox, &server, repository, &[]);
        assert_eq!(shown(&server), user, "{repository}");
    }
}

#[test]
fn a_hint_names_the_places_that_were_looked_at() {
    let server = closed();
    let sandbox = sandbox();
    let runtime = sandbox.path("runtime");
    let damaged = runtime.join("containers/auth.json");
    write(&damaged, "{");
    write(&sandbox.user().join(".docker/config.json"), "{}");
    let unreadable = sandbox.user().join(".config/containers/auth.json");
    fs::create_dir_all(&unreadable).unwrap();
    let run = pull(&sandbox, &server, "app", &[("XDG_RUNTIME_DIR", &runtime)]);
    run.fails(7, "does not exist, or access is denied");
    for part in [
        "there are no credentials for it in ",
        &format!(
            "`{}`, ",
            sandbox.user().join(".docker/config.json").display()
        ),
        &format!("`{}` (damaged)", damaged.display()),
        &format!("`{}` (unreadable)", unreadable.display()),
        &format!("`docker login {}`", server.host()),
    ] {
        assert!(run.stderr.contains(part), "{part}: {run:?}");
    }
}

#[test]
fn a_password_on_standard_input_is_for_this_call() {
    let server = closed();
    let sandbox = sandbox();
    let home = sandbox.user().join(".docker/config.json");
    write(&home, file_of(&[(&server.host(), "home")]));
    let reference = format!("{}/app:v1", server.host());
    let args = ["pull", &reference, "--username", "me", "--password-stdin"];
    for input in ["secret", "secret\n", "secret\r\n"] {
        let run = sandbox.run_with_input(&args, input);
        assert_eq!(run.code, 3, "{run:?}");
        assert_eq!(shown(&server), "me");
        assert!(!run.stderr.contains("secret"), "{run:?}");
    }
    let seen = server.seen().len();
    sandbox.run_with_input(&args, "\n").fails(2, "no password");
    assert_eq!(sandbox.run(&args[..4]).code, 2);
    assert_eq!(server.seen().len(), seen);
}

#[test]
fn a_credential_that_is_wrong_is_said_to_be_so() {
    let server =
        Server::start(|_| Answer::new(401).header("WWW-Authenticate", "Basic realm=\"r\""));
    let sandbox = sandbox();
    let home = sandbox.user().join(".docker/config.json");
    write(&home, file_of(&[(&server.host(), "home")]));
    let run = pull(&sandbox, &server, "app", &[]);
    run.fails(7, "access is denied");
    let hint = format!("the credentials that `{}` has", home.display());
    assert!(run.stderr.contains(&hint), "{run:?}");
    // Once without, once with: no lockout by many tries.
    assert_eq!(server.seen().len(), 2);
}

#[test]
fn fields_that_are_null_or_of_others_do_not_hide_a_credential() {
    let server = closed();
    let sandbox = sandbox();
    let host = server.host();
    let auth = STANDARD.encode("user:secret");
    let file = format!(
        r#"{{"auths":{{"a.example":null,"b.example":{{"auth":null,"email":null}},
            "{host}":{{"auth":"{auth}","identitytoken":null}}}},
            "credHelpers":null,"credsStore":null,"HttpHeaders":{{"a":"b"}},"psFormat":"x"}}"#
    );
    write(&sandbox.user().join(".docker/config.json"), file);
    let run = pull(&sandbox, &server, "app", &[]);
    assert_eq!(run.code, 3, "{run:?}");
    assert_eq!(shown(&server), "user");
}
