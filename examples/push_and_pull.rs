//! Pushes an artifact of a home to the registry that its reference names, and pulls it into
//! another home: `cargo run --example push_and_pull -- ~/.cldctl localhost:5000/app:v1 ./other`.

#![allow(clippy::print_stdout, reason = "an example shows its results")]

use std::env;
use std::error::Error;
use std::path::PathBuf;

use cldctl_registry::remote::{
    Client, CredentialSource, PullOptions, Push, RemoteName, RemoteOptions,
};
use cldctl_registry::{Cache, Home};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [home, reference, other] = &arguments[..] else {
        return Err("expected HOME REF OTHER_HOME".into());
    };
    let here = Cache::open(Home::at(home)?)?;
    let there = Cache::open(Home::at(other)?)?;

    // The library does not look at the environment: what it may use is told.
    let mut options = RemoteOptions::default();
    if let Some(home) = env::var_os("HOME") {
        let file = PathBuf::from(home).join(".docker/config.json");
        options.credentials = CredentialSource::Files(vec![file]);
    }
    let client = Client::new(options)?;

    let entry = here.registry().get(reference)?;
    let entry = entry.ok_or_else(|| format!("`{reference}` is not registered"))?;
    let name = RemoteName::parse_with_registry(reference)?;
    let pushed = Push::new(&here, &client).artifact(&entry, &name)?;
    println!("sent {} bytes for {}", pushed.sent, pushed.remote);

    // The digest of the manifest names exactly what was pushed, whatever the tag names by now.
    let reference = pushed.remote.by_digest(&pushed.manifest_digest);
    let pulled = there.pull(&client, &reference, &PullOptions::default())?;
    println!("{} {reference}", pulled.result.as_str());
    Ok(())
}
