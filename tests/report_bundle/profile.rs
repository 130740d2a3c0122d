//! The flame graphs of the page, and the file for speedscope, of histories that were made up.

use rusqlite::Connection;
use serde_json::{Value, json};
use spanwire::history::report::{Report, ReportOptions};

use crate::synthetic::{Row, Synthetic, text_in, unzipped};

fn report(history: &Synthetic) -> (Report, String) {
    let out = history.file("report.zip");
    let report = ReportOptions::new().write(history.history(), &out).unwrap();
    assert!(report.missing.is_empty(), "{:?}", report.missing);
    let html = text_in(&out, "report.html");
    (report, html)
}

/// The boxes of the graph below that heading: what each is titled, by level, and its width.
fn boxes(html: &str, heading: &str) -> Vec<(usize, String, f64)> {
    let (_, after) = html.split_once(heading).unwrap();
    let (_, graph) = after.split_once("<div class=\"flame\"").unwrap();
    let (graph, _) = graph.split_once("</div></div></div>").unwrap();
    let number = |text: &str, before: &str, after: &str| -> f64 {
        let (_, rest) = text.split_once(before).unwrap();
        rest.split_once(after).unwrap().0.parse().unwrap()
    };
    let each = graph.split("<div class=\"f").skip(1).map(|is| {
        let (style, rest) = is.split_once("title=\"").unwrap();
        let level = number(style, "top:", "px") / 18.0;
        let title = rest.split('"').next().unwrap();
        (
            level as usize,
            title.to_owned(),
            number(style, "width:", "%"),
        )
    });
    each.collect()
}

fn titled(boxes: &[(usize, String, f64)]) -> Vec<(usize, &str, f64)> {
    boxes
        .iter()
        .map(|(level, title, width)| (*level, &**title, *width))
        .collect()
}

#[test]
fn minutes_and_runs_of_a_thread_are_one_graph() {
    let history = Synthetic::new("profile");
    history.profile("main", &[(60, &["main", "draw"]), (15, &["main"])], 5);
    history.profile("main", &[(20, &["main", "draw"])], 0);
    history.profile("worker", &[(100, &["start", "load"])], 0);
    let (written, html) = report(&history);
    assert_eq!(written.profile_samples, 200);
    assert_eq!(
        titled(&boxes(&html, "<h3>Thread main: 100 samples, 50 %</h3>")),
        [
            (0, "main: 95 samples, 95 %", 95.0),
            (1, "draw: 80 samples, 80 %", 80.0),
            (0, "[stacks left out]: 5 samples, 5 %", 5.0),
        ]
    );
    assert!(html.contains("<td class=\"name\">load</td><td class=\"n\">50 %</td>"));
    let file = text_in(&history.file("report.zip"), "profile.speedscope.json");
    let file: Value = serde_json::from_str(&file).unwrap();
    let main = &file["profiles"][0];
    let names = file["shared"]["frames"].as_array().unwrap();
    let stacks = main["samples"].as_array().unwrap().iter().map(|stack| {
        let stack = stack.as_array().unwrap().iter();
        let names: Vec<&Value> = stack
            .map(|place| &names[place.as_u64().unwrap() as usize]["name"])
            .collect();
        json!(names)
    });
    let stacks: Vec<Value> = stacks.collect();
    assert_eq!(main["name"], "main");
    assert_eq!(
        stacks,
        [
            json!(["main", "draw"]),
            json!(["main"]),
            json!(["[stacks left out]"])
        ]
    );
    assert_eq!(main["weights"], json!([80, 15, 5]));
    assert_eq!(main["endValue"], 100);
}

#[test]
fn cut_of_the_history_has_the_profile() {
    let history = Synthetic::new("profile-cut");
    history.profile("main", &[(7, &["main", "draw"])], 1);
    report(&history);
    let cut = history.file("cut.sqlite");
    let bytes = unzipped(&history.file("report.zip"), "history.sqlite");
    std::fs::write(&cut, bytes).unwrap();
    let out = history.file("again.zip");
    let again = ReportOptions::new().write(&cut, &out).unwrap();
    assert_eq!(again.profile_samples, 8);
}

#[test]
fn history_of_an_earlier_version_has_a_report_without_a_profile() {
    let history = Synthetic::new("profile-earlier");
    history.write(&[Row::call("render", 1_000, 40)]);
    let connection = Connection::open(history.history()).unwrap();
    connection.execute_batch("DROP TABLE profile").unwrap();
    drop(connection);
    let (written, html) = report(&history);
    assert_eq!(written.profile_samples, 0);
    assert!(html.contains("No CPU profile: "));
}

#[test]
fn hostile_names_of_functions_and_threads_stay_text() {
    let history = Synthetic::new("profile-hostile");
    let name = "f<img src=x onerror=alert(1)>\"'&\u{202e}";
    history.profile(name, &[(9, &[name])], 0);
    history.write(&[Row::new("operation", name, 1_000, 40)]);
    let (_, html) = report(&history);
    assert!(
        !html.contains("<img") && !html.contains('\u{202e}'),
        "{html}"
    );
    let shown = "f&lt;img src=x onerror=alert(1)&gt;&quot;&#39;&amp;\\u{202e}: 9 samples";
    assert!(html.contains(shown), "{html}");
}

#[test]
fn wall_time_shows_what_ran_within_what() {
    let history = Synthetic::new("wall");
    let on = |thread: &'static str, name: &str, at: i64, took: i64| Row {
        thread,
        ..Row::new("operation", name, at, took)
    };
    history.write(&[
        on("main", "load_scene", 1_000, 300),
        on("main", "decode", 1_050, 200),
        on("main", "unpack", 1_100, 50),
        // After it, beside it, and over its end.
        on("main", "save", 1_400, 50),
        on("worker", "index", 1_100, 50),
        on("main", "late", 1_290, 100),
        Row::call("render", 5_000, 204),
    ]);
    let (_, html) = report(&history);
    let boxes = boxes(&html, "<h2>Wall time</h2>");
    let names = boxes
        .iter()
        .map(|(level, title, _)| (*level, title.split_once(':').unwrap().0));
    let names: Vec<(usize, &str)> = names.collect();
    assert_eq!(
        names,
        [
            (0, "operation load_scene"),
            (1, "operation decode"),
            (2, "operation unpack"),
            (0, "call render"),
            (1, "handler"),
            // Its other stages take a millisecond each.
            (1, "other (4)"),
            (0, "operation late"),
            (0, "operation index"),
            (0, "operation save"),
        ]
    );
    // 300 of 704 ms, and the part of it.
    let width = |name: &str| {
        boxes
            .iter()
            .find(|(_, title, _)| title.contains(name))
            .unwrap()
            .2
    };
    assert!(
        (width("load_scene") - 42.6).abs() < 0.1,
        "{}",
        width("load_scene")
    );
    assert!((width("decode") - 28.4).abs() < 0.1, "{}", width("decode"));
}

#[test]
fn cut_of_a_large_profile_is_small_and_the_newest() {
    let history = Synthetic::new("profile-large");
    for n in 0..20 {
        let name = format!("f{n}{}", "x".repeat(500_000));
        history.profile(&format!("t{n}"), &[(1, &[&name])], 0);
    }
    let sql = "UPDATE profile SET started_at = started_at + rowid";
    history.connection.execute(sql, []).unwrap();
    report(&history);
    let cut = history.file("cut.sqlite");
    let bytes = unzipped(&history.file("report.zip"), "history.sqlite");
    assert!(bytes.len() < 6 << 20, "{}", bytes.len());
    std::fs::write(&cut, bytes).unwrap();
    let connection = Connection::open(&cut).unwrap();
    let sql = "SELECT count(*), min(thread) FROM profile";
    let kept: (i64, String) = connection
        .query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    assert_eq!(kept, (8, "t12".to_owned()));
}
