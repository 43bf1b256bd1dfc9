//! `images`

use snapbox::{assert_data_eq, str};

use crate::support::{Sandbox, fixture};

#[test]
fn an_empty_registry_is_an_empty_list() {
    let sandbox = Sandbox::new();
    assert_data_eq!(
        sandbox.ok(&["images"]),
        str![[r#"
REPOSITORY  TAG  ARTIFACT ID  TYPE  SIZE  CREATED

"#]]
    );
    assert_eq!(sandbox.ok(&["images", "--no-headers"]), "");
    assert_eq!(sandbox.ok(&["images", "-q"]), "");
    assert_eq!(sandbox.ok(&["images", "--format", "json"]), "[]\n");
    assert_eq!(sandbox.ok(&["images", "--format", "jsonl"]), "");
    assert!(!sandbox.home().exists(), "a list writes nothing");
}

#[test]
fn the_table_shows_every_column_in_full() {
    let sandbox = Sandbox::with_registry(fixture("base/artifacts.json"));
    assert_data_eq!(
        sandbox.ok(&["images"]),
        str![[r#"
REPOSITORY                              TAG      ARTIFACT ID   TYPE        SIZE    CREATED
<none>                                  <none>   5d1f0c7be3a9  component   5.12kB  [..]
ghcr.io/myorg/web-app                   v1.1.0   -             component   46.8MB  [..]
localhost:5000/team/api                 2026.02  -             component   0B      [..]
ghcr.io/myorg/web-app                   v1.0.0   a1b2c3d4e5f6  component   46.8MB  [..]
docker.io/davidthor/startup-datacenter  latest   -             datacenter  12.6kB  [..]
my-dc                                   latest   -             datacenter  8.6kB   [..]
@clerk/clerk                            latest   -             component   2.05kB  [..]

"#]]
    );
}

#[test]
fn quiet_prints_references_newest_first() {
    let sandbox = Sandbox::with_registry(fixture("base/artifacts.json"));
    assert_data_eq!(
        sandbox.ok(&["ls", "-q", "--type", "dc"]),
        str![[r#"
docker.io/davidthor/startup-datacenter:latest
my-dc

"#]]
    );
}

#[test]
fn json_equals_what_cldctl_lists() {
    let sandbox = Sandbox::with_registry(fixture("base/artifacts.json"));
    let list = |name: &str| serde_json::from_str::<serde_json::Value>(&fixture(name)).unwrap();
    assert_eq!(
        sandbox.json(&["images", "--format", "json"]),
        list("base/list.json")
    );
    assert_eq!(
        sandbox.json(&["images", "-o", "json", "--type", "datacenter"]),
        list("base/list-datacenter.json")
    );
    // In cldctl's form even the text is the same, except for the end of the line.
    assert_eq!(
        sandbox.ok(&["list", "--output", "json"]).trim_end(),
        fixture("base/list.json").trim_end()
    );
}

#[test]
fn jsonl_has_the_same_entries_one_per_line() {
    let sandbox = Sandbox::with_registry(fixture("base/artifacts.json"));
    let lines: Vec<serde_json::Value> = sandbox
        .ok(&["images", "--format", "jsonl"])
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        serde_json::Value::from(lines),
        sandbox.json(&["images", "--format", "json"])
    );
}

#[test]
fn full_digests_are_shown_on_request() {
    let sandbox = Sandbox::with_registry(fixture("base/artifacts.json"));
    let table = sandbox.ok(&["images", "--no-trunc", "--no-headers"]);
    assert!(
        table.contains(" sha256:a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90 ")
    );
    assert_eq!(table.lines().count(), 7);
}

#[test]
fn stored_values_and_unknown_fields_are_printed_untouched() {
    let sandbox = Sandbox::with_registry(
        r#"{"artifacts":[{"reference":"a","size":1.5,"x":{"y":[1e3,"é\u00e9"]},"createdAt":"2026-01-01T00:00:00.10Z"}]}"#,
    );
    assert_data_eq!(
        sandbox.ok(&["images", "--format", "json"]),
        str![[r#"
[
  {
    "reference": "a",
    "size": 1.5,
    "x": {
      "y": [
        1e3,
        "é[..]u00e9"
      ]
    },
    "createdAt": "2026-01-01T00:00:00.10Z"
  }
]

"#]]
    );
}

/// Row 53: in each format of a list.
#[test]
fn stored_text_cannot_control_the_terminal() {
    let sandbox = Sandbox::with_registry(
        "{\"artifacts\":[{\"reference\":\"a\\u001b[2J\u{9b}\u{202e}\",\"repository\":\"r\\u001b]0;x\\u0007\",\"tag\":\"\u{7f}\"}]}",
    );
    assert_eq!(
        sandbox.ok(&["images", "-q"]),
        "a\\u{1b}[2J\\u{9b}\\u{202e}\n"
    );
    let table = sandbox.ok(&["images"]);
    assert!(table.contains("r\\u{1b}]0;x\\u{7}  \\u{7f}"), "{table}");
    let json = sandbox.ok(&["images", "--format", "json"]);
    assert!(json.contains("\"a\\u001b[2J\\u009b\\u202e\""), "{json}");
}

#[test]
fn an_unknown_type_or_format_is_wrong_usage() {
    let sandbox = Sandbox::new();
    sandbox
        .run(&["images", "--type", "chart"])
        .fails(2, "chart");
    sandbox.run(&["images", "--format", "xml"]).fails(2, "xml");
}

#[test]
fn a_list_needs_only_the_registry() {
    let sandbox = Sandbox::with_registry(fixture("base/artifacts.json"));
    std::fs::create_dir_all(sandbox.home().join("cache")).unwrap();
    std::fs::write(sandbox.cache(), "no directory").unwrap();
    assert_eq!(sandbox.ok(&["images", "-q"]).lines().count(), 7);
    let inspected = sandbox.run(&["inspect", "my-dc"]);
    assert_eq!(inspected.code, 1, "{inspected:?}");
    let shown: serde_json::Value = serde_json::from_str(&inspected.stdout).unwrap();
    let error = shown[0]["status"]["error"].as_str().unwrap();
    assert!(error.contains("not a directory"), "{error}");
}

#[test]
fn the_template_is_not_applied_beyond_the_limit() {
    let sandbox = Sandbox::with_registry(fixture("base/artifacts.json"));
    let template = "{{if .Digest}}{{.Tag}}{{else}}{{pad .Tag 99999 0}}{{end}}";
    for template in [template.to_owned(), format!("table {template}")] {
        let images = |limit: &str| {
            let args = ["images", "--no-headers", "--limit", limit, "-o", &template];
            sandbox.run(&args)
        };
        assert_eq!(images("1").stdout, "<none>\n");
        images("7").fails(2, "a padding of more than 10000");
    }
}

#[test]
fn a_line_break_in_a_table_template_begins_a_row() {
    let sandbox = Sandbox::with_registry(fixture("base/artifacts.json"));
    let template = r"table {{.Repository}}\n{{.Tag}}\t{{.Type}}";
    assert_data_eq!(
        sandbox.ok(&["images", "--limit", "2", "--no-headers", "-o", template]),
        str![[r#"
<none>
<none>                 component
ghcr.io/myorg/web-app
v1.1.0                 component

"#]]
    );
}
