//! The command line.

use clap::{Args, Parser, Subcommand};

/// A self-hosted customer-service chat server for web shops.
#[derive(Parser, Debug)]
#[command(name = "shopbell", version)]
pub struct Cli {
    #[command(flatten)]
    pub options: Options,
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Args, Debug, Default)]
pub struct Options {
    /// The configuration file; shopbell.toml where there is one.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<String>,
    /// A key of the configuration, over file and environment.
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = pair)]
    pub set: Vec<(String, String)>,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Migrates the database and serves (the default).
    Serve {
        /// With a fresh demo shop, its pages and logins printed.
        #[arg(long)]
        demo: bool,
        /// Where to listen: http.bind.
        #[arg(long, value_name = "ADDRESS")]
        bind: Option<String>,
    },
    /// Brings the database up to date.
    Migrate,
    /// Copies everything into an empty database, while no server uses either: from SQLite to PostgreSQL, or back.
    CopyDatabase {
        /// sqlite://PATH or postgres://…
        #[arg(long, value_name = "URL")]
        from: String,
        /// The same; passwords may be left to PGPASSWORD or ~/.pgpass.
        #[arg(long, value_name = "URL")]
        to: String,
    },
    /// Fills an empty database with people and conversations, always the same for the same options.
    Seed(super::seed::SeedArgs),
    /// Checks the configuration.
    CheckConfig,
    /// Prints a token.
    Token {
        /// The user's id.
        #[arg(long, value_name = "UID")]
        sub: String,
        #[arg(long)]
        name: Option<String>,
        /// How long it is valid.
        #[arg(long, default_value = "1h", value_parser = ttl)]
        ttl: std::time::Duration,
    },
    /// Manages operators.
    Operator {
        #[command(subcommand)]
        command: OperatorCommand,
    },
    /// Drives a server with load, and checks every message.
    Bench(crate::bench::BenchArgs),
    /// Judges the logs of clients: what was lost, doubled, out of order, or claimed by two.
    CheckHistory {
        /// Logs of one run: JSON, one event a line.
        #[arg(required = true)]
        files: Vec<std::path::PathBuf>,
        /// Print the verdict as JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Subcommand, Debug)]
pub enum OperatorCommand {
    /// Makes a user an operator; works beside a running server.
    Add {
        uid: String,
        #[arg(long)]
        name: Option<String>,
        /// At least 8 characters; without one, the operator needs tokens.
        #[arg(long)]
        password: Option<String>,
    },
}

fn pair(s: &str) -> Result<(String, String), String> {
    let (key, value) = s.split_once('=').ok_or("write KEY=VALUE")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

fn ttl(s: &str) -> Result<std::time::Duration, String> {
    super::config::duration(s).ok_or_else(|| "write a duration such as 90s, 1h or 30d".to_owned())
}
