//! Files that no program should write, but that a disk or an editor produces.

use super::values::VALUES;

/// A name for messages, and the content of the file.
pub(super) type File = (String, Vec<u8>);

/// An undamaged registry, small enough to be truncated at every byte.
const SMALL: &str = "{\n  \"version\": \"v2\",\n  \"artifacts\": [\n    {\n      \"reference\": \"x:1\",\n      \
    \"repository\": \"é\",\n      \"tag\": \"1\\u00e9\",\n      \"size\": -12.5e1,\n      \
    \"n\": [null, true, {}]\n    }\n  ]\n}";

/// A depth that overflows any stack used for recursion.
const DEPTH: usize = 100_000;

/// Returns all files of the corpus.
pub(super) fn files() -> Vec<File> {
    let mut files = Vec::new();
    values(&mut files);
    shapes(&mut files);
    bytes(&mut files);
    sizes(&mut files);
    for at in 0..SMALL.len() {
        files.push((format!("cut at {at}"), SMALL.as_bytes()[..at].to_vec()));
    }
    torn(&mut files);
    files
}

/// Adds valid and invalid JSON values, as the document, as an unknown field and as a
/// field of an entry.
fn values(files: &mut Vec<File>) {
    for &value in VALUES {
        let document = format!("{{\"artifacts\":[{{\"reference\":\"x:1\"}}],\"y\":{value}}}");
        files.push((format!("value {value:?}"), value.into()));
        files.push((format!("unknown {value:?}"), document.into_bytes()));
        for field in ["size", "reference"] {
            let text = format!(
                "{{\"version\":\"v2\",\"artifacts\":[{{\"{field}\":{value}}},{{\"reference\":\"x:1\"}}]}}"
            );
            files.push((format!("{field} {value:?}"), text.into_bytes()));
        }
    }
}

/// Adds JSON of another shape than the registry's.
fn shapes(files: &mut Vec<File>) {
    for value in [
        "null", "true", "1", "\"a\"", "[]", "{}", "[[]]", "[{}]", "[{},1]",
    ] {
        for key in [
            "artifacts",
            "components",
            "version",
            "Artifacts",
            "\\u0061rtifacts",
        ] {
            files.push((
                format!("{key}: {value}"),
                format!("{{\"{key}\":{value}}}").into(),
            ));
        }
        for field in [
            "repository",
            "tag",
            "type",
            "digest",
            "createdAt",
            "cachePath",
        ] {
            let text = format!("{{\"artifacts\":[{{\"reference\":\"x:1\",\"{field}\":{value}}}]}}");
            files.push((format!("{field}: {value}"), text.into()));
        }
    }
    for text in [
        r#"{"artifacts":[{"reference":"x:1"}],"artifacts":null}"#,
        r#"{"artifacts":null,"components":[{"reference":"x:1","size":{}}]}"#,
        r#"{"artifacts":[{"reference":"x:1","reference":"x:1"},{"reference":"x:1"}]}"#,
        r#"{"version":"v3","artifacts":[{"reference":"x:1"}]}"#,
        r#"{"artifacts":[{"reference":"x:1","cachePath":"/"}]}"#,
        r#"{"artifacts":[{"reference":"x:1","cachePath":"../../.."}]}"#,
        r#"{"artifacts":[{"reference":"..","cachePath":""},{"reference":""},{"reference":"."}]}"#,
        r#"{"artifacts":[{"reference":"a/b"},{"reference":"a_b"},{"reference":"a:b"}]}"#,
        r#"{"artifacts":[{"reference":"x:1","createdAt":"-292277022399-01-01T00:00:00Z"}]}"#,
        r#"{"artifacts":[{"reference":"x:1","createdAt":"9999-12-31T23:59:59.999999999+23:59"}]}"#,
        r#"{"artifacts":[{"reference":"x:1","createdAt":"0000-01-01T00:00:00-23:59"}]}"#,
        r#"{"artifacts":[{"reference":"x:1","size":9223372036854775807},{"reference":"y:1","size":9223372036854775807}]}"#,
        r#"{"artifacts":[{"reference":"x:1","size":-9223372036854775808},{"reference":"y:1","size":-9223372036854775808}]}"#,
        r#"{"artifacts":[{"reference":"x:1","digest":"sha256:../../../../etc/passwd"}]}"#,
        r#"{"artifacts":[{"reference":"x:1","cachePath":"\u0000"},{"reference":"x\u0000:1"}]}"#,
    ] {
        files.push((text.to_owned(), text.into()));
    }
}

/// Adds bytes that are not text, in a registry and around it.
fn bytes(files: &mut Vec<File>) {
    let sequences: [&[u8]; 12] = [
        b"\xff",
        b"\xfe\xff",
        b"\xff\xfe{\0}\0",
        b"\xef\xbb\xbf",
        b"\xc0\x80",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xe2\x82",
        b"\x80",
        b"\0",
        b"\0\0\0\0\0\0\0\0",
        b"\x1b[2J",
    ];
    for sequence in sequences {
        for (at, place) in [
            (0, "before"),
            (SMALL.find('é').unwrap(), "in"),
            (SMALL.len(), "after"),
        ] {
            let mut file = SMALL.as_bytes().to_vec();
            file.splice(at..at, sequence.iter().copied());
            files.push((format!("{sequence:?} {place}"), file));
        }
        files.push((format!("{sequence:?} alone"), sequence.to_vec()));
    }
    let wide: Vec<u8> = SMALL.encode_utf16().flat_map(u16::to_le_bytes).collect();
    files.push(("UTF-16".to_owned(), wide));
    files.push(("a hole".to_owned(), vec![0; 4096]));
    files.push((
        "a gzip header".to_owned(),
        b"\x1f\x8b\x08\0\0\0\0\0\0\x03".to_vec(),
    ));
}

/// Adds short files of great depth, width or length.
fn sizes(files: &mut Vec<File>) {
    let mut add = |name: &str, text: String| files.push((name.to_owned(), text.into_bytes()));
    let arrays = "[".repeat(DEPTH) + &"]".repeat(DEPTH);
    let objects = "{\"a\":".repeat(DEPTH) + "1" + &"}".repeat(DEPTH);
    add("open arrays", "[".repeat(DEPTH));
    add("open objects", "{\"a\":".repeat(DEPTH));
    add("open artifacts", "{\"artifacts\":[".repeat(DEPTH / 10));
    add("closing brackets", "]".repeat(DEPTH));
    add("deep arrays", arrays.clone());
    add("deep objects", objects.clone());
    for deep in [arrays, objects] {
        add("deep artifacts", format!("{{\"artifacts\":{deep}}}"));
        add(
            "deep unknown",
            format!("{{\"artifacts\":[{{\"reference\":\"x:1\"}}],\"y\":{deep}}}"),
        );
        add(
            "deep field",
            format!("{{\"artifacts\":[{{\"reference\":\"x:1\",\"size\":{deep}}}]}}"),
        );
    }
    let digits = "1".repeat(DEPTH);
    for number in [digits.clone(), format!("-0.{digits}e{digits}")] {
        add(
            "a long size",
            format!("{{\"artifacts\":[{{\"reference\":\"x:1\",\"size\":{number}}}]}}"),
        );
    }
    let long = "é\\n".repeat(DEPTH);
    for field in ["reference", "repository", "createdAt", "cachePath", "x"] {
        add(
            "a long string",
            format!("{{\"artifacts\":[{{\"reference\":\"x:1\",\"{field}\":\"{long}\"}}]}}"),
        );
    }
    add("a long key", format!("{{\"{long}\":1,\"artifacts\":[]}}"));
    add("white space", " \n".repeat(DEPTH));
    add(
        "empty entries",
        format!("{{\"artifacts\":[{}{{}}]}}", "{},".repeat(2000)),
    );
    add(
        "duplicate keys",
        format!("{{{}\"artifacts\":[]}}", "\"artifacts\":[{}],".repeat(2000)),
    );
    add(
        "one reference",
        format!(
            "{{\"artifacts\":[{}{{}}]}}",
            "{\"reference\":\"x:1\"},".repeat(2000)
        ),
    );
}

/// Adds the results of two processes that write through one temporary file: a whole
/// document and the end of a longer one, or holes.
fn torn(files: &mut Vec<File>) {
    let longer = SMALL.replace("\"n\":", "\"longer than the other\":");
    for at in (SMALL.len()..longer.len()).chain([SMALL.len() - 3, SMALL.len() - 1]) {
        let mut file = SMALL.as_bytes()[..at.min(SMALL.len())].to_vec();
        file.extend(&longer.as_bytes()[at..]);
        files.push((format!("torn at {at}"), file));
    }
    for start in (0..SMALL.len()).step_by(20) {
        let mut file = SMALL.as_bytes().to_vec();
        file[start..(start + 20).min(SMALL.len())].fill(0);
        files.push((format!("zeroes from {start}"), file));
    }
    files.push(("twice".to_owned(), SMALL.repeat(2).into_bytes()));
}
