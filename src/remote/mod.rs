//! Sharing artifacts through OCI registries.
//!
//! Artifacts are sent in the form that archives have. Those of others are read with the same
//! limits, and trusted in nothing. Source: the OCI distribution specification 1.1.

mod answer;
mod challenge;
mod client;
mod credentials;
mod download;
mod fetch;
mod helper;
mod http;
mod name;
mod options;
mod proxy;
mod pull;
mod push;
mod resolve;
mod retry;
mod session;
mod subject;
mod token;
mod upload;
mod url;

pub use client::Client;
pub use credentials::{Credential, CredentialSource};
pub use name::RemoteName;
pub use options::{DEFAULT_RETRIES, DEFAULT_TIMEOUT, Proxies, RemoteOptions};
pub use pull::{PullOptions, Pulled};
pub use push::{Push, Pushed};
