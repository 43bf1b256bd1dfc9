//! Exit codes, and the errors that lead to them.

use std::fmt;
use std::io;
use std::process::ExitCode;

use crate::Error;
use crate::error::UnusableFilter;

/// The exit of the program. The codes are part of its stable interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    Success,
    Failure,
    Usage,
    NotFound,
    Refused,
    LockTimeout,
    Unavailable,
    Denied,
    /// By a signal of this number.
    Interrupted(u8),
}

impl Exit {
    /// Returns the exit for an error.
    pub(super) fn of(error: &anyhow::Error) -> Self {
        if let Some(error) = error.downcast_ref::<Failure>() {
            return error.exit;
        }
        if let Some(OutputError(error)) = error.downcast_ref() {
            return match error.kind() {
                // The reader of the output has left, which is no failure.
                io::ErrorKind::BrokenPipe => Exit::Success,
                _ => Exit::Failure,
            };
        }
        match error.downcast_ref::<Error>() {
            Some(error) => Exit::of_library(error),
            None => Exit::Failure,
        }
    }

    /// Returns the exit for an error of the library.
    pub(super) fn of_library(error: &Error) -> Self {
        match error {
            Error::InvalidReference(_)
            | Error::UnwritableTime(_)
            | Error::NegativeSize(_)
            | Error::UnknownType { .. } => Exit::Usage,
            Error::UnusableFilter { reason, .. } => match reason {
                UnusableFilter::Ambiguous => Exit::Refused,
                _ => Exit::Usage,
            },
            Error::NoContent { .. } | Error::BlobMissing { .. } | Error::NotInArchive { .. } => {
                Exit::NotFound
            }
            Error::NotInRegistry { .. } => Exit::NotFound,
            Error::NoReference { .. } | Error::NoSingle { .. } | Error::NoRemoteName { .. } => {
                Exit::Usage
            }
            Error::Unavailable { .. } => Exit::Unavailable,
            Error::Denied { .. } => Exit::Denied,
            Error::UnsafeContent { .. }
            | Error::ContentAltered { .. }
            | Error::StateInContent { .. }
            | Error::Deployed { .. }
            | Error::AtWork { .. }
            | Error::StateInTheWay { .. }
            | Error::StateNotMovable { .. }
            | Error::UnsafeArchive { .. }
            | Error::Unsavable { .. }
            | Error::TooLarge { .. }
            | Error::NoLayout { .. }
            | Error::NotTaken { .. }
            | Error::UnclearContent { .. }
            | Error::Collision { .. }
            | Error::AlreadyExists { .. } => Exit::Refused,
            Error::LockTimeout { .. } | Error::Contended { .. } => Exit::LockTimeout,
            Error::Interrupted { signal } => Exit::Interrupted(u8::try_from(*signal).unwrap_or(0)),
            _ => Exit::Failure,
        }
    }

    /// Returns the exit for operands with different results: the first of 1, 5, 6, 7, 4, 3
    /// that occurred.
    pub(super) fn worst(self, other: Self) -> Self {
        let rank = |exit: Exit| match exit {
            Exit::Success => 0,
            Exit::NotFound => 1,
            Exit::Refused => 2,
            Exit::Denied => 3,
            Exit::Unavailable => 4,
            Exit::LockTimeout => 5,
            Exit::Failure | Exit::Usage => 6,
            Exit::Interrupted(_) => 7,
        };
        if rank(other) > rank(self) {
            other
        } else {
            self
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(match exit {
            Exit::Success => 0,
            Exit::Failure => 1,
            Exit::Usage => 2,
            Exit::NotFound => 3,
            Exit::Refused => 4,
            Exit::LockTimeout => 5,
            Exit::Unavailable => 6,
            Exit::Denied => 7,
            Exit::Interrupted(signal) => 128 + signal,
        })
    }
}

/// A failure that the program itself states, with what to do about it.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) exit: Exit,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl Failure {
    /// Returns an error of the library as a failure without a hint.
    pub(super) fn of(error: &Error) -> Self {
        Failure {
            exit: Exit::Failure,
            message: error.to_string(),
            hint: None,
        }
    }

    /// Returns the failure for too little memory.
    pub(super) fn without_memory() -> Self {
        Failure {
            exit: Exit::Failure,
            message: "out of memory".to_owned(),
            hint: None,
        }
    }

    /// Returns a failure of usage without a hint.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Failure {
            exit: Exit::Usage,
            message: message.into(),
            hint: None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// Standard output could not be written.
#[derive(Debug)]
pub(super) struct OutputError(pub(super) io::Error);

impl fmt::Display for OutputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "could not write the output: {}",
            crate::error::os_message(&self.0)
        )
    }
}

impl std::error::Error for OutputError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_serious_of_several_exits_counts() {
        let exits = [
            Exit::NotFound,
            Exit::Refused,
            Exit::Denied,
            Exit::Unavailable,
            Exit::LockTimeout,
            Exit::Failure,
        ];
        for (at, &low) in exits.iter().enumerate() {
            for &high in &exits[at..] {
                assert_eq!(low.worst(high), high);
                assert_eq!(high.worst(low), high);
            }
            assert_eq!(low.worst(Exit::Success), low);
        }
    }
}
