//! Registries of every form that can be read, made up for property tests.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// The references that a test adds and removes; files hold others too.
pub(crate) const REFERENCES: [&str; 4] = ["a:1", "ghcr.io/b/c", "d&<é>\u{1f600}:v1", "e\"\\/:2"];

/// Versions that may be written, the others may not.
pub(crate) const VERSIONS: [&str; 4] = ["\"v2\"", "\"v1\"", "\"\"", "\"\\u00762\""];
const FOREIGN_VERSIONS: [&str; 4] = ["\"v3\"", "2", "null", "\"\\ud800\""];

/// Values that no field of ours holds, but that a file may.
const ODD: [&str; 14] = [
    "null",
    "true",
    "0",
    "-0",
    "1.50",
    "1e400",
    "9223372036854775808",
    "123456789012345678901234567890",
    "\"\"",
    "\"1\"",
    "\"\\ud800\"",
    "\"\\udead\\u0041\"",
    "\"\\ud83d\\ude00\\/\u{7f}\u{2028}\"",
    "\"],}{[\\\"\"",
];

/// Any registry that can be read, as a text.
pub(crate) fn registry() -> impl Strategy<Value = String> {
    let main = prop_oneof![
        8 => member("artifacts", entries()),
        3 => member("components", entries()),
        1 => member("artifacts", Just("null".to_owned())),
        1 => version(),
    ];
    let other = prop_oneof![
        4 => version(),
        4 => unknown(),
        1 => member("artifacts", entries()),
        1 => member("components", entries()),
        1 => member("components", Just("null".to_owned())),
    ];
    let members = (main, vec(other, 0..4), any::<usize>()).prop_map(|(main, mut members, at)| {
        members.insert(at % (members.len() + 1), main);
        members
    });
    let document = prop_oneof![
        20 => list('{', members, '}'),
        1 => list('{', Just(Vec::new()), '}'),
        1 => Just("null".to_owned()),
    ];
    (space(), document, space()).prop_map(|(before, text, after)| before + &text + &after)
}

fn version() -> impl Strategy<Value = String> {
    let value = prop_oneof![15 => select(&VERSIONS[..]), 1 => select(&FOREIGN_VERSIONS[..])];
    member("version", value.prop_map(str::to_owned))
}

/// A member that cldctl does not know, of the root or of an entry.
fn unknown() -> impl Strategy<Value = String> {
    select(vec!["x", "Reference", "status", "", "versions", "é\n\u{0}"])
        .prop_flat_map(|key| member(key, value()))
}

fn entries() -> impl Strategy<Value = String> {
    list('[', vec(entry(), 0..5), ']')
}

/// An entry: fields that are missing, that are there twice, that hold what they
/// should or anything else, in any order.
fn entry() -> impl Strategy<Value = String> {
    let text = || {
        select(vec![
            "",
            "<none>",
            "v1",
            "sha256:00ff",
            "/c/é/x&y",
            "component",
        ])
    };
    let string = || text().prop_flat_map(spelled);
    let fields = prop_oneof![
        6 => field("reference", select(&REFERENCES[..]).prop_flat_map(spelled)),
        1 => field("repository", string()),
        1 => field("tag", string()),
        1 => field("type", string()),
        1 => field("digest", string()),
        1 => field("cachePath", string()),
        1 => field("size", select(vec!["0", "7", "-3", "9223372036854775807"]).prop_map(str::to_owned)),
        1 => field("createdAt", select(vec![
            "\"2026-01-01T00:00:00Z\"",
            "\"2026-01-01T00:00:00.1234567890+05:30\"",
            "\"0001-01-01T00:00:00-00:00\"",
            "\"yesterday\"",
        ]).prop_map(str::to_owned)),
        3 => unknown(),
    ];
    list('{', vec(fields, 0..9), '}')
}

fn field(
    name: &'static str,
    value: impl Strategy<Value = String> + 'static,
) -> BoxedStrategy<String> {
    let odd = select(&ODD[..]).prop_map(str::to_owned);
    member(name, prop_oneof![8 => value, 1 => odd]).boxed()
}

/// Any value that is none of ours.
fn value() -> impl Strategy<Value = String> {
    let leaf = select(&ODD[..]).prop_map(str::to_owned);
    leaf.prop_recursive(3, 12, 3, |inner| {
        let members = inner
            .clone()
            .prop_flat_map(|value| member("artifacts", Just(value)));
        prop_oneof![
            list('[', vec(inner, 0..3), ']'),
            list('{', vec(members, 0..3), '}')
        ]
    })
}

fn member(
    key: &'static str,
    value: impl Strategy<Value = String>,
) -> impl Strategy<Value = String> {
    (spelled(key), space(), space(), value)
        .prop_map(|(key, before, after, value)| format!("{key}{before}:{after}{value}"))
}

/// Items with white space around them.
fn list(
    open: char,
    items: impl Strategy<Value = Vec<String>>,
    close: char,
) -> impl Strategy<Value = String> {
    (items, vec(space(), 10)).prop_map(move |(items, spaces)| {
        let space = |index: usize| &spaces[index % spaces.len()];
        let items: Vec<String> = items
            .iter()
            .enumerate()
            .map(|(index, item)| format!("{}{item}{}", space(2 * index), space(2 * index + 1)))
            .collect();
        let inside = match items.as_slice() {
            [] => space(0).clone(),
            items => items.join(","),
        };
        format!("{open}{inside}{close}")
    })
}

/// A literal of this string, with any of its characters escaped.
fn spelled(text: &'static str) -> impl Strategy<Value = String> {
    vec(any::<u8>(), text.chars().count()).prop_map(move |choices| {
        let mut literal = String::from('"');
        for (c, choice) in text.chars().zip(choices) {
            if choice % 8 == 0 || c < ' ' || matches!(c, '"' | '\\') {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    literal += &format!("\\u{unit:04x}");
                }
            } else {
                literal.push(c);
            }
        }
        literal + "\""
    })
}

fn space() -> impl Strategy<Value = String> {
    prop_oneof![3 => Just(String::new()), 1 => "[ \n\r\t]{1,3}"]
}
