//! `cache-path`
