use super::*;
use crate::error::Error;
use crate::home::Home;
use crate::reference::Reference;
use crate::store::Disk;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

/// A cache with the directory of an artifact, and a new directory for it.
struct Places {
    _dir: tempfile::TempDir,
    root: CacheRoot,
    key: CacheKey,
    old: PathBuf,
    new: PathBuf,
}

impl Places {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path()).unwrap();
        let root = CacheRoot::create(&home, &Disk::default()).unwrap();
        let reference = Reference::parse("dc:v1").unwrap();
        let (old, new) = (home.cache_path(&reference), dir.path().join("new"));
        for dir in [&old, &new] {
            fs::create_dir(dir).unwrap();
        }
        Places {
            key: reference.cache_key(),
            _dir: dir,
            root,
            old,
            new,
        }
    }

    fn carry(&self) -> Result<Carried> {
        let new = Dir::open(&self.new).unwrap();
        let tree = Arc::new(FileTree::stored(&new).unwrap());
        let new = Inventory::new(new, tree);
        let carried = Carried::over(&self.root, &self.key, None, &new)?;
        Ok(carried.unwrap())
    }
}

fn write(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, "text").unwrap();
}

#[test]
fn each_missing_directory_is_created_once_with_its_mode() {
    let places = Places::new();
    let files = [
        "m/a/b/terraform.tfstate",
        "m/a/c/terraform.tfvars.json",
        "m/d/crash.log",
        "n/terraform.tfstate",
    ];
    files.iter().for_each(|file| write(&places.old.join(file)));
    write(&places.new.join("n/main.tf"));
    let mode = |dir: &Path| fs::metadata(dir).unwrap().permissions().mode() & 0o777;
    for (dir, mode) in [("m/a", 0o750), ("m/a/b", 0o711)] {
        let mode = fs::Permissions::from_mode(mode);
        fs::set_permissions(places.old.join(dir), mode).unwrap();
    }
    let carried = places.carry().unwrap();
    let created = carried.created.iter();
    let dirs = created.filter(|(_, kind)| *kind == Kind::Dir);
    let mut dirs: Vec<_> = dirs.map(|(path, _)| path.to_str().unwrap()).collect();
    dirs.sort_unstable();
    assert_eq!(dirs, ["m", "m/a", "m/a/b", "m/a/c", "m/d"]);
    for dir in dirs {
        let (old, new) = (places.old.join(dir), places.new.join(dir));
        assert_eq!(mode(&new), mode(&old), "{dir}");
    }
    let mut paths = carried.into_paths();
    paths.sort();
    assert_eq!(paths, files.map(PathBuf::from));
}

#[test]
fn a_link_to_state_elsewhere_is_state() {
    let places = Places::new();
    std::os::unix::fs::symlink("/var/lib/pulumi", places.old.join(".pulumi")).unwrap();
    let carried = places.carry().unwrap();
    assert!(carried.has_state() && !carried.has_changed());
    drop(carried);
    assert_eq!(fs::read_dir(&places.new).unwrap().count(), 0);

    write(&places.new.join(".pulumi"));
    let refused = places.carry().map(|_| ()).unwrap_err();
    assert!(matches!(refused, Error::StateInTheWay { .. }), "{refused}");
}
