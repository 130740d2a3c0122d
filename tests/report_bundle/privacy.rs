//! What may be private is in no file unless it is asked for, and hostile names stay text.

use spanwire::history::report::ReportOptions;

use crate::synthetic::{PARTS, Row, Synthetic, text_in, unzipped};

const SECRET: &str = r#"{"exception.message":"cannot read /home/alice/diary.txt"}"#;

fn history() -> Synthetic {
    let history = Synthetic::new("privacy");
    let mut rows: Vec<Row> = (0..10)
        .map(|n| Row {
            outcome: "error",
            error: Some("io"),
            context: Some(SECRET),
            ..Row::new("operation", "read_diary", n * 1_000, 20)
        })
        .collect();
    rows.push(Row {
        context: Some(SECRET),
        ..Row::new("operation", "read_diary", 20_000, 20)
    });
    history.write(&rows);
    history
}

fn has(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|is| is == text.as_bytes())
}

#[test]
fn error_texts_are_in_no_part_by_default() {
    let history = history();
    let out = history.file("report.zip");
    let report = ReportOptions::new().write(history.history(), &out).unwrap();
    for part in PARTS {
        assert!(!has(&unzipped(&out, part), "diary.txt"), "{part}");
    }
    assert!(!format!("{report:?}").contains("diary.txt"));
}

#[test]
fn error_texts_are_in_every_part_when_asked_for() {
    let history = history();
    let out = history.file("report.zip");
    ReportOptions::new()
        .with_error_texts()
        .write(history.history(), &out)
        .unwrap();
    for part in PARTS {
        assert!(has(&unzipped(&out, part), "diary.txt"), "{part}");
    }
}

#[test]
fn hostile_names_stay_text() {
    let history = Synthetic::new("hostile");
    let name = "</script><img src=x onerror=alert(1)>\"'&\u{202e}gpj.exe\n";
    let rows: Vec<Row> = (0..30).map(|n| Row::call(name, n * 1_000, 400)).collect();
    history.write(&rows);
    let out = history.file("report.zip");
    let report = ReportOptions::new().write(history.history(), &out).unwrap();
    assert!(!report.advice.is_empty());
    let html = text_in(&out, "report.html");
    assert!(!html.contains("<img") && !html.contains("</script") && !html.contains('\u{202e}'));
    assert!(html.contains("&lt;img src=x onerror=alert(1)&gt;&quot;&#39;&amp;\\u{202e}gpj.exe"));
    let trace: serde_json::Value = serde_json::from_str(&text_in(&out, "trace.json")).unwrap();
    assert!(
        trace["traceEvents"]
            .as_array()
            .unwrap()
            .iter()
            .any(|event| event["name"] == name)
    );
}
