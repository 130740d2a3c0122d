//! The stack in Docker: exported, and started by its own script.

use std::io::{self, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use crossbeam_channel::Receiver;

use crate::Outcome;
use crate::bundle::STACK;
use crate::export;
use crate::export::Export;

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    Running,
    /// The user had enough before it was there.
    Stopped,
    Failed,
}

/// Says in one line what is missing to start it.
pub(super) fn check() -> Result<(), String> {
    // Compose and the daemon need the command `docker`, so that is asked for before them. The first
    // that fails is the one to remedy.
    let needed: [(&str, &[&str], &str); 4] = [
        (
            "bash",
            &["--version"],
            "--stack needs bash, which is missing; Git for Windows brings it",
        ),
        (
            "docker",
            &["--version"],
            "--stack needs Docker, which is missing: https://docs.docker.com/get-started/get-docker/",
        ),
        (
            "docker",
            &["compose", "version"],
            "--stack needs Docker's compose plugin, which is missing: https://docs.docker.com/compose/install/",
        ),
        (
            "docker",
            &["info"],
            "--stack needs the Docker daemon, which does not answer: start it, and see that you may use it",
        ),
    ];
    for (program, arguments, missing) in needed {
        if !succeeds(program, arguments) {
            return Err(missing.to_owned());
        }
    }
    Ok(())
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let status = Command::new(program)
        .args(arguments)
        // None of them may wait for an input.
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

/// Exports it to `dir` where it is not there yet, and waits until it is healthy. Docker says on the
/// way what it does.
pub(super) fn start(out: &mut impl Write, dir: &Path, stopped: &Receiver<()>) -> io::Result<Start> {
    let to = Export {
        dir: dir.to_path_buf(),
        // A stack that the user has changed stays as it is: then nothing is started.
        force: false,
        runbooks: None,
    };
    let exported = export::run(out, &to, &STACK, |_, _| Ok(()))?;
    if exported == Outcome::Bad {
        return Ok(Start::Failed);
    }
    // The script writes to the same output, and by itself.
    out.flush()?;
    let script = dir.join("scripts").join("compose");
    let mut starting = Command::new("bash");
    starting.arg(&script).arg("up").stdin(Stdio::null());
    // The terminal sends Ctrl-C to the whole group in front. In a group of its own Docker hears of
    // it by us alone, and once.
    in_group_of_its_own(&mut starting);
    let mut starting = match starting.spawn() {
        Ok(starting) => starting,
        Err(error) => {
            writeln!(
                io::stderr(),
                "error: cannot run {}: {error}",
                script.display()
            )?;
            return Ok(Start::Failed);
        }
    };
    match ended(&mut starting, stopped)? {
        None => Ok(Start::Stopped),
        Some(status) if status.success() => Ok(Start::Running),
        Some(_) => {
            writeln!(io::stderr(), "error: the stack did not start")?;
            Ok(Start::Failed)
        }
    }
}

/// Waits for the process; `None` when it was ended since the user had enough.
fn ended(process: &mut Child, stopped: &Receiver<()>) -> io::Result<Option<ExitStatus>> {
    let mut is_stopped = false;
    loop {
        // One wait for both: a child has no channel, so it is asked after each interval.
        if stopped.recv_timeout(LOOK_INTERVAL).is_ok() {
            if is_stopped {
                // Asked for a second time: it takes too long.
                process.kill()?;
            } else {
                terminate(process)?;
            }
            is_stopped = true;
        }
        if let Some(status) = process.try_wait()? {
            // A script that was ended on request has failed by its status, but not by the user's
            // measure.
            return Ok((!is_stopped).then_some(status));
        }
    }
}

/// A script and what it has started end together, and by our word alone.
#[cfg(unix)]
fn in_group_of_its_own(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    command.process_group(0);
}

#[cfg(not(unix))]
fn in_group_of_its_own(_command: &mut Command) {}

#[cfg(unix)]
fn terminate(process: &mut Child) -> io::Result<()> {
    use rustix::process::{Pid, Signal, kill_process_group};
    // The group has the number of its first process.
    let group = i32::try_from(process.id()).ok().and_then(Pid::from_raw);
    match group {
        Some(group) => Ok(kill_process_group(group, Signal::TERM)?),
        None => process.kill(),
    }
}

#[cfg(not(unix))]
fn terminate(process: &mut Child) -> io::Result<()> {
    process.kill()
}

// Short enough for a person, and no load.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
