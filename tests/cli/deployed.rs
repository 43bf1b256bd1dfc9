//! Artifacts that are deployed: cldctl runs OpenTofu and Pulumi in the cache, and keeps the
//! state of real infrastructure there.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::FlockOperation;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::faults_clock::clock;
use crate::running::{Running, has_strace, wait_until};
use crate::support::{PROGRAM, Run, Sandbox, names, tree, write_tree};

/// A state of OpenTofu with one resource.
pub(crate) const LIVE: &str = r#"{"version":4,"terraform_version":"1.9.0","serial":3,"lineage":"x","outputs":{},"resources":[{"mode":"managed","type":"terraform_data","name":"a","provider":"p","instances":[{"attributes":{"id":"1"}}]}]}"#;

/// A state of OpenTofu after everything was destroyed.
pub(crate) const DESTROYED: &str = r#"{"version":4,"terraform_version":"1.9.0","serial":4,"lineage":"x","outputs":{},"resources":[]}"#;

const SECRET: &str = "hunter2-is-a-secret";

/// A home with the datacenter `dc:v1`, imported from the directory `dc`.
pub(crate) fn with_datacenter() -> (Sandbox, PathBuf) {
    let sandbox = Sandbox::new();
    let source = sandbox.path("dc");
    write_tree(
        &source,
        &[
            ("datacenter.dc", "datacenter \"x\" {}\n"),
            ("modules/vpc/main.tf", "# one\n"),
            ("modules/db/main.tf", "# one\n"),
        ],
    );
    sandbox.ok(&["add", "dc:v1", source.to_str().unwrap()]);
    let dir = sandbox.cache().join("dc_v1");
    (sandbox, dir)
}

/// Leaves what a deployment of a module leaves.
pub(crate) fn deploy(dir: &Path, module: &str) {
    let inputs = format!("{{\"password\":\"{SECRET}\"}}");
    write_tree(
        &dir.join(module),
        &[
            ("terraform.tfstate", LIVE),
            ("terraform.tfstate.backup", DESTROYED),
            ("terraform.tfvars.json", &inputs),
            (".terraform.lock.hcl", "# lock\n"),
            (".terraform/providers/p/plugin", "a plugin of 300 MB"),
            (".terraform/terraform.tfstate", "{}"),
        ],
    );
}

fn add(sandbox: &Sandbox, reference: &str, source: &str) -> Run {
    let source = sandbox.path(source);
    sandbox.run(&["add", reference, source.to_str().unwrap()])
}

pub(crate) fn codes(sandbox: &Sandbox, kind: &str) -> Vec<String> {
    let run = sandbox.run(&["verify", "--format", "json"]);
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    let findings = report[kind].as_array().unwrap().iter();
    findings
        .map(|finding| finding["code"].as_str().unwrap().to_owned())
        .collect()
}

/// Holds OpenTofu's lock on a state file until the file is dropped, or this process opens
/// and closes it.
pub(crate) fn hold(file: &Path) -> fs::File {
    let file = fs::File::options()
        .read(true)
        .write(true)
        .open(file)
        .unwrap();
    rustix::fs::fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive).unwrap();
    file
}

/// Returns all that files below a directory contain.
fn text_below(dir: &Path) -> String {
    let files = walkdir::WalkDir::new(dir).into_iter().map(Result::unwrap);
    let files = files.filter(|found| found.file_type().is_file());
    files
        .map(|found| fs::read_to_string(found.path()).unwrap())
        .collect()
}

/// Returns the library that puts a clock two hours ahead; `None` if the clock cannot be
/// changed.
pub(crate) fn two_hours_ahead(sandbox: &Sandbox) -> Option<PathBuf> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let later = now.unwrap().as_secs() + 7200;
    clock(sandbox, &later.to_string())
}

/// Runs the program with a clock that is two hours ahead; `None` if the clock cannot be
/// changed.
pub(crate) fn later(sandbox: &Sandbox, args: &[&str]) -> Option<Run> {
    let library = two_hours_ahead(sandbox)?;
    let mut command = sandbox.command(args);
    Some(Run::from(
        command.env("LD_PRELOAD", library).output().unwrap(),
    ))
}

/// Expects a run to have printed this and nothing else on standard output.
#[track_caller]
fn prints(run: &Run, text: &str) {
    assert_eq!((run.code, &*run.stdout), (0, text), "{run:?}");
}

/// Row 90: state is kept.
#[test]
fn from_the_first_deployment_to_the_last_no_state_is_lost() {
    let (sandbox, dir) = with_datacenter();
    let state = dir.join("modules/vpc/terraform.tfstate");
    deploy(&dir, "modules/vpc");

    // After a deployment, everything is as it should be.
    let run = sandbox.run(&["verify"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(
        codes(&sandbox, "notes"),
        ["deployment-files", "generated-files"]
    );
    assert_eq!(codes(&sandbox, "problems"), [""; 0]);
    prints(&add(&sandbox, "dc:v1", "dc"), "unchanged dc:v1\n");

    // The module moves: the state stays where it was, so that it can still be destroyed.
    fs::rename(
        sandbox.path("dc/modules/vpc"),
        sandbox.path("dc/modules/net"),
    )
    .unwrap();
    let run = add(&sandbox, "dc:v1", "dc");
    prints(&run, "updated dc:v1\n");
    assert!(
        run.stderr
            .contains("note: kept 4 files of a deployment: `modules/vpc/"),
        "{run:?}"
    );
    assert_eq!(fs::read_to_string(&state).unwrap(), LIVE);
    assert!(!dir.join("modules/vpc/main.tf").exists());
    assert!(!dir.join("modules/vpc/.terraform").exists());
    assert_eq!(codes(&sandbox, "problems"), [""; 0]);
    prints(&add(&sandbox, "dc:v1", "dc"), "unchanged dc:v1\n");

    // What is deployed is not removed.
    let run = sandbox.run(&["rm", "dc:v1"]);
    run.fails(
        4,
        "artifact `dc:v1` is deployed: `modules/vpc/terraform.tfstate` has the state of 1 resource",
    );
    let destroy = format!(
        "`tofu -chdir={} destroy` frees it",
        state.parent().unwrap().display()
    );
    assert!(run.stderr.contains(&destroy), "{run:?}");
    let prune = ["prune", "-a", "--max-size", "0", "-y"];
    for args in [&["rm", "--all", "-y"][..], &prune] {
        let run = sandbox.run(args);
        assert_eq!(run.code, 0, "{run:?}");
        assert!(
            run.stderr
                .contains("note: kept `dc:v1`, because it is deployed"),
            "{run:?}"
        );
    }
    assert_eq!(fs::read_to_string(&state).unwrap(), LIVE);

    // Nothing is left of the infrastructure, so nothing has to be kept.
    fs::write(&state, DESTROYED).unwrap();
    sandbox.ok(&["rm", "dc:v1"]);
    assert_eq!(names(&sandbox.cache()), [""; 0]);
}

/// Row 91: secrets stay where they are.
#[test]
fn a_tag_has_the_content_alone_and_verifies() {
    let (sandbox, dir) = with_datacenter();
    deploy(&dir, "modules/vpc");
    sandbox.ok(&["tag", "dc:v1", "dc:copy"]);
    let copy = text_below(&sandbox.cache().join("dc_copy"));
    assert!(copy.contains("# one") && !copy.contains(SECRET) && !copy.contains("lineage"));
    let run = sandbox.run(&["verify", "dc:copy", "--format", "json"]);
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(report, json!({"problems": [], "notes": []}));

    // A deployment may have written a secret into a file of the content.
    fs::write(dir.join("modules/vpc/main.tf"), SECRET).unwrap();
    let run = sandbox.run(&["tag", "dc:v1", "dc:other"]);
    run.fails(
        4,
        "modules/vpc/main.tf` is no longer what was registered as `dc:v1`",
    );
    assert_eq!(names(&sandbox.cache()), ["dc_copy", "dc_v1"]);
    let run = sandbox.run(&["verify", "dc:v1"]);
    assert_eq!(run.code, 1, "changed content is a problem: {run:?}");
}

/// Registers a file that lies in the directory of `dc:v1` as content too, as a version did
/// that did not know what state is.
fn register_file(sandbox: &Sandbox, dir: &Path, name: &str) {
    let digest = sandbox.json(&["inspect", "dc:v1"])[0]["digest"].clone();
    let old = digest.as_str().unwrap();
    let manifests = sandbox.home().join("registry/manifests");
    let path_of = |digest: &str| {
        let hex = digest.strip_prefix("sha256:").unwrap();
        manifests.join(format!("{hex}.sha256"))
    };
    let mut lines = fs::read_to_string(path_of(old)).unwrap();
    let hash = hash_of(&fs::read(dir.join(name)).unwrap());
    lines.push_str(&format!("{hash}  ./{name}\n"));
    let mut sorted: Vec<&str> = lines.split_inclusive('\n').collect();
    sorted.sort_by_key(|line| &line[64..]);
    let manifest = sorted.concat();
    let new = format!("sha256:{}", hash_of(manifest.as_bytes()));
    fs::write(path_of(&new), manifest).unwrap();
    sandbox.write_registry(sandbox.registry_text().replace(old, &new));
}

fn hash_of(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Row 91: secrets stay where they are.
#[test]
fn state_that_was_registered_as_content_is_not_shared_and_is_left_out_by_add() {
    let (sandbox, dir) = with_datacenter();
    let state = "modules/vpc/terraform.tfstate";
    fs::write(dir.join(state), LIVE.replace("\"1\"", SECRET)).unwrap();
    register_file(&sandbox, &dir, state);
    assert_eq!(sandbox.ok(&["diff", "dc:v1"]), "");
    assert_eq!(sandbox.run(&["verify"]).code, 0);

    let archive = sandbox.path("dc.tar");
    let registry = sandbox.registry_text();
    for args in [
        &["tag", "dc:v1", "dc:copy"][..],
        &["save", "dc:v1", "-o", archive.to_str().unwrap()],
        &["save", "dc:v1", "-o", "-"],
    ] {
        let run = sandbox.run(args);
        run.fails(4, "terraform.tfstate` is the state of a deployment");
        assert!(
            run.stderr.contains("`cldctl-registry add dc:v1`") && !run.stdout.contains(SECRET),
            "{run:?}"
        );
    }
    assert_eq!(sandbox.registry_text(), registry);
    assert_eq!(names(&sandbox.cache()), ["dc_v1"]);
    assert!(!archive.exists());

    assert_eq!(sandbox.ok(&["add", "dc:v1"]), "updated dc:v1\n");
    assert!(dir.join(state).exists());
    assert_eq!(codes(&sandbox, "notes"), ["deployment-files"]);
    assert_eq!(codes(&sandbox, "problems"), [""; 0]);
    sandbox.ok(&["tag", "dc:v1", "dc:copy"]);
    assert!(!text_below(&sandbox.cache().join("dc_copy")).contains(SECRET));
    sandbox.ok(&["save", "dc:v1", "-o", archive.to_str().unwrap()]);
}

/// Row 91: secrets stay where they are.
#[test]
fn what_deployments_write_is_never_imported() {
    let sandbox = Sandbox::new();
    let source = sandbox.path("dc");
    write_tree(&source, &[("datacenter.dc", ""), ("m/main.tf", "")]);
    deploy(&source, "m");
    write_tree(
        &source,
        &[
            ("errored.tfstate", SECRET),
            ("terraform.tfstate.d/prod/terraform.tfstate", LIVE),
            ("crash.log", SECRET),
            ("m/.pulumi/stacks/app/dev.json", SECRET),
        ],
    );
    symlink("m/terraform.tfvars.json", source.join("settings.json")).unwrap();
    let add = |more: &[&str]| {
        let run = sandbox.run(&[&["add", "dc:v1", source.to_str().unwrap()], more].concat());
        assert_eq!(run.code, 0, "{run:?}");
        let dir = sandbox.cache().join("dc_v1");
        let stored = text_below(&dir);
        let _ = sandbox.run(&["rm", "dc:v1"]);
        (run, stored)
    };
    for more in [
        &[][..],
        &["--all-files"],
        &["--all-files", "--include", "*tfstate*"],
    ] {
        let (run, stored) = add(more);
        assert!(
            !stored.contains(SECRET) && !stored.contains("lineage"),
            "{more:?}"
        );
        assert!(
            run.stderr
                .contains("note: left out 9 files of a deployment: "),
            "{run:?}"
        );
    }
    // Inputs can be asked for, state cannot.
    let (_, stored) = add(&["--include", "terraform.tfvars.json"]);
    assert!(stored.contains(SECRET) && !stored.contains("lineage"));
}

/// Row 90: state is kept.
#[test]
fn new_content_never_takes_the_place_of_state() {
    let (sandbox, dir) = with_datacenter();
    deploy(&dir, "modules/vpc");
    let before = (sandbox.registry_text(), tree(&sandbox.cache()));
    // A file where the directory of state has to be.
    fs::remove_dir_all(sandbox.path("dc/modules/vpc")).unwrap();
    fs::write(sandbox.path("dc/modules/vpc"), "a file").unwrap();
    let run = add(&sandbox, "dc:v1", "dc");
    run.fails(
        4,
        "it is the state of a deployment, and the new content has `modules/vpc`",
    );
    assert_eq!((sandbox.registry_text(), tree(&sandbox.cache())), before);

    // At the place of inputs, the new content wins.
    fs::remove_file(sandbox.path("dc/modules/vpc")).unwrap();
    write_tree(
        &sandbox.path("dc/modules/vpc"),
        &[("main.tf", "# two\n"), ("terraform.tfvars.json", "{}")],
    );
    let source = sandbox.path("dc");
    let args = [
        "add",
        "dc:v1",
        source.to_str().unwrap(),
        "--include",
        "terraform.tfvars.json",
    ];
    assert_eq!(sandbox.ok(&args), "updated dc:v1\n");
    let read = |name: &str| fs::read_to_string(dir.join("modules/vpc").join(name)).unwrap();
    assert_eq!(read("terraform.tfvars.json"), "{}");
    assert_eq!(read("terraform.tfstate"), LIVE);
}

#[test]
fn state_keeps_its_file_mode_and_time_when_content_is_replaced() {
    let (sandbox, dir) = with_datacenter();
    deploy(&dir, "modules/vpc");
    let state = dir.join("modules/vpc/terraform.tfstate");
    fs::set_permissions(&state, fs::Permissions::from_mode(0o600)).unwrap();
    let before = fs::metadata(&state).unwrap();
    fs::write(sandbox.path("dc/modules/vpc/main.tf"), "# two\n").unwrap();
    prints(&add(&sandbox, "dc:v1", "dc"), "updated dc:v1\n");
    let after = fs::metadata(&state).unwrap();
    let of = |it: &fs::Metadata| (it.ino(), it.mode(), it.mtime(), it.mtime_nsec());
    assert_eq!(of(&after), of(&before));
    assert_eq!(after.nlink(), 1);
}

/// Row 90: state is kept.
#[test]
fn the_selected_workspace_stays_selected_when_content_is_replaced() {
    let (sandbox, dir) = with_datacenter();
    for (module, workspace) in [("modules/vpc", "prod"), ("modules/db", "default")] {
        deploy(&dir, module);
        write_tree(
            &dir.join(module),
            &[
                (".terraform/environment", workspace),
                ("terraform.tfstate.d/prod/terraform.tfstate", LIVE),
            ],
        );
    }
    // What is below the plugins of a module selects nothing.
    write_tree(
        &dir.join("modules/vpc/.terraform"),
        &[("modules/x/.terraform/environment", "other")],
    );
    fs::write(sandbox.path("dc/modules/vpc/main.tf"), "# two\n").unwrap();
    prints(&add(&sandbox, "dc:v1", "dc"), "updated dc:v1\n");
    let plugins = dir.join("modules/vpc/.terraform");
    assert_eq!(names(&plugins), ["environment"]);
    assert_eq!(
        fs::read_to_string(plugins.join("environment")).unwrap(),
        "prod"
    );
    assert!(!dir.join("modules/db/.terraform").exists());
    assert_eq!(codes(&sandbox, "problems"), [""; 0]);
    prints(&add(&sandbox, "dc:v1", "dc"), "unchanged dc:v1\n");

    // It matters also where the state is elsewhere, so that nothing else is carried.
    sandbox.ok(&["rm", "dc:v1", "--deployed"]);
    prints(&add(&sandbox, "dc:v1", "dc"), "added dc:v1\n");
    write_tree(&dir, &[("modules/vpc/.terraform/environment", "prod\n")]);
    fs::write(sandbox.path("dc/modules/vpc/main.tf"), "# three\n").unwrap();
    let run = add(&sandbox, "dc:v1", "dc");
    prints(&run, "updated dc:v1\n");
    assert!(run.stderr.contains(".terraform/environment`"), "{run:?}");
    assert_eq!(names(&plugins), ["environment"]);
}

/// Row 92: OpenTofu at work, and killed.
#[test]
fn where_opentofu_is_at_work_nothing_is_replaced_or_removed() {
    let (sandbox, dir) = with_datacenter();
    deploy(&dir, "modules/vpc");
    let state = dir.join("modules/vpc/terraform.tfstate");
    fs::write(sandbox.path("dc/modules/vpc/main.tf"), "# two\n").unwrap();
    sandbox.ok(&["add", "other:v1", sandbox.path("dc").to_str().unwrap()]);
    let before = (sandbox.registry_text(), tree(&sandbox.cache()));
    let held = hold(&state);
    let in_use = "modules/vpc/terraform.tfstate` is in use";
    add(&sandbox, "dc:v1", "dc").fails(4, in_use);
    sandbox.run(&["rm", "dc:v1", "--deployed"]).fails(4, in_use);
    sandbox.run(&["tag", "other:v1", "dc:v1"]).fails(4, in_use);
    drop(held);
    assert_eq!((sandbox.registry_text(), tree(&sandbox.cache())), before);
    sandbox.ok(&["rm", "other:v1"]);

    // What a killed process leaves is not in the way.
    let info = state.with_file_name(".terraform.tfstate.lock.info");
    fs::write(&info, "{}").unwrap();
    prints(&add(&sandbox, "dc:v1", "dc"), "updated dc:v1\n");
    let run = sandbox.run(&["verify"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(
        run.stdout
            .contains("lock.info` was left by a killed OpenTofu"),
        "{run:?}"
    );
    sandbox.ok(&["rm", "dc:v1", "--deployed"]);
    assert_eq!(names(&sandbox.cache()), [""; 0]);
}

/// Row 90: state is kept.
#[test]
fn what_cldctl_state_names_is_deployed() {
    let (sandbox, dir) = with_datacenter();
    let state = sandbox.home().join("state/datacenters/aws");
    let environment = state.join("environments/prod/environment.state.json");
    let write = |path: &Path, text: String| {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    for name in ["app:v1", "web:v1", "free:v1"] {
        sandbox.record(name);
    }
    write(
        &environment,
        r#"{"components":{"app":{"source":"app:v1","inputs":{"source":"free:v1"}}}}"#.to_owned(),
    );
    write(
        &state.join("datacenter.state.json"),
        format!(
            "{{\"version\":\"x\",\"modules\":{{\"vpc\":{{\"source\":\"{}\"}}}}}}",
            dir.join("modules/vpc").display()
        ),
    );
    let deployed = |args: &[&str]| -> Vec<String> {
        let args = [
            &[
                "images",
                "-q",
                "--sort",
                "reference",
                "--filter",
                "deployed=true",
            ],
            args,
        ]
        .concat();
        sandbox.ok(&args).lines().map(str::to_owned).collect()
    };
    assert_eq!(deployed(&[]), ["app:v1", "dc:v1"]);
    let run = sandbox.run(&["rm", "app:v1"]);
    run.fails(
        4,
        "artifact `app:v1` is deployed: by environment `prod` of datacenter `aws`",
    );
    assert!(
        run.stderr
            .contains("`cldctl destroy environment prod -d aws` frees it"),
        "{run:?}"
    );
    let status = &sandbox.json(&["inspect", "app:v1"])[0]["status"]["deployed"];
    assert_eq!(
        *status,
        json!([{"by": "environment", "datacenter": "aws", "environment": "prod"}])
    );
    let listed = sandbox.ok(&[
        "images",
        "--format",
        "{{.Reference}} {{.Deployed}}",
        "--sort",
        "reference",
    ]);
    assert_eq!(
        listed,
        "app:v1 true\ndc:v1 true\nfree:v1 false\nweb:v1 false\n"
    );

    // A torn file counts for every name in it.
    let torn = r#"{"components":{"x":{"source":"web:v1""#;
    write(&environment, torn.to_owned());
    assert_eq!(deployed(&[]), ["dc:v1", "web:v1"]);
    sandbox.run(&["rm", "web:v1"]).fails(4, "is deployed");

    // State elsewhere.
    let moved = sandbox.path("elsewhere");
    fs::rename(sandbox.home().join("state"), &moved).unwrap();
    assert_eq!(deployed(&[]), [""; 0]);
    let mut command = sandbox.command(&["rm", "dc:v1"]);
    command
        .env("CLDCTL_STATE_PATH", "../elsewhere")
        .current_dir(sandbox.user());
    Run::from(command.output().unwrap()).fails(4, "is deployed: by datacenter `aws`");
    let mut command = sandbox.command(&["images", "-q", "--filter", "deployed=true"]);
    let run = Run::from(command.env("CLDCTL_STATE_BACKEND", "s3").output().unwrap());
    assert!(
        run.stderr.contains("keeps its state in the backend `s3`"),
        "{run:?}"
    );
    // It is taken all the same if that is what the user wants.
    sandbox.ok(&["rm", "dc:v1", "--deployed"]);
}

/// Row 90: state is kept.
#[test]
fn a_datacenter_that_a_deployed_one_extends_is_deployed() {
    let (sandbox, _) = with_datacenter();
    for (name, extends) in [("child", "dc:v1"), ("grandchild", "child:v1")] {
        let source = sandbox.path(name);
        write_tree(
            &source,
            &[(
                "datacenter.dc",
                &format!("extends {{ image = \"{extends}\" }}\n"),
            )],
        );
        prints(
            &add(&sandbox, &format!("{name}:v1"), name),
            &format!("added {name}:v1\n"),
        );
    }
    let prune = ["prune", "-a", "--keep-last", "0", "-n"];
    assert_eq!(sandbox.ok(&prune).lines().count(), 3);
    deploy(&sandbox.cache().join("grandchild_v1"), "m");
    let run = sandbox.run(&["rm", "dc:v1"]);
    run.fails(4, "artifact `dc:v1` is deployed: `child:v1` extends it");
    assert_eq!(sandbox.ok(&prune), "");
}

/// Row 90: state is kept.
#[test]
fn a_directory_without_an_entry_stays_while_it_has_state() {
    let (sandbox, dir) = with_datacenter();
    deploy(&dir, "modules/vpc");
    sandbox.ok(&["rm", "dc:v1", "--deployed", "--keep-cache"]);
    let Some(run) = later(&sandbox, &["prune", "-y", "--format", "json"]) else {
        return;
    };
    assert_eq!(run.code, 0, "{run:?}");
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(report["kept"][0]["reference"], dir.to_str().unwrap());
    let run = later(&sandbox, &["verify"]).unwrap();
    assert!(
        run.code == 0 && run.stdout.contains("deployed-directory"),
        "{run:?}"
    );
    assert!(dir.join("modules/vpc/terraform.tfstate").exists());
}

#[test]
fn plugins_are_pruned_where_nothing_needs_them() {
    let (sandbox, dir) = with_datacenter();
    deploy(&dir, "modules/vpc");
    deploy(&dir, "modules/db");
    write_tree(
        &dir.join("modules/db/.terraform"),
        &[("environment", "prod")],
    );
    let generated = |args: &[&str]| sandbox.run(&[&["prune", "--generated", "-y"], args].concat());
    prints(&generated(&[]), "");
    let plugins = dir.join("modules/vpc/.terraform");
    assert!(plugins.exists(), "they were used within the hour");
    let Some(run) = later(
        &sandbox,
        &["prune", "--generated", "-y", "--format", "json"],
    ) else {
        return;
    };
    assert_eq!(run.code, 0, "{run:?}");
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(report["removed"][0]["kind"], "generated");
    assert_eq!(report["removed"][0]["path"], plugins.to_str().unwrap());
    assert!(!plugins.exists());
    assert!(dir.join("modules/vpc/terraform.tfstate").exists());
    assert!(
        dir.join("modules/db/.terraform").exists(),
        "its workspace is chosen there"
    );
}

#[test]
fn diff_tells_what_changed_and_what_differs() {
    let (sandbox, dir) = with_datacenter();
    assert_eq!(sandbox.ok(&["diff", "dc:v1"]), "");
    deploy(&dir, "modules/vpc");
    fs::write(dir.join("modules/vpc/main.tf"), "# changed\n").unwrap();
    fs::write(dir.join("new"), "new").unwrap();
    fs::remove_file(dir.join("modules/db/main.tf")).unwrap();
    let text = sandbox.ok(&["diff", "dc:v1"]);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.is_sorted_by_key(|line| &line[2..]), "{text}");
    for line in [
        "D modules/db/main.tf",
        "M modules/vpc/main.tf",
        "A new",
        "A modules/vpc/terraform.tfstate",
    ] {
        assert!(lines.contains(&line), "{line}: {text}");
    }
    let report = sandbox.json(&["diff", "dc:v1", "--format", "json"]);
    let of = |path: &str| {
        let items = report.as_array().unwrap();
        items
            .iter()
            .find(|item| item["path"] == path)
            .unwrap()
            .clone()
    };
    assert_eq!(
        of("new"),
        json!({"path": "new", "change": "added", "kind": "content", "bytes": 3})
    );
    assert_eq!(
        of("modules/vpc/terraform.tfvars.json")["kind"],
        "deployment"
    );
    assert_eq!(
        of("modules/vpc/.terraform/providers/p/plugin")["kind"],
        "generated"
    );

    fs::write(sandbox.path("dc/modules/vpc/main.tf"), "# two\n").unwrap();
    fs::write(sandbox.path("dc/other"), "").unwrap();
    prints(&add(&sandbox, "dc:v2", "dc"), "added dc:v2\n");
    let between = sandbox.ok(&["diff", "dc:v1", "dc:v2"]);
    assert_eq!(between, "M modules/vpc/main.tf\nA other\n");
    sandbox
        .run(&["diff", "dc:v3"])
        .fails(3, "artifact `dc:v3` not found");
    sandbox.record("alone:v1");
    sandbox
        .run(&["diff", "alone:v1"])
        .fails(3, "no content for `alone:v1`");
}

/// Returns the system calls of the program, without addresses and numbers that differ from
/// run to run; `None` if they cannot be traced.
fn calls(sandbox: &Sandbox, args: &[&str]) -> Option<Vec<String>> {
    let is_completion = args[0] == "--";
    if !has_strace() {
        return None;
    }
    let trace = sandbox.path("trace");
    let mut command = std::process::Command::new("strace");
    command
        .args(["-f", "-qq", "-o"])
        .arg(&trace)
        .arg(PROGRAM)
        .args(args);
    command
        .env_clear()
        .env("HOME", sandbox.user())
        .env("RAYON_NUM_THREADS", "1");
    if is_completion {
        command.env("CLDCTL_REGISTRY_COMPLETE", "fish");
    }
    assert!(command.output().unwrap().status.success());
    let text = fs::read_to_string(trace).unwrap();
    Some(text.lines().map(str::to_owned).collect())
}

#[test]
fn lists_and_completion_look_at_nothing_that_is_deployed() {
    let (sandbox, dir) = with_datacenter();
    let commands: [&[&str]; 6] = [
        &["--", "cldctl-registry", "inspect", ""],
        &["images"],
        &["images", "--format", "json"],
        &["exists", "dc:v1"],
        &["cache-path", "dc:v1"],
        &["images", "--filter", "cache=present"],
    ];
    let before: Vec<_> = commands.iter().map(|args| calls(&sandbox, args)).collect();
    deploy(&dir, "modules/vpc");
    let state = sandbox.home().join("state/datacenters/aws");
    write_tree(
        &state,
        &[("datacenter.state.json", r#"{"version":"dc:v1"}"#)],
    );
    for (args, before) in commands.iter().zip(before) {
        let (Some(before), Some(after)) = (before, calls(&sandbox, args)) else {
            return;
        };
        let is_of_state = |line: &&String| line.contains("tfstate") || line.contains("/state");
        assert_eq!(after.iter().find(is_of_state), None, "{args:?}");
        assert_eq!(after.len(), before.len(), "{args:?}");
    }
}

/// Runs Terraform or OpenTofu in a directory. What it prints is returned.
fn terraform(tool: &str, dir: &Path, args: &[&str]) -> Run {
    let mut command = std::process::Command::new(tool);
    command.args(args).current_dir(dir);
    command
        .env("TF_CLI_CONFIG_FILE", "/dev/null")
        .env("CHECKPOINT_DISABLE", "1");
    Run::from(command.output().unwrap())
}

/// What Terraform itself leaves: it needs no provider for `terraform_data`.
#[test]
fn the_state_of_terraform_itself_survives_replacements() {
    // It is no package that can be installed everywhere, so that it may be missing.
    let is_here = |tool: &&str| {
        std::process::Command::new(tool)
            .arg("version")
            .output()
            .is_ok()
    };
    let Some(tool) = ["tofu", "terraform"].into_iter().find(is_here) else {
        return;
    };
    let sandbox = Sandbox::new();
    let source = sandbox.path("dc");
    let module = "variable \"password\" {}\nresource \"terraform_data\" \"a\" {\n  input = var.password\n}\n";
    write_tree(&source, &[("datacenter.dc", ""), ("m/main.tf", module)]);
    prints(&add(&sandbox, "dc:v1", "dc"), "added dc:v1\n");
    let dir = sandbox.cache().join("dc_v1/m");
    let apply = || {
        let init = terraform(tool, &dir, &["init", "-input=false", "-no-color"]);
        assert_eq!(init.code, 0, "{init:?}");
        let run = terraform(
            tool,
            &dir,
            &["apply", "-auto-approve", "-input=false", "-no-color"],
        );
        assert_eq!(run.code, 0, "{run:?}");
        run.stdout
    };
    fs::write(
        dir.join("terraform.tfvars.json"),
        format!("{{\"password\":\"{SECRET}\"}}"),
    )
    .unwrap();
    assert!(apply().contains("1 added"));
    let run = sandbox.run(&["verify"]);
    assert_eq!(run.code, 0, "{run:?}");
    sandbox
        .run(&["rm", "dc:v1"])
        .fails(4, "has the state of 1 resource");

    // Another version of the module: no resource is created again.
    fs::write(source.join("m/main.tf"), format!("{module}# two\n")).unwrap();
    prints(&add(&sandbox, "dc:v1", "dc"), "updated dc:v1\n");
    assert!(apply().contains("0 added, 0 changed, 0 destroyed"));
    sandbox.ok(&["tag", "dc:v1", "dc:copy"]);
    assert!(!text_below(&sandbox.cache().join("dc_copy")).contains(SECRET));

    // Killed while it applies: what it leaves is not in the way.
    let slow = "resource \"terraform_data\" \"slow\" {\n  provisioner \"local-exec\" {\n    command = \"sleep 60\"\n  }\n}\n";
    fs::write(dir.join("slow.tf"), slow).unwrap();
    let mut applying = std::process::Command::new(tool)
        .args(["apply", "-auto-approve", "-input=false", "-no-color"])
        .current_dir(&dir)
        .env("TF_CLI_CONFIG_FILE", "/dev/null")
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    let info = dir.join(".terraform.tfstate.lock.info");
    wait_until("the lock", || info.exists());
    fs::write(source.join("m/main.tf"), format!("{module}# three\n")).unwrap();
    add(&sandbox, "dc:v1", "dc").fails(4, "terraform.tfstate` is in use");
    let group = rustix::process::Pid::from_child(&applying);
    rustix::process::kill_process_group(group, rustix::process::Signal::KILL).unwrap();
    applying.wait().unwrap();
    fs::remove_file(dir.join("slow.tf")).unwrap();
    prints(&add(&sandbox, "dc:v1", "dc"), "updated dc:v1\n");
    let run = terraform(tool, &dir, &["init", "-input=false", "-no-color"]);
    assert_eq!(run.code, 0, "{run:?}");
    let run = terraform(
        tool,
        &dir,
        &["destroy", "-auto-approve", "-input=false", "-no-color"],
    );
    assert_eq!(run.code, 0, "{run:?}");
    sandbox.ok(&["rm", "dc:v1"]);
    assert!(!sandbox.cache().join("dc_v1").exists());
}

#[test]
fn where_state_cannot_be_read_nothing_is_removed_and_that_is_said_once() {
    let (sandbox, _) = with_datacenter();
    sandbox.record("app:v1");
    let state = sandbox
        .home()
        .join("state/datacenters/aws/datacenter.state.json");
    fs::create_dir_all(&state).unwrap();
    let error = "datacenter.state.json` is a directory, expected a regular file";
    let run = sandbox.run(&["rm", "dc:v1"]);
    run.fails(1, error);
    let way = "`cldctl-registry rm dc:v1 --deployed`";
    assert!(run.stderr.contains(way), "{run:?}");
    for args in [
        &["df"][..],
        &["images", "--filter", "deployed=true"],
        &["prune", "-a", "--keep-last", "0", "-y"],
    ] {
        let run = sandbox.run(args);
        assert_eq!(run.code, 1, "{run:?}");
        assert_eq!(run.stderr.matches(error).count(), 1, "{run:?}");
    }
    assert_eq!(sandbox.references().len(), 2);
    // It does not matter where it is not asked.
    sandbox.ok(&["images"]);
    sandbox.ok(&["verify"]);
    sandbox.ok(&["rm", "dc:v1", "--deployed"]);
}

#[test]
fn a_large_state_file_keeps_what_it_names_and_nothing_else() {
    let (sandbox, _) = with_datacenter();
    for name in ["app:v1", "free:v1"] {
        sandbox.record(name);
    }
    let environment = sandbox
        .home()
        .join("state/datacenters/aws/environments/prod/environment.state.json");
    let module = sandbox.cache().join("dc_v1/modules/vpc");
    let text = format!(
        "{{\"components\":{{\"a\":{{\"source\":\"app:v1\",\"m\":\"{}\"",
        module.display()
    );
    fs::create_dir_all(environment.parent().unwrap()).unwrap();
    fs::write(&environment, text).unwrap();
    let file = fs::File::options().write(true).open(&environment).unwrap();
    file.set_len((64 << 20) + 1).unwrap();
    for name in ["app:v1", "dc:v1"] {
        sandbox
            .run(&["rm", name])
            .fails(4, "is deployed: by environment `prod` of datacenter `aws`");
    }
    sandbox.ok(&["rm", "free:v1"]);
    assert_eq!(sandbox.references(), ["app:v1", "dc:v1"]);
}

#[test]
fn where_a_file_cannot_have_two_names_state_is_copied() {
    if !has_strace() {
        return;
    }
    let (sandbox, dir) = with_datacenter();
    deploy(&dir, "modules/vpc");
    let state = dir.join("modules/vpc/terraform.tfstate");
    fs::set_permissions(&state, fs::Permissions::from_mode(0o640)).unwrap();
    let before = fs::metadata(&state).unwrap();
    fs::write(sandbox.path("dc/modules/vpc/main.tf"), "# two\n").unwrap();
    let source = sandbox.path("dc");
    let args = ["add", "dc:v1", source.to_str().unwrap()];
    let mut command = sandbox.traced_at("linkat", "error=EPERM", &args);
    prints(&Run::from(command.output().unwrap()), "updated dc:v1\n");
    let after = fs::metadata(&state).unwrap();
    assert_ne!(after.ino(), before.ino());
    assert_eq!(after.mode(), before.mode());
    assert_eq!(fs::read_to_string(&state).unwrap(), LIVE);
}

#[test]
fn what_a_deployment_writes_while_its_directory_is_replaced_is_kept() {
    if !has_strace() {
        return;
    }
    let (sandbox, dir) = with_datacenter();
    deploy(&dir, "modules/vpc");
    fs::write(sandbox.path("dc/modules/vpc/main.tf"), "# two\n").unwrap();
    let source = sandbox.path("dc");
    let args = ["add", "dc:v1", source.to_str().unwrap()];
    // The two directories have changed places when the call returns.
    let add = sandbox.traced_at("renameat2", "delay_exit=2000000:when=1", &args);
    let add = Running::start(add);
    let main = dir.join("modules/vpc/main.tf");
    wait_until("the new content", || {
        fs::read_to_string(&main).is_ok_and(|text| text == "# two\n")
    });
    let old = sandbox.staged().pop().unwrap();
    fs::write(old.join("modules/vpc/errored.tfstate"), LIVE).unwrap();
    let run = add.end();
    assert_eq!((run.code, &*run.stdout), (1, "updated dc:v1\n"), "{run:?}");
    let kept = names(&sandbox.cache())
        .into_iter()
        .find(|name| name.starts_with(".kept-"));
    let kept = sandbox.cache().join(kept.unwrap());
    assert!(run.stderr.contains(kept.to_str().unwrap()), "{run:?}");
    assert!(kept.join("modules/vpc/errored.tfstate").exists());
    // The next changes leave it alone, and verify names it.
    sandbox.record("next:v1");
    sandbox.ok(&["prune", "-y"]);
    assert!(kept.exists());
    assert!(codes(&sandbox, "notes").contains(&"kept-aside".to_owned()));
}
