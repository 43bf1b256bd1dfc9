use super::*;
use crate::document::Document;
use crate::fields::Field;

const BY_TAG: Order = Order {
    key: SortKey::Tag,
    reverse: false,
    limit: None,
};

fn document(entries: &[&str]) -> Document {
    Document::parse(format!("{{\"artifacts\":[{}]}}", entries.join(","))).unwrap()
}

fn push(list: &mut List, order: &Order, entry: &EntryRef<'_>) {
    list.push(order, entry, |text| {
        text.push_str(&entry.reference());
        text.push_str(entry.raw(Field::Size).unwrap_or("?"));
        Ok(())
    });
}

#[test]
fn entries_are_sorted_by_rank_then_text_then_reference_then_place() {
    let document = document(&[
        r#"{"reference":"c","tag":"v1","size":1}"#,
        r#"{"reference":"b","tag":"v2","size":2}"#,
        r#"{"reference":"a","tag":"v2","size":1}"#,
        r#"{"reference":"d","size":3}"#,
        r#"{"reference":"a","tag":"v2","size":4}"#,
    ]);
    let by = |key, reverse| {
        let order = Order {
            key,
            reverse,
            limit: None,
        };
        let list = |entry: EntryRef<'_>| {
            let mut list = List::default();
            push(&mut list, &order, &entry);
            list
        };
        let lists: Vec<_> = document.entries().map(list).collect();
        sorted(&lists, &order).unwrap().join(" ")
    };
    assert_eq!(by(SortKey::Tag, false), "c1 a1 a4 b2 d3");
    assert_eq!(by(SortKey::Tag, true), "d3 b2 a4 a1 c1");
    assert_eq!(by(SortKey::Size, false), "a4 d3 b2 a1 c1");
    assert_eq!(by(SortKey::Reference, false), "a1 a4 b2 c1 d3");
}

#[test]
fn a_limit_takes_the_first_of_all_and_bounds_what_is_kept() {
    let mut random = 1_u64;
    let entries: Vec<String> = (0..3 * SURPLUS)
        .map(|at| {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1);
            let (reference, tag) = (random >> 60, random >> 40 & 15);
            format!(r#"{{"reference":"{reference}","tag":"{tag}","size":{at}}}"#)
        })
        .collect();
    let entries: Vec<_> = entries.iter().map(String::as_str).collect();
    let document = document(&entries);
    for key in [SortKey::Tag, SortKey::Size, SortKey::Reference] {
        for reverse in [false, true] {
            let list = |limit| {
                let order = Order {
                    key,
                    reverse,
                    limit,
                };
                let mut list = List::default();
                for entry in document.entries() {
                    push(&mut list, &order, &entry);
                    assert!(list.lines.len() <= 2 * limit.unwrap_or(entries.len()) + SURPLUS);
                }
                let lines = sorted(&[list], &order).unwrap().join(" ");
                lines.split(' ').map(str::to_owned).collect::<Vec<_>>()
            };
            let all = list(None);
            for limit in [1, 2, 500, SURPLUS] {
                assert_eq!(list(Some(limit)), all[..limit], "{key:?} {reverse} {limit}");
            }
        }
    }
}

#[test]
fn lines_of_any_length_are_kept() {
    let document = document(&[r#"{"reference":"a"}"#]);
    let entry = document.entry(0).unwrap();
    let mut list = List::default();
    let lengths = [1, 40_000, 0, 100];
    for length in lengths.into_iter().cycle().take(200) {
        list.push(&BY_TAG, &entry, |text| {
            text.extend(std::iter::repeat_n('x', length));
            Ok(())
        });
    }
    let lists = [list];
    let found = sorted(&lists, &BY_TAG).unwrap();
    let expected = lengths.into_iter().cycle().take(200);
    assert!(found.into_iter().map(str::len).eq(expected));
}

#[test]
fn the_first_failure_is_reported_unless_its_line_is_not_wanted() {
    let document = document(&[
        r#"{"reference":"a","tag":"3"}"#,
        r#"{"reference":"b","tag":"2"}"#,
        r#"{"reference":"c","tag":"1"}"#,
    ]);
    let outcome = |limit| {
        let order = Order { limit, ..BY_TAG };
        let mut list = List::default();
        for entry in document.entries() {
            list.push(&order, &entry, |_| match &*entry.reference() {
                "c" => Ok(()),
                name => Err(Failure::usage(name)),
            });
        }
        let failed = sorted(&[list], &order).err();
        failed.map(|failure| failure.message)
    };
    assert_eq!(outcome(None).as_deref(), Some("b"));
    assert_eq!(outcome(Some(1)), None);
}
