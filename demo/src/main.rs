//! A real window on an instrumented wire, to look at and to be driven by tests.

mod args;
mod handlers;
mod library;
mod output;
mod summary;
mod window;

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use spanwire::ipc::Ipc;

use crate::args::Args;
use crate::output::say;

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "spanwire-demo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let ipc = Ipc::builder("main")
        .runtime(runtime.handle().clone())
        .allow_origin(window::ORIGIN)
        .build();
    window::run(args, &ipc, runtime.handle())?;
    say!("\n{}", ipc.metrics());
    Ok(())
}
