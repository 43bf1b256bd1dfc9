//! What users see, by the real binary in a fresh home.
