//! `shopbell`, the program: reads the command line, and hands over.

use std::process::ExitCode;

use clap::Parser;
use shopbell::{
    app::{
        check_history,
        cli::{Cli, Command, OperatorCommand},
        config::Config,
        copying, demo, operator, seed, serve, telemetry, token,
    },
    bench,
};

/// What one thread allocates another one frees, message after message: glibc's allocator spends a quarter of a node's time on that
/// (decision 021).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The configuration is wrong, as is the command line.
const MISUSED: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut flags = cli.options.set;
    let command = cli.command.unwrap_or(Command::Serve { demo: false, bind: None });
    if let Command::Serve { bind: Some(bind), .. } = &command {
        flags.push(("http.bind".to_owned(), bind.clone()));
    }
    let loaded = Config::load(cli.options.config.as_deref(), &flags);
    let needs_all = matches!(command, Command::Serve { .. } | Command::Token { .. } | Command::CheckConfig);
    let config = match loaded.and_then(|config| if needs_all { config.complete() } else { Ok(config) }) {
        Ok(config) => config,
        Err(wrong) => {
            eprintln!("{wrong}");
            return ExitCode::from(MISUSED);
        }
    };
    telemetry::log(&config.log_level, config.log_json);
    match run(command, config) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("shopbell: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command, config: Config) -> Result<ExitCode, Box<dyn std::error::Error>> {
    match command {
        Command::Serve { demo: true, .. } => {
            let (config, _fresh) = demo::place(config)?;
            actix_web::rt::System::new().block_on(serve::run(config, true))?;
        }
        Command::Serve { .. } => actix_web::rt::System::new().block_on(serve::run(config, false))?,
        Command::Migrate => {
            let migrated = operator::migrate(&config)?;
            println!("{migrated} migrations have been run; the database is up to date");
        }
        Command::CopyDatabase { from, to } => println!("{}", copying::run(&from, &to)?),
        Command::Seed(args) => println!("{}", seed::run(&config.location()?, &args)?),
        Command::CheckConfig => println!("the configuration is good"),
        Command::Token { sub, name, ttl } => println!("{}", token::mint(&config, &sub, name.as_deref(), ttl)?),
        Command::Operator { command: OperatorCommand::Add { uid, name, password } } => {
            operator::add(&config, &uid, name.as_deref(), password.as_deref())?;
            println!("{uid} is an operator");
        }
        Command::Bench(args) => {
            let good = actix_web::rt::System::new().block_on(bench::run(args))?;
            return Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Command::CheckHistory { files, json } => {
            let good = check_history::run(&files, json)?;
            return Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
    }
    Ok(ExitCode::SUCCESS)
}
