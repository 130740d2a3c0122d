//! `spanwire slow`, `stats`, `compare`, `export`, `clean`, `history import` and `completions`.

use std::path::Path;

use expect_test::expect;
use rusqlite::Connection;
use serde_json::Value;

use crate::history_file::{Folder, Row, history};
use crate::process::{CommandOutput, command, said, spanwire};

/// Ten minutes; in the second half saving takes three times as long, and fails more often.
fn some() -> (Folder, String) {
    let folder = Folder::new();
    let path = folder.file("h.db");
    let mut rows = Vec::new();
    for n in 0..600_i64 {
        let factor = if n < 300 { 1 } else { 3 };
        let mut row = Row::ok("save", n * 1_000, (10 + n * 37 % 100) * factor);
        if row.duration >= 300 * 1_000_000 {
            row = row.slow();
        }
        if n % 100 == 0 || (n > 300 && n % 10 == 0) {
            row = row.outcome("error");
        }
        rows.push(row);
        rows.push(Row::ok("load", n * 1_000, 5));
    }
    drop(history(&path, &rows));
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

fn json(output: &CommandOutput) -> Value {
    assert_eq!(output.code, 0, "{}", output.err);
    serde_json::from_str(&output.out).unwrap()
}

#[test]
fn stats_shows_each_series_aligned() {
    let (_folder, path) = some();
    let output = spanwire(&["stats", &path]);
    assert_eq!((output.code, &*output.err), (0, ""));
    expect![[r#"
        kind       name  count  per s  errors  error rate  slow  average      min      p50      p95      p99      max
        operation  save    600   1.00      33      5.50 %    30   119 ms  10.0 ms  88.8 ms   298 ms   321 ms   327 ms
        operation  load    600   1.00       0         0 %     0  5.00 ms  5.00 ms  5.00 ms  5.00 ms  5.00 ms  5.00 ms
    "#]]
    .assert_eq(&output.out);
    // By its other name it is the same.
    assert_eq!(spanwire(&["history", "stats", &path]).out, output.out);
    // The environment may name the file.
    let named = said(command().args(["stats"]).env("SPANWIRE_HISTORY", &path));
    assert_eq!(named.out, output.out);
}

#[test]
fn stats_by_bucket_and_filter_is_json_on_request() {
    let (_folder, path) = some();
    let args = [
        "stats", &path, "--name", "s*", "--failed", "--bucket", "5m", "--json",
    ];
    let answer = json(&spanwire(&args));
    let points = answer["series"].as_array().unwrap();
    let seen: Vec<_> = points
        .iter()
        .map(|it| (it["start"].as_str(), it["count"].as_u64()))
        .collect();
    assert_eq!(
        seen,
        [
            (Some("2026-11-29T12:00:00.000Z"), Some(3)),
            (Some("2026-11-29T12:05:00.000Z"), Some(30)),
        ]
    );
}

#[test]
fn slow_shows_the_slowest_with_their_longest_stage() {
    let (_folder, path) = some();
    let output = spanwire(&["slow", &path, "--limit", "2"]);
    assert_eq!((output.code, &*output.err), (0, ""));
    expect![[r#"
        started                   duration  kind       name  outcome  slow by    longest stage   trace
        2026-11-29T12:05:27.000Z    327 ms  operation  save  ok       threshold  handler 245 ms  abababababababababababababababab
        2026-11-29T12:07:07.000Z    327 ms  operation  save  ok       threshold  handler 245 ms  abababababababababababababababab
    "#]]
    .assert_eq(&output.out);
    let answer = json(&spanwire(&["slow", &path, "--json", "--failed"]));
    let records = answer["records"].as_array().unwrap();
    assert!(
        records
            .iter()
            .all(|it| it["outcome"] == "error" && it["slow"] == "threshold")
    );
    assert!(!records.is_empty());
    assert_eq!(
        spanwire(&["slow", &path, "--name", "load"]).out,
        "nothing matches that was slow\n"
    );
}

#[test]
fn compare_says_what_changed_and_how_surely() {
    let (folder, path) = some();
    let periods = [
        "--before",
        "..2026-11-29T12:05",
        "--after",
        "2026-11-29T12:05..",
    ];
    let output = spanwire(&[&["compare", &*path], &periods[..]].concat());
    assert_eq!((output.code, &*output.err), (0, ""));
    expect![[r#"
        kind       name      count  p50                         p95                        error rate           per s
        operation  save  300 → 300  59.0 ms → 177 ms +199 % !!  104 ms → 312 ms +200 % !!  1.00 % → 10.00 % !!  1.00 → 1.00 +0 % ~
        operation  load  300 → 300  5.00 ms → 5.00 ms +0 % ~    5.00 ms → 5.00 ms +0 % ~   0 % → 0 % ~          1.00 → 1.00 +0 % ~

        !! certain   ! likely   ~ may be chance   ? too few to say
        before: 300 s of data, after: 299 s
    "#]]
    .assert_eq(&output.out);
    // In two files each series is found by its names.
    let slower = folder.file("slower.db");
    let rows = (0..300).map(|n| Row::ok("save", n * 1_000, (10 + n * 37 % 100) * 6));
    drop(history(&slower, &rows.collect::<Vec<_>>()));
    let slower = slower.to_str().unwrap();
    let answer = json(&spanwire(&[
        "compare", &path, slower, "--name", "save", "--json",
    ]));
    let save = &answer["series"][0];
    assert_eq!(save["p95_ms"]["certainty"], "certain", "{save}");
    // A file does not differ from itself.
    let answer = json(&spanwire(&["compare", &path, &path, "--json"]));
    for series in answer["series"].as_array().unwrap() {
        assert_eq!(series["importance"], 0.0, "{series}");
    }
}

#[test]
fn export_is_csv_or_json_lines_and_no_formula() {
    let (folder, path) = some();
    let file = Connection::open(&path).unwrap();
    file.execute_batch("UPDATE series SET name = '=HYPERLINK(\"x\")' WHERE name = 'load'")
        .unwrap();
    let output = spanwire(&["export", &path, "--until", "2026-11-29T12:00:01"]);
    assert_eq!((output.code, &*output.err), (0, ""));
    expect![[r#"
        id,kind,name,webview,service,version,timestamp,duration_ms,outcome,error_type,slow,page_wait_ms,transit_ms,queue_wait_ms,handler_ms,response_ms,size,thread,trace_id,context,weight␍
        1,operation,save,,paint,1.0,2026-11-29T12:00:00.000Z,10,error,io,,,,2.5,7.5,,,,,,1␍
        2,operation,"'=HYPERLINK(""x"")",,paint,1.0,2026-11-29T12:00:00.000Z,5,ok,,,,,1.25,3.75,,,,,,1␍
    "#]]
    .assert_eq(&output.out.replace('\r', "␍"));
    let to = folder.file("out.jsonl");
    let to = to.to_str().unwrap();
    let args = [
        "export", &path, "--format", "jsonl", "--output", to, "--slow",
    ];
    let output = spanwire(&args);
    assert_eq!((output.code, &*output.err), (0, ""));
    let text = std::fs::read_to_string(to).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(output.out, format!("{} records in {to}\n", lines.len()));
    assert!(
        lines
            .iter()
            .all(|it| it["name"] == "save" && it["duration_ms"].as_f64() >= Some(300.0))
    );
    // What is there is not overwritten.
    let again = spanwire(&args);
    assert_eq!(again.code, 1);
    assert!(
        again.err.starts_with("error: ") && again.err.contains("cannot be written"),
        "{}",
        again.err
    );
    assert_eq!(std::fs::read_to_string(to).unwrap(), text);
}

/// A run in which no file becomes longer than so many blocks of 512 bytes.
#[cfg(unix)]
fn limited(blocks: u32, args: &[&str]) -> CommandOutput {
    // A write beyond the limit fails instead of ending the process.
    let limit = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    let mut command_after = std::process::Command::new("sh");
    command_after.arg("-c").arg(limit);
    command_after.arg(command().get_program()).args(args);
    said(&mut command_after)
}

#[cfg(unix)]
#[test]
fn export_that_finds_no_space_says_so_and_leaves_no_half_file() {
    let (folder, path) = some();
    let to = folder.file("out.csv");
    let output = limited(100, &["export", &path, "--output", to.to_str().unwrap()]);
    assert_eq!((output.code, &*output.out), (1, ""));
    let said = "out.csv cannot be written";
    assert!(output.err.starts_with("error: "), "{}", output.err);
    assert!(output.err.contains(said), "{}", output.err);
    assert!(!to.exists());
}

#[cfg(unix)]
#[test]
fn clean_that_finds_no_space_says_so_and_what_it_deleted_stays_whole() {
    let (_folder, path) = some();
    let file = Connection::open(&path).unwrap();
    file.execute_batch("UPDATE record SET started_at = 1000000000")
        .unwrap();
    drop(file);
    let output = limited(70, &["clean", &path, "--older-than", "7d"]);
    assert_eq!((output.code, &*output.out), (1, ""));
    let said = "error: the disk is full: make room, and try again; nothing is lost\n";
    assert_eq!(output.err, said);
    assert_eq!(
        (count(&path, "record"), count(&path, "rollup")),
        (1_200, 20)
    );
    let file = Connection::open(&path).unwrap();
    let check = file.query_row("PRAGMA integrity_check", [], |row| row.get(0));
    assert_eq!(check, Ok(String::from("ok")));
}

#[test]
fn clean_of_a_locked_file_says_so_and_deletes_nothing() {
    let (_folder, path) = some();
    let app = Connection::open(&path).unwrap();
    app.execute_batch("BEGIN IMMEDIATE").unwrap();
    let output = spanwire(&["clean", &path, "--older-than", "1s", "--rollups"]);
    assert_eq!((output.code, &*output.out), (1, ""));
    assert!(
        output.err.contains("locked by another process"),
        "{}",
        output.err
    );
    app.execute_batch("ROLLBACK").unwrap();
    assert_eq!(count(&path, "record"), 1_200);
}

#[cfg(target_os = "linux")]
#[test]
fn clean_of_a_file_that_may_not_be_written_says_so_and_deletes_nothing() {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt;

    let (folder, path) = some();
    let program = folder.file("spanwire");
    std::fs::copy(command().get_program(), &program).unwrap();
    let allow = |file: &Path, mode| set_permissions(file, Permissions::from_mode(mode)).unwrap();
    let place = program.parent().unwrap();
    allow(Path::new(&path), 0o444);
    allow(place, 0o555);
    let is_root = std::fs::write(folder.file("any"), "").is_ok();
    let clean = ["clean", &path, "--older-than", "1s", "--rollups"];
    let output = if is_root {
        // Permissions do not hold for root, so another user tries.
        let mut other = std::process::Command::new("setpriv");
        other.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        said(other.arg(&program).args(clean))
    } else {
        spanwire(&clean)
    };
    allow(place, 0o755);
    assert_eq!((output.code, &*output.out), (1, ""));
    let why = "error: the file cannot be written: check its and its folder's permissions\n";
    assert_eq!(output.err, why);
    assert_eq!(count(&path, "record"), 1_200);
}

#[cfg(target_os = "linux")]
#[test]
fn clean_shows_on_a_terminal_how_far_it_is() {
    let (_folder, path) = some();
    let file = Connection::open(&path).unwrap();
    file.execute_batch("UPDATE record SET started_at = 1000000000")
        .unwrap();
    let program = command();
    let clean = format!(
        "'{}' clean '{path}' --older-than 7d",
        program.get_program().display()
    );
    let mut on_a_terminal = std::process::Command::new("script");
    let output = said(on_a_terminal.args(["-qec", &clean, "/dev/null"]));
    assert_eq!(output.code, 0, "{}", output.err);
    let shown = "\r1,200 of 1,200";
    assert!(output.out.contains(shown), "{}", output.out);
    assert!(
        output.out.contains("deleted 1,200 records"),
        "{}",
        output.out
    );
}

#[cfg(target_os = "linux")]
#[test]
fn import_and_export_to_a_file_show_on_a_terminal_how_far_they_are() {
    let folder = Folder::new();
    let (old, new) = (folder.file("metrics.db"), folder.file("h.db"));
    Connection::open(&old)
        .unwrap()
        .execute_batch(
            "CREATE TABLE metrics (operation TEXT, duration REAL, error BOOLEAN, is_slow BOOLEAN,
                 timestamp REAL);
             WITH RECURSIVE n (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < 24999)
             INSERT INTO metrics SELECT 'fetch', 5, 0, 0, 1795953600 + n FROM n",
        )
        .unwrap();
    let program = command();
    let import = format!(
        "'{}' history import '{}' '{}'",
        program.get_program().display(),
        old.display(),
        new.display()
    );
    let mut on_a_terminal = std::process::Command::new("script");
    let output = said(on_a_terminal.args(["-qec", &import, "/dev/null"]));
    assert_eq!(output.code, 0, "{}", output.err);
    for shown in ["\r10,000 rows", "\r20,000 rows", "25,000 records in "] {
        assert!(output.out.contains(shown), "{}", output.out);
    }
    let export = format!(
        "'{}' export '{}' --output '{}'",
        program.get_program().display(),
        new.display(),
        folder.file("out.csv").display()
    );
    let mut on_a_terminal = std::process::Command::new("script");
    let output = said(on_a_terminal.args(["-qec", &export, "/dev/null"]));
    assert_eq!(output.code, 0, "{}", output.err);
    for shown in ["\r10,000 records", "\r20,000 records", "25,000 records in "] {
        assert!(output.out.contains(shown), "{}", output.out);
    }
}

fn count(path: &str, table: &str) -> i64 {
    let file = Connection::open(path).unwrap();
    let sql = format!("SELECT count(*) FROM {table}");
    file.query_row(&sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn clean_says_what_it_deletes_and_dry_run_deletes_nothing() {
    let (_folder, path) = some();
    // An hour in the past of any run, and one that all of it is older than.
    let file = Connection::open(&path).unwrap();
    file.execute_batch("UPDATE record SET started_at = 1000000000")
        .unwrap();
    let dry = spanwire(&["clean", &path, "--older-than", "7d", "--dry-run"]);
    assert_eq!((dry.code, &*dry.err), (0, ""));
    assert_eq!(
        dry.out,
        "would delete 1,200 records, 0 samples and 0 roll-ups\n"
    );
    assert_eq!(count(&path, "record"), 1_200);
    let done = spanwire(&["clean", &path, "--older-than", "7d"]);
    assert_eq!((done.code, &*done.err), (0, ""));
    assert_eq!(
        done.out,
        "deleted 1,200 records, 0 samples and 0 roll-ups\n"
    );
    assert_eq!((count(&path, "record"), count(&path, "rollup")), (0, 20));
}

#[test]
fn import_makes_a_history_of_an_old_file() {
    let folder = Folder::new();
    let old = folder.file("metrics.db");
    let new = folder.file("h.db");
    Connection::open(&old)
        .unwrap()
        .execute_batch(
            "CREATE TABLE metrics (operation TEXT, duration REAL, error BOOLEAN, is_slow BOOLEAN,
                 timestamp REAL);
             INSERT INTO metrics VALUES ('fetch', 120.5, 0, 0, 1795953600.5),
                 ('fetch', 2000, 1, 1, 1795953601);",
        )
        .unwrap();
    let (old, new) = (old.to_str().unwrap(), new.to_str().unwrap());
    let output = spanwire(&["history", "import", old, new]);
    assert_eq!((output.code, &*output.err), (0, ""));
    assert_eq!(
        output.out,
        format!("2 records in {new}; {old} is as it was\n")
    );
    for path in [old, new] {
        let answer = json(&spanwire(&["stats", path, "--json"]));
        let fetch = &answer["series"][0];
        assert_eq!(
            (&fetch["name"], &fetch["count"]),
            (&"fetch".into(), &2.into())
        );
        assert_eq!(
            (&fetch["max_ms"], &fetch["errors"]),
            (&2000.0.into(), &1.into())
        );
    }
    let again = spanwire(&["history", "import", old, new]);
    assert_eq!(again.code, 1);
    assert!(
        again.err.contains("exists and is not overwritten"),
        "{}",
        again.err
    );
}

#[test]
fn what_cannot_be_answered_is_an_error_with_its_exit_code() {
    let (folder, path) = some();
    let file = |name: &str| folder.file(name).to_str().unwrap().to_owned();
    let text = file("text.db");
    std::fs::write(&text, "no database ".repeat(100)).unwrap();
    let foreign = file("foreign.db");
    Connection::open(&foreign)
        .unwrap()
        .execute_batch("CREATE TABLE t (x)")
        .unwrap();
    let newer = file("newer.db");
    std::fs::copy(&path, &newer).unwrap();
    Connection::open(&newer)
        .unwrap()
        .pragma_update(None, "user_version", 9)
        .unwrap();
    for (path, says) in [
        (file("none.db"), "does not exist: check the path"),
        (text, "is not a SQLite database"),
        (foreign, "without a history"),
        (newer, "has schema version 9"),
    ] {
        let clean = ["clean", &path, "--older-than", "1d"];
        for args in [
            &["stats", &*path][..],
            &["slow", &path],
            &["export", &path],
            &clean,
        ] {
            let before = std::fs::read(&path).ok();
            let output = spanwire(args);
            assert_eq!((output.code, &*output.out), (1, ""), "{args:?}");
            assert!(output.err.starts_with("error: "), "{}", output.err);
            assert!(output.err.contains(says), "{}", output.err);
            assert_eq!(std::fs::read(&path).ok(), before, "{args:?}");
        }
    }
    assert!(!Path::new(&file("none.db")).exists());
}

#[test]
fn a_file_that_another_process_holds_for_itself_is_an_error_to_every_question() {
    let (folder, path) = some();
    let before = std::fs::read(&path).unwrap();
    let holder = Connection::open(&path).unwrap();
    holder
        .execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE")
        .unwrap();
    let out = folder.file("out").to_str().unwrap().to_owned();
    let path = &*path;
    let asked: [&[&str]; 6] = [
        &["stats", path],
        &["slow", path],
        &["compare", path, path],
        &["export", path, "--output", &out],
        &["clean", path, "--older-than", "1d"],
        &["report", path, "--out", &out],
    ];
    // Each waits for the lock for two seconds.
    std::thread::scope(|scope| {
        for args in asked {
            scope.spawn(move || {
                let output = spanwire(args);
                assert_eq!((output.code, &*output.out), (1, ""), "{args:?}");
                assert!(
                    output.err.contains("is locked by another process"),
                    "{args:?}: {}",
                    output.err
                );
            });
        }
    });
    drop(holder);
    assert!(!Path::new(&out).exists());
    assert!(std::fs::read(path).unwrap() == before);
}

#[test]
fn arguments_that_cannot_be_understood_are_2() {
    let (_folder, path) = some();
    for (args, says) in [
        (&["stats"][..], "set SPANWIRE_HISTORY"),
        (
            &["stats", &path, "--since", "yesterday"],
            "neither an age like 30s",
        ),
        (
            &["stats", &path, "--kind", "click"],
            "possible values: operation",
        ),
        (&["slow", &path, "--limit", "ten"], "--limit"),
        (&["compare", &path], "compare what?"),
        (&["compare", &path, "--before", "1d"], "it is not a period"),
        (
            &["compare", &path, "--at", "2100-01-01"],
            "lies in the future",
        ),
        (&["clean", &path], "--older-than"),
        (
            &["clean", &path, "--older-than", "0d"],
            "not a length of time",
        ),
        (
            &["export", &path, "--format", "xml"],
            "possible values: csv, jsonl",
        ),
        (&["history"], "Usage"),
        (&["completions", "tcsh"], "possible values"),
    ] {
        let output = spanwire(args);
        assert_eq!((output.code, &*output.out), (2, ""), "{args:?}");
        assert!(output.err.contains(says), "{args:?}: {}", output.err);
    }
}

#[test]
fn help_has_examples_and_exit_codes_and_each_shell_its_completions() {
    for name in [
        "slow",
        "stats",
        "compare",
        "export",
        "clean",
        "history import",
        "report",
        "completions",
        "doctor",
        "dashboard",
        "dashboards export",
        "alerts export",
        "stack export",
    ] {
        let help = spanwire(&[&name.split(' ').collect::<Vec<_>>()[..], &["--help"]].concat());
        assert_eq!(help.code, 0);
        assert!(
            help.out.contains(&format!("Examples:\n  spanwire {name}")),
            "{}",
            help.out
        );
    }
    let help = spanwire(&["--help"]).out;
    assert!(help.contains("Examples:\n  spanwire doctor"), "{help}");
    assert!(help.contains("Exit codes: 0 all is well"), "{help}");
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let script = spanwire(&["completions", shell]);
        assert_eq!((script.code, &*script.err), (0, ""));
        assert!(script.out.contains("compare") && script.out.contains("older-than"));
    }
}

#[test]
fn names_from_the_file_cannot_command_the_terminal() {
    let (_folder, path) = some();
    let file = Connection::open(&path).unwrap();
    let sql = "UPDATE series SET name = char(27) || '[31mred' WHERE name = 'load'";
    file.execute_batch(sql).unwrap();
    let output = spanwire(&["stats", &path]);
    assert!(output.out.contains("[31mred") && !output.out.contains('\u{1b}'));
}
