use super::*;

#[test]
fn a_reference_is_split_as_docker_does_it() {
    let digest = format!("sha256:{}", "a".repeat(64));
    for (reference, host, path, version) in [
        ("app", "registry-1.docker.io", "library/app", "latest"),
        ("acme/app:v1", "registry-1.docker.io", "acme/app", "v1"),
        (
            "docker.io/acme/app",
            "registry-1.docker.io",
            "acme/app",
            "latest",
        ),
        (
            "docker.io/app",
            "registry-1.docker.io",
            "library/app",
            "latest",
        ),
        (
            "Index.Docker.io/app:v1",
            "registry-1.docker.io",
            "library/app",
            "v1",
        ),
        ("LOCALHOST/app:v1", "LOCALHOST", "app", "v1"),
        ("10.0.0.1:65535/app:v1", "10.0.0.1:65535", "app", "v1"),
        ("ghcr.io/acme/app:v1", "ghcr.io", "acme/app", "v1"),
        ("localhost/app:v1", "localhost", "app", "v1"),
        ("localhost:5000/a/b", "localhost:5000", "a/b", "latest"),
        ("[::1]:5000/a:v1", "[::1]:5000", "a", "v1"),
        (
            &format!("r.example/a:v1@{digest}"),
            "r.example",
            "a",
            &*digest,
        ),
    ] {
        let name = RemoteName::parse(reference).unwrap();
        let found = (name.host(), name.path(), name.version());
        assert_eq!(found, (host, path, version), "{reference}");
    }
}

#[test]
fn what_no_registry_takes_is_refused() {
    for reference in [
        "r.example/Acme/app:v1",
        "r.example/a//b",
        "r.example/../b",
        "r.example/a:v 1",
        "r.example/a:-v",
        "r.example/a@sha256:abc",
        "r.example/a_-b",
        "@scope/app:v1",
        "sha256:abc",
        "r.example:99999/app:v1",
        "r.example:0/app:v1",
        "r.example:/app:v1",
        "r.example:+80/app:v1",
        "a:b:c/app:v1",
        "[::1/app:v1",
        "[::1]5000/app:v1",
        "[r.example]/app:v1",
        "r..example/app:v1",
        "r.example-/app:v1",
        "256.0.0.1/app:v1",
        "127.1:5000/app:v1",
    ] {
        RemoteName::parse(reference).unwrap_err();
    }
    RemoteName::parse_with_registry("acme/app:v1").unwrap_err();
    RemoteName::parse_with_registry("r.example/app").unwrap();
}

#[test]
fn a_password_in_a_reference_is_not_shown() {
    let digest = format!("sha256:{}", "a".repeat(64));
    for reference in [
        "user:secret@r.example/app:v1",
        "user:sec/ret@r.example/app",
        "@user:secret@r.example/app",
        &format!("user:secret@r.example/app@{digest}"),
    ] {
        let error = RemoteName::parse(reference).unwrap_err().to_string();
        assert!(error.contains("`r.example/app"), "{error}");
        assert!(!error.contains("sec"), "{error}");
    }
    let error = RemoteName::parse("@scope/app:v1").unwrap_err().to_string();
    assert!(error.contains("`@scope/app:v1`"), "{error}");
}

#[test]
fn only_this_machine_is_loopback() {
    for host in [
        "localhost",
        "a.localhost:80",
        "127.0.0.1:5000",
        "127.9.9.9",
        "[::1]:5000",
        "LOCALHOST:5000",
        "A.LocalHost",
    ] {
        assert!(is_loopback(host), "{host}");
    }
    for host in [
        "localhost.example",
        "128.0.0.1",
        "127.0.0.1.example",
        "[::2]:5000",
    ] {
        assert!(!is_loopback(host), "{host}");
    }
}
