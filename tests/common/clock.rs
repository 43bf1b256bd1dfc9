//! A clock that is wrong.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds a library that sets the clock of a program that loads it by `LD_PRELOAD`, to
/// a number of seconds computed from `now`. It needs a C compiler.
pub(crate) fn library(dir: &Path, seconds: &str) -> PathBuf {
    let (source, library) = (dir.join("clock.c"), dir.join("clock.so"));
    let text = r"
        #include <sys/syscall.h>
        #include <time.h>
        #include <unistd.h>
        int clock_gettime(clockid_t clock, struct timespec *time) {
            int result = syscall(SYS_clock_gettime, clock, time);
            long now = time->tv_sec;
            if (clock == CLOCK_REALTIME) time->tv_sec = SECONDS;
            return result;
        }";
    fs::write(&source, text.replace("SECONDS", seconds)).unwrap();
    let mut compiler = Command::new("cc");
    compiler.args(["-D_GNU_SOURCE", "-shared", "-fPIC", "-o"]);
    compiler.args([&library, &source]);
    assert!(compiler.status().unwrap().success());
    library
}
