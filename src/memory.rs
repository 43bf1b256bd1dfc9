//! Checks that there is enough memory before it is used.
//!
//! When an allocation fails, the standard library aborts the process. Under a limit of
//! the address space (`ulimit -v`) this can be foreseen, so work that takes much memory
//! checks first and fails with an error. Without such a limit nothing is checked.

use std::hint::black_box;
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::{Resource, getrlimit};

/// The address space that a thread reserves, in bytes: its stack, and what the
/// allocator of glibc sets aside for it.
const THREAD: usize = (2 + 128) << 20;

/// The number of bytes that the latest work to call [`require`] may still need.
static NEEDED: AtomicUsize = AtomicUsize::new(0);

/// Returns whether this many bytes can be allocated, or nothing limits them.
pub(crate) fn is_available(bytes: usize) -> bool {
    !is_limited() || can_be_had(bytes)
}

/// Fails unless this many bytes can be allocated.
///
/// # Errors
///
/// The error of a failed allocation.
pub(crate) fn require(bytes: u64) -> io::Result<()> {
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    if !is_available(bytes) {
        return Err(io::ErrorKind::OutOfMemory.into());
    }
    NEEDED.store(bytes, Ordering::Relaxed);
    Ok(())
}

/// Returns whether this many threads can start and leave enough memory for their work.
pub(crate) fn is_available_for_threads(count: usize) -> bool {
    is_available(
        count
            .saturating_mul(THREAD)
            .saturating_add(NEEDED.load(Ordering::Relaxed)),
    )
}

/// Returns whether the memory of this process has a limit of its own.
pub(crate) fn is_limited() -> bool {
    static IS_LIMITED: OnceLock<bool> = OnceLock::new();
    *IS_LIMITED.get_or_init(|| {
        let mut limits = [Resource::As, Resource::Data].into_iter();
        limits.any(|resource| getrlimit(resource).current.is_some())
    })
}

fn can_be_had(bytes: usize) -> bool {
    let mut memory: Vec<u8> = Vec::new();
    let reserved = memory.try_reserve_exact(bytes).is_ok();
    // Otherwise the compiler could remove the allocation.
    black_box(&mut memory);
    reserved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_memory_than_exists_is_not_available() {
        assert!(can_be_had(1 << 20));
        assert!(!can_be_had(usize::MAX / 4));
        assert!(!can_be_had(usize::MAX));
    }

    #[test]
    fn without_a_limit_nothing_is_refused() {
        if !is_limited() {
            require(u64::MAX).unwrap();
            assert!(is_available_for_threads(1000));
        }
    }
}
