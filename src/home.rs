//! The directory of cldctl, and the paths in it.

use std::path::{Component, Path, PathBuf};

use crate::error::{AtPath, Error, Result};
use crate::escape::escape_display;
use crate::reference::Reference;
use crate::store::{self, dangling_link, stat};

/// The directory that cldctl keeps its state in: `~/.cldctl`.
///
/// ```
/// use cldctl_registry::Home;
///
/// let home = Home::at("/srv/cldctl")?;
/// assert_eq!(home.registry_path().to_str(), Some("/srv/cldctl/registry/artifacts.json"));
/// assert_eq!(home.cache_root().to_str(), Some("/srv/cldctl/cache/artifacts"));
/// # Ok::<(), cldctl_registry::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home(PathBuf);

impl Home {
    /// Creates a home at any directory. A relative path starts at the current
    /// directory.
    ///
    /// # Errors
    ///
    /// [`Error::NotUtf8`], since the paths of content are stored as text;
    /// [`Error::NoHome`] if the path is empty or there is no current directory.
    pub fn at(dir: impl AsRef<Path>) -> Result<Self> {
        let dir = dir.as_ref();
        let no_home = |reason: String| Error::NoHome { reason };
        if dir.as_os_str().is_empty() {
            return Err(no_home("the path is empty".to_owned()));
        }
        let absolute = std::path::absolute(dir).map_err(|error| no_home(error.to_string()))?;
        if absolute.to_str().is_none() {
            return Err(Error::NotUtf8 { path: absolute });
        }
        // Go joins paths by their spelling alone and removes doubled and trailing
        // slashes, `.` and `..`. The stored paths have to be equal to Go's, so this
        // does the same.
        let mut plain = PathBuf::new();
        for part in absolute.components() {
            match part {
                Component::CurDir => {}
                Component::ParentDir => {
                    plain.pop();
                }
                part => plain.push(part),
            }
        }
        Ok(Home(plain))
    }

    /// Returns `~/.cldctl`, the home of the user that `$HOME` or the password database
    /// names.
    ///
    /// # Errors
    ///
    /// [`Error::NoHome`] if there is no home, or if `$HOME` is relative.
    pub fn of_user() -> Result<Self> {
        let Some(user) = dirs::home_dir() else {
            let reason = "HOME is not set, and the password database names none".to_owned();
            return Err(Error::NoHome { reason });
        };
        if user.is_relative() {
            let reason = format!(
                "HOME is the relative path `{}`",
                escape_display(&user.to_string_lossy())
            );
            return Err(Error::NoHome { reason });
        }
        Home::at(user.join(".cldctl"))
    }

    /// Returns the absolute path of the directory itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Returns the path of the registry file.
    pub fn registry_path(&self) -> PathBuf {
        self.0.join("registry").join("artifacts.json")
    }

    /// Returns the directory of the manifests of content that this program hashed.
    pub fn manifests_dir(&self) -> PathBuf {
        self.0.join("registry").join("manifests")
    }

    /// Returns the directory that contains one directory of content for each reference.
    pub fn cache_root(&self) -> PathBuf {
        self.0.join("cache").join("artifacts")
    }

    /// Finds the dangling symbolic links on the path to the registry and to the
    /// content, for example to a disk that is not mounted. Everything below such a link
    /// looks as if it did not exist.
    ///
    /// A registry file that is itself a dangling link is reported only if the directory
    /// that it points into does not exist; otherwise the first change creates the file.
    ///
    /// # Errors
    ///
    /// The system cannot report what exists.
    pub fn dangling_links(&self) -> Result<Vec<DanglingLink>> {
        let mut found = Vec::new();
        let registry = self.registry_path();
        if stat(&registry).at("read", &registry)?.is_none() {
            let file = store::resolve(&registry)?;
            let dir = file.parent().unwrap_or(&file);
            let of_file = store::link_to_missing_dir(&registry)?;
            found.extend(match of_file {
                Some((link, target)) => Some(DanglingLink {
                    link,
                    target,
                    hides_registry: true,
                }),
                None => DanglingLink::on_the_way_to(dir, true)?,
            });
        }
        let content = DanglingLink::on_the_way_to(&self.cache_root(), false)?;
        found.extend(content.filter(|other| found.iter().all(|it| it.link != other.link)));
        Ok(found)
    }

    /// Returns the path where the content of a reference is stored, whether it exists
    /// or not.
    pub fn cache_path(&self, reference: &Reference) -> PathBuf {
        self.cache_root().join(reference.cache_key().as_str())
    }
}

/// A dangling symbolic link on the path to something in a [`Home`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DanglingLink {
    /// The link.
    pub link: PathBuf,
    /// The target, as the link stores it.
    pub target: PathBuf,
    /// True if the link hides the registry, with all artifacts; false if it hides their
    /// content.
    pub hides_registry: bool,
}

impl DanglingLink {
    fn on_the_way_to(path: &Path, hides_registry: bool) -> Result<Option<Self>> {
        if stat(path).at("read", path)?.is_some() {
            return Ok(None);
        }
        let found = dangling_link(path).at("read", path)?;
        Ok(found.map(|(link, target)| DanglingLink {
            link,
            target,
            hides_registry,
        }))
    }
}

/// Returns the path where the content of a reference is stored in the user's home.
///
/// ```
/// let path = cldctl_registry::cache_path_for_ref("ghcr.io/org/app:v1.0.0")?;
/// assert!(path.ends_with(".cldctl/cache/artifacts/ghcr.io_org_app_v1.0.0"));
/// # Ok::<(), cldctl_registry::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::InvalidReference`], and those of [`Home::of_user`].
pub fn cache_path_for_ref(reference: &str) -> Result<PathBuf> {
    let reference = Reference::parse(reference)?;
    Ok(Home::of_user()?.cache_path(&reference))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_home_is_absolute_and_plain() {
        assert_eq!(
            Home::at(Path::new("/a//b/./c/")).unwrap().path(),
            Path::new("/a/b/c")
        );
        let up = Home::at(Path::new("/a/../../b/../c")).unwrap();
        assert_eq!(up.path(), Path::new("/c"));
        let here = std::env::current_dir().unwrap();
        assert_eq!(Home::at(Path::new("x")).unwrap().path(), here.join("x"));
    }

    #[test]
    fn a_dangling_link_is_found_anywhere_on_the_path() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("disk");
        for (link, hides_registry) in [
            ("home", true),
            ("home/registry", true),
            ("home/cache", false),
            ("home/cache/artifacts", false),
        ] {
            let home = Home::at(dir.path().join("home")).unwrap();
            let link = dir.path().join(link);
            fs::create_dir_all(link.parent().unwrap()).unwrap();
            assert_eq!(home.dangling_links().unwrap(), []);
            symlink("../disk", &link).unwrap();
            let found = DanglingLink {
                link: link.clone(),
                target: "../disk".into(),
                hides_registry,
            };
            assert_eq!(home.dangling_links().unwrap(), [found]);
            fs::remove_file(&link).unwrap();
            // A link to an existing directory is not reported.
            fs::create_dir(&target).unwrap();
            symlink(&target, &link).unwrap();
            assert_eq!(home.dangling_links().unwrap(), []);
            fs::remove_file(&link).unwrap();
            fs::remove_dir(&target).unwrap();
            let _ = fs::remove_dir_all(home.path());
        }
    }

    #[test]
    fn a_registry_file_that_is_a_dangling_link_is_accepted_if_its_directory_exists() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path().join("home")).unwrap();
        fs::create_dir_all(home.path().join("registry")).unwrap();
        symlink("../../disk/real.json", home.registry_path()).unwrap();
        let disk = dir.path().join("disk");
        fs::create_dir(&disk).unwrap();
        assert_eq!(home.dangling_links().unwrap(), []);
        fs::remove_dir(&disk).unwrap();
        let found = home.dangling_links().unwrap();
        assert_eq!(found.len(), 1);
        assert!(found[0].link == home.registry_path() && found[0].hides_registry);
        symlink("/nowhere/at all", &disk).unwrap();
        let found = home.dangling_links().unwrap();
        assert_eq!(found.len(), 1);
        assert!(found[0].link.ends_with("disk") && found[0].hides_registry);
        assert_eq!(found[0].target, Path::new("/nowhere/at all"));
    }

    #[test]
    fn a_home_whose_path_is_not_utf8_is_refused() {
        let odd = Path::new(OsStr::from_bytes(b"/a/\xff"));
        assert!(matches!(Home::at(odd), Err(Error::NotUtf8 { .. })));
        assert!(matches!(Home::at(Path::new("")), Err(Error::NoHome { .. })));
    }
}
