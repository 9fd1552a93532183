//! The load generator.

/// Options of `shopbell bench`.
#[derive(clap::Args, Debug)]
pub struct BenchArgs {}
