//! Looking up the addresses of hosts.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use super::name::is_loopback;
use crate::memory;

/// The pause between two looks for an end.
const TICK: Duration = Duration::from_millis(50);

/// Looks up addresses as the system does, on a thread of its own, because the system knows
/// no limit of time. Where it has no thread to give, the calling one waits.
#[derive(Clone, Debug, Default)]
pub(super) struct InterruptibleResolver {
    is_ended: Arc<AtomicBool>,
}

impl InterruptibleResolver {
    /// Ends all waiting, now and later.
    pub(super) fn end(&self) {
        self.is_ended.store(true, Ordering::Release);
    }

    /// Waits for an answer of `look_up`.
    fn wait<T: Send + 'static>(
        &self,
        limit: NextTimeout,
        look_up: impl Fn() -> Result<T, Error> + Clone + Send + 'static,
    ) -> Result<T, Error> {
        let (sender, receiver) = mpsc::sync_channel(1);
        let on_thread = look_up.clone();
        let spawned = memory::is_available_for_threads(1)
            && thread::Builder::new()
                .spawn(move || sender.send(on_thread()))
                .is_ok();
        if !spawned {
            return look_up();
        }
        let since = Instant::now();
        while !self.is_ended.load(Ordering::Acquire) {
            match receiver.recv_timeout(TICK) {
                Ok(found) => return found,
                Err(RecvTimeoutError::Timeout) if since.elapsed() < *limit.after => {}
                Err(RecvTimeoutError::Timeout) => return Err(Error::Timeout(limit.reason)),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        Err(Error::Io(io::ErrorKind::Interrupted.into()))
    }
}

impl Resolver for InterruptibleResolver {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        limit: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let (uri, config) = (uri.clone(), config.clone());
        let host = uri.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let is_address = host.parse::<std::net::IpAddr>().is_ok();
        let must_be_loopback = is_loopback(host);
        let look_up =
            move || DefaultResolver::default().resolve(&uri, &config, NextTimeout::default());
        let found = match is_address {
            true => return look_up(),
            false => self.wait(limit, look_up)?,
        };
        match must_be_loopback {
            true => only_loopback(&found, self.empty()),
            false => Ok(found),
        }
    }
}

/// Adds the addresses of this machine itself to those that are `kept`. Credentials are sent to
/// its names without TLS, and the system may have other addresses for them.
fn only_loopback(
    found: &[SocketAddr],
    mut kept: ResolvedSocketAddrs,
) -> Result<ResolvedSocketAddrs, Error> {
    let loopback = found.iter().filter(|it| it.ip().is_loopback());
    loopback.for_each(|address| kept.push(*address));
    match kept.is_empty() {
        true => Err(Error::HostNotFound),
        false => Ok(kept),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn silent() -> Result<(), Error> {
        loop {
            thread::park();
        }
    }

    #[test]
    fn a_silent_resolver_is_given_up_in_time() {
        let limit = NextTimeout {
            after: ureq::unversioned::transport::time::Duration::from_millis(60),
            ..NextTimeout::default()
        };
        let waited = InterruptibleResolver::default().wait(limit, silent);
        assert!(matches!(waited, Err(Error::Timeout(_))), "{waited:?}");
    }

    #[test]
    fn names_of_this_machine_have_no_other_addresses() {
        let addresses =
            ["192.0.2.1:80", "127.0.0.1:80", "[::1]:80"].map(|text| text.parse().unwrap());
        let empty = || InterruptibleResolver::default().empty();
        let kept = only_loopback(&addresses, empty()).unwrap();
        assert_eq!(kept[..], addresses[1..]);
        let none = only_loopback(&addresses[..1], empty());
        assert!(matches!(none, Err(Error::HostNotFound)), "{none:?}");
    }

    #[test]
    fn an_interrupt_ends_the_wait_for_a_silent_resolver() {
        let resolver = InterruptibleResolver::default();
        let ending = resolver.clone();
        thread::scope(|scope| {
            scope.spawn(move || {
                thread::sleep(TICK);
                ending.end();
            });
            let waited = resolver.wait(NextTimeout::default(), silent);
            assert!(matches!(waited, Err(Error::Io(_))), "{waited:?}");
        });
    }
}
