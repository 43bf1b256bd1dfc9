//! Output formats for scripts: YAML and Go templates.

use snapbox::{assert_data_eq, str};

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::running::has;
use crate::support::{Sandbox, fixture};

fn sandbox() -> Sandbox {
    Sandbox::with_registry(fixture("base/artifacts.json"))
}

#[test]
fn yaml_has_the_keys_of_json_and_every_string_quoted() {
    assert_data_eq!(
        sandbox().ok(&["images", "--format", "yaml", "my-dc"]),
        str![[r#"
- reference: "my-dc"
  repository: "my-dc"
  tag: "latest"
  type: "datacenter"
  size: 8601
  createdAt: "2026-02-11T23:59:59.5Z"
  cachePath: "/home/dev/.cldctl/cache/artifacts/my-dc"

"#]]
    );
    assert_eq!(
        sandbox().ok(&["images", "--format", "yaml", "none"]),
        "[]\n"
    );
}

#[test]
fn a_template_is_applied_to_each_artifact() {
    assert_data_eq!(
        sandbox().ok(&[
            "images",
            "--sort",
            "size",
            "--limit",
            "2",
            "--format",
            r"{{.Repository}}:{{.Tag}}\t{{.SizeBytes}} {{json .ID}}"
        ]),
        str![[r#"
ghcr.io/myorg/web-app:v1.1.0	46800000 ""
ghcr.io/myorg/web-app:v1.0.0	46766489 "a1b2c3d4e5f6"

"#]]
    );
    assert_eq!(
        sandbox().ok(&["inspect", "my-dc", "-f", "{{.CachePath}}"]),
        "/home/dev/.cldctl/cache/artifacts/my-dc\n"
    );
}

#[test]
fn a_table_can_have_other_columns() {
    assert_data_eq!(
        sandbox().ok(&[
            "images",
            "--type",
            "dc",
            "-o",
            r"table {{.Reference}}\t{{.Size}}"
        ]),
        str![[r#"
REFERENCE                                      SIZE
docker.io/davidthor/startup-datacenter:latest  12.6kB
my-dc                                          8.6kB

"#]]
    );
    let args = ["images", "none", "--no-headers", "-o", "table {{.Tag}}"];
    assert_eq!(sandbox().ok(&args), "");
}

#[test]
fn digests_can_be_a_column() {
    let table = sandbox().ok(&["images", "--digests", "my-dc", "@clerk/clerk"]);
    assert_data_eq!(
        table,
        str![[r#"
REPOSITORY    TAG     DIGEST                                                                      ARTIFACT ID  TYPE        SIZE    CREATED
my-dc         latest  -                                                                           -            datacenter  8.6kB   [..]
@clerk/clerk  latest  sha256:7b22617263686974656374757265223a22222c2263726561746564223a223030...  -            component   2.05kB  [..]

"#]]
    );
}

#[test]
fn a_template_that_cannot_be_is_wrong_usage_even_without_artifacts() {
    for sandbox in [sandbox(), Sandbox::new()] {
        for command in [
            &["images", "--format"][..],
            &["inspect", "my-dc", "--format"],
        ] {
            let run = sandbox.run(&[command, &["{{.Colour}}"]].concat());
            run.fails(2, "Colour");
            assert!(
                run.stderr
                    .contains(".Reference .Repository .Tag .ID .Digest"),
                "{run:?}"
            );
        }
        sandbox
            .run(&["images", "--format", "table {{.Tag"])
            .fails(2, "invalid template");
        let run = sandbox.run(&["images", "--format", "wide"]);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""));
    }
}

#[test]
fn a_template_can_take_apart_what_only_the_artifacts_have() {
    for (template, expected) in [
        (r#"{{index (split .Repository "/") 1}}"#, "davidthor\n"),
        (r#"{{join (split .Tag "") "\n"}}"#, "l\na\nt\ne\ns\nt\n"),
        ("{{slice .Reference 10 19}}", "davidthor\n"),
        ("{{/* .Nope */}}{{.Tag}}", "latest\n"),
    ] {
        let pattern = "docker.io/*";
        let list = sandbox().ok(&["images", pattern, "--format", template]);
        assert_eq!(list, expected, "{template}");
        // Without artifacts there is nothing that could be too short.
        assert_eq!(Sandbox::new().ok(&["images", "--format", template]), "");
    }
    sandbox()
        .run(&[
            "images",
            "--format",
            r#"{{index (split .Repository "/") 1}}"#,
        ])
        .fails(2, "invalid template: index out of range: 1");
    for template in [
        r#"{{join .Tag ","}}"#,
        "{{lower .Tag .ID}}",
        "{{truncate .Tag -1}}",
    ] {
        let run = Sandbox::new().run(&["images", "--format", template]);
        run.fails(2, "invalid template: ");
    }
}

#[test]
fn a_yaml_parser_reads_back_what_json_holds() {
    let odd = r#"{"artifacts":[
        {"reference":"on","tag":"2026-01-01","type":"~","size":-3,"note":"\u003ca\u003e \/ \ud83d\ude00 \u2028",
         "y":[true,null,1.5,{"k":": - # '"}],"n":{},"x y":[]},
        {}]}"#;
    for registry in [fixture("base/artifacts.json"), odd.to_owned()] {
        let sandbox = Sandbox::with_registry(registry);
        let yaml: Value =
            serde_saphyr::from_str(&sandbox.ok(&["images", "--format", "yaml"])).unwrap();
        assert_eq!(yaml, sandbox.json(&["images", "--format", "json"]));
    }
}

#[test]
fn jq_reads_all_json() {
    let jq = |text: &str| {
        let mut jq = Command::new("jq");
        let mut child = jq
            .arg(".")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        assert!(child.wait().unwrap().success(), "{text}");
    };
    if !has("jq", &["--version"]) {
        return;
    }
    let sandbox = sandbox();
    let source = sandbox.component("app");
    let source = source.to_str().unwrap();
    for args in [
        &["images", "--format", "json"][..],
        &["images", "--format", "jsonl"],
        &["images", "--format", "{{json .}}"],
        &["add", "app:v1", source, "--format", "json"],
        &["inspect", "app:v1", "my-dc"],
        &["df", "--format", "json"],
        &["df", "-v", "--format", "json"],
        &["rm", "app:v1", "--format", "json"],
        &["prune", "-n", "--format", "json"],
        &["prune", "-y", "--format", "json"],
    ] {
        jq(&sandbox.ok(args));
    }
}
