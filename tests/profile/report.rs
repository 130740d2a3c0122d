//! What was sampled is in the history, in the page and in the file for speedscope.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine;
use serde_json::Value;
use spanwire_testkit::child_process::run_alone;
use spanwire_testkit::zip_file::text_in;

use crate::busy::{DEADLINE, THREAD, builder, compute_sampled, folder};

#[test]
fn busy_functions_are_in_the_report_with_their_shares() {
    run_alone(
        "report::busy_functions_are_in_the_report_with_their_shares",
        &[],
        || {
            let folder = folder("shares");
            let telemetry = builder(&folder.path().join("history.db"))
                .profile(250)
                .install()
                .unwrap();
            compute_sampled();
            let out = folder.path().join("report.zip");
            let report = telemetry.report(&out).unwrap();
            assert!(report.missing.is_empty(), "{:?}", report.missing);
            assert_eq!(report.profile_hint(), None);
            let profile = text_in(&out, "profile.speedscope.json");
            let profile: Value = serde_json::from_str(&profile).unwrap();
            let painter = Thread::of(&profile, THREAD);
            assert!(painter.all > 50, "{painter:?}");
            assert!(report.profile_samples >= painter.all);
            let (much, little) = (
                painter.samples_in("renders_much"),
                painter.samples_in("renders_little"),
            );
            // Three quarters and one quarter of nearly all.
            assert!(much > little, "{painter:?}");
            assert!(much * 2 > painter.all, "{painter:?}");
            assert!(little * 20 > painter.all, "{painter:?}");
            // Outermost first, and nothing of the profiler's own.
            let names = painter.names("renders_much");
            let at = |part: &str| names.iter().position(|name| name.contains(part));
            assert!(at("compute_until") < at("renders_much"), "{names:?}");
            assert!(at("compute_until").is_some(), "{names:?}");
            assert_eq!(at("perf_signal_handler"), None, "{names:?}");
            let html = text_in(&out, "report.html");
            assert!(html.contains(&format!("<h3>Thread {THREAD}: ")), "{html}");
            let width = width_of(&html, "renders_much");
            assert!((40.0..=100.0).contains(&width), "{width}");
            assert!(width > width_of(&html, "renders_little"));
            // Names alone: no folder of the machine that built it.
            let text = profile.to_string();
            assert!(!text.contains(env!("CARGO_MANIFEST_DIR")) && !text.contains(".rs"));
            telemetry.shutdown(DEADLINE);
        },
    );
}

/// By speedscope's own schema, from its npm package.
#[test]
fn file_is_valid_by_the_schema_of_speedscope_and_a_broken_one_is_not() {
    run_alone(
        "report::file_is_valid_by_the_schema_of_speedscope_and_a_broken_one_is_not",
        &[],
        || {
            let folder = folder("schema");
            let telemetry = builder(&folder.path().join("history.db"))
                .profile(250)
                .install()
                .unwrap();
            compute_sampled();
            let out = folder.path().join("report.zip");
            telemetry.report(&out).unwrap();
            let profile = text_in(&out, "profile.speedscope.json");
            let schema = schema();
            let file = folder.path().join("profile.json");
            assert_eq!(violations(&schema, &file, &profile), "");
            for (whole, broken) in [
                ("\"type\":\"sampled\"", "\"type\":\"sampling\""),
                ("\"unit\":\"none\"", "\"unit\":\"samples\""),
                ("\"frames\":[{\"name\":", "\"frames\":[{\"title\":"),
                ("\"endValue\":", "\"end\":"),
            ] {
                let other = profile.replacen(whole, broken, 1);
                assert_ne!(other, profile, "{whole} is in the file");
                assert_ne!(violations(&schema, &file, &other), "", "{broken}");
            }
            // Where Chromium is installed, speedscope itself opens it.
            if let Some(page) = opened(&schema, folder.path(), &profile) {
                assert!(
                    page.contains("<title>paint-tool - speedscope</title>"),
                    "{page}"
                );
                assert!(page.contains(THREAD), "{page}");
                let broken = profile.replacen("\"profiles\":", "\"threads\":", 1);
                let page = opened(&schema, folder.path(), &broken).unwrap();
                assert!(page.contains("<title>speedscope</title>"), "{page}");
            }
            // What no schema says: each sample has a weight, and each frame is there.
            let profile: Value = serde_json::from_str(&profile).unwrap();
            let frames = profile["shared"]["frames"].as_array().unwrap().len() as u64;
            for thread in profile["profiles"].as_array().unwrap() {
                let samples = thread["samples"].as_array().unwrap();
                let weights = thread["weights"].as_array().unwrap();
                assert_eq!(samples.len(), weights.len());
                let sum: u64 = weights.iter().map(|weight| weight.as_u64().unwrap()).sum();
                assert_eq!(thread["endValue"], sum);
                let mut places = samples.iter().flat_map(|stack| stack.as_array().unwrap());
                assert!(places.all(|place| place.as_u64().unwrap() < frames));
            }
        },
    );
}

#[test]
fn report_without_samples_says_how_to_have_some() {
    run_alone(
        "report::report_without_samples_says_how_to_have_some",
        &[],
        || {
            let folder = folder("none");
            let history = folder.path().join("history.db");
            let telemetry = builder(&history).install().unwrap();
            let out = folder.path().join("report.zip");
            let report = telemetry.report(&out).unwrap();
            let hint = report.profile_hint().unwrap();
            assert!(hint.contains("SPANWIRE_PROFILE=99"), "{hint}");
            let html = text_in(&out, "report.html");
            assert!(html.contains("SPANWIRE_PROFILE=99"));
            assert!(!html.contains("profile.speedscope.json"));
            let list = Command::new("python3")
                .args(["-m", "zipfile", "-l"])
                .arg(&out)
                .output();
            let list = String::from_utf8(list.unwrap().stdout).unwrap();
            assert!(!list.contains("speedscope"), "{list}");
        },
    );
}

/// One profile of the file.
#[derive(Debug)]
struct Thread {
    all: u64,
    /// The names of each stack, and how many samples.
    stacks: Vec<(Vec<String>, u64)>,
}

impl Thread {
    fn of(profile: &Value, name: &str) -> Self {
        let threads = profile["profiles"].as_array().unwrap();
        let thread = threads.iter().find(|thread| thread["name"] == name);
        let thread = thread.unwrap_or_else(|| panic!("{name}: {profile}"));
        assert_eq!(thread["type"], "sampled");
        let frames = profile["shared"]["frames"].as_array().unwrap();
        let named = |place: &Value| {
            let frame = &frames[place.as_u64().unwrap() as usize];
            frame["name"].as_str().unwrap().to_owned()
        };
        let samples = thread["samples"].as_array().unwrap().iter();
        let weights = thread["weights"].as_array().unwrap().iter();
        let stacks = samples.zip(weights).map(|(stack, weight)| {
            let names = stack.as_array().unwrap().iter().map(named).collect();
            (names, weight.as_u64().unwrap())
        });
        Self {
            all: thread["endValue"].as_u64().unwrap(),
            stacks: stacks.collect(),
        }
    }

    /// Samples in which a function is whose name has this in it.
    fn samples_in(&self, part: &str) -> u64 {
        let has = |names: &[String]| names.iter().any(|name| name.contains(part));
        let samples = self.stacks.iter().filter(|(names, _)| has(names));
        samples.map(|(_, samples)| samples).sum()
    }

    fn names(&self, part: &str) -> &[String] {
        let has = |names: &[String]| names.iter().any(|name| name.contains(part));
        let stack = self.stacks.iter().find(|(names, _)| has(names));
        &stack.unwrap().0
    }
}

/// Of the widest box of that name, in percent.
fn width_of(html: &str, part: &str) -> f64 {
    let boxes = html.split("<div class=\"f").skip(1);
    let widths = boxes.filter_map(|is| {
        let (style, rest) = is.split_once("title=\"")?;
        let (title, _) = rest.split_once(": ")?;
        let (_, width) = style.split_once("width:")?;
        let (width, _) = width.split_once('%')?;
        // Paths have colons too.
        let name = rest.split('"').next()?;
        (title.contains(part) || name.contains(part)).then(|| width.parse::<f64>().unwrap())
    });
    widths.fold(0.0, f64::max)
}

/// The schema's file; npm installs it where cargo builds.
fn schema() -> PathBuf {
    let pinned = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/profile/speedscope");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("speedscope");
    let schema = folder.join("node_modules/speedscope/dist/release/file-format-schema.json");
    if !schema.exists() {
        std::fs::create_dir_all(&folder).unwrap();
        for file in ["package.json", "package-lock.json"] {
            std::fs::copy(pinned.join(file), folder.join(file)).unwrap();
        }
        let output = Command::new("npm")
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
            .current_dir(&folder)
            .output()
            .expect("npm is there: scripts/install-packages test");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stderr}");
    }
    schema
}

/// Speedscope's page after it was given the file; `None` without a Chromium.
fn opened(schema: &Path, folder: &Path, text: &str) -> Option<String> {
    let page = schema.with_file_name("index.html");
    // So its page takes a file that is not on a server.
    let script = folder.join("profile.js");
    let text = base64::engine::general_purpose::STANDARD.encode(text);
    let load = format!("speedscope.loadFileFromBase64('profile.speedscope.json', '{text}')");
    std::fs::write(&script, load).unwrap();
    let output = Command::new("chromium")
        .args([
            "--headless",
            "--no-sandbox",
            "--enable-unsafe-swiftshader",
            "--dump-dom",
        ])
        .args([
            "--allow-file-access-from-files",
            "--virtual-time-budget=8000",
        ])
        .arg(format!(
            "--user-data-dir={}",
            folder.join("chromium").display()
        ))
        .arg(format!(
            "file://{}#localProfilePath={}",
            page.display(),
            script.display()
        ))
        .output();
    match output {
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        output => Some(String::from_utf8_lossy(&output.unwrap().stdout).into_owned()),
    }
}

/// What a validator finds, a line each.
fn violations(schema: &Path, file: &Path, text: &str) -> String {
    const SCRIPT: &str = "import json, sys\n\
                          from jsonschema import Draft7Validator as V\n\
                          schema, file = (json.load(open(path)) for path in sys.argv[1:])\n\
                          V.check_schema(schema)\n\
                          for error in V(schema).iter_errors(file): print(error.message[:300])";
    std::fs::write(file, text).unwrap();
    let run = |python: &str| {
        let mut command = Command::new(python);
        command.args(["-c", SCRIPT]).arg(schema).arg(file);
        let output = command.output().ok();
        output.filter(|output| output.status.success())
    };
    // The system's Python has what the package brings; another may come first in PATH.
    let output = run("python3").or_else(|| run("/usr/bin/python3"));
    let output = output.expect("python3-jsonschema is there: scripts/install-packages test");
    String::from_utf8(output.stdout).unwrap()
}
