//! Progress reporting.

use std::fmt;
use std::sync::Arc;

/// An operation that may take long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Content is copied into the cache, hashed on the way, and made durable.
    Copying,
    /// Content is hashed where it lies.
    Hashing,
    /// Content is deleted.
    Deleting,
    /// Content is sent to a registry.
    Uploading,
    /// Content is fetched from a registry, and written on the way.
    Downloading,
}

/// Follows one operation. [`Cache::with_progress`](crate::Cache::with_progress) asks for
/// one when the operation begins, and it is dropped when the operation ends, whether it
/// succeeded or not.
pub trait Progress: Send + Sync {
    /// Counts more bytes of content as done. Called often, and from several threads.
    fn advance(&self, bytes: u64);
}

type Observer = dyn Fn(Operation, u64) -> Box<dyn Progress> + Send + Sync;

/// The observer of a cache, if there is one.
#[derive(Clone, Default)]
pub(crate) struct ProgressObserver(Option<Arc<Observer>>);

impl ProgressObserver {
    pub(crate) fn by(
        observer: impl Fn(Operation, u64) -> Box<dyn Progress> + Send + Sync + 'static,
    ) -> Self {
        ProgressObserver(Some(Arc::new(observer)))
    }

    /// Reports that an operation begins. It lasts until the guard is dropped. A total of 0
    /// means that it is not known.
    pub(crate) fn begin(&self, operation: Operation, total_bytes: u64) -> ProgressGuard {
        ProgressGuard(
            self.0
                .as_ref()
                .map(|observer| observer(operation, total_bytes)),
        )
    }

    /// Reports an operation of unknown length while a closure runs.
    pub(crate) fn during<T>(&self, operation: Operation, work: impl FnOnce() -> T) -> T {
        let _guard = self.begin(operation, 0);
        work()
    }
}

impl fmt::Debug for ProgressObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ProgressObserver")
            .field(&self.0.is_some())
            .finish()
    }
}

/// An operation that has begun.
#[must_use]
#[derive(Default)]
pub(crate) struct ProgressGuard(Option<Box<dyn Progress>>);

impl ProgressGuard {
    /// Counts more bytes as done.
    pub(crate) fn advance(&self, bytes: u64) {
        if let Some(progress) = &self.0 {
            progress.advance(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::import::Import;
    use crate::{Cache, Home, Reference};

    type Events = Arc<Mutex<Vec<String>>>;

    /// Records how many bytes were done when the operation ends.
    struct Noted(Operation, Mutex<u64>, Events);

    impl Progress for Noted {
        fn advance(&self, bytes: u64) {
            *self.1.lock().unwrap() += bytes;
        }
    }

    impl Drop for Noted {
        fn drop(&mut self) {
            let done = *self.1.lock().unwrap();
            let event = format!("{:?} {done} done", self.0);
            self.2.lock().unwrap().push(event);
        }
    }

    #[test]
    fn an_observer_sees_each_byte_and_the_end_of_each_operation() {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("app");
        fs::create_dir(&source).unwrap();
        fs::write(source.join("cld.yml"), "name: app\n").unwrap();
        fs::write(source.join("image"), vec![0; 1_000_000]).unwrap();

        let events = Events::default();
        let noted = Arc::clone(&events);
        let home = Home::at(dir.path().join("home")).unwrap();
        let cache = Cache::open(home)
            .unwrap()
            .with_progress(move |work, total| {
                noted.lock().unwrap().push(format!("{work:?} {total}"));
                Box::new(Noted(work, Mutex::new(0), Arc::clone(&noted)))
            });
        let reference = Reference::parse("app:1").unwrap();
        let import = Import::directory(&reference, &source);
        let happened = || std::mem::take(&mut *events.lock().unwrap());

        cache.import(&import).unwrap();
        let copied = ["Copying 1000010", "Copying 1000010 done"];
        let swept = ["Deleting 0", "Deleting 0 done"];
        assert_eq!(happened(), [copied, swept].concat());

        cache.import(&import).unwrap();
        // The source, and what lies in place.
        let hashed = ["Hashing 2000020", "Hashing 2000020 done"];
        assert_eq!(happened(), [hashed, swept].concat());

        cache.remove("app:1").unwrap();
        let deleted = ["Deleting 1000010", "Deleting 1000010 done"];
        assert_eq!(happened(), [deleted, swept].concat());
    }
}
