//! The web server: routes grouped by caller, the socket's door, pages, and the one extractor that yields an identity.

pub mod address;
pub mod api;
pub mod identity;
pub mod problem;
