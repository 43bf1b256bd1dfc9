use super::*;
use crate::content::Cache;
use crate::home::Home;
use crate::import::{Import, ImportSource};
use crate::reference::Reference;

/// A cache with `app:v1`, `app:v2` and an untagged artifact.
fn cache() -> (tempfile::TempDir, Cache) {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(Home::at(dir.path().join("home")).unwrap()).unwrap();
    let source = dir.path().join("app");
    std::fs::create_dir(&source).unwrap();
    for name in ["v1", "v2", ""] {
        std::fs::write(source.join("cld.yml"), name).unwrap();
        let import = match name {
            "" => Import::new(ImportSource::Untagged {
                path: source.clone(),
            }),
            tag => {
                let reference = Reference::parse(&format!("app:{tag}")).unwrap();
                Import::directory(&reference, &source)
            }
        };
        cache.import(&import).unwrap();
    }
    (dir, cache)
}

fn names(removed: &[Removed]) -> Vec<&str> {
    removed.iter().map(|it| it.reference.as_str()).collect()
}

#[test]
fn without_options_only_what_is_untagged_goes() {
    let (_dir, cache) = cache();
    let plan = cache
        .snapshot()
        .unwrap()
        .plan_prune(&PruneOptions::default())
        .unwrap();
    assert_eq!(plan.removed.len(), 1);
    let reasons: Vec<_> = plan.reasons().values().collect();
    assert_eq!(reasons, [&PruneReason::Untagged]);
    assert_eq!(
        cache.registry().list().unwrap().len(),
        3,
        "a plan removes nothing"
    );
    let pruned = cache.prune(plan).unwrap();
    assert!(names(&pruned.removed)[0].starts_with("sha256:"));
    assert!(pruned.error.is_none() && pruned.changed_entries.is_empty());
    assert_eq!(cache.registry().list().unwrap().len(), 2);
}

#[test]
fn what_changed_since_the_plan_stays_and_is_named() {
    let (_dir, cache) = cache();
    let options = PruneOptions {
        tagged: true,
        filters: vec!["tag=v*".parse().unwrap()],
        ..PruneOptions::default()
    };
    let plan = cache.snapshot().unwrap().plan_prune(&options).unwrap();
    assert_eq!(names(&plan.removed), ["app:v1", "app:v2"]);
    let mut changed = cache.registry().get("app:v1").unwrap().unwrap();
    changed.size = Some(7);
    cache.registry().add(changed).unwrap();
    let pruned = cache.prune(plan).unwrap();
    assert_eq!(names(&pruned.removed), ["app:v2"]);
    assert_eq!(pruned.changed_entries, ["app:v1"]);
    assert!(cache.registry().get("app:v1").unwrap().is_some());
}

#[test]
fn what_cannot_be_looked_at_does_not_hide_what_can() {
    let (dir, cache) = cache();
    let snapshot = cache.snapshot().unwrap();
    std::fs::rename(cache.home().cache_root(), dir.path().join("away")).unwrap();
    std::fs::write(cache.home().cache_root(), "").unwrap();
    let options = PruneOptions {
        tagged: true,
        max_bytes: Some(0),
        ..PruneOptions::default()
    };
    let plan = snapshot.plan_prune(&options).unwrap();
    assert!(!plan.unknown.is_empty() && plan.removed.is_empty());
}

#[test]
fn unreadable_manifests_and_state_do_not_hide_a_leftover() {
    let (_dir, cache) = cache();
    let home = cache.home().clone();
    let leftover = home.cache_root().join(".staging:abcdefghijkl");
    std::fs::create_dir(&leftover).unwrap();
    let mut options = PruneOptions::default();
    options.filters.push("deployed=true".parse().unwrap());
    let state = home.path().join("state");
    let manifests = home.manifests_dir();
    std::fs::remove_dir_all(&manifests).unwrap();
    for link in [&state, &manifests] {
        std::os::unix::fs::symlink(link, link).unwrap();
    }
    let snapshot = cache.snapshot().unwrap();
    let plan = snapshot.plan_prune(&options).unwrap();
    let unknown: Vec<_> = plan.unknown.iter().map(Error::to_string).collect();
    for path in [&state, &manifests] {
        let names = |message: &&String| message.contains(path.to_str().unwrap());
        assert_eq!(unknown.iter().filter(names).count(), 1, "{unknown:?}");
    }
    assert!(plan.removed.is_empty() && plan.unreferenced.len() == 1);
    let pruned = cache.prune(plan).unwrap();
    assert_eq!(pruned.unreferenced[0].path, leftover);
    assert!(!leftover.exists());
}
