//! Which home the program works in.

use std::env;
use std::path::PathBuf;

use crate::Home;

/// The environment variable that replaces the home.
const HOME_VARIABLE: &str = "CLDCTL_REGISTRY_HOME";

/// The home: the one that is named, or that the environment names, or the
/// user's.
pub(super) fn find(named: Option<PathBuf>) -> crate::Result<Home> {
    let variable = env::var_os(HOME_VARIABLE).filter(|value| !value.is_empty());
    match named.or(variable.map(PathBuf::from)) {
        Some(dir) => Home::at(&dir),
        None => Home::of_user(),
    }
}
