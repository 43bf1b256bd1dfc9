//! The manual: a page for the program and one for each command, made from the
//! command tree and the examples below.

mod examples;

use std::io;

use clap::{Arg, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::args::Args;
use examples::EXAMPLES;

/// A page of the manual.
pub(super) struct Page {
    /// The name of its file, such as `cldctl-registry-rm.1`.
    pub(super) file: String,
    /// The page in roff.
    pub(super) text: String,
}

/// The exit codes, with their meaning.
const EXIT_STATUS: &[(&str, &str)] = &[
    ("0", "Success, including an empty list and a dry run."),
    (
        "1",
        "Failed: a system error, a registry that cannot be read or written, or a declined \
         confirmation.",
    ),
    (
        "2",
        "Wrong usage: an unknown option, an invalid reference, size or time, or a \
         confirmation that is needed when standard input is not a terminal.",
    ),
    (
        "3",
        "An artifact, or its content, was not found, and nothing else went wrong.",
    ),
    (
        "4",
        "An operand was refused: ambiguous, unsafe to import, colliding, or already registered.",
    ),
    ("5", "Timed out waiting for the registry lock."),
    (
        "6",
        "An OCI registry could not be used now; another try may help.",
    ),
    (
        "7",
        "An OCI registry denied access, or has no such artifact.",
    ),
    (
        "129, 130, 143",
        "Interrupted by SIGHUP, SIGINT or SIGTERM; the change is undone, unless a second \
         SIGINT ended the program at once.",
    ),
];

const ENVIRONMENT: &[(&str, &str)] = &[(
    "CLDCTL_REGISTRY_HOME",
    "The directory to use instead of ~/.cldctl, unless --home is given.",
)];

const FILES: &[(&str, &str)] = &[
    ("~/.cldctl/registry/artifacts.json", "The registry."),
    (
        "~/.cldctl/cache/artifacts/",
        "One directory of content for each reference.",
    ),
];

/// What the commands that reach OCI registries read besides.
#[cfg(feature = "remote")]
const REMOTE_ENVIRONMENT: &[(&str, &str)] = &[
    (
        "REGISTRY_AUTH_FILE",
        "The only file of credentials. Without it: $DOCKER_CONFIG/config.json (or \
         ~/.docker/config.json), $XDG_RUNTIME_DIR/containers/auth.json, \
         ~/.config/containers/auth.json.",
    ),
    (
        "HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY",
        "The proxies, and the hosts that are reached without; also in lower case. Registries \
         on this machine are reached without.",
    ),
    (
        "SSL_CERT_FILE, SSL_CERT_DIR",
        "The certificates that are trusted instead of those of the system.",
    ),
];

/// Returns all pages, that of the program first.
pub(super) fn pages() -> io::Result<Vec<Page>> {
    let mut program = Args::command();
    program.build();
    let commands = program.get_subcommands().cloned().collect::<Vec<_>>();
    let commands = commands
        .into_iter()
        .filter(|command| !command.is_hide_set());
    std::iter::once(program).chain(commands).map(page).collect()
}

fn page(command: clap::Command) -> io::Result<Page> {
    let is_program = command.has_subcommands();
    let example_of = if is_program { "" } else { command.get_name() }.to_owned();
    // `cldctl-registry rm`, whose page is `cldctl-registry-rm`.
    let usage_name = command.get_bin_name().unwrap_or(command.get_name());
    let name = usage_name.replace(' ', "-");
    let version = env!("CARGO_PKG_VERSION");

    let aliases = command.get_visible_aliases().collect::<Vec<_>>().join(", ");
    let command = command.mut_args(with_aliases).display_name(&name);
    let man = Man::new(command)
        .title(&name)
        .section("1")
        .source(format!("cldctl-registry {version}"))
        .manual("cldctl-registry manual");
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    if !aliases.is_empty() {
        let mut also = Roff::new();
        also.control("PP", []);
        also.text([roman("Also: "), bold(aliases)]);
        also.to_writer(&mut text)?;
    }
    man.render_options_section(&mut text)?;
    if is_program {
        man.render_subcommands_section(&mut text)?;
    }
    let mut more = Roff::new();
    more.control("SH", ["EXAMPLES"]);
    for (_, what, how) in EXAMPLES.iter().filter(|(of, ..)| *of == example_of) {
        more.control("PP", []);
        more.text([roman(*what)]);
        more.control("PP", []);
        more.control("RS", ["4"]);
        more.control("nf", []);
        for line in how.lines() {
            more.text([roman(line)]);
        }
        more.control("fi", []);
        more.control("RE", []);
    }
    list(&mut more, "EXIT STATUS", EXIT_STATUS);
    let mut environment = ENVIRONMENT.to_vec();
    #[cfg(feature = "remote")]
    if ["push", "pull"].contains(&&*example_of) {
        environment.extend(REMOTE_ENVIRONMENT);
    }
    list(&mut more, "ENVIRONMENT", &environment);
    list(&mut more, "FILES", FILES);
    if !is_program {
        more.control("SH", ["SEE ALSO"]);
        more.text([bold("cldctl-registry"), roman("(1)")]);
    }
    more.to_writer(&mut text)?;
    Ok(Page {
        file: format!("{name}.1"),
        text: String::from_utf8(text).map_err(io::Error::other)?,
    })
}

/// Returns the argument with its other names, which clap_mangen leaves out.
fn with_aliases(arg: Arg) -> Arg {
    let short = arg.get_visible_short_aliases().unwrap_or_default();
    let long = arg.get_visible_aliases().unwrap_or_default();
    let short = short.into_iter().map(|alias| format!("-{alias}"));
    let long = long.into_iter().map(|alias| format!("--{alias}"));
    let aliases: Vec<_> = short.chain(long).collect();
    if aliases.is_empty() {
        return arg;
    }
    let help = arg.get_long_help().or(arg.get_help());
    let help = help.map(ToString::to_string).unwrap_or_default();
    let help = format!("{help} [also: {}]", aliases.join(", "));
    arg.help(help.clone()).long_help(help)
}

fn list(page: &mut Roff, heading: &str, items: &[(&str, &str)]) {
    page.control("SH", [heading]);
    for (term, text) in items {
        page.control("TP", []);
        page.text([bold(*term)]);
        page.text([roman(*text)]);
    }
}
