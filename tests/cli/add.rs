//! `add`
