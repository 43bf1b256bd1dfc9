//! What is mounted below the cache, in a mount namespace of the test's own.

use std::process::Command;

use crate::support::{PROGRAM, Run, Sandbox};

/// Runs a script with the right to mount, which ends with it; `None` where that is not
/// permitted. In it, `$C` is the cache, `$S` a component and `run` the program.
#[expect(clippy::print_stderr, reason = "a test that is left out should show")]
fn with_mounts(sandbox: &Sandbox, script: &str) -> Option<Run> {
    let may_mount = Command::new("unshare")
        .args(["-m", "true"])
        .output()
        .is_ok_and(|output| output.status.success());
    if !may_mount {
        eprintln!("skipped: mounting is not permitted");
        return None;
    }
    let source = sandbox.component("app");
    let setup = "set -u; run() { \"$P\" \"$@\"; }; \
                 expect() { want=$1; shift; run \"$@\"; rc=$?; \
                 [ $rc = $want ] || { echo \"$*: $rc\"; exit 9; }; }; mount --make-rprivate /;";
    let output = Command::new("unshare")
        .args(["-m", "sh", "-c", &format!("{setup} {script}")])
        .env("P", PROGRAM)
        .env("HOME", sandbox.user())
        .env("C", sandbox.cache())
        .env("S", source)
        .env("V", sandbox.path("victim"))
        .output()
        .unwrap();
    Some(Run::from(output))
}

/// Whatever is mounted, and whichever way the directory would go.
#[test]
fn nothing_of_a_mounted_file_system_is_deleted_and_its_directory_stays() {
    for (mount, kept) in [
        (
            "mkdir $D/m; mount -t tmpfs tmpfs $D/m; echo x >$D/m/keep",
            "$D/m/keep",
        ),
        ("mkdir $D/m; mount --bind $V $D/m", "$V/keep"),
        ("echo >$D/m; mount --bind $V/keep $D/m", "$V/keep"),
    ] {
        let sandbox = Sandbox::new();
        let script = format!(
            "mkdir $V; echo x >$V/keep; expect 0 add a:1 $S; expect 0 add b:1 $S; D=$C/a_1; {mount}; \
             echo more >$S/more; expect 1 add a:1 $S; expect 1 tag b:1 a:1; expect 1 rm a:1; \
             expect 0 exists a:1; [ -s {kept} ] || exit 8; [ -f $C/a_1/cld.yml ] || exit 7; \
             D=$C/.staging-abcdefghijkl; mkdir $D; {mount}; expect 0 rm b:1; \
             [ -s {kept} ] || exit 6; \
             D=$C/orphan_1; mkdir $D; touch -d '3 hours ago' $D; {mount}; run prune -y; \
             [ -s {kept} ] || exit 5; [ -d $D ] || exit 4"
        );
        if let Some(run) = with_mounts(&sandbox, &script) {
            assert_eq!(run.code, 0, "{mount}: {run:?}");
            assert!(run.stderr.contains("is mounted"), "{run:?}");
        }
    }
}

/// As a volume of its own.
#[test]
fn the_cache_can_be_a_mount_with_directories_of_others_in_it() {
    let sandbox = Sandbox::new();
    let script = "mkdir -p $C; mount -t tmpfs tmpfs $C; cd $C; \
                  mkdir lost+found .snapshot .zfs @eaDir 'System Volume Information' .git; \
                  touch -d '3 hours ago' lost+found .snapshot .zfs @eaDir Sys* .git; \
                  expect 0 add a:1 $S; expect 0 verify; expect 0 prune -y; expect 0 rm a:1; \
                  [ $(ls -A $C | wc -l) = 6 ]";
    if let Some(run) = with_mounts(&sandbox, script) {
        assert_eq!(run.code, 0, "{run:?}");
    }
}

/// As in every second step of an image build.
#[test]
fn content_of_a_lower_layer_is_replaced_and_removed() {
    let sandbox = Sandbox::new();
    let script = "expect 0 add a:1 $S; expect 0 add b:1 $S; mkdir $V; mount -t tmpfs tmpfs $V; \
                  mkdir $V/up $V/work; H=$HOME; \
                  mount -t overlay overlay -o lowerdir=$H,upperdir=$V/up,workdir=$V/work $H || exit 77; \
                  echo two >$S/two; expect 0 add a:1 $S; [ -f $C/a_1/two ] || exit 8; \
                  expect 0 rm b:1; [ ! -e $C/b_1 ] || exit 7; expect 0 add b:1 $S; \
                  expect 0 tag a:1 c:1; expect 0 verify; expect 0 rm --all -y; \
                  [ -z \"$(ls -A $C)\" ] || exit 6";
    if let Some(run) = with_mounts(&sandbox, script)
        && run.code != 77
    {
        assert_eq!(run.code, 0, "{run:?}");
    }
}
