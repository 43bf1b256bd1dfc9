use super::*;
use proptest::prelude::*;

type Scanned = Result<(Vec<EntrySpans>, Span, usize), SyntaxError>;

fn scan(text: &str, parts: usize) -> Scanned {
    let mut scanner = Scanner::new(text);
    let (entries, span) = entries_in(text, &mut scanner, "artifacts", parts)?;
    Ok((entries, span, scanner.offset()))
}

/// What an array may hold, and what may trap whoever starts in its middle.
fn element() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => "[a-z]{0,9}".prop_map(|name| format!(
            "{{\n      \"reference\": \"{name}\",\n      \"size\": 1,\n      \"cachePath\": \"\"\n    }}"
        )),
        3 => Just("{\"reference\":\"x\"}".to_owned()),
        2 => Just("{\"nested\": [{\"reference\": 1}, { \"reference\": 2}]}".to_owned()),
        2 => Just("{\"reference\": {\"reference\": {\"reference\": 0}}}".to_owned()),
        2 => Just(r#"{"text": "{ \"reference\": 1", "digest": "\"reference\""}"#.to_owned()),
        1 => Just("{}".to_owned()),
        1 => Just("{\"é\": \"日本\"}".to_owned()),
    ]
}

proptest! {
    #[test]
    fn in_parts_an_array_is_the_same_as_in_one(
        elements in proptest::collection::vec(element(), 0..30),
        blank in proptest::sample::select(vec!["", " ", "\n    "]),
        parts in 2..9_usize,
    ) {
        let text = format!("[{blank}{}{blank}] ", elements.join(&format!(",{blank}")));
        let whole = scan(&text, 1);
        prop_assert_eq!(whole.as_ref().unwrap().0.len(), elements.len());
        prop_assert_eq!(scan(&text, parts), whole);
    }

    #[test]
    fn in_parts_a_damaged_array_has_the_same_error(
        elements in proptest::collection::vec(element(), 1..20),
        damage in prop_oneof![Just(""), Just("x"), Just("]"), Just("}"), Just("\""), Just(",")],
        at in any::<proptest::sample::Index>(),
        parts in 2..9_usize,
    ) {
        let mut text = format!("[{}]", elements.join(",\n    "));
        let at = (0..=at.index(text.len())).rfind(|&at| text.is_char_boundary(at)).unwrap();
        match damage {
            "" => text.truncate(at),
            damage => text.insert_str(at, damage),
        }
        prop_assert_eq!(scan(&text, parts), scan(&text, 1));
    }
}
