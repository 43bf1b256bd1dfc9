//! The client of registries.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::http::Http;
use super::options::RemoteOptions;
use crate::error::Result;
use crate::interrupt::Interrupt;
use crate::memory;

/// How often an interrupt is looked for.
const TICK: Duration = Duration::from_millis(50);

/// A client of OCI registries. Connections are opened when they are needed, and used again.
/// An interrupt ends it: another client is needed after that.
pub struct Client {
    options: RemoteOptions,
    http: Http,
}

impl Client {
    /// Creates a client. Nothing is opened yet.
    ///
    /// # Errors
    ///
    /// The file of certificates cannot be read.
    pub fn new(options: RemoteOptions) -> Result<Self> {
        Ok(Client {
            http: Http::new(&options)?,
            options,
        })
    }

    pub(super) fn options(&self) -> &RemoteOptions {
        &self.options
    }

    pub(super) fn http(&self) -> &Http {
        &self.http
    }

    /// Returns whether a registry is to be reached without TLS.
    pub(super) fn is_plain(&self, registry: &str) -> bool {
        let mut named = self.options.plain_http.iter();
        named.any(|host| !host.is_empty() && host.eq_ignore_ascii_case(registry))
    }

    /// Calls `work`. An interrupt ends its requests, and all that come after it, even while
    /// a registry is silent.
    pub(super) fn interruptible<T>(&self, interrupt: &Interrupt, work: impl FnOnce() -> T) -> T {
        /// Tells the watcher that the work is done, also where it panicked.
        struct Done<'d>(&'d AtomicBool);
        impl Drop for Done<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Release);
            }
        }
        let is_done = AtomicBool::new(false);
        thread::scope(|scope| {
            let watch = || {
                while !is_done.load(Ordering::Acquire) {
                    if interrupt.check().is_err() {
                        return self.http.shutdown();
                    }
                    thread::park_timeout(TICK);
                }
            };
            // Without a thread, an interrupt ends what comes after the present request.
            let watcher = memory::is_available_for_threads(1)
                .then(|| thread::Builder::new().spawn_scoped(scope, watch).ok())
                .flatten();
            let done = {
                let _done = Done(&is_done);
                work()
            };
            if let Some(watcher) = &watcher {
                watcher.thread().unpark();
            }
            done
        })
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_case_of_hosts_without_tls_does_not_matter() {
        let client = Client::new(RemoteOptions {
            plain_http: vec!["R.example:5000".to_owned(), String::new()],
            ..RemoteOptions::default()
        });
        let client = client.unwrap();
        assert!(client.is_plain("r.Example:5000"));
        assert!(!client.is_plain("r.example"));
        assert!(!client.is_plain(""));
    }
}
