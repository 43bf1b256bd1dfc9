//! What the command line asks for: that of any test.

const NAME: &str = "faults";

pub(crate) enum Wanted {
    List,
    Nothing,
    Faults,
}

/// Options of a test's command line that have a value.
const WITH_VALUE: [&str; 6] = [
    "--test-threads",
    "--format",
    "--color",
    "--logfile",
    "--shuffle-seed",
    "-Z",
];

pub(crate) fn of(args: &[String]) -> Wanted {
    let (mut filters, mut lists, mut skips, mut only_ignored) = (Vec::new(), false, false, false);
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--list" => lists = true,
            "--ignored" => only_ignored = true,
            "--skip" => skips |= args.next().is_some_and(|name| NAME.contains(&**name)),
            other if WITH_VALUE.contains(&other) => drop(args.next()),
            other if other.starts_with('-') => {}
            filter => filters.push(filter),
        }
    }
    let is_chosen = filters.is_empty() || filters.iter().any(|filter| NAME.contains(filter));
    match () {
        () if skips || only_ignored || !is_chosen => Wanted::Nothing,
        () if lists => Wanted::List,
        () => Wanted::Faults,
    }
}
