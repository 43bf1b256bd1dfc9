//! The examples of the manual.

/// Examples of each command: its name, what is done, and how. The program itself has
/// no name.
pub(super) const EXAMPLES: &[(&str, &str, &str)] = &[
    (
        "",
        "List the artifacts on this machine:",
        "cldctl-registry images",
    ),
    (
        "",
        "Register a component and show its details:",
        "cldctl-registry add ghcr.io/acme/app:v1 ./app\ncldctl-registry inspect ghcr.io/acme/app:v1",
    ),
    (
        "",
        "Enable completion in the current bash:",
        "source <(cldctl-registry completions bash)",
    ),
    (
        "images",
        "List artifacts older than 30 days, largest first:",
        "cldctl-registry images --filter until=30d --sort size",
    ),
    (
        "images",
        "List selected columns for one organisation:",
        "cldctl-registry images --format 'table {{.Reference}}\\t{{.Size}}' '*/acme/*'",
    ),
    (
        "images",
        "Pass the list to a script:",
        "cldctl-registry images --format json | jq -r '.[].reference'",
    ),
    (
        "add",
        "Copy a directory into the cache and register it:",
        "cldctl-registry add ghcr.io/acme/app:v1 ./app",
    ),
    (
        "add",
        "Import shared files that links lead to, and .github, but no tests:",
        "cldctl-registry add ghcr.io/acme/app:v1 ./app -L --include .github --exclude 'src/test*'",
    ),
    (
        "add",
        "Record only metadata:",
        "cldctl-registry add ghcr.io/acme/app:v1 --metadata-only --type component --size 46MB",
    ),
    (
        "rm",
        "Remove an artifact and its content:",
        "cldctl-registry rm ghcr.io/acme/app:v1",
    ),
    (
        "rm",
        "Show which previews older than two weeks would be removed:",
        "cldctl-registry rm --filter 'tag=pr-*' --filter until=2w --dry-run",
    ),
    (
        "rm",
        "Remove what a command selects:",
        "cldctl-registry images -q --type datacenter | cldctl-registry rm -",
    ),
    (
        "inspect",
        "Show everything known about an artifact:",
        "cldctl-registry inspect ghcr.io/acme/app:v1",
    ),
    (
        "inspect",
        "Print only its digest:",
        "cldctl-registry inspect ghcr.io/acme/app:v1 --format '{{.Digest}}'",
    ),
    (
        "cache-path",
        "List the content of an artifact:",
        "ls \"$(cldctl-registry cache-path ghcr.io/acme/app:v1)\"",
    ),
    (
        "cache-path",
        "Pull only what is missing:",
        "cldctl-registry cache-path --check ghcr.io/acme/app:v1 || cldctl pull component ghcr.io/acme/app:v1",
    ),
    (
        "exists",
        "Pull what is not registered:",
        "cldctl-registry exists ghcr.io/acme/app:v1 || cldctl pull component ghcr.io/acme/app:v1",
    ),
    (
        "tag",
        "Register an artifact under a second reference:",
        "cldctl-registry tag ghcr.io/acme/app:v1 ghcr.io/acme/app:stable",
    ),
    (
        "diff",
        "Show what changed in an artifact's directory since it was registered:",
        "cldctl-registry diff ghcr.io/acme/app:v1",
    ),
    (
        "diff",
        "Compare the content of two artifacts:",
        "cldctl-registry diff ghcr.io/acme/app:v1 ghcr.io/acme/app:v2",
    ),
    (
        "save",
        "Write an artifact to a file:",
        "cldctl-registry save ghcr.io/acme/app:v1 -o app.tar",
    ),
    (
        "save",
        "Copy all components to another machine:",
        "cldctl-registry save --all --type component | ssh host cldctl-registry load",
    ),
    (
        "load",
        "Show what an archive contains:",
        "cldctl-registry load -n -i app.tar",
    ),
    (
        "load",
        "Register an artifact under another reference:",
        "cldctl-registry load -i app.tar --as ghcr.io/acme/app:test",
    ),
    (
        "push",
        "Send an artifact to the registry that it names:",
        "cldctl-registry push ghcr.io/acme/app:v1",
    ),
    (
        "push",
        "Send a local artifact to a registry on this machine:",
        "cldctl-registry push app:v1 --as localhost:5000/acme/app:v1",
    ),
    (
        "push",
        "Sign in from a CI job that has no docker:",
        "echo \"$TOKEN\" | cldctl-registry push ghcr.io/acme/app:v1 --username ci --password-stdin",
    ),
    (
        "pull",
        "Fetch an artifact and register it:",
        "cldctl-registry pull ghcr.io/acme/app:v1",
    ),
    (
        "pull",
        "Fetch just the manifest that was tested:",
        "cldctl-registry pull ghcr.io/acme/app@sha256:af8e7143ad7447451315ba4bcd5bf9ddb9ece09cddc6d9a4be2630612806be85",
    ),
    ("verify", "Check everything:", "cldctl-registry verify"),
    (
        "verify",
        "Recover the intact entries of a damaged registry:",
        "cldctl-registry verify --repair",
    ),
    (
        "prune",
        "Show what would be removed:",
        "cldctl-registry prune --dry-run",
    ),
    (
        "prune",
        "Free the disk that provider plugins take:",
        "cldctl-registry prune --generated",
    ),
    (
        "prune",
        "Keep three artifacts of each repository:",
        "cldctl-registry prune --all --keep-last 3",
    ),
    (
        "df",
        "Show the disk usage of each artifact:",
        "cldctl-registry df --verbose",
    ),
    (
        "completions",
        "Enable completion in the current bash, and in new ones:",
        "source <(cldctl-registry completions bash)\necho 'source <(cldctl-registry completions bash)' >> ~/.bashrc",
    ),
    (
        "man",
        "Read the manual, and install its pages:",
        "cldctl-registry man | man -l -\ncldctl-registry man --dir ~/.local/share/man/man1",
    ),
    (
        "help",
        "Print help for a command:",
        "cldctl-registry help images",
    ),
    (
        "version",
        "Print the version of the program:",
        "cldctl-registry version",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::Args;
    use clap::{CommandFactory, Parser};

    fn commands() -> Vec<String> {
        let program = Args::command();
        let commands = program.get_subcommands();
        commands
            .map(|command| command.get_name().to_owned())
            .collect()
    }

    #[test]
    fn every_command_has_an_example() {
        for command in commands() {
            let found = EXAMPLES.iter().any(|(of, ..)| *of == command);
            assert!(found, "{command} has no example in manual.rs");
        }
    }

    #[test]
    fn the_examples_are_taken() {
        let commands = commands();
        for (of, _, how) in EXAMPLES {
            if !of.is_empty() && !commands.iter().any(|command| command == of) {
                continue;
            }
            for line in how
                .lines()
                .filter(|line| line.starts_with("cldctl-registry "))
            {
                let line = line.split(" | ").next().unwrap();
                let line = line.split(" || ").next().unwrap();
                // Quotes are around whole words.
                let parts = line
                    .split('\'')
                    .enumerate()
                    .flat_map(|(at, part)| match at % 2 {
                        0 => part.split_whitespace().collect(),
                        _ => vec![part],
                    });
                if let Err(error) = Args::try_parse_from(parts) {
                    panic!("{line}: {error}");
                }
            }
        }
    }
}
