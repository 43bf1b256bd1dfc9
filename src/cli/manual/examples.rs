//! The examples of the manual.

/// What a command is good for, by example: its name, what is done, and how. The
/// program itself has no name.
pub(super) const EXAMPLES: &[(&str, &str, &str)] = &[
    (
        "",
        "List the artifacts on this machine:",
        "cldctl-registry images",
    ),
    (
        "",
        "Register a component and show what is known of it:",
        "cldctl-registry add ghcr.io/acme/app:v1 ./app\ncldctl-registry inspect ghcr.io/acme/app:v1",
    ),
    (
        "",
        "Complete references in this bash:",
        "source <(cldctl-registry completions bash)",
    ),
    (
        "images",
        "List what is older than 30 days, the largest first:",
        "cldctl-registry images --filter until=30d --sort size",
    ),
    (
        "images",
        "List some columns of what is in one organisation:",
        "cldctl-registry images --format 'table {{.Reference}}\\t{{.Size}}' '*/acme/*'",
    ),
    (
        "images",
        "Hand the list to a script:",
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
        "Record metadata alone:",
        "cldctl-registry add ghcr.io/acme/app:v1 --metadata-only --type component --size 46MB",
    ),
    (
        "rm",
        "Remove an artifact and its content:",
        "cldctl-registry rm ghcr.io/acme/app:v1",
    ),
    (
        "rm",
        "Show what would go of the previews that are older than two weeks:",
        "cldctl-registry rm --filter 'tag=pr-*' --filter until=2w --dry-run",
    ),
    (
        "rm",
        "Remove what a script chose:",
        "cldctl-registry images -q --type datacenter | cldctl-registry rm -",
    ),
    (
        "inspect",
        "Show everything that is known of an artifact:",
        "cldctl-registry inspect ghcr.io/acme/app:v1",
    ),
    (
        "inspect",
        "Print its digest alone:",
        "cldctl-registry inspect ghcr.io/acme/app:v1 --format '{{.Digest}}'",
    ),
    (
        "cache-path",
        "Look into the content of an artifact:",
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
        "Give an artifact a second name:",
        "cldctl-registry tag ghcr.io/acme/app:v1 ghcr.io/acme/app:stable",
    ),
    (
        "verify",
        "Look for damage in everything:",
        "cldctl-registry verify",
    ),
    (
        "verify",
        "Recover the intact entries of a registry that cannot be read:",
        "cldctl-registry verify --repair",
    ),
    (
        "prune",
        "Show what can go:",
        "cldctl-registry prune --dry-run",
    ),
    (
        "prune",
        "Keep three artifacts of each repository:",
        "cldctl-registry prune --all --keep-last 3",
    ),
    (
        "df",
        "Show where the disk went:",
        "cldctl-registry df --verbose",
    ),
    (
        "completions",
        "Complete in this bash, and in every one to come:",
        "source <(cldctl-registry completions bash)\necho 'source <(cldctl-registry completions bash)' >> ~/.bashrc",
    ),
    (
        "man",
        "Read the manual, and install its pages:",
        "cldctl-registry man | man -l -\ncldctl-registry man --dir ~/.local/share/man/man1",
    ),
    (
        "help",
        "Print the help of a command:",
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
                // Quotes stand around whole words.
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
