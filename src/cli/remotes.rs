//! How the program reaches registries: what its options say, and what the environment does.

use std::env;
use std::ffi::OsString;
use std::io::{self, Read};
use std::path::PathBuf;

use super::args::Connection;
use super::exit::{Exit, Failure};
use crate::error::os_message;
use crate::remote::{Client, Credential, CredentialSource, Proxies, RemoteOptions};

/// The longest password, in bytes.
const MAX_PASSWORD: u64 = 1 << 20;

/// Returns the client that the options and the environment describe.
pub(super) fn client(connection: &Connection) -> anyhow::Result<Client> {
    let options = RemoteOptions {
        credentials: match &connection.username {
            Some(user) => CredentialSource::Given(Credential::Password {
                user: user.clone(),
                password: password()?,
            }),
            None => CredentialSource::Files(files()),
        },
        plain_http: connection.plain_http.clone(),
        ca_file: connection.ca_file.clone(),
        proxies: proxies(),
        retries: connection.retries,
        timeout: connection.timeout,
    };
    Ok(Client::new(options)?)
}

/// Reads the password, which may end with a line break.
fn password() -> Result<String, Failure> {
    let mut text = String::new();
    let read = io::stdin().take(MAX_PASSWORD).read_to_string(&mut text);
    read.map_err(|error| Failure {
        exit: Exit::Failure,
        message: format!("could not read the password: {}", os_message(&error)),
        hint: None,
    })?;
    let password = text.strip_suffix('\n').unwrap_or(&text);
    let password = password.strip_suffix('\r').unwrap_or(password);
    match password.is_empty() {
        true => Err(Failure {
            hint: Some("pipe it in: `echo \"$TOKEN\" | … --password-stdin`".to_owned()),
            ..Failure::usage("there is no password on standard input")
        }),
        false => Ok(password.to_owned()),
    }
}

fn variable(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

/// Returns the files that credentials are looked for in. Source: docker's CLI, and
/// containers-auth.json(5).
fn files() -> Vec<PathBuf> {
    if let Some(only) = variable("REGISTRY_AUTH_FILE") {
        return vec![PathBuf::from(only)];
    }
    let home = dirs::home_dir();
    let of_home = |path: &str| home.as_ref().map(|home| home.join(path));
    let docker = match variable("DOCKER_CONFIG") {
        Some(dir) => Some(PathBuf::from(dir)),
        None => of_home(".docker"),
    };
    let runtime = variable("XDG_RUNTIME_DIR").map(PathBuf::from);
    let files = [
        docker.map(|dir| dir.join("config.json")),
        runtime.map(|dir| dir.join("containers/auth.json")),
        of_home(".config/containers/auth.json"),
    ];
    files.into_iter().flatten().collect()
}

/// Returns the proxies that the environment names. Source: curl's rules for it.
fn proxies() -> Proxies {
    let first = |names: &[&str]| {
        let found = names.iter().find_map(|name| variable(name));
        found.map(|value| value.to_string_lossy().into_owned())
    };
    Proxies {
        http: first(&["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]),
        https: first(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]),
        exceptions: first(&["no_proxy", "NO_PROXY"]).unwrap_or_default(),
    }
}
