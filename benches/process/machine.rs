//! The machine and the time of a measurement.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

/// Prints the facts that figures depend on.
pub(crate) fn describe(dir: &Path) {
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let now = chrono::Utc::now().format("%Y-%m-%d %H:%M UTC");
    println!("{now}, {cores} cores of {}", processor());
    println!("{}", said(Command::new("uname").arg("-srm")));
    let kind = said(Command::new("stat").args(["-f", "-c", "%T"]).arg(dir));
    println!(
        "files in {} ({kind}); TMPDIR chooses another place",
        dir.display()
    );
    if let Ok(load) = fs::read_to_string("/proc/loadavg") {
        let load: Vec<_> = load.split(' ').take(3).collect();
        println!("load before: {}", load.join(" "));
    }
}

fn processor() -> String {
    let named = fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    });
    named.unwrap_or_else(|| said(Command::new("sysctl").args(["-n", "machdep.cpu.brand_string"])))
}

fn said(command: &mut Command) -> String {
    let output = command
        .output()
        .ok()
        .filter(|output| output.status.success());
    output.map_or_else(
        || "unknown".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}
