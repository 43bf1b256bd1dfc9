//! The command line of a test target that has its own `main`, compatible with that of
//! any test.

/// The action that the command line asks for.
pub(crate) enum Wanted {
    /// List the names of the tests.
    List,
    /// Run other tests only.
    Nothing,
    /// Run this test.
    Run,
}

/// The options of a test's command line that have a value.
const WITH_VALUE: [&str; 6] = [
    "--test-threads",
    "--format",
    "--color",
    "--logfile",
    "--shuffle-seed",
    "-Z",
];

/// Returns the action for the one test of this name.
pub(crate) fn wanted(name: &str, args: &[String]) -> Wanted {
    let (mut filters, mut lists, mut skips, mut only_ignored) = (Vec::new(), false, false, false);
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--list" => lists = true,
            "--ignored" => only_ignored = true,
            "--skip" => skips |= args.next().is_some_and(|skipped| name.contains(&**skipped)),
            other if WITH_VALUE.contains(&other) => drop(args.next()),
            other if other.starts_with('-') => {}
            filter => filters.push(filter),
        }
    }
    let is_chosen = filters.is_empty() || filters.iter().any(|filter| name.contains(filter));
    match () {
        () if skips || only_ignored || !is_chosen => Wanted::Nothing,
        () if lists => Wanted::List,
        () => Wanted::Run,
    }
}
