//! Whether there is enough memory for what is about to be done.
//!
//! Where an allocation fails, the standard library ends the process. Under a limit of the
//! address space (`ulimit -v`) that can be told before: what takes much memory asks first,
//! and fails with an error. Without such a limit nothing is asked.

use std::hint::black_box;
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::{Resource, getrlimit};

/// A thread reserves this much of the address space, in bytes: its stack, and what the
/// allocator of glibc sets aside for it.
const THREAD: usize = (2 + 128) << 20;

/// What the work that asked last may still need, in bytes.
static NEEDED: AtomicUsize = AtomicUsize::new(0);

/// Returns whether this many bytes can be had, or nothing limits them.
pub(crate) fn is_available(bytes: usize) -> bool {
    !is_limited() || can_be_had(bytes)
}

/// Fails unless this many bytes can be had.
///
/// # Errors
///
/// As of an allocation that fails.
pub(crate) fn require(bytes: u64) -> io::Result<()> {
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    if !is_available(bytes) {
        return Err(io::ErrorKind::OutOfMemory.into());
    }
    NEEDED.store(bytes, Ordering::Relaxed);
    Ok(())
}

/// Returns whether threads can be had without taking the memory away from what is done
/// on them.
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
    // Otherwise the compiler could leave the allocation out.
    black_box(&mut memory);
    reserved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_there_is_cannot_be_had() {
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
