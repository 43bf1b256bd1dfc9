//! The fields of an entry that cldctl knows.

/// The fields that cldctl knows, in the order in which it writes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Reference,
    Repository,
    Tag,
    Type,
    Digest,
    Size,
    CreatedAt,
    CachePath,
}

impl Field {
    pub(crate) const ALL: [Field; 8] = [
        Field::Reference,
        Field::Repository,
        Field::Tag,
        Field::Type,
        Field::Digest,
        Field::Size,
        Field::CreatedAt,
        Field::CachePath,
    ];

    /// Returns the key in the file.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Field::Reference => "reference",
            Field::Repository => "repository",
            Field::Tag => "tag",
            Field::Type => "type",
            Field::Digest => "digest",
            Field::Size => "size",
            Field::CreatedAt => "createdAt",
            Field::CachePath => "cachePath",
        }
    }
}
