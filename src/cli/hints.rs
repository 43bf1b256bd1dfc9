//! Hints: what users can do about errors. A command in a hint can be typed as shown.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use super::exit::Failure;
use crate::content::refusal::{LINK_OUT, LINK_TO_DIR, NO_DIR, NO_SOURCE};
use crate::deployed::DeployedBy;
use crate::error::NO_REGISTRY;
use crate::escape::escape_display;
use crate::quote;
use crate::{Error, InvalidReason, InvalidReference, Reference};

/// The value of `--home`, so that a command in a hint works in the same home.
static NAMED_HOME: OnceLock<PathBuf> = OnceLock::new();

/// Remembers the value of `--home`.
pub(super) fn remember_home(home: Option<&Path>) {
    if let Some(home) = home {
        // It is the same for the whole process.
        let _ = NAMED_HOME.set(home.to_owned());
    }
}

/// Returns a command of this program as it is typed; `None` if its home cannot be
/// shown.
pub(super) fn command(arguments: &str) -> Option<String> {
    Some(format!("`{} {arguments}`", program()?))
}

/// Returns a remedy of the library with commands that work in the named home.
pub(super) fn in_named_home(remedy: &str) -> Cow<'_, str> {
    match program() {
        Some(program) if NAMED_HOME.get().is_some() => remedy
            .replace("`cldctl-registry ", &format!("`{program} "))
            .into(),
        _ => remedy.into(),
    }
}

fn program() -> Option<String> {
    Some(match NAMED_HOME.get() {
        None => "cldctl-registry".to_owned(),
        Some(home) => format!("cldctl-registry --home {}", quote::word(home.to_str()?)?),
    })
}

/// Returns what the user can do about an error.
pub(super) fn of(error: &anyhow::Error) -> Option<String> {
    if let Some(failure) = error.downcast_ref::<Failure>() {
        return failure.hint.clone();
    }
    of_library(error.downcast_ref::<Error>()?)
}

/// Returns what the user can do about an error of the library.
pub(super) fn of_library(error: &Error) -> Option<String> {
    Some(match error {
        Error::Corrupt { path, .. } if path.ends_with("components.json") => {
            "repair it by hand or move it away; this program never writes a legacy registry"
                .to_owned()
        }
        Error::Corrupt { .. } => {
            format!(
                "{} recovers every complete entry",
                command("verify --repair")?
            )
        }
        Error::NothingRecovered { .. } => {
            "restore it from a backup, or move it away to start with an empty registry".to_owned()
        }
        Error::Unconvertible { .. } => {
            "repair it by hand, or remove all such entries with one `rm`".to_owned()
        }
        Error::ReadOnly { path } => {
            let path = path.to_str().and_then(quote::word)?;
            format!("`chmod u+w {path}` allows changes")
        }
        Error::ForeignVersion { .. } => {
            "it was written by a newer program; upgrade cldctl-registry".to_owned()
        }
        // Only this process uses the directory, so that no other can have locked it.
        Error::LockTimeout { path, .. } if path.extension().is_none_or(|it| it != "lock") => {
            let here = match crate::store::file_system::name_of(path.parent()?) {
                Some(name) => format!("`{}`", escape_display(&name)),
                None => "this file system".to_owned(),
            };
            format!(
                "file locks may not work on {here}; use `--home DIR` to name a home on another \
                 file system"
            )
        }
        Error::LockTimeout { waited, .. } => format!(
            "another cldctl-registry is changing the registry; `--lock-timeout {}` waits longer",
            longer_than(*waited)
        ),
        Error::Contended { waited, .. } => format!(
            "another program keeps writing it; try again later, or with `--lock-timeout {}`",
            longer_than(*waited)
        ),
        Error::DanglingLink { .. } => {
            "mount the disk that it points to, or point it to a directory".to_owned()
        }
        Error::LockUnsupported { file_system, .. } => {
            let here = match file_system {
                Some(name) => format!("`{}`", escape_display(name)),
                None => "this file system".to_owned(),
            };
            format!(
                "file locks do not work on {here}; use `--home DIR` to name a home on another \
                 file system"
            )
        }
        Error::InvalidReference(invalid) => of_reference(invalid)?,
        Error::UnknownType { .. } => {
            "set it with `--type component` or `--type datacenter`".to_owned()
        }
        Error::NoContent { .. } => {
            "name the directory to import, or register no content: `--metadata-only --type TYPE`"
                .to_owned()
        }
        Error::Collision { other, .. } => {
            let other = command(&format!("rm {}", quote::operand(other)?))?;
            format!("choose another reference, or remove the other artifact: {other}")
        }
        Error::UnsafeContent { reason, .. } => match reason.as_str() {
            NO_SOURCE | NO_DIR => return None,
            LINK_OUT | LINK_TO_DIR => "`--dereference` stores the target of the link, \
                                       `--exclude GLOB` skips it"
                .to_owned(),
            _ => "`--exclude GLOB` skips it".to_owned(),
        },
        Error::Deployed {
            path,
            by,
            reference,
        } => of_deployed(reference, path, by)?,
        Error::DeploymentUnknown {
            is_elsewhere: true, ..
        } => "make it readable, because what is in it may extend the artifact".to_owned(),
        Error::DeploymentUnknown { reference, .. } => {
            let operand = quote::operand(reference)?;
            let force = command(&format!("rm {operand} --deployed"))?;
            format!("{force} removes it without looking, with any state that it has")
        }
        Error::AtWork { .. } => "try again when it has ended".to_owned(),
        Error::StateInTheWay { path, .. } => match destroy(path, Path::new("")) {
            Some(destroy) => format!("{destroy} destroys what it describes"),
            None => "destroy what it describes first".to_owned(),
        },
        Error::StateNotMovable { path } => {
            let path = quote::word(path.to_str()?)?;
            format!(
                "`cp -a {path} {path}.new && rm -r {path} && mv {path}.new {path}` makes it one \
                 that can be renamed"
            )
        }
        Error::NoRemoteName { reason, .. } if *reason == NO_REGISTRY => {
            "`--as HOST/REPOSITORY:TAG` names where it goes".to_owned()
        }
        Error::Unavailable { registry, reason } => of_unavailable(registry, reason)?,
        Error::Denied {
            registry,
            looked,
            has_credentials,
            ..
        } => of_denied(registry, looked, *has_credentials),
        Error::TooLarge { .. } => "`--max-size SIZE` allows more".to_owned(),
        Error::NoReference { .. } => "`--as REF` gives it one".to_owned(),
        Error::NoSingle { .. } => "name the artifact too: `load REF --as REF`".to_owned(),
        Error::UnclearContent { reference, .. } => {
            let reference = quote::operand(reference)?;
            let (own, path) = (
                command(&format!("add {reference}"))?,
                command(&format!("add {reference} PATH"))?,
            );
            format!("{path} imports it from its source; {own} takes it as it is")
        }
        Error::KeptAside { .. } => {
            "compare the state in both, keep what is current, and delete the other".to_owned()
        }
        Error::ContentAltered { reference, .. } => {
            let reference = quote::operand(reference)?;
            let (own, path) = (
                command(&format!("add {reference}"))?,
                command(&format!("add {reference} PATH"))?,
            );
            format!("{path} imports it again; {own} takes it as it is")
        }
        Error::StateInContent { reference, .. } => format!(
            "{} registers it again without its state",
            command(&format!("add {}", quote::operand(reference)?))?
        ),
        Error::AlreadyExists { .. } => "omit `--no-clobber` to replace it".to_owned(),
        Error::ContentChanged { .. } => "try again when nothing writes to it".to_owned(),
        Error::NoHome { .. } => "name the directory with `--home DIR`".to_owned(),
        _ => return None,
    })
}

/// Returns what frees an artifact that is deployed, and what removes it all the same.
fn of_deployed(reference: &str, path: &Path, by: &[DeployedBy]) -> Option<String> {
    let force = command(&format!("rm {} --deployed", quote::operand(reference)?))?;
    let frees = by.iter().find_map(|by| match by {
        DeployedBy::State { path: state, .. } => destroy(path, state),
        DeployedBy::Environment {
            datacenter,
            environment,
        } => Some(format!(
            "`cldctl destroy environment {} -d {}`",
            quote::operand(environment)?,
            quote::operand(datacenter)?
        )),
        DeployedBy::Datacenter { datacenter } => Some(format!(
            "`cldctl destroy datacenter {}`",
            quote::operand(datacenter)?
        )),
        _ => None,
    });
    Some(match frees {
        Some(frees) => format!("{frees} frees it; {force} removes it all the same"),
        None => format!("{force} removes it all the same"),
    })
}

/// Returns what the user can do about a registry that cannot be used.
fn of_unavailable(registry: &str, reason: &str) -> Option<String> {
    if reason.contains("certificate") {
        return Some("`--ca-file FILE` trusts the certificates in a file".to_owned());
    }
    if reason.contains("does not speak TLS") {
        let registry = quote::word(registry)?;
        return Some(format!("`--plain-http {registry}` reaches it without TLS"));
    }
    if reason.contains("in time") {
        return Some("`--timeout DURATION` waits longer".to_owned());
    }
    None
}

/// Returns where credentials for a registry were looked for, and how there would be some.
fn of_denied(registry: &str, looked: &[String], has_credentials: bool) -> String {
    let places: Vec<_> = looked.iter().map(|place| escape_display(place)).collect();
    let places = places.join(", ");
    let registry = escape_display(registry);
    match (places.is_empty(), has_credentials) {
        (true, true) => "check the name, `--username`, and the password".to_owned(),
        (true, false) => format!("check the name; `docker login {registry}` stores credentials"),
        (false, true) => format!("check the name, and the credentials that {places} has"),
        (false, false) => format!(
            "there are no credentials for it in {places}; `docker login {registry}` or `podman \
             login {registry}` stores some"
        ),
    }
}

/// Returns the commands that destroy what a state file below a directory describes.
fn destroy(dir: &Path, state: &Path) -> Option<String> {
    // Without the slash that an empty path adds.
    let state: PathBuf = dir.join(state).components().collect();
    let below = |name: &str| state.ancestors().find(|dir| dir.ends_with(name));
    if let Some(pulumi) = below(".pulumi") {
        let dir = quote::word(pulumi.parent()?.to_str()?)?;
        return Some(format!("`pulumi -C {dir} destroy`"));
    }
    if let Some(workspaces) = below("terraform.tfstate.d") {
        let dir = quote::word(workspaces.parent()?.to_str()?)?;
        let workspace = state.strip_prefix(workspaces).ok()?.iter().next();
        let selected = match workspace {
            Some(name) => format!("TF_WORKSPACE={} ", quote::word(name.to_str()?)?),
            None => String::new(),
        };
        return Some(format!("`{selected}tofu -chdir={dir} destroy`"));
    }
    let dir = quote::word(state.parent()?.to_str()?)?;
    let destroy = format!("tofu -chdir={dir} destroy");
    Some(match state.file_name()?.to_str()? {
        "terraform.tfstate" => format!("`{destroy}`"),
        // OpenTofu does not read a file of another name unless it is told to.
        "errored.tfstate" => {
            format!("`tofu -chdir={dir} state push errored.tfstate && {destroy}`")
        }
        name if name.ends_with(".tfstate") => {
            format!("`{destroy} -state={}`", quote::word(name)?)
        }
        // The state was cut off when it was written.
        name if name.ends_with(".tfstate.backup") => {
            let (backup, file) = (state.to_str()?, state.with_extension(""));
            let (backup, file) = (quote::word(backup)?, quote::word(file.to_str()?)?);
            format!("`cp {backup} {file} && {destroy}`")
        }
        _ => format!("`{destroy}`"),
    })
}

/// Returns a hint about an invalid reference.
fn of_reference(invalid: &InvalidReference) -> Option<String> {
    let text = invalid.reference.as_str();
    let meant = match invalid.reason {
        InvalidReason::Url => text.split_once("://").map(|(_, name)| name),
        InvalidReason::WhiteSpace(_) | InvalidReason::ControlCharacter => {
            Some(text.trim_matches(|c: char| c.is_whitespace() || c.is_control()))
        }
        InvalidReason::EmptyTag => text.strip_suffix(':'),
        _ => None,
    };
    let meant = meant.filter(|meant| Reference::parse_new(meant).is_ok());
    if let Some(meant) = meant.and_then(quote::operand) {
        return Some(format!("did you mean `{meant}`?"));
    }
    match invalid.reason {
        InvalidReason::Empty
        | InvalidReason::EmptyRepository
        | InvalidReason::EmptyPart
        | InvalidReason::EmptyTag
        | InvalidReason::EmptyDigest => {
            Some("check the variables that it is built from: one of them may be empty".to_owned())
        }
        _ => None,
    }
}

/// Returns a limit for `--lock-timeout` that is longer than the one that was too
/// short.
fn longer_than(waited: Duration) -> String {
    const LIMITS: [(&str, u64); 4] = [("1m", 60), ("10m", 600), ("1h", 3_600), ("1d", 86_400)];
    let longer = LIMITS
        .into_iter()
        .find(|(_, seconds)| waited < Duration::from_secs(*seconds));
    match longer {
        Some((limit, _)) => limit.to_owned(),
        None => format!("{}d", waited.as_secs() / 86_400 + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::values;

    #[test]
    fn the_suggested_limit_is_longer_than_the_one_that_was_too_short() {
        for seconds in [0, 10, 59, 60, 599, 3_600, 86_399, 86_400, 1_000_000] {
            let waited = Duration::from_secs(seconds);
            assert!(values::duration(&longer_than(waited)).unwrap() > waited);
        }
    }

    #[test]
    fn each_kind_of_state_has_the_command_that_destroys_what_it_describes() {
        for (state, command) in [
            ("m/terraform.tfstate", "`tofu -chdir=/c/dc_v1/m destroy`"),
            (
                "terraform.tfstate.backup",
                "`cp /c/dc_v1/terraform.tfstate.backup /c/dc_v1/terraform.tfstate && \
                 tofu -chdir=/c/dc_v1 destroy`",
            ),
            (
                "m/terraform.tfstate.d/prod/terraform.tfstate",
                "`TF_WORKSPACE=prod tofu -chdir=/c/dc_v1/m destroy`",
            ),
            (
                "m/errored.tfstate",
                "`tofu -chdir=/c/dc_v1/m state push errored.tfstate && \
                 tofu -chdir=/c/dc_v1/m destroy`",
            ),
            (
                "a b.tfstate",
                "`tofu -chdir=/c/dc_v1 destroy -state='a b.tfstate'`",
            ),
            (
                "m/.pulumi/stacks/app/dev.json",
                "`pulumi -C /c/dc_v1/m destroy`",
            ),
        ] {
            let destroy = destroy(Path::new("/c/dc_v1"), Path::new(state));
            assert_eq!(destroy.as_deref(), Some(command));
            // The whole path can be given at once.
            let whole = Path::new("/c/dc_v1").join(state);
            assert_eq!(
                super::destroy(&whole, Path::new("")).as_deref(),
                Some(command)
            );
        }
    }
}
