//! The fields that cldctl knows, and the text of an entry with them.

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

/// The eight fields of an entry as JSON values.
pub(crate) struct FieldTexts {
    pub(crate) reference: String,
    pub(crate) repository: String,
    pub(crate) tag: String,
    pub(crate) artifact_type: String,
    pub(crate) digest: Option<String>,
    pub(crate) size: String,
    pub(crate) created_at: String,
    pub(crate) cache_path: String,
}

impl FieldTexts {
    /// Returns the text of an entry with these fields and, after them, unknown ones.
    pub(crate) fn join(&self, unknown: &[(&str, &str)]) -> String {
        let known = [
            (Field::Reference, Some(&self.reference)),
            (Field::Repository, Some(&self.repository)),
            (Field::Tag, Some(&self.tag)),
            (Field::Type, Some(&self.artifact_type)),
            (Field::Digest, self.digest.as_ref()),
            (Field::Size, Some(&self.size)),
            (Field::CreatedAt, Some(&self.created_at)),
            (Field::CachePath, Some(&self.cache_path)),
        ];
        let known = known
            .into_iter()
            .filter_map(|(field, value)| Some(format!("\"{}\": {}", field.name(), value?)));
        let unknown = unknown.iter().map(|(key, value)| format!("{key}: {value}"));
        let members: Vec<String> = known.chain(unknown).collect();
        format!("{{\n      {}\n    }}", members.join(",\n      "))
    }
}
