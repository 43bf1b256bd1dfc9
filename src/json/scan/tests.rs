use super::*;
use proptest::prelude::*;

fn scan(text: &str) -> Result<Span, SyntaxError> {
    let mut scanner = Scanner::new(text);
    let span = scanner.value()?;
    scanner.end().map(|()| span)
}

/// serde_json's verdict. As an `IgnoredAny` it neither limits the nesting
/// nor looks at surrogates or at the size of numbers, and so do we.
fn serde_accepts(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

#[test]
fn the_span_of_a_value_leaves_out_the_space_around_it() {
    assert_eq!(scan(" [1, {\"a\": null}]\n"), Ok(1..17));
    assert_eq!(scan("\t-0.5e+3 "), Ok(1..8));
}

#[test]
fn verdicts_equal_those_of_serde_json_on_known_traps() {
    for text in [
        "",
        " ",
        "nul",
        "nulll",
        "tru",
        "true",
        "01",
        "-",
        "-01",
        "1.",
        ".5",
        "1e",
        "1e+",
        "1E5",
        "+1",
        "0x1",
        "NaN",
        "\"",
        "\"a",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\\ud800\"",
        "\"\n\"",
        "\"\u{7f}\"",
        "[",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "]",
        "{",
        "{}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{1:1}",
        "{\"a\":1 \"b\":2}",
        "[}",
        "{]",
        "[[]",
        "[]]",
        "{\"a\":1}{",
        "1 2",
        "\u{feff}1",
        "[1]\0",
        "\u{a0}1",
        "'a'",
        "// x\n1",
        "[\"\\ud83d\\ude00\"]",
        "123456789012345678901234567890",
        "1e999999",
    ] {
        assert_eq!(scan(text).is_ok(), serde_accepts(text), "{text:?}");
    }
}

#[test]
fn any_nesting_is_passed_over_without_recursion() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(scan(&deep), Ok(0..200_000));
    let torn = "[{\"a\":".repeat(100_000);
    assert_eq!(scan(&torn).unwrap_err().offset, torn.len());
}

/// Writes down what it is shown.
struct Notes(Vec<String>);

impl Visitor for Notes {
    fn enter(&mut self, kind: ValueKind, at: usize) -> Result<(), SyntaxError> {
        self.0.push(format!("enter {kind:?} {at}"));
        match self.0.len() {
            ..9 => Ok(()),
            _ => Err(SyntaxError {
                offset: at,
                reason: "enough".to_owned(),
            }),
        }
    }

    fn key(&mut self, key: Span) {
        self.0.push(format!("key {key:?}"));
    }

    fn scalar(&mut self, kind: ValueKind, value: Span) {
        self.0.push(format!("{kind:?} {value:?}"));
    }

    fn leave(&mut self, end: usize) {
        self.0.push(format!("leave {end}"));
    }
}

fn notes_of(text: &str) -> (Vec<String>, Result<Span, SyntaxError>) {
    let mut notes = Notes(Vec::new());
    let result = Scanner::new(text).walk(&mut notes);
    (notes.0, result)
}

#[test]
fn a_visitor_is_shown_all_parts_of_a_value_up_to_an_error() {
    let (notes, result) = notes_of(" {\"a\": [1, true], \"b\" : \"\"} x");
    let parts = [
        "enter Object 1",
        "key 2..5",
        "enter Array 7",
        "Number 8..9",
        "Bool 11..15",
        "leave 16",
        "key 18..21",
        "String 24..26",
        "leave 27",
    ];
    assert_eq!(notes, parts);
    assert_eq!(result, Ok(1..27));
    // A key is whole before its colon.
    let (notes, result) = notes_of("[{}, {\"a\"");
    let parts = [
        "enter Array 0",
        "enter Object 1",
        "leave 3",
        "enter Object 5",
        "key 6..9",
    ];
    assert_eq!(notes, parts);
    assert_eq!(result.unwrap_err().offset, 9);
    // It may end the walk itself.
    let (_, result) = notes_of("[[[[[[[[[[[[");
    assert_eq!(result.unwrap_err().offset, 8);
}

#[test]
fn an_error_says_where_and_why() {
    let error = scan("{\"a\": 1,\n \"b\": x}").unwrap_err();
    assert_eq!(
        (error.offset, error.reason.as_str()),
        (15, "expected a value")
    );
    assert_eq!(scan("[1").unwrap_err().reason, "unexpected end of the file");
    assert_eq!(
        scan("\u{feff}{}").unwrap_err().reason,
        "unexpected byte order mark"
    );
}

proptest! {
    #[test]
    fn verdicts_equal_those_of_serde_json(
        pieces in proptest::collection::vec(
            proptest::sample::select(vec![
                "{", "}", "[", "]", ",", ":", "\"", "\"a\"", "\"b\":", "1", "-", "0", ".5", "e3",
                "null", "true", "false", "\\", "\\u00e9", "\\n", " ", "\n", "é", "x", "\u{1}",
            ]),
            0..12,
        )
    ) {
        let text = pieces.concat();
        prop_assert_eq!(scan(&text).is_ok(), serde_accepts(&text), "{:?}", text);
    }

    #[test]
    fn whatever_the_text_holds_nothing_panics(text in ".{0,64}") {
        prop_assert_eq!(scan(&text).is_ok(), serde_accepts(&text));
    }
}

proptest! {
    #[test]
    fn plain_bytes_end_where_the_first_other_one_stands(
        bytes in proptest::collection::vec(
            prop_oneof![8 => 0x20..=0xff_u8, 1 => proptest::sample::select(vec![b'"', b'\\', 0, 0x1f, 0x7f, 0x80])],
            0..40,
        )
    ) {
        let expected = bytes.iter().take_while(|b| !matches!(b, b'"' | b'\\' | 0..=0x1f)).count();
        prop_assert_eq!(plain_bytes(&bytes), expected);
    }
}
