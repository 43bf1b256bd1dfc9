//! Which home the program works in.

use std::env;
use std::path::{Path, PathBuf};

use crate::Home;

/// The environment variable that replaces the home.
const HOME_VARIABLE: &str = "CLDCTL_REGISTRY_HOME";

/// Returns the home: the one that is named, or that the environment names, or the
/// user's.
///
/// # Errors
///
/// Those of [`Home::at`] and [`Home::of_user`].
pub(super) fn find(named: Option<PathBuf>) -> crate::Result<Home> {
    let variable = env::var_os(HOME_VARIABLE).filter(|value| !value.is_empty());
    match named.or(variable.map(PathBuf::from)) {
        Some(dir) => Home::at(expand_tilde(dir)?),
        None => Home::of_user(),
    }
}

/// Replaces a leading `~` by the user's home, because a shell leaves it in
/// `--home=~/x`, in quotes and in many files that set variables. `~name` is kept.
///
/// # Errors
///
/// [`Error::NoHome`](crate::Error::NoHome) if the user has no home.
pub(super) fn expand_tilde(path: PathBuf) -> crate::Result<PathBuf> {
    let Ok(rest) = path.strip_prefix("~") else {
        return Ok(path);
    };
    let home = Home::of_user()?;
    let user = home.path().parent().unwrap_or(Path::new("/"));
    Ok(user.join(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leading_tilde_is_the_home_of_the_user() {
        let user = dirs::home_dir().unwrap();
        for (path, expected) in [
            ("~", user.clone()),
            ("~/", user.clone()),
            ("~/a/b", user.join("a/b")),
            ("~a/b", PathBuf::from("~a/b")),
            ("a/~/b", PathBuf::from("a/~/b")),
            ("./~", PathBuf::from("./~")),
            ("", PathBuf::from("")),
        ] {
            assert_eq!(expand_tilde(PathBuf::from(path)).unwrap(), expected);
        }
    }
}
