//! Debian's docker-registry on this machine, for artifacts to cross to it.

use std::fs::{self, File};
use std::io;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tempfile::TempDir;

use crate::tools::on_path;

/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(20);

/// A registry, until it is dropped. Its storage is a directory.
pub(crate) struct Server {
    process: Child,
    dir: TempDir,
    /// Its host and port.
    pub(crate) host: String,
}

impl Server {
    /// Starts a registry; `None` if it is not installed.
    pub(crate) fn start() -> Result<Option<Self>> {
        let Some(program) = on_path("docker-registry") else {
            return Ok(None);
        };
        let dir = tempfile::tempdir()?;
        let (file, log) = (dir.path().join("config.yml"), dir.path().join("log"));
        let config = format!(
            "version: 0.1\nlog:\n  level: info\n  accesslog:\n    disabled: true\n\
             storage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:0\n",
            dir.path().join("storage").display()
        );
        fs::write(&file, config)?;
        let process = Command::new(program)
            .arg("serve")
            .arg(&file)
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()?;
        let mut server = Server {
            process,
            dir,
            host: String::new(),
        };
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            let text = fs::read_to_string(&log)?;
            let rest = text.split("listening on ").nth(1).unwrap_or_default();
            let is_of_host = |c: char| c.is_ascii_digit() || c == '.' || c == ':';
            if let Some((host, _)) = rest.split_once(|c| !is_of_host(c)) {
                server.host = host.to_owned();
                return Ok(Some(server));
            }
            sleep(Duration::from_millis(10));
        }
        bail!(
            "docker-registry does not start: {}",
            fs::read_to_string(&log)?
        );
    }

    /// Removes everything that was pushed. The registry keeps nothing of it in memory.
    pub(crate) fn empty(&self) -> io::Result<()> {
        match fs::remove_dir_all(self.dir.path().join("storage")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
