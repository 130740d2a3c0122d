//! `report.html` in a real browser: it lays out at each width, and asks nobody for anything.

use std::io::ErrorKind;
use std::process::Command;

use serde_json::Value;
use spanwire::history::report::ReportOptions;

use crate::synthetic::{Row, Synthetic, text_in};

fn page(history: &Synthetic) -> String {
    history.healthy();
    let rows: Vec<Row> = (0..30)
        .map(|n| Row::call("render", n * 1_000 + 50, 404))
        .collect();
    history.write(&rows);
    history.profile(
        "main",
        &[(60, &["main", "draw"]), (40, &["main", "load"])],
        5,
    );
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
        "Wall time",
        "CPU profile",
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
fn page_fits_each_window_in_both_themes_and_requests_nothing() {
    let history = Synthetic::new("browser");
    let html = page(&history);
    // Without its policy, which would hide what the page asks for.
    let (before, policy) = html.split_once("<meta http-equiv=").unwrap();
    let open = format!(
        "{before}{}",
        policy.split_once("'unsafe-inline'\">").unwrap().1
    );
    std::fs::write(history.file("report.html"), &open).unwrap();
    let asking = open.replace("</main>", "<img src=\"http://127.0.0.1:1/\"></main>");
    std::fs::write(history.file("asking.html"), asking).unwrap();
    for (theme, background) in [
        ("", "rgb(255, 255, 255)"),
        ("--force-dark-mode", "rgb(13, 17, 23)"),
    ] {
        let Some(frames) = measured(&history, theme) else {
            return;
        };
        for frame in &frames {
            assert!(
                frame["wide"].as_i64() <= frame["width"].as_i64(),
                "it overflows: {frame}"
            );
            assert!(frame["high"].as_i64() > Some(1_000), "{frame}");
            assert_eq!(frame["background"], background, "{frame}");
            // That of a text too pale to read is below.
            assert!(frame["contrast"].as_f64() >= Some(4.5), "{frame}");
        }
        let requests: Vec<_> = frames
            .iter()
            .map(|frame| frame["requests"].as_i64())
            .collect();
        // The last one asks for a picture, to see that requests are counted.
        assert_eq!(requests, [Some(0), Some(0), Some(0), Some(1)]);
    }
}

/// Measured from outside, by a page that frames the report; `None` without a Chromium.
fn measured(history: &Synthetic, theme: &str) -> Option<Vec<Value>> {
    let frame = history.file("frame.html");
    let frames: String = [
        ("report", 360),
        ("report", 800),
        ("report", 1_400),
        ("asking", 800),
    ]
    .iter()
    .map(|(page, width)| {
        format!(
            "<iframe src=\"{page}.html\" style=\"width:{width}px;height:600px;border:0\"></iframe>"
        )
    })
    .collect();
    std::fs::write(
        &frame,
        format!("<title>no</title>{frames}<script>{MEASURE}</script>"),
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
        .args((!theme.is_empty()).then_some(theme))
        .arg(format!("file://{}", frame.display()))
        .output();
    let output = match output {
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        output => output.unwrap(),
    };
    let dom = String::from_utf8_lossy(&output.stdout);
    let title = dom
        .split("<title>")
        .nth(1)
        .and_then(|rest| rest.split("</title>").next());
    let frames = title.and_then(|title| serde_json::from_str(title).ok());
    Some(frames.unwrap_or_else(|| panic!("{dom}")))
}

/// What each frame is like. Its contrast is the least of a text and of what the text stands on, by
/// WCAG 2.2.
const MEASURE: &str = "
const channels = (colour) => colour.match(/[0-9.]+/g).map(Number);
const luminance = (colour) => {
  const [r, g, b] = channels(colour).map((c) => {
    c /= 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (frame) => {
  let least = 21;
  for (const element of frame.contentDocument.body.querySelectorAll('*')) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || element.closest('svg')) continue;
    let under = element;
    const style = (of) => frame.contentWindow.getComputedStyle(of);
    while (channels(style(under).backgroundColor)[3] === 0) under = under.parentElement;
    const both = [style(element).color, style(under).backgroundColor].map(luminance);
    least = Math.min(least, (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05));
  }
  return least;
};
onload = () => {
  document.title = JSON.stringify([...document.querySelectorAll('iframe')].map((frame) => ({
    width: frame.clientWidth,
    wide: frame.contentDocument.documentElement.scrollWidth,
    high: frame.contentDocument.documentElement.scrollHeight,
    background: frame.contentWindow.getComputedStyle(frame.contentDocument.body).backgroundColor,
    contrast: contrast(frame),
    requests: frame.contentWindow.performance.getEntriesByType('resource').length,
  })));
};
";
