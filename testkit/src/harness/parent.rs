//! The parent: one child for each scenario, each on a display of its own.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use super::Scenario;
use crate::virtual_display::on_display;

/// Tells a child which scenario is its own.
pub(super) const SCENARIO: &str = "SPANWIRE_HARNESS_SCENARIO";

/// A child ends itself at its limit; one that cannot any more is ended so much later.
const GRACE: Duration = Duration::from_secs(20);

/// From a scenario's limit to the end of its process, were it to hang.
pub(super) const BETWEEN: Duration = Duration::from_secs(5);

pub(super) fn run(logs: &Path, scenarios: &[Scenario]) -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let has = |flag: &str| args.iter().any(|arg| arg == flag);
    let mut names = args.iter().filter(|arg| !arg.starts_with('-')).peekable();
    let everything = names.peek().is_none();
    let names: Vec<_> = names.collect();
    let is_asked = |scenario: &&Scenario| {
        let fits = |name: &&String| {
            if has("--exact") {
                scenario.name == name.as_str()
            } else {
                scenario.name.contains(name.as_str())
            }
        };
        everything || names.iter().any(fits)
    };
    let asked: Vec<_> = scenarios.iter().filter(is_asked).collect();
    if has("--list") {
        for scenario in asked {
            println!("{}: test", scenario.name);
        }
        return ExitCode::SUCCESS;
    }

    println!("\nrunning {} scenarios", asked.len());
    let mut failed = 0;
    for scenario in &asked {
        let started = now();
        match in_child(logs, scenario) {
            Ok(notes) => {
                let took = started.elapsed().as_secs_f32();
                println!("test {} ... ok ({took:.1} s)", scenario.name);
                for note in notes {
                    println!("     {note}");
                }
            }
            Err(why) => {
                failed += 1;
                println!("test {} ... FAILED: {why}", scenario.name);
            }
        }
    }
    println!("\n{} scenarios, {failed} failed", asked.len());
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Runs it; the lines that it noted, or what it printed and why it failed.
fn in_child(logs: &Path, scenario: &Scenario) -> Result<Vec<String>, String> {
    // A file and not a pipe: a process of the webview's that stays behind holds it open, and must
    // not hold us up.
    let path = logs.join(format!("{}.log", scenario.name));
    let output = File::create(&path).map_err(|error| error.to_string())?;
    let mut child = on_display()
        .arg(std::env::current_exe().expect("a process knows its own file"))
        .env(SCENARIO, scenario.name)
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(output.try_clone().map_err(|error| error.to_string())?)
        .stderr(output)
        .process_group(0)
        .spawn()
        .expect("xvfb-run is there: scripts/install-packages test");
    let ended = wait(&mut child, scenario.limit + GRACE);
    let output = std::fs::read_to_string(&path).unwrap_or_default();
    match ended {
        Some(true) => Ok(output
            .lines()
            .filter_map(|line| line.strip_prefix("note: "))
            .map(str::to_owned)
            .collect()),
        Some(false) => Err(format!("\n{output}")),
        None => Err(format!("it hangs, and so does its end\n{output}")),
    }
}

/// Whether it succeeded; `None` when it had to be ended.
fn wait(child: &mut Child, limit: Duration) -> Option<bool> {
    let started = now();
    loop {
        if let Some(status) = child.try_wait().expect("it is our child") {
            return Some(status.success());
        }
        if started.elapsed() > limit {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    // The whole group: killing xvfb-run alone would leave the display and the child.
    let group = format!("-{}", child.id());
    let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
    let _ = child.wait();
    None
}

#[allow(clippy::disallowed_methods, reason = "a test's own patience")]
pub(super) fn now() -> Instant {
    Instant::now()
}
