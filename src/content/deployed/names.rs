//! Reads from cldctl's state files which artifacts are deployed.
//!
//! cldctl names an artifact by its reference, or by a path in its directory of the cache.
//! Only the places where its deploy code puts them count: an input of the same name says
//! nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

/// A name of a deployed artifact.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Name {
    /// A reference; its repository and tag count.
    Reference(String),
    /// A path, absolute, of the artifact's directory or in it.
    Path(PathBuf),
    /// A quoted string of a file that cannot be parsed: it counts if it is the reference,
    /// the repository or the directory of an artifact.
    Quoted(String),
}

impl Name {
    fn of(source: String) -> Self {
        match source.starts_with('/') {
            true => Name::Path(source.into()),
            false => Name::Reference(source),
        }
    }
}

#[derive(Deserialize)]
struct Datacenter {
    version: Option<String>,
    source: Option<String>,
    #[serde(default)]
    modules: Option<BTreeMap<String, Option<Module>>>,
}

#[derive(Deserialize)]
struct Component {
    name: Option<String>,
    source: Option<String>,
}

#[derive(Deserialize)]
struct Environment {
    #[serde(default)]
    components: Option<BTreeMap<String, Option<Deployment>>>,
    #[serde(default)]
    modules: Option<BTreeMap<String, Option<Module>>>,
}

/// A component of an environment, or one of its instances.
#[derive(Deserialize)]
struct Deployment {
    source: Option<String>,
    #[serde(default)]
    instances: Option<BTreeMap<String, Option<Deployment>>>,
    #[serde(default)]
    resources: Option<BTreeMap<String, Option<Resource>>>,
    #[serde(default)]
    modules: Option<BTreeMap<String, Option<Module>>>,
}

#[derive(Deserialize)]
struct Resource {
    #[serde(default)]
    module_states: Option<BTreeMap<String, Option<Module>>>,
}

#[derive(Deserialize)]
struct Module {
    source: Option<String>,
}

/// Returns the names in a `datacenter.state.json`.
pub(crate) fn of_datacenter(bytes: &[u8]) -> Vec<Name> {
    let mut names = Names::default();
    match serde_json::from_slice::<Datacenter>(bytes) {
        Ok(datacenter) => {
            names.add(datacenter.version);
            names.add(datacenter.source);
            names.add_modules(datacenter.modules);
            names.0
        }
        Err(_) => quoted(bytes),
    }
}

/// Returns the name in a file of a datacenter's `components` directory: a repository and,
/// as the source, the tag that the datacenter declares.
pub(crate) fn of_component(bytes: &[u8]) -> Vec<Name> {
    match serde_json::from_slice::<Component>(bytes) {
        Ok(Component {
            name: Some(name),
            source: Some(source),
        }) if !name.is_empty() && !source.is_empty() => match source.starts_with('/') {
            true => vec![Name::Path(source.into())],
            false => vec![Name::Reference(format!("{name}:{source}"))],
        },
        Ok(_) => Vec::new(),
        Err(_) => quoted(bytes),
    }
}

/// Returns the names in an `environment.state.json`.
pub(crate) fn of_environment(bytes: &[u8]) -> Vec<Name> {
    let mut names = Names::default();
    match serde_json::from_slice::<Environment>(bytes) {
        Ok(environment) => {
            names.add_deployments(environment.components);
            names.add_modules(environment.modules);
            names.0
        }
        Err(_) => quoted(bytes),
    }
}

/// Returns the quoted strings of a `datacenter.dc`; one of them is the reference of the
/// datacenter that it extends, if it extends one.
pub(crate) fn of_description(bytes: &[u8]) -> Vec<String> {
    strings(bytes)
}

#[derive(Default)]
struct Names(Vec<Name>);

impl Names {
    fn add(&mut self, source: Option<String>) {
        let source = source.filter(|source| !source.is_empty());
        self.0.extend(source.map(Name::of));
    }

    fn add_modules(&mut self, modules: Option<BTreeMap<String, Option<Module>>>) {
        let modules = modules.into_iter().flatten();
        for module in modules.filter_map(|(_, module)| module) {
            self.add(module.source);
        }
    }

    fn add_deployments(&mut self, deployments: Option<BTreeMap<String, Option<Deployment>>>) {
        let deployments = deployments.into_iter().flatten();
        for deployment in deployments.filter_map(|(_, deployment)| deployment) {
            self.add(deployment.source);
            self.add_modules(deployment.modules);
            let resources = deployment.resources.into_iter().flatten();
            for resource in resources.filter_map(|(_, resource)| resource) {
                self.add_modules(resource.module_states);
            }
            self.add_deployments(deployment.instances);
        }
    }
}

fn quoted(bytes: &[u8]) -> Vec<Name> {
    strings(bytes).into_iter().map(Name::Quoted).collect()
}

/// The longest quoted string that can name an artifact, in bytes.
const MAX_STRING: usize = 4096;

/// Finds the quoted strings of a text that may be damaged and comes in parts: every text
/// between two quotes, so that a quote too many or too few hides none.
#[derive(Default)]
pub(super) struct Strings {
    /// The text since the last quote, up to one byte more than can name an artifact.
    since: Option<Vec<u8>>,
    is_escaped: bool,
}

impl Strings {
    /// Goes through the next part, and calls `each` with the strings that end in it.
    pub(super) fn feed(&mut self, mut bytes: &[u8], each: &mut dyn FnMut(String)) {
        while let Some((&first, rest)) = bytes.split_first() {
            if std::mem::take(&mut self.is_escaped) {
                self.push(&[first]);
                bytes = rest;
                continue;
            }
            let special = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\'));
            let (plain, special) = bytes.split_at(special.unwrap_or(bytes.len()));
            self.push(plain);
            match special.split_first() {
                Some((b'"', rest)) => {
                    if let Some(text) = self.since.replace(Vec::new())
                        && (1..=MAX_STRING).contains(&text.len())
                    {
                        decoded(&text).into_iter().for_each(&mut *each);
                    }
                    bytes = rest;
                }
                Some((_, rest)) => {
                    self.push(b"\\");
                    self.is_escaped = true;
                    bytes = rest;
                }
                None => return,
            }
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        if let Some(since) = &mut self.since {
            let room = (MAX_STRING + 1).saturating_sub(since.len());
            since.extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
    }
}

fn strings(bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    Strings::default().feed(bytes, &mut |text| found.push(text));
    found.sort_unstable();
    found.dedup();
    found
}

fn decoded(bytes: &[u8]) -> Option<String> {
    let text = str::from_utf8(bytes).ok()?;
    match text.contains('\\') {
        false => Some(text.to_owned()),
        true => serde_json::from_str(&format!("\"{text}\"")).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture(path: &str) -> Vec<u8> {
        let dir = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/fixtures/state/datacenters"
        );
        std::fs::read(format!("{dir}/{path}")).unwrap()
    }

    fn reference(text: &str) -> Name {
        Name::Reference(text.to_owned())
    }

    fn in_cache(path: &str) -> Name {
        Name::Path(format!("/home/dev/.cldctl/cache/artifacts/{path}").into())
    }

    #[test]
    fn a_datacenter_names_itself_and_its_modules() {
        let names = of_datacenter(&fixture("aws/datacenter.state.json"));
        let dc = reference("ghcr.io/acme/dc-aws:v1");
        let vpc = in_cache("ghcr.io_acme_dc-aws_v1/modules/vpc");
        assert_eq!(names, [dc.clone(), dc, vpc]);
    }

    #[test]
    fn a_declared_component_is_its_name_and_source() {
        let file = fixture("aws/components/ghcr.io/acme/stripe.state.json");
        assert_eq!(of_component(&file), [reference("ghcr.io/acme/stripe:v2")]);
    }

    #[test]
    fn an_environment_names_components_instances_and_modules_and_no_inputs() {
        let names = of_environment(&fixture("aws/environments/prod/environment.state.json"));
        let app = in_cache("ghcr.io_acme_app_v1/cld.yml");
        let expected = [
            app.clone(),
            in_cache("ghcr.io_acme_dc-aws_v1/modules/db"),
            reference("ghcr.io/acme/app:v2"),
            app,
            Name::Path("/home/dev/src/local/cld.yml".into()),
            reference("ghcr.io/acme/web"),
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn of_a_torn_file_every_quoted_string_counts() {
        let file = fixture("aws/datacenter.state.json");
        let names = of_datacenter(&file[..file.len() / 2]);
        assert!(names.contains(&Name::Quoted("ghcr.io/acme/dc-aws:v1".to_owned())));
        // A quote that is lost does not hide the strings after it.
        let names = of_environment(br#"{"source: "app:v1", "x": "a\/b""#);
        assert!(
            names.contains(&Name::Quoted("app:v1".to_owned())),
            "{names:?}"
        );
        assert!(names.contains(&Name::Quoted("a/b".to_owned())), "{names:?}");
    }

    #[test]
    fn fields_of_unexpected_types_are_read_as_text() {
        let names = of_environment(br#"{"components":[{"source":"app:v1"}]}"#);
        assert!(names.contains(&Name::Quoted("app:v1".to_owned())));
        assert_eq!(of_environment(br#"{"components":null}"#), []);
    }
}
