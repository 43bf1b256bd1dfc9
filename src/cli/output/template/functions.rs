//! The functions that docker adds to Go's.

use gotmpl::{TemplateError, Value};

use super::string;

/// A function, how many arguments it takes, and what it does with them.
type Function = (&'static str, usize, fn(&[Value]) -> gotmpl::Result<Value>);

/// docker's functions. They are given as many arguments as they take.
const FUNCTIONS: [Function; 8] = [
    ("json", 1, |args| Ok(string(&to_json(&args[0]).to_string()))),
    ("join", 2, join),
    ("split", 2, split),
    ("lower", 1, |args| Ok(string(&lower(&text_of(args, 0)?)))),
    ("upper", 1, |args| Ok(string(&upper(&text_of(args, 0)?)))),
    ("title", 1, |args| Ok(string(&title(&text_of(args, 0)?)))),
    ("pad", 3, pad),
    ("truncate", 2, truncate),
];

/// Adds docker's functions to a template.
pub(super) fn add_to(template: gotmpl::Template) -> gotmpl::Template {
    let add = |template: gotmpl::Template, (name, expected, function): Function| {
        template.func(name, move |args: &[Value]| match args.len() {
            got if got == expected => function(args),
            got => Err(TemplateError::ArgCount {
                name: name.to_owned(),
                expected,
                got,
            }),
        })
    };
    FUNCTIONS.into_iter().fold(template, add)
}

/// Returns an argument as the text that it would print as.
fn text_of(args: &[Value], index: usize) -> gotmpl::Result<String> {
    match &args[index] {
        Value::Nil | Value::List(_) | Value::Map(_) | Value::Function(_) => {
            let number = index + 1;
            Err(TemplateError::Exec(format!(
                "argument {number} is not text"
            )))
        }
        text => Ok(text.to_string()),
    }
}

fn number_of(args: &[Value], index: usize) -> gotmpl::Result<usize> {
    let number = args[index].as_int();
    number
        .and_then(|number| usize::try_from(number).ok())
        .ok_or_else(|| {
            let number = index + 1;
            TemplateError::Exec(format!(
                "argument {number} is not a whole number of 0 or more"
            ))
        })
}

fn to_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Bool(value) => (*value).into(),
        Value::Int(value) => (*value).into(),
        Value::Uint(value) => (*value).into(),
        Value::Float(value) => (*value).into(),
        Value::String(text) => (**text).into(),
        Value::List(values) => values.iter().map(to_json).collect(),
        Value::Map(members) => members
            .iter()
            .map(|(name, value)| (name.to_string(), to_json(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        _ => serde_json::Value::Null,
    }
}

fn join(args: &[Value]) -> gotmpl::Result<Value> {
    let separator = text_of(args, 1)?;
    let Value::List(values) = &args[0] else {
        return Err(TemplateError::Exec("argument 1 is not a list".to_owned()));
    };
    let texts: Vec<String> = values.iter().map(Value::to_string).collect();
    Ok(string(&texts.join(&separator)))
}

fn split(args: &[Value]) -> gotmpl::Result<Value> {
    let (text, separator) = (text_of(args, 0)?, text_of(args, 1)?);
    Ok(Value::List(match &*separator {
        // Go gives its characters then, and no empty texts around them.
        "" => text
            .chars()
            .map(|c| string(c.encode_utf8(&mut [0; 4])))
            .collect(),
        separator => text.split(separator).map(string).collect(),
    }))
}

/// Returns a text in lower case, character by character as in Go, so that no character
/// becomes several.
fn lower(text: &str) -> String {
    text.chars().map(|c| alone(c, c.to_lowercase())).collect()
}

/// Returns a text in upper case, character by character like [`lower`].
fn upper(text: &str) -> String {
    text.chars().map(|c| alone(c, c.to_uppercase())).collect()
}

/// Returns the converted character, or the character itself if it becomes several.
fn alone(c: char, mut becomes: impl ExactSizeIterator<Item = char>) -> char {
    match becomes.len() {
        1 => becomes.next().unwrap_or(c),
        _ => c,
    }
}

/// Returns a text with the first letter of each word in upper case, like Go's
/// `strings.Title`: in ASCII all but letters, digits and underscores ends a word, beyond
/// it only white space.
fn title(text: &str) -> String {
    let ends_word = |c: char| match c {
        '_' => false,
        c if c.is_ascii() => !c.is_ascii_alphanumeric(),
        c => c.is_whitespace(),
    };
    let mut starts = true;
    let capitalize = |c: char| match std::mem::replace(&mut starts, ends_word(c)) {
        true => alone(c, c.to_uppercase()),
        false => c,
    };
    text.chars().map(capitalize).collect()
}

/// The most blanks that a line can need.
const MAX_PADDING: usize = 10_000;

/// Adds blanks before and after a text that is not empty, like docker.
fn pad(args: &[Value]) -> gotmpl::Result<Value> {
    let text = text_of(args, 0)?;
    let (before, after) = (number_of(args, 1)?, number_of(args, 2)?);
    if before.max(after) > MAX_PADDING {
        return Err(TemplateError::Exec(format!(
            "a padding of more than {MAX_PADDING}"
        )));
    }
    if text.is_empty() {
        return Ok(string(""));
    }
    Ok(string(&format!(
        "{}{text}{}",
        " ".repeat(before),
        " ".repeat(after)
    )))
}

/// Returns the first characters of a text; docker counts bytes and may cut a character.
fn truncate(args: &[Value]) -> gotmpl::Result<Value> {
    let (text, length) = (text_of(args, 0)?, number_of(args, 1)?);
    Ok(string(&text.chars().take(length).collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(template: &str) -> gotmpl::Result<String> {
        let template = add_to(gotmpl::Template::new("test")).parse(template)?;
        template.execute_to_string(&Value::Nil)
    }

    #[test]
    fn unusual_arguments_are_handled_like_docker() {
        for (template, expected) in [
            (r#"{{json (split "a,b" ",")}}"#, r#"["a","b"]"#),
            (r#"{{json (split "" ",")}}"#, r#"[""]"#),
            (r#"{{json (split ",a," ",")}}"#, r#"["","a",""]"#),
            (r#"{{json (split "aé日" "")}}"#, r#"["a","é","日"]"#),
            (r#"{{json (split "" "")}}"#, "[]"),
            (r#"{{json (split "ab" "ab")}}"#, r#"["",""]"#),
            (
                r#"{{json "<a&b>"}} {{json nil}} {{json 1.5}}"#,
                r#""<a&b>" null 1.5"#,
            ),
            (r#"{{join (split "a" ",") ","}}"#, "a"),
            (r#"{{join (split "a,b" ",") ""}}"#, "ab"),
            (r#"{{upper "straße ß ŉ"}}"#, "STRAßE ß ŉ"),
            (r#"{{lower "ΑΣ É"}}"#, "ασ é"),
            (r#"{{title "a-b_c d.e 1f"}}"#, "A-B_c D.E 1f"),
            (r#"{{title "über→x y　z"}}"#, "Über→x Y　Z"),
            (r#"{{title "ALL ßa"}}"#, "ALL ßa"),
            (r#"[{{pad "" 3 3}}] [{{pad "x" 0 0}}]"#, "[] [x]"),
            (
                r#"[{{truncate "日本語" 2}}] [{{truncate "x" 9}}]"#,
                "[日本] [x]",
            ),
            (r#"[{{truncate "x" 0}}] {{truncate 12345 2}}"#, "[] 12"),
        ] {
            assert_eq!(render(template).unwrap(), expected, "{template}");
        }
    }

    #[test]
    fn wrong_arguments_are_refused() {
        for template in [
            "{{json}}",
            "{{json 1 2}}",
            "{{lower}}",
            "{{lower \"a\" \"b\"}}",
            "{{lower nil}}",
            "{{upper (split \"a\" \"b\")}}",
            "{{join \"a\" \",\"}}",
            "{{join (split \"a\" \"b\")}}",
            "{{split \"a\"}}",
            "{{title}}",
            "{{pad \"a\" 1}}",
            "{{pad \"a\" -1 0}}",
            "{{pad \"a\" \"1\" 0}}",
            "{{pad \"a\" 10001 0}}",
            "{{truncate \"a\"}}",
            "{{truncate \"a\" -1}}",
            "{{truncate 1 \"a\"}}",
        ] {
            assert!(render(template).is_err(), "{template}");
        }
    }
}
