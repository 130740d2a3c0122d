//! What the guides show is what was compiled and run.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may panic and print"
)]

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use spanwire_testkit::example;
use spanwire_testkit::folder::Folder;
use spanwire_testkit::receiver::{Received, Receiver};
use spanwire_testkit::scrape::scrape_text;

#[test]
fn the_guides_show_parts_of_the_examples() {
    for (doc, example) in [
        (
            include_str!("../../docs/guide/start.md"),
            include_str!("../examples/start.rs"),
        ),
        (
            include_str!("../../docs/guide/migrate.md"),
            include_str!("../examples/migrate.rs"),
        ),
    ] {
        let example = lines(example);
        let mut shown = 0;
        for block in blocks(doc, "rust").chain(blocks(doc, "js")) {
            let part = lines(block);
            assert!(
                example.windows(part.len()).any(|lines| lines == part),
                "not in the example:\n{block}"
            );
            shown += 1;
        }
        assert!(shown > 0);
    }
}

#[test]
fn the_start_guides_dependencies_can_be_appended_to_a_new_project() {
    let folder = Folder::new("start-guide");
    let cargo = |dir: &std::path::Path, args: &[&str]| {
        let output = Command::new(env!("CARGO"))
            .args(args)
            .current_dir(dir)
            .output();
        let output = output.unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{args:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    };
    cargo(folder.path(), &["new", "--quiet", "--vcs", "none", "hello"]);
    let project = folder.path().join("hello");
    let manifest = project.join("Cargo.toml");
    let doc = include_str!("../../docs/guide/start.md");
    let block = blocks(doc, "toml").next().unwrap();
    let made = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, format!("{made}{block}\n")).unwrap();
    let args = [
        "metadata",
        "--offline",
        "--no-deps",
        "--format-version",
        "1",
    ];
    let metadata: serde_json::Value = serde_json::from_str(&cargo(&project, &args)).unwrap();
    let dependencies = metadata["packages"][0]["dependencies"].as_array().unwrap();
    let mut names: Vec<_> = dependencies
        .iter()
        .filter_map(|one| one["name"].as_str())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["ctrlc", "spanwire", "tao", "wry"]);
    // All that the guide's app uses, in the versions with which it is tested.
    let tested = include_str!("../Cargo.toml");
    for name in ["ctrlc", "tao", "wry"] {
        let version = dependencies.iter().find(|one| one["name"] == name).unwrap()["req"].as_str();
        let version = version.unwrap().trim_start_matches('^');
        let is_tested =
            |line: &str| line.starts_with(&format!("{name} = ")) && line.contains(version);
        assert!(tested.lines().any(is_tested), "{name} {version}");
    }
}

#[test]
fn the_app_of_the_start_guide_is_scraped_and_traced() {
    let receiver = Receiver::start();
    let mut app = WindowedExample::start(
        "start",
        &[],
        &[
            ("OTEL_EXPORTER_PROMETHEUS_PORT", "0"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
            ("OTEL_BSP_SCHEDULE_DELAY", "100"),
        ],
    );
    let line = app.line();
    let addr = line
        .strip_prefix("metrics at http://")
        .and_then(|rest| rest.strip_suffix("/metrics"))
        .and_then(|addr| addr.parse().ok())
        .unwrap_or_else(|| panic!("no address in {line}"));
    // The guide's command, and the guide's line.
    let greeted = r#"{spanwire_ipc_direction="outbound",spanwire_ipc_event="greet",spanwire_outcome="ok",spanwire_webview_name="main"} 1"#;
    assert!(include_str!("../../docs/guide/start.md").contains(greeted));
    let mut scrapes = 0;
    while !scrape_text(addr).contains(greeted) {
        scrapes += 1;
        assert!(scrapes < 300, "{}", scrape_text(addr));
        std::thread::sleep(Duration::from_millis(100));
    }
    receiver.wait_for(|received| {
        let mut spans = received.iter().flat_map(Received::spans);
        spans.any(|span| span.name == "greet")
    });
}

#[test]
fn the_traces_in_the_guide_are_those_of_the_example() {
    /// Spans and their stage events, without times.
    fn shape(text: &str) -> Vec<String> {
        let spans = text.lines().filter_map(|line| {
            // A span has a bar.
            let (span, _) = line.split_once('|').unwrap_or((line, ""));
            let is_span = line.ends_with('|') && line.contains('█');
            (is_span || line.contains('·')).then_some(span)
        });
        let words = spans.map(|line| {
            let words = line.split_whitespace();
            let words = words.filter(|word| word.parse::<f64>().is_err());
            words.collect::<Vec<_>>().join(" ")
        });
        words.collect()
    }
    let doc = include_str!("../../docs/guide/reading-a-trace.md");
    // That of a start is the demo's.
    let (calls, _start) = doc.split_once("\n## The start of the app").unwrap();
    let shown: Vec<String> = blocks(calls, "text").flat_map(shape).collect();
    let printed = WindowedExample::start("read_a_trace", &[], &[]).output();
    assert_eq!(shown, shape(&printed), "{printed}");
    assert_eq!(shown.len(), 13 + 13, "spans and stage events");
}

#[test]
fn the_migrated_app_does_what_it_did_before() {
    let before = WindowedExample::start("migrate", &["before"], &[]).output();
    assert_eq!(before, "saved 2 layers\nthe app's own: print 2\n");
    let after = WindowedExample::start("migrate", &["after"], &[]).output();
    assert_eq!(after, format!("{before}opened layers\n"));
}

/// The code blocks of a language.
fn blocks<'a>(doc: &'a str, language: &'a str) -> impl Iterator<Item = &'a str> {
    let fence = format!("```{language}\n");
    doc.split("\n```")
        .map(|part| format!("```{part}"))
        .zip(doc.split("\n```"))
        .filter(move |(fenced, _)| fenced.starts_with(&fence))
        .map(|(_, part)| part.split_once('\n').map_or("", |(_, code)| code))
}

/// The lines of some code, whatever their indentation.
fn lines(code: &str) -> Vec<&str> {
    let lines = code.lines().map(str::trim);
    lines.filter(|line| !line.is_empty()).collect()
}

/// An example in a window of its own.
struct WindowedExample {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl WindowedExample {
    fn start(name: &str, args: &[&str], env: &[(&str, &str)]) -> Self {
        // One that does not end by itself is a failure and not a test that hangs.
        let mut child = Command::new("timeout")
            .args(["60", "xvfb-run", "-a"])
            .arg(example::program("spanwire-demo", name))
            .args(args)
            .envs(env.iter().copied())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("xvfb-run is there: scripts/install-packages test");
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// All that it prints until it ends by itself.
    fn output(mut self) -> String {
        let mut output = String::new();
        self.lines.read_to_string(&mut output).unwrap();
        assert!(self.child.wait().unwrap().success(), "{output}");
        output
    }
}

impl Drop for WindowedExample {
    fn drop(&mut self) {
        // xvfb-run would leave its server and the app behind.
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-TERM", "--", &group]).status();
        let _ = self.child.wait();
    }
}
