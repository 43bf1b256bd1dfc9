//! Credential helpers, the only programs that are ever started.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::sandbox;
use super::server::{Answer, Server};
use crate::support::{Run, Sandbox, names, write_tree};

/// A home with helpers, each of which keeps what it was asked.
struct Helpers {
    sandbox: Sandbox,
    dir: PathBuf,
    server: Server,
}

impl Helpers {
    /// `config` is docker's file, with `HOST` for the registry.
    fn new(config: &str) -> Self {
        let server = Server::start(|seen| match seen.header("authorization") {
            Some(_) => Answer::new(404),
            None => Answer::new(401).header("WWW-Authenticate", "Basic realm=\"r\""),
        });
        let sandbox = sandbox();
        let config = config.replace("HOST", &server.host());
        write_tree(&sandbox.user(), &[(".docker/config.json", &*config)]);
        let dir = sandbox.path("helpers");
        fs::create_dir(&dir).unwrap();
        Helpers {
            sandbox,
            dir,
            server,
        }
    }

    /// Adds a helper that answers so, and ends with this code.
    fn add(&self, name: &str, answer: &str, code: i32) {
        let asked = self.dir.join(format!("{name}.asked"));
        let script = format!(
            "#!/bin/sh\n{{ echo \"$*\"; cat; }} > '{}'\ncat <<'END'\n{answer}\nEND\nexit {code}\n",
            asked.display()
        );
        let path = self.dir.join(format!("docker-credential-{name}"));
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Returns what a helper was asked, if it was.
    fn asked(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.dir.join(format!("{name}.asked"))).ok()
    }

    fn pull(&self) -> Run {
        let reference = format!("{}/acme/app:v1", self.server.host());
        let mut command = self.sandbox.command(&["pull", &reference]);
        let path = std::env::var("PATH").unwrap();
        command.env("PATH", format!("{}:{path}", self.dir.display()));
        Run::from(command.output().unwrap())
    }

    /// Returns the name and password that the registry was shown last.
    fn shown(&self) -> String {
        let seen = self.server.seen().pop().unwrap();
        let basic = seen
            .header("authorization")
            .unwrap()
            .strip_prefix("Basic ")
            .unwrap();
        String::from_utf8(STANDARD.decode(basic).unwrap()).unwrap()
    }
}

#[test]
fn a_helper_is_asked_by_the_name_of_the_registry() {
    for config in [
        r#"{"credHelpers":{"HOST":"own"},"credsStore":"other"}"#,
        r#"{"credsStore":"own"}"#,
        // An entry as docker writes it beside a store.
        r#"{"auths":{"HOST":{}},"credsStore":"own"}"#,
        r#"{"credHelpers":{"r.example":"other"},"credsStore":"own"}"#,
        // The most exact one counts.
        r#"{"credHelpers":{"HOST":"other","HOST/acme":"own","HOST/a":"other"}}"#,
    ] {
        let helpers = Helpers::new(config);
        helpers.add(
            "own",
            r#"{"ServerURL":"x","Username":"u","Secret":"p:w"}"#,
            0,
        );
        helpers.add("other", r#"{"Username":"other","Secret":"other"}"#, 0);
        let run = helpers.pull();
        assert_eq!(run.code, 3, "{config}: {run:?}");
        let asked = helpers.asked("own").unwrap();
        assert_eq!(asked, format!("get\n{}", helpers.server.host()));
        assert_eq!(helpers.shown(), "u:p:w");
        assert_eq!(helpers.asked("other"), None, "{config}");
        assert!(!run.stderr.contains("p:w"), "{run:?}");
    }
}

#[test]
fn an_entry_with_a_secret_comes_before_the_store() {
    let auth = STANDARD.encode("entry:secret");
    let config = format!(r#"{{"auths":{{"HOST":{{"auth":"{auth}"}}}},"credsStore":"own"}}"#);
    let helpers = Helpers::new(&config);
    helpers.add("own", r#"{"Username":"u","Secret":"p"}"#, 0);
    assert_eq!(helpers.pull().code, 3);
    assert_eq!(helpers.shown(), "entry:secret");
    assert_eq!(helpers.asked("own"), None);
}

#[test]
fn a_helper_without_a_credential_leaves_it_to_the_next_place() {
    let auth = STANDARD.encode("podman:secret");
    for (answer, code) in [
        ("credentials not found in native keychain", 1),
        ("no JSON", 0),
        ("{}", 0),
        (r#"{"Username":"","Secret":""}"#, 0),
        (r#"{"Username":"u","Secret":""}"#, 0),
        (r#"{"Username":"u","Secret":"p"}"#, 1),
    ] {
        let helpers = Helpers::new(r#"{"credHelpers":{"HOST":"own"}}"#);
        helpers.add("own", answer, code);
        let run = helpers.pull();
        run.fails(7, "access is denied");
        assert!(
            run.stderr.contains("`docker-credential-own`"),
            "{answer}: {run:?}"
        );
        let podman = format!(
            r#"{{"auths":{{"{}":{{"auth":"{auth}"}}}}}}"#,
            helpers.server.host()
        );
        write_tree(
            &helpers.sandbox.user(),
            &[(".config/containers/auth.json", &*podman)],
        );
        let run = helpers.pull();
        assert_eq!(run.code, 3, "{answer}: {run:?}");
        assert_eq!(helpers.shown(), "podman:secret");
    }
}

#[test]
fn a_helper_that_is_missing_is_named() {
    let helpers = Helpers::new(r#"{"credsStore":"absent"}"#);
    let run = helpers.pull();
    run.fails(7, "access is denied");
    let part = "`docker-credential-absent` (could not be started)";
    assert!(run.stderr.contains(part), "{run:?}");
}

/// Row 95: a file that names a program.
#[test]
fn a_helper_with_a_name_that_is_none_is_never_started() {
    for name in [
        "../own",
        "own x",
        "own;own",
        "/bin/own",
        "o.wn",
        "",
        "$(own)",
        "\\u001b[31m",
    ] {
        for config in [
            format!(r#"{{"credsStore":"{name}"}}"#),
            format!(r#"{{"credHelpers":{{"HOST":"{name}"}}}}"#),
        ] {
            let helpers = Helpers::new(&config);
            helpers.add("own", r#"{"Username":"u","Secret":"p"}"#, 0);
            let run = helpers.pull();
            run.fails(7, "access is denied");
            let made = names(&helpers.dir);
            assert_eq!(made, ["docker-credential-own"], "{name}");
            assert!(!run.stderr.contains('\x1b'), "{run:?}");
        }
    }
}

#[test]
fn no_helper_is_started_where_no_credential_is_asked_for() {
    let helpers = Helpers::new(r#"{"credsStore":"own"}"#);
    helpers.add("own", r#"{"Username":"u","Secret":"p"}"#, 0);
    let open = super::image().registry().serve();
    let reference = format!("{}/acme/app:v1", open.host());
    let mut command = helpers.sandbox.command(&["pull", &reference]);
    let path = std::env::var("PATH").unwrap();
    command.env("PATH", format!("{}:{path}", helpers.dir.display()));
    assert_eq!(command.status().unwrap().code(), Some(0));
    assert_eq!(helpers.asked("own"), None);
}

#[test]
fn a_helper_that_leaves_a_process_behind_does_not_hold_a_pull_up() {
    let helpers = Helpers::new(r#"{"credsStore":"own"}"#);
    // What it leaves behind keeps its output open until `done` is there.
    let script = "#!/bin/sh\ncd \"${0%/*}\"\ncat >/dev/null\n\
                  (for i in $(seq 300); do [ -e done ] && exit; sleep 0.1; done; touch late) &\n\
                  echo '{\"Username\":\"u\",\"Secret\":\"p\"}'\n";
    let path = helpers.dir.join("docker-credential-own");
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let run = helpers.pull();
    let is_late = helpers.dir.join("late").exists();
    fs::write(helpers.dir.join("done"), "").unwrap();
    assert!(!is_late, "its end was waited for");
    assert_eq!(run.code, 3, "{run:?}");
    assert_eq!(helpers.shown(), "u:p");
}

#[test]
fn a_secret_of_the_user_token_is_an_identity_token() {
    let helpers = Helpers::new(r#"{"credsStore":"own"}"#);
    helpers.add("own", r#"{"Username":"<token>","Secret":"identity"}"#, 0);
    let server = Server::start(|seen| match (&*seen.method, seen.header("authorization")) {
        ("POST", None) => Answer::new(200).text(r#"{"access_token":"t"}"#),
        ("GET", Some("Bearer t")) => Answer::new(404),
        _ => {
            let challenge = format!("Bearer realm=\"http://{}/token\"", seen.host());
            Answer::new(401).header("WWW-Authenticate", challenge)
        }
    });
    let helpers = Helpers { server, ..helpers };
    let run = helpers.pull();
    assert_eq!(run.code, 3, "{run:?}");
    let [asked] = &helpers.server.seen_of("POST", "/token")[..] else {
        unreachable!("one token is enough");
    };
    let form = String::from_utf8_lossy(&asked.body);
    assert!(form.contains("grant_type=refresh_token&"), "{form}");
    assert!(form.contains("refresh_token=identity"), "{form}");
}
