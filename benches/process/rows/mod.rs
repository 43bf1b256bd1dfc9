//! The rows of the table, grouped by registry.

mod archive;
mod change;
mod content;
mod large;
mod remote;
mod small;
mod together;

use anyhow::Result;

use crate::Bench;
use crate::program::User;
use crate::row::Row;

pub(crate) struct Group {
    /// The yardstick of its rows, as printed above the table.
    pub(crate) yardstick: &'static str,
    /// True if it needs `--million`.
    pub(crate) on_request: bool,
    pub(crate) rows: fn(&Bench) -> Result<Rows>,
}

/// Rows, and the users whose homes they need.
pub(crate) struct Rows {
    pub(crate) rows: Vec<Row>,
    pub(crate) users: Vec<User>,
}

pub(crate) const GROUPS: &[Group] = &[
    group("beside an empty static C program", small::rows),
    group(
        "beside a C program that copies the registry, fsyncs and renames it",
        small::changes,
    ),
    group(
        "beside CPython's json.load; changes beside the C program; memory beside the file",
        large::rows,
    ),
    Group {
        on_request: true,
        ..group("beside CPython's json.load", large::million)
    },
    group(
        "add beside `cp -r`, `sync -f` and `sha256sum`, verify beside `openssl dgst`, inspect beside verify",
        content::rows,
    ),
    group(
        "save beside `tar | gzip -6`, load beside `gzip -d | tar -x`, memory beside the archive",
        archive::rows,
    ),
    group(
        "push beside `tar c`, `gzip -6`, `sha256sum`, `curl -T`; pull beside `curl`, `sha256sum`, `tar xz`, `sync -f`",
        remote::rows,
    ),
    group("many processes", together::rows),
];

const fn group(yardstick: &'static str, rows: fn(&Bench) -> Result<Rows>) -> Group {
    Group {
        yardstick,
        on_request: false,
        rows,
    }
}
