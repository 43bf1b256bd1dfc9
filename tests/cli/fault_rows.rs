//! `tests/FAULTS.md` and the tests that it names.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A row of the table, the file of a test and the test's name.
type Shown = (usize, String, String);

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The rows that a documentation names: `Row 7: …`, `Rows 2, 3 and 4: …`.
fn rows_named(documentation: &str) -> Vec<usize> {
    let named = documentation
        .strip_prefix("Row ")
        .or_else(|| documentation.strip_prefix("Rows "));
    let Some((numbers, _)) = named.and_then(|rest| rest.split_once(':')) else {
        return Vec::new();
    };
    let numbers = numbers.replace(" and ", ", ");
    let numbers = numbers.split(", ").map(str::parse);
    numbers.collect::<Result<_, _>>().unwrap_or_default()
}

/// The rows that tests say they show.
fn documented() -> BTreeSet<Shown> {
    let mut found = BTreeSet::new();
    let files = ["src", "tests"].map(|dir| walkdir::WalkDir::new(root().join(dir)));
    for file in files.into_iter().flatten() {
        let file = file.unwrap();
        if file
            .path()
            .extension()
            .is_none_or(|extension| extension != "rs")
        {
            continue;
        }
        let path = file.path().strip_prefix(root()).unwrap();
        let (mut documentation, mut is_test) = (String::new(), false);
        for line in fs::read_to_string(file.path())
            .unwrap()
            .lines()
            .map(str::trim)
        {
            if let Some(text) = line.strip_prefix("/// ") {
                documentation = documentation + text + " ";
            } else if line.starts_with("#[") {
                is_test |= line == "#[test]";
            } else {
                let name = line
                    .strip_prefix("fn ")
                    .and_then(|rest| rest.split_once('('));
                if let Some((name, _)) = name.filter(|_| is_test) {
                    for row in rows_named(&documentation) {
                        found.insert((row, path.display().to_string(), name.to_owned()));
                    }
                }
                (documentation, is_test) = (String::new(), false);
            }
        }
    }
    found
}

/// The rows of the table, and the tests that each names.
fn table() -> (Vec<usize>, BTreeSet<Shown>) {
    let text = fs::read_to_string(root().join("tests/FAULTS.md")).unwrap();
    let (mut rows, mut named) = (Vec::new(), BTreeSet::new());
    for line in text.lines() {
        let cells: Vec<_> = line.split(" | ").collect();
        let [row, _, _, tests] = *cells else { continue };
        let Ok(row) = row.trim_start_matches("| ").parse() else {
            continue;
        };
        rows.push(row);
        for test in tests.split('`').filter(|part| part.contains("::")) {
            let (file, name) = test.split_once("::").unwrap();
            named.insert((row, file.to_owned(), name.to_owned()));
        }
    }
    (rows, named)
}

#[test]
fn every_fault_is_shown_by_a_test_that_names_it_and_the_table_says_which() {
    let (rows, named) = table();
    assert_eq!(rows, (1..=rows.len()).collect::<Vec<_>>());
    assert!(rows.len() >= 89, "{rows:?}");
    for row in rows {
        assert!(
            named.iter().any(|(of, ..)| *of == row),
            "row {row} names no test"
        );
    }
    let documented = documented();
    let unknown: Vec<_> = named.difference(&documented).collect();
    assert!(
        unknown.is_empty(),
        "no such test that names its row: {unknown:#?}"
    );
    let missing: Vec<_> = documented.difference(&named).collect();
    assert!(missing.is_empty(), "not in the table: {missing:#?}");
}
