//! A virtual display for a test that opens windows: the test's program again, under `xvfb-run`.

use std::process::{Command, ExitCode};

/// The command that runs this program again, with its arguments, on a display of its own.
pub fn command() -> Command {
    let mut command = on_display();
    command
        .arg(std::env::current_exe().expect("a process knows its own file"))
        .args(std::env::args_os().skip(1));
    command
}

/// Runs `xvfb-run -a`; what follows is the program to run.
pub fn on_display() -> Command {
    let mut command = Command::new("xvfb-run");
    command.arg("-a");
    command
}

/// Runs the command to its end. Its success is the success of this process.
pub fn run(command: &mut Command) -> ExitCode {
    let status = command
        .status()
        .expect("xvfb-run is there: scripts/install-packages test");
    if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
