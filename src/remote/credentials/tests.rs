use super::*;

fn password(user: &str, password: &str) -> Option<Credential> {
    Some(Credential::Password {
        user: user.to_owned(),
        password: password.to_owned(),
    })
}

fn found(text: &str, reference: &str) -> Option<Credential> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.json");
    std::fs::write(&file, text).unwrap();
    let files = [dir.path().join("absent"), file].to_vec();
    let name = RemoteName::parse(reference).unwrap();
    let interrupt = crate::Interrupt::default();
    let source = CredentialSource::Files(files);
    source.find(&name, &Helpers::new(&interrupt)).credential
}

#[test]
fn the_longest_path_counts_and_an_entry_without_a_secret_is_none() {
    let file = r#"{"auths": {
            "r.example": {"auth": "YTpi"},
            "https://r.example/acme/": {"auth": "Yzpk"},
            "r.example/acme/empty": {},
            "other.example": {"auth": "", "email": "x"},
            "parts.example": {"username": "u", "password": "p:q"},
            "token.example": {"auth": "YTpi", "identitytoken": "t"},
            "https://index.docker.io/v1/": {"auth": "aDpp"}
        }}"#;
    assert_eq!(found(file, "r.example/app"), password("a", "b"));
    assert_eq!(found(file, "r.example/acme/app"), password("c", "d"));
    assert_eq!(found(file, "r.example/acme/empty"), password("c", "d"));
    assert_eq!(found(file, "r.example/acmeother"), password("a", "b"));
    assert_eq!(found(file, "other.example/app"), None);
    assert_eq!(found(file, "parts.example/app"), password("u", "p:q"));
    let token = Some(Credential::IdentityToken("t".to_owned()));
    assert_eq!(found(file, "token.example/app"), token);
    assert_eq!(found(file, "app"), password("h", "i"));
    assert_eq!(found(file, "docker.io/acme/app"), password("h", "i"));
    assert_eq!(found("{", "app"), None);
}

#[test]
fn a_version_in_a_key_counts_behind_a_host_alone_and_the_exact_key_first() {
    let file = r#"{"auths": {
            "https://r.example/v1/": {"auth": "YTpi"},
            "r.example/acme/v2": {"auth": "Yzpk"},
            "HTTP.example:5000": {"auth": "ZTpm"},
            "https://s.example": {"auth": "YTpi"},
            "s.example": {"auth": "Yzpk"},
            "t.example/v2": {"auth": "YTpi"},
            "t.example": {"auth": "Yzpk"}
        }}"#;
    assert_eq!(found(file, "r.example/app"), password("a", "b"));
    assert_eq!(found(file, "r.example/acme/v2"), password("c", "d"));
    assert_eq!(found(file, "r.example/acme/app"), password("a", "b"));
    assert_eq!(found(file, "http.Example:5000/app"), password("e", "f"));
    assert_eq!(found(file, "s.example/app"), password("c", "d"));
    assert_eq!(found(file, "t.example/app"), password("c", "d"));
    assert_eq!(found(file, "t.example/v2"), password("a", "b"));
}

#[test]
fn the_helper_of_the_longest_path_counts() {
    let helpers = BTreeMap::from([
        ("r.example".to_owned(), Some("registry")),
        ("r.example/acme".to_owned(), Some("path")),
        ("r.example/none".to_owned(), None),
    ]);
    for (reference, helper) in [
        ("r.example/acme/app", Some(&"path")),
        ("r.example/none/app", Some(&"registry")),
        ("s.example/app", None),
    ] {
        let keys = keys_of(&RemoteName::parse(reference).unwrap());
        assert_eq!(values_of(&keys, &helpers).next(), helper);
    }
}

#[test]
fn no_secret_is_in_the_debug_form() {
    let given = CredentialSource::Given(Credential::Password {
        user: "u".to_owned(),
        password: "secret".to_owned(),
    });
    let token = Credential::IdentityToken("secret".to_owned());
    assert!(!format!("{given:?} {token:?}").contains("secret"));
}
