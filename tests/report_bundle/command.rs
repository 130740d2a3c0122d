//! `spanwire report`, as a process.

use std::process::Command;

use crate::synthetic::{Row, Synthetic, text_in};

fn spanwire(history: &Synthetic, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_spanwire"))
        .arg("report")
        .arg(history.history())
        .args(arguments)
        .current_dir(history.history().parent().unwrap())
        .env_remove("SPANWIRE_HISTORY")
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn command_writes_the_report_and_says_what_is_wrong() {
    let history = Synthetic::new("command");
    let rows: Vec<Row> = (0..30)
        .map(|n| Row::call("render", n * 1_000, 404))
        .collect();
    history.write(&rows);
    let (code, out, error) = spanwire(&history, &[]);
    assert_eq!((code, error.as_str()), (Some(0), ""));
    assert!(
        out.starts_with("call render (webview main): of 30 messages one in 20"),
        "{out}"
    );
    assert!(
        out.contains("runbook   runbooks/SpanwireHandlerSlow.md"),
        "{out}"
    );
    assert!(out.contains("Wrote report.zip ("), "{out}");
    assert!(out.contains("No CPU profile: "), "{out}");
    assert!(text_in(&history.file("report.zip"), "report.html").contains("render"));
    // A second time it would overwrite it.
    let (code, _, error) = spanwire(&history, &[]);
    assert_eq!(code, Some(1));
    assert!(error.starts_with("error: report.zip exists"), "{error}");
    let (code, out, _) = spanwire(&history, &["--since", "1h", "--out", "later.zip"]);
    assert_eq!(code, Some(0));
    assert!(
        out.starts_with("Nothing was recorded in this period."),
        "{out}"
    );
    history.profile("main", &[(7, &["main"])], 0);
    let (_, out, _) = spanwire(&history, &["--out", "profile.zip"]);
    assert!(
        out.contains("CPU profile of 7 samples: profile.speedscope.json opens in speedscope"),
        "{out}"
    );
    let (code, ..) = spanwire(&history, &["--since", "yesterday"]);
    assert_eq!(code, Some(2));
}
