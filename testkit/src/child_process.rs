//! Runs one test of a test binary again, in a process of its own: for what is process-wide, such as
//! the environment, global providers, and the process's end.

use std::process::{Command, Output};

/// Tells a child that it is one.
const CHILD: &str = "SPANWIRE_TEST_CHILD";

/// Whether this process is a child that [`command`] or [`clean_command`] started.
pub fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// The command that runs this test again. `test` is its name with its modules.
pub fn command(test: &str) -> Command {
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new(program);
    command.args(arguments(test)).env(CHILD, "1");
    command
}

/// The same, with none of this process's variables.
pub fn clean_command(test: &str) -> Command {
    let mut command = command(test);
    command.env_clear().env(CHILD, "1");
    command
}

/// The command that runs this test again after a line of `sh`, which may set limits of the process.
pub fn command_after(shell: &str, test: &str) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("{shell}; exec \"$0\" \"$@\"")])
        .arg(std::env::current_exe().unwrap())
        .args(arguments(test))
        .env(CHILD, "1");
    command
}

fn arguments(test: &str) -> [&str; 3] {
    [test, "--exact", "--nocapture"]
}

/// Runs the command, which must run one test, and that test must pass.
pub fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{stdout}\n{stderr}");
    assert!(stdout.contains("1 passed"), "{stdout}");
    output
}

/// Runs `scenario` in a child: the test of that name again, alone, with these variables added.
/// Returns to the parent alone, with what the child wrote to stderr.
pub fn run_alone(
    test: &str,
    environment: &[(&str, &str)],
    scenario: impl FnOnce(),
) -> Option<String> {
    if is_child() {
        scenario();
        return None;
    }
    let output = run(command(test).envs(environment.iter().copied()));
    Some(text(&output.stderr))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
