//! The rules for what may be stored as content, and what importing leaves out: decided by
//! names, kinds and modes alone, so that it holds for directories and archives.

use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use wildmatch::WildMatch;

use super::residue::{GENERATED_DIRS, Residue, residue_of};
use crate::store::Kind;

/// The deepest that content may be nested, in directories, because a deeper tree could
/// not be shared through an archive.
const MAX_DEPTH: usize = 256;

/// The deepest that content in the cache is read, in directories: deeper than what is
/// imported, because cldctl and deployments write there too.
pub(crate) const MAX_STORED_DEPTH: usize = 1024;

/// The longest path within content, in bytes. Together with the path of the
/// cache it has to stay below PATH_MAX, because cldctl reaches files by path.
const MAX_PATH: usize = 3072;

/// Set-user-ID and set-group-ID, which are never stored.
const SET_ID_BITS: u32 = 0o6000;
const OWNER_ALL: u32 = 0o700;

/// Returns why content may not contain this path, which is relative to its directory;
/// `None` if it may.
pub(crate) fn unfit_path(path: &Path) -> Option<&'static str> {
    let mut depth = 0;
    for part in path.components() {
        match part {
            Component::Normal(_) => depth += 1,
            _ => return Some("its path leads out of the directory"),
        }
    }
    if depth > MAX_DEPTH {
        return Some("it is nested more than 256 directories deep");
    }
    let is_long = path.as_os_str().len() > MAX_PATH;
    is_long.then_some("its path is longer than 3072 bytes")
}

/// Returns why content may not contain something of this kind; `None` if it may. Links
/// are decided by what they lead to.
pub(crate) fn unfit_kind(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Fifo => Some("it is a pipe"),
        Kind::Socket => Some("it is a socket"),
        Kind::Device => Some("it is a device"),
        Kind::File | Kind::Dir | Kind::Link => None,
    }
}

/// Returns the mode that something with this mode gets in the cache. The owner of a
/// directory has to be able to delete what it contains.
pub(crate) fn stored_mode(kind: Kind, mode: u32) -> u32 {
    let mode = mode & !SET_ID_BITS;
    match kind {
        Kind::Dir => mode | OWNER_ALL,
        _ => mode,
    }
}

/// The rules of one import: those of cldctl, and the caller's.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    /// Leaves nothing out by name.
    pub(crate) all_files: bool,
    /// Follows links that leave the directory, or that lead to directories.
    pub(crate) dereference: bool,
    include: Vec<Glob>,
    exclude: Vec<Glob>,
}

/// The decision about a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Take,
    /// Leaves it out by the default rules.
    LeaveOut,
    /// Leaves it out because a deployment wrote it: it is state, or may hold secrets.
    LeaveDeployment,
    /// Leaves it out by a glob of the caller.
    Exclude,
    /// Leaves the directory out, except for what is included below it.
    Search,
}

impl Rules {
    /// Makes rules of globs. One without a `/` is about names anywhere, one
    /// with a `/` about whole paths below the directory; `*` also matches `/`.
    pub(crate) fn new(
        all_files: bool,
        dereference: bool,
        include: &[String],
        exclude: &[String],
    ) -> Self {
        let globs = |texts: &[String]| texts.iter().map(|text| Glob::new(text)).collect();
        Rules {
            all_files,
            dereference,
            include: globs(include),
            exclude: globs(exclude),
        }
    }

    /// Decides about a name in the directory. `in_search` says whether it lies in a
    /// directory that is only [searched](Verdict::Search).
    pub(crate) fn verdict(&self, path: &Path, kind: Kind, in_search: bool) -> Verdict {
        if self.exclude.iter().any(|glob| glob.matches(path)) {
            return Verdict::Exclude;
        }
        let is_included = self.include.iter().any(|glob| glob.matches(path));
        match residue_of(path, kind) {
            Some(Residue::State) => return Verdict::LeaveDeployment,
            Some(Residue::Inputs) if !is_included => return Verdict::LeaveDeployment,
            _ => {}
        }
        let is_left_out = in_search || !self.all_files && is_left_out(path, kind);
        if !is_left_out || is_included {
            return Verdict::Take;
        }
        let leads_on = |glob: &Glob| glob.could_match_below(path);
        match kind {
            Kind::Dir if self.include.iter().any(leads_on) => Verdict::Search,
            _ => Verdict::LeaveOut,
        }
    }
}

/// Returns whether cldctl leaves a path out of the cache. Source: its `copyDirectory`.
fn is_left_out(path: &Path, kind: Kind) -> bool {
    let Some(name) = path.file_name() else {
        return false;
    };
    name.as_bytes().starts_with(b".")
        || matches!(kind, Kind::Dir | Kind::Link) && GENERATED_DIRS.iter().any(|out| name == *out)
}

/// A glob on names or on paths.
#[derive(Clone, Debug)]
struct Glob {
    text: String,
    pattern: WildMatch,
    is_path: bool,
}

impl Glob {
    fn new(text: &str) -> Self {
        let text = text.strip_prefix("./").unwrap_or(text);
        // A slash at the end says that a directory is meant; one before all else,
        // that the path begins at the top.
        let is_path = text.trim_end_matches('/').contains('/');
        let text = text.trim_matches('/').to_owned();
        Glob {
            pattern: WildMatch::new(&text),
            text,
            is_path,
        }
    }

    fn matches(&self, path: &Path) -> bool {
        let text = if self.is_path {
            path.as_os_str()
        } else {
            path.file_name().unwrap_or_default()
        };
        self.pattern.matches(&text.to_string_lossy())
    }

    /// Returns whether a path below this directory could match, by the part of
    /// the glob before its first wildcard.
    fn could_match_below(&self, dir: &Path) -> bool {
        if !self.is_path {
            return false;
        }
        let literal = self.text.split(['*', '?']).next().unwrap_or_default();
        let dir = format!("{}/", dir.to_string_lossy());
        literal.starts_with(&dir) || literal.len() < self.text.len() && dir.starts_with(literal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(include: &[&str], exclude: &[&str]) -> Rules {
        let owned = |globs: &[&str]| -> Vec<String> {
            globs.iter().map(|glob| (*glob).to_owned()).collect()
        };
        Rules::new(false, false, &owned(include), &owned(exclude))
    }

    #[test]
    fn globs_without_a_slash_are_about_names_and_with_one_about_paths() {
        let rules = rules(&[], &["*.log", "dist/", "/top", "a/b/*"]);
        let verdict = |path: &str| rules.verdict(Path::new(path), Kind::File, false);
        for path in [
            "x.log",
            "deep/x.log",
            "dist",
            "deep/dist",
            "top",
            "a/b/c",
            "a/b/c/d",
        ] {
            assert_eq!(verdict(path), Verdict::Exclude, "{path}");
        }
        for path in ["x.logs", "deep/top", "a/c", "x/a/b/c"] {
            assert_eq!(verdict(path), Verdict::Take, "{path}");
        }
    }

    #[test]
    fn a_path_fits_if_it_stays_inside_and_is_neither_deep_nor_long() {
        let deep = |depth| -> std::path::PathBuf { std::iter::repeat_n("d", depth).collect() };
        for fit in [Path::new("a/b"), Path::new("..a"), &deep(256)] {
            assert_eq!(unfit_path(fit), None, "{}", fit.display());
        }
        let long = "n".repeat(255) + "/";
        for (unfit, reason) in [
            (Path::new("/a"), "out of"),
            (Path::new("a/../b"), "out of"),
            (&deep(257), "256"),
            (Path::new(&long.repeat(13)), "3072"),
        ] {
            let found = unfit_path(unfit).unwrap_or_default();
            assert!(found.contains(reason), "{}: {found}", unfit.display());
        }
    }

    #[test]
    fn stored_modes_have_no_set_id_bits_and_directories_stay_open_to_their_owner() {
        assert_eq!(stored_mode(Kind::File, 0o6555), 0o555);
        assert_eq!(stored_mode(Kind::Dir, 0o3055), 0o1755);
    }

    #[test]
    fn what_is_left_out_by_default_is_taken_where_it_is_included() {
        let rules = rules(
            &[".github", "node_modules/own/*", ".env"],
            &[".github/secret"],
        );
        let verdict = |path: &str, kind| rules.verdict(Path::new(path), kind, false);
        assert_eq!(verdict(".github", Kind::Dir), Verdict::Take);
        assert_eq!(verdict(".github/secret", Kind::File), Verdict::Exclude);
        assert_eq!(verdict("sub/.env", Kind::File), Verdict::Take);
        assert_eq!(verdict(".git", Kind::Dir), Verdict::LeaveOut);
        assert_eq!(verdict("node_modules", Kind::Dir), Verdict::Search);
        assert_eq!(verdict("sub/node_modules", Kind::Dir), Verdict::LeaveOut);
        let searched = |path: &str, kind| rules.verdict(Path::new(path), kind, true);
        assert_eq!(searched("node_modules/own", Kind::Dir), Verdict::Search);
        assert_eq!(searched("node_modules/own/x", Kind::File), Verdict::Take);
        assert_eq!(searched("node_modules/other", Kind::Dir), Verdict::LeaveOut);
        assert_eq!(searched("node_modules/file", Kind::File), Verdict::LeaveOut);
    }
}
