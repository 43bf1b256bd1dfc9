//! Real file systems, each in an image file that is mounted for the test.

use crate::mounts::with_mounts;
use crate::support::Sandbox;
use crate::tools::runs;

/// A file system: the command that creates it, its smallest size, and its type.
struct Disk {
    make: &'static [&'static str],
    megabytes: u64,
    kind: &'static str,
}

const DISKS: [Disk; 4] = [
    Disk {
        make: &["mkfs.ext4", "-q", "-F"],
        megabytes: 24,
        kind: "ext4",
    },
    Disk {
        make: &["mkfs.xfs", "-q", "-f"],
        megabytes: 320,
        kind: "xfs",
    },
    Disk {
        make: &["mkfs.btrfs", "-q", "-f"],
        megabytes: 128,
        kind: "btrfs",
    },
    // This one has no modes, links or colons, and ignores case.
    Disk {
        make: &["mkfs.vfat"],
        megabytes: 24,
        kind: "vfat",
    },
];

/// Runs a script on each file system that exists here. The script mounts `$I` with
/// `disk PATH`.
fn on_each(script: &str) {
    for disk in &DISKS {
        if let Err(lack) = runs(&[disk.make[0], "-V"]).or_else(|_| runs(&[disk.make[0], "--help"]))
        {
            assert!(lack.is_accepted(), "{lack:?}, and CI is set");
            continue;
        }
        let sandbox = Sandbox::new();
        let image = sandbox.path("image");
        let file = std::fs::File::create(&image).unwrap();
        file.set_len(disk.megabytes << 20).unwrap();
        let make = [disk.make, &[image.to_str().unwrap()]].concat();
        runs(&make).unwrap();
        let kind = disk.kind;
        let setup = format!(
            "I={image}; disk() {{ mkdir -p \"$1\"; mount -t {kind} -o loop \"$I\" \"$1\" || {{ \
             echo '{kind} cannot be mounted' >&2; exit 77; }}; }}\n",
            image = image.display()
        );
        if let Some(run) = with_mounts(&sandbox, &(setup + script)) {
            assert_eq!(run.code, 0, "{kind}: {run:?}");
        }
    }
}

/// The changes that must have the same result on each file system.
const CHANGES: &str = r#"
    cd "$C" || { mkdir -p "$C"; cd "$C"; }
    before=$(ls -A | wc -l)
    chmod 600 "$S/cld.yml"; ln -s cld.yml "$S/link"
    expect 0 add a:1 "$S"; expect 0 add a:1 "$S"
    echo two >"$S/two"; expect 0 add a:1 "$S"; must cmp "$S/two" a_1/two
    expect 0 tag a:1 b:1; echo three >"$S/two"; expect 0 add a:1 "$S"
    expect 0 tag a:1 b:1; must cmp "$S/two" b_1/two
    expect 0 add --untagged "$S"
    expect 0 add only:1 --metadata-only --type component
    rm -r b_1; expect 1 verify; expect 0 tag a:1 b:1; expect 0 verify
    mkdir -p .trash-abcdefghijkl/lib orphan_1/lib; echo x >orphan_1/lib/x
    late prune -y; [ -z "$LATER" ] || [ ! -e orphan_1 ] || fail "orphan_1 is left"
    late prune -a --filter reference=a* -y; [ ! -e a_1 ] || fail "a_1 is left"
    expect 0 rm b:1; expect 0 rm --all -y
    rm -rf orphan_1; [ $(ls -A | wc -l) = $before ] || fail "left: $(ls -A)"
    must umount -l "$M"
"#;

/// Rows 70, 71 and 72: on file systems with different features.
#[test]
fn every_change_works_on_each_file_system() {
    on_each(&format!("M=$HOME/.cldctl; disk \"$M\"; {CHANGES}"));
}

/// Row 80: on ext4, whose `lost+found` must be kept.
#[test]
fn a_cache_on_its_own_disk_keeps_the_directories_of_the_file_system() {
    on_each(&format!("M=$C; disk \"$M\"; late verify; {CHANGES}"));
}
