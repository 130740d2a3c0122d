//! The command, run in an environment of its own.

use std::process::{Command, Output};

/// What a run said and how it ended.
#[derive(Debug)]
pub(crate) struct CommandOutput {
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) code: i32,
}

/// The command, with none of this process's variables.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spanwire"));
    command.env_clear();
    command
}

pub(crate) fn said(command: &mut Command) -> CommandOutput {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    CommandOutput {
        out: String::from_utf8(stdout).unwrap(),
        err: String::from_utf8(stderr).unwrap(),
        code: status.code().unwrap(),
    }
}

pub(crate) fn spanwire(args: &[&str]) -> CommandOutput {
    said(command().args(args))
}
