//! `push` and `pull` with real registries.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;

use crate::layouts::{CLD, file, gzip, skopeo, tar_of};
use crate::registry_server::{Server, TokenServer, base64, make_certificates};
use crate::running::has;
use crate::support::{Run, Sandbox, names, write_tree};

/// Adds a component under a name in a registry.
fn component(sandbox: &Sandbox, reference: &str) {
    let source = sandbox.component("app");
    fs::set_permissions(source.join("cld.yml"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir_all(source.join("empty/dir")).unwrap();
    sandbox.ok(&["add", reference, source.to_str().unwrap()]);
}

fn datacenter(sandbox: &Sandbox, reference: &str) {
    let source = sandbox.datacenter("dc");
    sandbox.ok(&["add", reference, source.to_str().unwrap()]);
}

fn digest(sandbox: &Sandbox, reference: &str) -> String {
    let shown = sandbox.json(&["inspect", reference]);
    shown[0]["digest"].as_str().unwrap().to_owned()
}

#[track_caller]
fn verifies(sandbox: &Sandbox) {
    let run = sandbox.run(&["verify"]);
    assert!(run.code == 0 && run.stdout.is_empty(), "{run:?}");
}

/// Returns the manifest that a report of a transfer names.
fn manifest_of(server: &Server, transfer: &Value) -> Value {
    let manifest = server.blob(transfer["manifestDigest"].as_str().unwrap());
    serde_json::from_slice(&fs::read(manifest).unwrap()).unwrap()
}

/// Runs the program, with a password on standard input.
fn with_password(sandbox: &Sandbox, args: &[&str], user: &str, password: &str) -> Run {
    let sign_in = ["--username", user, "--password-stdin"];
    sandbox.run_with_input(&[args, &sign_in].concat(), &format!("{password}\n"))
}

#[test]
fn what_was_pushed_is_pulled_elsewhere_by_tag_and_by_digest() {
    let Some(server) = Server::open() else {
        return;
    };
    let (here, there) = (Sandbox::new(), Sandbox::new());
    let (app, dc) = (server.name("acme/app:v1"), server.name("acme/dc:v1"));
    component(&here, &app);
    datacenter(&here, &dc);
    assert_eq!(
        here.ok(&["push", &app, &dc]),
        format!("pushed {app}\npushed {dc}\n")
    );
    assert_eq!(
        there.ok(&["pull", &app, &dc]),
        format!("added {app}\nadded {dc}\n")
    );
    for (reference, kind) in [(&app, "component"), (&dc, "datacenter")] {
        assert_eq!(digest(&there, reference), digest(&here, reference));
        let entry = &there.json(&["inspect", reference])[0];
        assert_eq!(entry["type"], kind);
        assert_eq!(entry["status"]["remotes"][0]["reference"], **reference);
    }
    verifies(&there);
    let key = there.ok(&["cache-path", &app]);
    let mode = fs::metadata(Path::new(key.trim()).join("cld.yml")).unwrap();
    assert_eq!(mode.permissions().mode() & 0o777, 0o755);
    assert!(Path::new(key.trim()).join("empty/dir").is_dir());

    // By digest, and that digest finds it afterwards.
    let by_digest = here.ok(&["push", &app, "-q"]);
    let by_digest = by_digest.trim();
    let manifest = by_digest.split('@').nth(1).unwrap();
    let other = Sandbox::new();
    let added = other.ok(&["pull", by_digest]);
    assert_eq!(added, format!("added {by_digest}\n"));
    for operand in [by_digest, manifest] {
        assert_eq!(digest(&other, operand), digest(&here, &app));
        other.ok(&["exists", operand]);
    }
    other.ok(&["verify", manifest]);
    other.ok(&["tag", manifest, "local:v1"]);
    other.ok(&["rm", "local:v1"]);
    other.ok(&["rm", manifest]);
    assert_eq!(names(&other.home().join("registry/manifests")), [""; 0]);
}

#[test]
fn what_a_registry_has_is_neither_sent_nor_fetched_again() {
    let Some(server) = Server::open() else {
        return;
    };
    let (here, there) = (Sandbox::new(), Sandbox::new());
    let app = server.name("acme/app:v1");
    component(&here, &app);
    here.ok(&["push", &app]);
    let again = &here.json(&["push", &app, "--format", "json"])[0];
    assert_eq!(
        (&again["result"], &again["sent"]),
        (&"unchanged".into(), &0.into())
    );
    there.ok(&["pull", &app]);
    let before = there.registry_text();
    // Without its layer, nothing can be fetched.
    let manifest = there.json(&["inspect", &app])[0]["status"]["remotes"][0].clone();
    let manifest = fs::read(server.blob(manifest["manifestDigest"].as_str().unwrap())).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    fs::remove_file(server.blob(manifest["layers"][0]["digest"].as_str().unwrap())).unwrap();
    assert_eq!(there.ok(&["pull", &app]), format!("unchanged {app}\n"));
    assert_eq!(there.registry_text(), before);
    // A mode counts, although the digest of the content does not have it.
    let path = there.ok(&["cache-path", &app]);
    let file = Path::new(path.trim()).join("cld.yml");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    there
        .run(&["pull", &app])
        .fails(3, "does not contain the blob");
    // The registry lost the layer: it is sent again.
    let again = &here.json(&["push", &app, "--format", "json"])[0];
    assert_eq!(again["result"], "pushed");
    assert!(again["sent"].as_u64().unwrap() > 0);
    assert_eq!(there.ok(&["pull", &app]), format!("updated {app}\n"));
}

/// What a config or an annotation says of a layer proves nothing.
#[test]
fn a_manifest_with_the_layer_of_somebody_else_is_not_taken_for_the_own_one() {
    let Some(server) = Server::open() else {
        return;
    };
    let (here, there) = (Sandbox::new(), Sandbox::new());
    let app = server.name("app:v1");
    component(&here, &app);
    let pushed = here.json(&["push", &app, "--format", "json"]);
    there.ok(&["pull", &app]);
    let mut manifest = manifest_of(&server, &pushed[0]);
    let items = [CLD, file("evil", b"evil")];
    let layer = gzip(&tar_of(&items));
    manifest["layers"][0]["digest"] = server.put_blob("app", &layer).into();
    manifest["layers"][0]["size"] = layer.len().into();
    server.put_manifest("app", "v1", manifest.to_string().as_bytes());

    there
        .run(&["pull", &app])
        .fails(4, "its content has the digest");
    assert_eq!(here.ok(&["push", &app]), format!("pushed {app}\n"));
    assert_eq!(there.ok(&["pull", &app]), format!("unchanged {app}\n"));
}

#[test]
fn a_pull_replaces_content_with_files_that_do_not_belong_to_it() {
    let Some(server) = Server::open() else {
        return;
    };
    let (here, there) = (Sandbox::new(), Sandbox::new());
    let app = server.name("app:v1");
    component(&here, &app);
    here.ok(&["push", &app]);
    there.ok(&["pull", &app]);
    let path = there.ok(&["cache-path", &app]);
    fs::write(Path::new(path.trim()).join("extra.yml"), "extra\n").unwrap();
    assert_eq!(there.run(&["verify"]).code, 1);
    assert_eq!(there.ok(&["pull", &app]), format!("updated {app}\n"));
    verifies(&there);
}

#[test]
fn the_same_content_that_was_never_pulled_is_not_fetched() {
    let Some(server) = Server::open() else {
        return;
    };
    let (here, there) = (Sandbox::new(), Sandbox::new());
    let app = server.name("app:v1");
    component(&here, &app);
    component(&there, &app);
    let pushed = here.json(&["push", &app, "--format", "json"]);
    let manifest = manifest_of(&server, &pushed[0]);
    fs::remove_file(server.blob(manifest["layers"][0]["digest"].as_str().unwrap())).unwrap();
    assert_eq!(there.ok(&["pull", &app]), format!("unchanged {app}\n"));
}

#[test]
fn what_a_registry_lost_is_sent_again() {
    let Some(server) = Server::open() else {
        return;
    };
    let here = Sandbox::new();
    let app = server.name("app:v1");
    component(&here, &app);
    let pushed = here.json(&["push", &app, "--format", "json"]);
    let manifest = manifest_of(&server, &pushed[0]);
    for lost in [&manifest["config"], &manifest["layers"][0]] {
        fs::remove_file(server.blob(lost["digest"].as_str().unwrap())).unwrap();
        let again = &here.json(&["push", &app, "--format", "json"])[0];
        assert_eq!(again["result"], "pushed");
        assert_eq!(again["sent"], lost["size"]);
    }
    assert_eq!(here.ok(&["push", &app]), format!("unchanged {app}\n"));
}

#[test]
fn a_tag_that_leads_elsewhere_replaces_the_content_and_keeps_the_state_of_a_deployment() {
    let Some(server) = Server::open() else {
        return;
    };
    let (here, there) = (Sandbox::new(), Sandbox::new());
    let dc = server.name("dc:v1");
    datacenter(&here, &dc);
    here.ok(&["push", &dc]);
    there.ok(&["pull", &dc]);
    let path = there.ok(&["cache-path", &dc]);
    let module = Path::new(path.trim()).join("modules/network");
    let state = r#"{"version":4,"resources":[{"mode":"managed"}]}"#;
    fs::write(module.join("terraform.tfstate"), state).unwrap();
    assert_eq!(there.ok(&["pull", &dc]), format!("unchanged {dc}\n"));

    let source = here.path("dc");
    fs::write(source.join("modules/network/main.tf"), "# changed\n").unwrap();
    here.ok(&["add", &dc, source.to_str().unwrap()]);
    here.ok(&["push", &dc]);
    let run = there.run(&["pull", &dc]);
    assert_eq!(run.stdout, format!("updated {dc}\n"));
    assert!(run.stderr.contains("terraform.tfstate"), "{run:?}");
    assert_eq!(
        fs::read_to_string(module.join("terraform.tfstate")).unwrap(),
        state
    );
    assert_eq!(
        fs::read_to_string(module.join("main.tf")).unwrap(),
        "# changed\n"
    );
    // It is never sent.
    there.ok(&["push", &dc, "--as", &server.name("copy:v1")]);
    let other = Sandbox::new();
    other.ok(&["pull", &server.name("copy:v1")]);
    assert_eq!(digest(&other, &server.name("copy:v1")), digest(&here, &dc));
    verifies(&other);
}

#[test]
fn the_manifest_is_the_one_of_save_and_skopeo_reads_it() {
    let Some(server) = Server::open() else {
        return;
    };
    let here = Sandbox::new();
    let app = server.name("acme/app:v1");
    component(&here, &app);
    let pushed = here.json(&["push", &app, "--format", "json"]);
    let layout = here.path("layout/");
    let saved = here.json(&[
        "save",
        &app,
        "-o",
        layout.to_str().unwrap(),
        "--format",
        "json",
    ]);
    assert_eq!(pushed[0]["manifestDigest"], saved[0]["manifestDigest"]);
    let manifest = pushed[0]["manifestDigest"].as_str().unwrap();
    let in_layout = layout.join("blobs").join(manifest.replace(':', "/"));
    let of_registry = fs::read(server.blob(manifest)).unwrap();
    assert_eq!(fs::read(in_layout).unwrap(), of_registry);

    if !has("skopeo", &["--version"]) {
        return;
    }
    let (source, copy) = (format!("docker://{app}"), here.path("copy"));
    let run = skopeo(&here, &["inspect", "--tls-verify=false", &source]);
    assert!(run.code == 0 && run.stdout.contains(manifest), "{run:?}");
    let target = format!("docker://{}", server.name("other/app:v2"));
    for (from, to) in [
        (&source, &format!("dir:{}", copy.display())),
        (&source, &target),
    ] {
        let tls = ["--src-tls-verify=false", "--dest-tls-verify=false"];
        let run = skopeo(&here, &[&["copy"][..], &tls, &[from, to]].concat());
        assert_eq!(run.code, 0, "{run:?}");
    }
    let there = Sandbox::new();
    there.ok(&["pull", &server.name("other/app:v2")]);
    assert_eq!(
        digest(&there, &server.name("other/app:v2")),
        digest(&here, &app)
    );
}

#[test]
fn what_cldctl_pushed_is_pulled() {
    let Some(server) = Server::open() else {
        return;
    };
    let there = Sandbox::new();
    for (fixture, kind) in [("orders", "component"), ("dc", "datacenter")] {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/oci");
        let dir = dir.join(fixture);
        for blob in names(&dir.join("blobs/sha256")) {
            let bytes = fs::read(dir.join("blobs/sha256").join(blob)).unwrap();
            server.put_blob(fixture, &bytes);
        }
        let manifest = fs::read(dir.join("manifest.json")).unwrap();
        let manifest = server.put_manifest(fixture, "v1", &manifest);
        let name = server.name(&format!("{fixture}:v1"));
        assert_eq!(there.ok(&["pull", &name]), format!("added {name}\n"));
        let entry = &there.json(&["inspect", &name])[0];
        assert_eq!(entry["type"], kind);
        assert_eq!(entry["status"]["remotes"][0]["manifestDigest"], *manifest);
        // Its config says nothing that could be trusted, but the manifest is known.
        assert_eq!(there.ok(&["pull", &name]), format!("unchanged {name}\n"));
    }
    verifies(&there);
}

#[test]
fn blobs_that_are_not_what_they_should_be_are_refused_and_change_nothing() {
    let Some(server) = Server::open() else {
        return;
    };
    let (here, there) = (Sandbox::new(), Sandbox::new());
    let app = server.name("app:v1");
    component(&here, &app);
    let pushed = here.json(&["push", &app, "--format", "json"]);
    there.ok(&["pull", &app]);
    // Other content, so that it would have to be fetched.
    let path = there.ok(&["cache-path", &app]);
    fs::write(Path::new(path.trim()).join("cld.yml"), "other\n").unwrap();
    let before = (there.registry_text(), crate::support::tree(&there.cache()));

    let manifest = server.blob(pushed[0]["manifestDigest"].as_str().unwrap());
    let parsed: Value = serde_json::from_slice(&fs::read(&manifest).unwrap()).unwrap();
    let blob = |of: &Value| server.blob(of["digest"].as_str().unwrap());
    let (layer, config) = (blob(&parsed["layers"][0]), blob(&parsed["config"]));
    type Change = fn(&mut Vec<u8>);
    let flip: Change = |bytes| *bytes.last_mut().unwrap() ^= 1;
    let cut: Change = |bytes| bytes.truncate(bytes.len() - 9);
    let grow: Change = |bytes| bytes.extend([0; 9]);
    for file in [&layer, &config, &manifest] {
        let right = fs::read(file).unwrap();
        for change in [flip, cut, grow] {
            let mut bytes = right.clone();
            change(&mut bytes);
            fs::write(file, bytes).unwrap();
            let run = there.run(&["pull", &app, "--retries", "0"]);
            // The registry itself does not serve a manifest that is no JSON.
            let is_expected = run.code == 4 || (file == &manifest && run.code == 6);
            assert!(is_expected, "{file:?}: {run:?}");
            assert_eq!(before.0, there.registry_text());
            assert_eq!(before.1, crate::support::tree(&there.cache()));
        }
        fs::write(file, right).unwrap();
    }
    fs::remove_file(&layer).unwrap();
    there
        .run(&["pull", &app])
        .fails(3, "does not contain the blob");
    assert_eq!(before.1, crate::support::tree(&there.cache()));
}

#[test]
fn a_password_is_asked_for_in_the_files_of_docker_and_podman() {
    if !has("htpasswd", &["-bnB", "a", "b"]) {
        return;
    }
    let Some(server) = Server::with(|dir| {
        let entry = std::process::Command::new("htpasswd")
            .args(["-bnB", "user", "a secret"])
            .output();
        let file = dir.join("htpasswd");
        fs::write(&file, entry.unwrap().stdout).unwrap();
        format!(
            "auth:\n  htpasswd:\n    realm: test\n    path: {}\n",
            file.display()
        )
    }) else {
        return;
    };
    let here = Sandbox::new();
    let app = server.name("acme/app:v1");
    component(&here, &app);
    let run = here.run(&["push", &app]);
    run.fails(7, "does not exist, or access is denied");
    let docker = here.user().join(".docker/config.json");
    let podman = here.user().join(".config/containers/auth.json");
    for file in [&docker, &podman] {
        assert!(run.stderr.contains(&*file.to_string_lossy()), "{run:?}");
    }
    let file = |password: &str| {
        let auth = base64(format!("user:{password}").as_bytes(), false);
        format!(r#"{{"auths":{{"{}":{{"auth":"{auth}"}}}}}}"#, server.host)
    };
    write_tree(docker.parent().unwrap(), &[("config.json", &file("wrong"))]);
    here.run(&["push", &app]).fails(7, "access is denied");
    fs::write(&docker, file("a secret")).unwrap();
    assert_eq!(here.ok(&["push", &app]), format!("pushed {app}\n"));
    fs::remove_file(&docker).unwrap();
    write_tree(
        podman.parent().unwrap(),
        &[("auth.json", &file("a secret"))],
    );
    assert_eq!(here.ok(&["push", &app]), format!("unchanged {app}\n"));

    let there = Sandbox::new();
    with_password(&there, &["pull", &app], "user", "wrong").fails(7, "access is denied");
    let run = with_password(&there, &["pull", &app], "user", "a secret");
    assert_eq!(run.stdout, format!("added {app}\n"), "{run:?}");
    assert!(!format!("{run:?}").contains("a secret"));
    // A program cannot guess that it should prompt.
    let run = there.run(&["pull", &app, "--username", "user"]);
    assert_eq!(run.code, 2, "{run:?}");
}

#[test]
fn an_own_certificate_authority_is_trusted_when_it_is_named() {
    if !has("openssl", &["version"]) {
        return;
    }
    let mut directory = None;
    let Some(server) = Server::with(|dir| {
        make_certificates(dir);
        directory = Some(dir.to_owned());
        let file = |name: &str| dir.join(name).display().to_string();
        format!(
            "tls:\n    certificate: {}\n    key: {}",
            file("cert.pem"),
            file("key.pem")
        )
    }) else {
        return;
    };
    let authority = directory.unwrap().join("ca.pem");
    let authority = authority.to_str().unwrap();
    let here = Sandbox::new();
    let app = server.name("acme/app:v1");
    component(&here, &app);
    let run = here.run(&["push", &app]);
    run.fails(6, "its certificate is not valid");
    assert!(run.stderr.contains("--ca-file"), "{run:?}");
    here.ok(&["push", &app, "--ca-file", authority]);
    let there = Sandbox::new();
    let run = Run::from(
        there
            .command(&["pull", &app])
            .env("SSL_CERT_FILE", authority)
            .output()
            .unwrap(),
    );
    assert_eq!(run.code, 0, "{run:?}");
    let run = there.run(&["pull", &app, "--ca-file", "/dev/null"]);
    run.fails(1, "contains no certificate");
}

#[test]
fn a_token_is_got_once_for_all_that_is_to_be_done() {
    if !has("openssl", &["version"]) {
        return;
    }
    let mut tokens = None;
    let Some(server) = Server::with(|dir| {
        make_certificates(dir);
        let started = TokenServer::start(dir.to_owned());
        let config = format!(
            "auth:\n  token:\n    realm: {}\n    service: registry.test\n    issuer: test\n    \
             rootcertbundle: {}\n",
            started.realm,
            dir.join("ca.pem").display()
        );
        tokens = Some(started);
        config
    }) else {
        return;
    };
    let tokens = tokens.unwrap();
    let (here, there) = (Sandbox::new(), Sandbox::new());
    let app = server.name("acme/app:v1");
    component(&here, &app);
    here.run(&["push", &app]).fails(7, "access is denied");
    tokens.asked.lock().unwrap().clear();

    let run = with_password(&here, &["push", &app], "user", "password");
    assert_eq!(run.stdout, format!("pushed {app}\n"), "{run:?}");
    let asked = std::mem::take(&mut *tokens.asked.lock().unwrap());
    let [(request, _)] = &asked[..] else {
        panic!("{asked:?}");
    };
    assert!(request.contains("scope=repository%3Aacme%2Fapp%3Apull%2Cpush"));
    assert!(request.contains("service=registry.test"), "{request}");
    let run = with_password(&there, &["pull", &app], "user", "password");
    assert_eq!(run.stdout, format!("added {app}\n"), "{run:?}");
    let asked = std::mem::take(&mut *tokens.asked.lock().unwrap());
    assert!(asked[0].0.contains("scope=repository%3Aacme%2Fapp%3Apull "));
    assert_eq!(asked.len(), 1, "{asked:?}");
}

#[test]
fn several_are_transferred_and_one_failure_does_not_stop_the_others() {
    let Some(server) = Server::open() else {
        return;
    };
    let (here, there) = (Sandbox::new(), Sandbox::new());
    let all: Vec<String> = (0..6)
        .map(|at| server.name(&format!("app{at}:v1")))
        .collect();
    for reference in &all {
        component(&here, reference);
    }
    let mut operands: Vec<&str> = all.iter().map(String::as_str).collect();
    here.ok(&[&["push"], &operands[..]].concat());
    let missing = server.name("none:v1");
    operands.insert(3, &missing);
    let run = there.run(&[&["pull", "--format", "json"], &operands[..]].concat());
    assert_eq!(run.code, 3, "{run:?}");
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    for (at, reference) in operands.iter().enumerate() {
        assert_eq!(report[at]["reference"], **reference);
        let result = if at == 3 { "failed" } else { "added" };
        assert_eq!(report[at]["result"], result, "{run:?}");
    }
    assert!(report[3]["error"].as_str().unwrap().contains("not found"));
    verifies(&there);
}

#[test]
fn all_tags_of_a_repository_are_pushed_and_what_is_the_same_is_sent_once() {
    let Some(server) = Server::open() else {
        return;
    };
    let here = Sandbox::new();
    let repository = server.name("acme/app");
    component(&here, &format!("{repository}:v1"));
    for tag in ["v1.0", "latest"] {
        here.ok(&[
            "tag",
            &format!("{repository}:v1"),
            &format!("{repository}:{tag}"),
        ]);
    }
    component(&here, &server.name("acme/apple:v1"));
    let pushed = here.json(&["push", "--all-tags", &repository, "--format", "json"]);
    let pushed = pushed.as_array().unwrap();
    assert_eq!(pushed.len(), 3);
    let sent = pushed.iter().filter(|it| it["sent"] != 0).count();
    assert_eq!(sent, 1, "{pushed:?}");
    assert!(pushed.iter().all(|it| it["result"] == "pushed"));
    let there = Sandbox::new();
    there.ok(&["pull", &repository]);
    assert_eq!(there.references(), std::slice::from_ref(&repository));
    let other = server.name("copy/app");
    here.ok(&["push", "--all-tags", &repository, "--as", &other]);
    there.ok(&["pull", &format!("{other}:v1.0")]);
    here.run(&["push", "--all-tags", "nothing/here"])
        .fails(3, "nothing/here");
}

#[test]
fn a_dry_run_sends_nothing() {
    let Some(server) = Server::open() else {
        return;
    };
    let here = Sandbox::new();
    let app = server.name("acme/app:v1");
    component(&here, &app);
    let plan = &here.json(&["push", "-n", &app, "--format", "json"])[0];
    assert_eq!(plan["result"], "would push");
    assert!(plan["sent"].as_u64().unwrap() > 0);
    here.run(&["pull", &app])
        .fails(3, "not found in its registry");
}

#[test]
fn a_name_that_no_registry_can_have_is_refused_before_anything_is_sent() {
    let here = Sandbox::new();
    for reference in ["app:v1", "acme/app:v1", "localhost:1/Upper:v1"] {
        component(&here, reference);
        here.run(&["push", reference])
            .fails(2, "cannot be the name of an artifact in a registry");
    }
    let run = here.run(&["push", "app:v1"]);
    assert!(run.stderr.contains("--as"), "{run:?}");
    let none = format!("sha256:{}", "a".repeat(64));
    here.run(&["pull", &none]).fails(2, "names no registry");
    here.run(&["pull", "a/b:v1", "c/d:v1", "--as", "e:v1"])
        .fails(2, "`--as` names one artifact");
    let run = here.run(&["pull", "https://r.example/app:v1"]);
    assert!(
        run.stderr.contains("did you mean `r.example/app:v1`"),
        "{run:?}"
    );
    let run = here.run(&["login", "r.example"]);
    assert!(run.stderr.contains("docker login"), "{run:?}");
    let run = here.run(&["push", "nothing:v1", "--format", "json"]);
    assert_eq!(run.code, 3, "{run:?}");
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(report[0]["result"], "failed");
    // Nothing listens there.
    let ages = ["--timeout", "30000000000000w", "--retries", "0"];
    here.run(&[&["pull", "localhost:1/app:v1"][..], &ages].concat())
        .fails(6, "connection refused");
    here.run(&["pull", "localhost:1/app:v1", "--retries", "1"])
        .fails(6, "connection refused");
}

#[test]
fn a_pulled_artifact_gets_the_wanted_name_and_replaces_only_if_it_may() {
    let Some(server) = Server::open() else {
        return;
    };
    let (here, there) = (Sandbox::new(), Sandbox::new());
    let app = server.name("acme/app:v1");
    component(&here, &app);
    here.ok(&["push", &app]);
    assert_eq!(
        there.ok(&["pull", &app, "--as", "mine:v1"]),
        "added mine:v1\n"
    );
    assert_eq!(there.references(), ["mine:v1"]);
    there
        .run(&["pull", &app, "--as", "mine:v1", "--no-clobber"])
        .fails(4, "already exists");
    there
        .run(&["pull", &app, "--max-size", "10B"])
        .fails(4, "more than 10 bytes");
    // What the manifest says counts, and not what is said of it.
    there.ok(&["pull", &app, "--type", "datacenter", "--as", "other:v1"]);
    assert_eq!(there.json(&["inspect", "other:v1"])[0]["type"], "component");
}
