//! `report.html` in a real browser: it lays out at each width, and asks nobody for anything.

use std::io::ErrorKind;
use std::process::Command;

use spanwire::history::report::ReportOptions;

use crate::synthetic::{Row, Synthetic, text_in};

fn page(history: &Synthetic) -> String {
    history.healthy();
    let rows: Vec<Row> = (0..30)
        .map(|n| Row::call("render", n * 1_000 + 50, 404))
        .collect();
    history.write(&rows);
    let out = history.file("report.zip");
    ReportOptions::new().write(history.history(), &out).unwrap();
    text_in(&out, "report.html")
}

#[test]
fn page_has_each_section_and_nothing_that_could_ask_for_more() {
    let html = page(&Synthetic::new("sections"));
    for section in [
        "Advice",
        "Startup",
        "Slowest events",
        "Numbers",
        "Queues",
        "UI thread and handlers",
        "Page thread: listeners",
        "Memory and processor",
        "Errors",
    ] {
        assert!(html.contains(&format!("<h2>{section}</h2>")), "{section}");
    }
    assert!(html.contains("default-src 'none'; style-src 'unsafe-inline'\">"));
    for bad in [
        "<script", "http://", "https://", "url(", "@import", "src=", "href=", "<iframe",
    ] {
        assert!(!html.contains(bad), "{bad}");
    }
    // The verdict comes before all else.
    assert!(html.find("class=\"verdict").unwrap() < html.find("<h2>").unwrap());
}

/// Where Chromium is installed: `scripts/install-packages pictures`.
#[test]
fn page_is_not_wider_than_the_window() {
    let history = Synthetic::new("browser");
    let html = page(&history);
    // Measured from outside: a page that frames the report, whose policy allows no script.
    for width in [360, 800, 1400] {
        let frame = history.file("frame.html");
        let measure = "const f=document.querySelector('iframe');f.onload=()=>{\
            const d=f.contentDocument.documentElement;\
            document.title=d.scrollWidth+' '+d.scrollHeight+' '+\
            f.contentWindow.performance.getEntriesByType('resource').length}";
        std::fs::write(history.file("report.html"), &html).unwrap();
        std::fs::write(
            &frame,
            format!(
                "<title>no</title><iframe src=\"report.html\" style=\"width:{width}px;height:600px;\
                 border:0\"></iframe><script>{measure}</script>"
            ),
        )
        .unwrap();
        let output = Command::new("chromium")
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"])
            .args(["--allow-file-access-from-files", "--window-size=1500,900"])
            .arg("--virtual-time-budget=3000")
            .arg(format!(
                "--user-data-dir={}",
                history.file("profile").display()
            ))
            .arg(format!("file://{}", frame.display()))
            .output();
        let output = match output {
            Err(error) if error.kind() == ErrorKind::NotFound => return,
            output => output.unwrap(),
        };
        let dom = String::from_utf8_lossy(&output.stdout);
        let title = dom
            .split("<title>")
            .nth(1)
            .and_then(|rest| rest.split('<').next());
        let numbers: Vec<i64> = title
            .unwrap_or("")
            .split(' ')
            .filter_map(|word| word.parse().ok())
            .collect();
        let [wide, high, requests] = numbers[..] else {
            panic!("{dom}")
        };
        assert!(wide <= width, "{wide} in {width}");
        assert!(high > 1_000, "{high}");
        assert_eq!(requests, 0);
    }
}
