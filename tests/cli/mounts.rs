//! Mounts below the cache, and the cache as a mount, in a mount namespace of the test's
//! own.

use crate::faults_clock::clock;
use crate::support::{PROGRAM, Run, Sandbox};
use crate::tools::{Lack, runs};

/// Functions for every script: `run` is the program, `expect CODE ARGS…` runs it and
/// ends the script on another exit code, `late ARGS…` runs it hours later, `must
/// COMMAND…` is for other commands, and `same ARGS…` expects the program to refuse and
/// to change nothing, in the registry or the cache.
const FUNCTIONS: &str = r#"
set -u
mount --make-rprivate /
run() { "$P" "$@"; }
fail() { echo "$*" >&2; exit 99; }
expect() { want=$1; shift; run "$@"; rc=$?; [ $rc = "$want" ] || fail "exit $rc: $*"; }
must() { "$@" || fail "failed: $*"; }
state() { cat "$R"; find "$C" -mindepth 1 | LC_ALL=C sort; find "$C" -type f -exec cat {} +; }
late() { LD_PRELOAD=$LATER "$P" "$@" || fail "exit $?, later: $*"; }
same() { before=$(state); expect 1 "$@"; [ "$before" = "$(state)" ] || fail "changed: $*"; }
"#;

/// The exit code of a script that cannot run here.
const NOT_HERE: i32 = 77;

/// Runs a script with the right to mount, in a namespace that ends with it; `None` if
/// that is not permitted. In it, `$C` is the cache, `$R` the registry, `$S` a component
/// and `$V` a directory beside them.
pub(crate) fn with_mounts(sandbox: &Sandbox, script: &str) -> Option<Run> {
    if let Err(lack) = runs(&["unshare", "-m", "true"]) {
        assert!(lack.is_accepted(), "{lack:?}, and CI is set");
        return None;
    }
    let source = sandbox.component("app");
    let script = format!("{FUNCTIONS}{script}");
    let mut command = sandbox.wrapped(&["unshare", "-m", "sh", "-c", &script], &[""; 0]);
    command.env("P", PROGRAM).env("S", source);
    command
        .env("C", sandbox.cache())
        .env("R", sandbox.registry());
    command.env("V", sandbox.path("beside"));
    let later = clock(sandbox, "now + 7200");
    command.env("LATER", later.unwrap_or_default());
    let run = Run::from(command.output().unwrap());
    if run.code == NOT_HERE {
        let why = run.stderr.lines().last().unwrap_or("skipped").to_owned();
        let accepted = Lack::Permission(why).is_accepted();
        return Some(run).filter(|_| !accepted);
    }
    Some(run)
}

/// The kinds of mounts at `$D`, each with a file that must be kept, `$K`.
const MOUNTS: [(&str, &str); 3] = [
    (
        "another file system",
        r#"mkdir -p "$D"; must mount -t tmpfs tmpfs "$D"; echo kept >"$D/keep"; K=$D/keep"#,
    ),
    (
        "a directory of the same file system",
        r#"mkdir -p "$D" "$V"; echo kept >"$V/keep"; must mount --bind "$V" "$D"; K=$V/keep"#,
    ),
    (
        "a file",
        r#"mkdir -p "$V" "$(dirname "$D")"; echo kept >"$V/keep"; : >"$D"
           must mount --bind "$V/keep" "$D"; K=$V/keep"#,
    ),
];

/// Runs a script for each kind of mount, which `mounted` mounts.
#[track_caller]
fn with_each_mounted(script: &str) {
    for (what, mount) in MOUNTS {
        let sandbox = Sandbox::new();
        let script = format!(
            "mounted() {{ D=$1; {mount}; }}\n\
             kept() {{ [ \"$(cat \"$K\")\" = kept ] || fail \"lost: $K\"; }}\n{script}"
        );
        if let Some(run) = with_mounts(&sandbox, &script) {
            assert_eq!(run.code, 0, "{what}: {run:?}");
            assert!(run.stderr.contains("is mounted"), "{what}: {run:?}");
        }
    }
}

/// Row 66: at any depth.
#[test]
fn a_directory_that_contains_a_mount_is_neither_replaced_nor_removed() {
    for place in ["m", "src/lib/deeper/m"] {
        with_each_mounted(&format!(
            r#"
            expect 0 add a:1 "$S"; expect 0 add b:1 "$S"
            echo other >"$S/other"
            mounted "$C/a_1/{place}"
            same add a:1 "$S"; kept
            same tag b:1 a:1; kept
            same rm a:1; kept
            same rm --filter reference=a* -y; kept
            same prune -a --filter reference=a* -y; kept
            # What has nothing mounted in it can be changed beside it.
            expect 0 add b:1 "$S"; kept
            expect 1 rm --all -y; kept
            [ ! -e "$C/b_1" ] || fail "b_1 is left"
            must umount "$D"
            expect 0 add a:1 "$S"; expect 0 rm a:1
            "#
        ));
    }
}

/// Row 66: the system lists mounts as text, in which such names are escaped.
#[test]
fn a_mount_is_found_in_a_home_with_any_path() {
    for name in [r"a b", r"a\tb", r"a\nb", r"a\\b", r"a\\040b", r"#a", r" "] {
        with_each_mounted(&format!(
            r#"
            HOME=$HOME/$(printf '{name}')
            C=$HOME/.cldctl/cache/artifacts; R=$HOME/.cldctl/registry/artifacts.json
            must mkdir "$HOME"
            expect 0 add a:1 "$S"; expect 0 add b:1 "$S"
            echo other >"$S/other"
            mounted "$C/a_1/m"
            same add a:1 "$S"; kept
            same tag b:1 a:1; kept
            same rm a:1; kept
            must umount "$D"
            expect 0 rm a:1
            "#
        ));
    }
}

/// Row 66: a home has a second path, because `/home` often is a link.
#[test]
fn a_mount_is_found_in_a_home_behind_a_link() {
    with_each_mounted(
        r#"
        expect 0 add a:1 "$S"
        must ln -s "$HOME" "$HOME-link"; HOME=$HOME-link
        echo other >"$S/other"
        mounted "$C/a_1/m"
        same add a:1 "$S"; kept
        same rm a:1; kept
        "#,
    );
    // Only the cache is elsewhere.
    with_each_mounted(
        r#"
        expect 0 add a:1 "$S"
        must mv "$C" "$HOME/elsewhere"; must ln -s "$HOME/elsewhere" "$C"
        echo other >"$S/other"
        mounted "$HOME/elsewhere/a_1/m"
        same add a:1 "$S"; kept
        same rm a:1; kept
        "#,
    );
}

/// Row 66: something is mounted below the first path of a home, and the program gets a
/// second path, below which the system does not show it.
#[test]
fn a_mount_below_another_path_of_the_home_is_not_deleted() {
    for (what, mount) in MOUNTS {
        let sandbox = Sandbox::new();
        let script = format!(
            r#"
            expect 0 add a:1 "$S"; expect 0 add b:1 "$S"
            D=$C/a_1/m; {mount}
            mkdir -p "$V" "$HOME-again"; must mount --bind "$HOME" "$HOME-again"; HOME=$HOME-again
            [ ! -e "$HOME/.cldctl/cache/artifacts/a_1/m/keep" ] || fail "it is shown"
            echo other >"$S/other"
            same add a:1 "$S"; same tag b:1 a:1; same rm a:1
            LD_PRELOAD=$LATER run prune -y
            [ "$(cat "$K")" = kept ] || fail "lost: $K"
            "#
        );
        if let Some(run) = with_mounts(&sandbox, &script) {
            assert_eq!(run.code, 0, "{what}: {run:?}");
        }
    }
}

/// Row 66: as in a chroot without `/proc`. Each directory is then checked.
#[test]
fn a_mount_is_not_deleted_if_the_system_lists_no_mounts() {
    for (what, mount) in MOUNTS {
        let sandbox = Sandbox::new();
        let refused = match what {
            // A file cannot be recognized as a mount, but the system refuses to unlink
            // it.
            "a file" => "run",
            _ => "same",
        };
        let script = format!(
            r#"
            expect 0 add a:1 "$S"; expect 0 add b:1 "$S"
            echo other >"$S/other"
            D=$C/a_1/src/m; {mount}
            must mount -t tmpfs tmpfs /proc
            {refused} add a:1 "$S"; {refused} tag b:1 a:1; {refused} rm a:1
            {refused} rm --filter reference=a* -y
            [ "$(cat "$K")" = kept ] || fail "lost: $K"
            expect 0 rm b:1
            "#
        );
        if let Some(run) = with_mounts(&sandbox, &script) {
            assert_eq!(run.code, 0, "{what}: {run:?}");
        }
    }
}

/// Row 66: the content of an entry is itself a mount.
#[test]
fn a_directory_that_is_a_mount_is_neither_replaced_nor_removed() {
    let sandbox = Sandbox::new();
    let script = r#"
        expect 0 add a:1 "$S"; expect 0 add b:1 "$S"
        must mount --bind "$C/b_1" "$C/a_1"
        echo other >"$S/other"
        same add a:1 "$S"; same rm a:1; same prune -a --filter reference=a* -y
        "#;
    if let Some(run) = with_mounts(&sandbox, script) {
        assert_eq!(run.code, 0, "{run:?}");
    }
}

/// Row 66: leftovers of killed processes, with current names and those of earlier
/// versions, and an orphan.
#[test]
fn a_mount_in_a_leftover_or_an_orphan_is_not_deleted() {
    for name in [
        ".staging-abcdefghijkl",
        ".trash-abcdefghijkl",
        ".swap-abcdefghijkl",
        ".staging:abcdefghijkl",
        ".trash:abcdefghijkl",
        ".trash:swap-abcdefghijkl",
        "orphan_1",
    ] {
        with_each_mounted(&format!(
            r#"
            expect 0 add a:1 "$S"
            mkdir -p "$C/{name}/a_1"; echo x >"$C/{name}/a_1/beside"
            mounted "$C/{name}/a_1/m"
            expect 0 add b:1 "$S"; kept
            expect 0 rm b:1; kept
            LD_PRELOAD=$LATER run prune -y; [ $? = 1 ] || fail "exit $?, and nothing pruned"; kept
            must [ -f "$C/{name}/a_1/beside" ]
            must umount "$D"
            late prune -y
            [ -z "$LATER" ] || [ ! -e "$C/{name}" ] || fail "left: {name}"
            "#
        ));
    }
}

/// Rows 63 and 80: as separate volumes, which contain other directories.
#[test]
fn a_cache_that_is_a_mount_works() {
    for mount in [
        r#"mount -t tmpfs tmpfs "$C""#,
        r#"mkdir "$V" && mount --bind "$V" "$C""#,
        r#"mount -t tmpfs tmpfs "$(dirname "$C")" && mkdir "$C""#,
        r#"mount -t tmpfs tmpfs "$HOME/.cldctl" && mkdir -p "$C""#,
    ] {
        let sandbox = Sandbox::new();
        let script = format!(
            r#"
            mkdir -p "$C"; must eval '{mount}'; cd "$C"
            mkdir lost+found .snapshot .zfs @eaDir 'System Volume Information' .git
            echo x >.git/HEAD
            expect 0 add a:1 "$S"; expect 0 tag a:1 b:1; expect 0 verify
            echo other >"$S/other"; expect 0 add a:1 "$S"
            late verify; late prune -y
            late prune -a --filter reference=a* -y; expect 0 rm b:1
            [ $(ls -A | wc -l) = 6 ] || fail "$(ls -A)"
            must cat .git/HEAD
            "#
        );
        if let Some(run) = with_mounts(&sandbox, &script) {
            assert_eq!(run.code, 0, "{mount}: {run:?}");
        }
    }
}

/// Row 80: even if they are mounts themselves, as snapshots are.
#[test]
fn directories_of_the_file_system_in_the_cache_are_kept_if_they_are_mounts() {
    let sandbox = Sandbox::new();
    let script = r#"
        expect 0 add a:1 "$S"; cd "$C"
        for name in lost+found .snapshot .zfs @eaDir 'System Volume Information' .git; do
            mkdir "$name"; must mount -t tmpfs tmpfs "$name"
            mkdir -p "$name/a_1"; echo kept >"$name/a_1/keep"
        done
        late verify; late prune -y; late prune -a --filter reference=b* -y
        echo other >"$S/other"; expect 0 add a:1 "$S"; expect 0 tag a:1 b:1
        expect 0 rm --all -y
        [ $(cat */a_1/keep .[!.]*/a_1/keep | grep -c kept) = 6 ] || fail "$(ls -A . *)"
        "#;
    if let Some(run) = with_mounts(&sandbox, script) {
        assert_eq!(run.code, 0, "{run:?}");
    }
}

/// Row 68: as in a container whose image contains a registry, and in every second step
/// of an image build.
#[test]
fn content_of_a_lower_layer_is_replaced_and_removed() {
    let sandbox = Sandbox::new();
    let script = r#"
        for name in a b c d e; do expect 0 add $name:1 "$S"; done
        mkdir -p "$C/orphan_1/lib" "$C/.staging-abcdefghijkl/lib" "$C/.trash:abcdefghijkl/lib"
        echo x >"$C/orphan_1/lib/x"
        mkdir "$V"; must mount -t tmpfs tmpfs "$V"
        layer() {
            mkdir "$V/up$1" "$V/work$1"
            mount -t overlay overlay \
                -o "lowerdir=$2,upperdir=$V/up$1,workdir=$V/work$1,redirect_dir=off" "$HOME"
        }
        layer 1 "$HOME" || { echo "an overlay cannot be mounted" >&2; exit 77; }
        # Replaced, and replaced again where it lies in the upper layer by now.
        echo two >"$S/two"; expect 0 add a:1 "$S"; must cmp "$S/two" "$C/a_1/two"
        echo three >"$S/two"; expect 0 add a:1 "$S"; must cmp "$S/two" "$C/a_1/two"
        expect 0 tag a:1 b:1; must cmp "$S/two" "$C/b_1/two"
        expect 0 tag a:1 new:1
        expect 0 rm c:1; [ ! -e "$C/c_1" ] || fail "c_1 is left"
        expect 0 add c:1 "$S"
        late prune -y; [ -z "$LATER" ] || [ ! -e "$C/orphan_1" ] || fail "orphan_1 is left"
        [ -z "$(find "$C" -mindepth 1 -maxdepth 1 -name '.*')" ] || fail "$(ls -A "$C")"
        expect 0 prune -a --filter reference=d* -y; [ ! -e "$C/d_1" ] || fail "d_1 is left"
        expect 0 verify
        # Both layers are the lower ones of the next step.
        layer 2 "$HOME" || exit 77
        echo four >"$S/two"; expect 0 add a:1 "$S"; expect 0 add d:1 "$S"
        expect 0 rm b:1; expect 0 verify
        # cldctl removes all of a directory and makes it again.
        must rm -r "$C/e_1"; must mkdir "$C/e_1"; must cp "$S/cld.yml" "$C/e_1/"
        expect 0 rm --all -y
        rm -rf "$C/orphan_1"; [ -z "$(ls -A "$C")" ] || fail "$(ls -A "$C")"
        "#;
    if let Some(run) = with_mounts(&sandbox, script) {
        assert_eq!(run.code, 0, "{run:?}");
    }
}
