//! Holds the public API of each set of features against a committed text.
//!
//! `cargo run -p spanwire-api` compares, and with `-- --write` writes. `snapshots/none.txt` is the API
//! without features; the file of a feature has the lines that it adds, and `all.txt` those that exist
//! only when all features are on. A feature that takes a line away is not additive, which no snapshot
//! excuses.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it is a command for a terminal"
)]

use std::collections::BTreeSet;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::SystemTime;
use std::{env, fs};

/// Names of the snapshots, with the features that each one has. `cli` has no public API.
const SETS: [(&str, &str); 8] = [
    ("none", ""),
    ("prometheus", "prometheus"),
    ("otlp", "otlp"),
    ("system", "system"),
    ("testing", "testing"),
    ("metrics-exporter-prometheus", "metrics-exporter-prometheus"),
    ("wry", "wry"),
    ("all", "default,testing,wry,metrics-exporter-prometheus"),
];

/// Where rustdoc shall write, when this program stands in for it.
const OUT_DIR: &str = "SPANWIRE_API_OUT_DIR";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let done = match env::var_os(OUT_DIR) {
        Some(folder) => rustdoc(&folder.into()),
        None => snapshots(env::args().any(|argument| argument == "--write")),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("api: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Compares or writes all snapshots, and says whether they hold.
fn snapshots(write: bool) -> Result<bool> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = root.join("api/snapshots");
    let mut none = BTreeSet::new();
    let mut each = BTreeSet::new();
    let mut holds = true;
    for (name, features) in SETS {
        let api = public_api(&root, features)?;
        let base = if name == "all" { &each } else { &none };
        let whole: BTreeSet<String> = api.iter().cloned().collect();
        for line in base.difference(&whole) {
            eprintln!("api: `{name}` takes away or changes: {line}");
            holds = false;
        }
        let added: Vec<&str> = api
            .iter()
            .map(String::as_str)
            .filter(|line| !base.contains(*line))
            .collect();
        let path = folder.join(name).with_extension("txt");
        if write {
            let text: String = added.iter().flat_map(|line| [line, "\n"]).collect();
            fs::create_dir_all(&folder)?;
            fs::write(&path, text)?;
        } else {
            let committed = fs::read_to_string(&path).unwrap_or_default();
            holds &= is_as_committed(name, &committed, &added);
        }
        println!("api: {name}: {} lines", added.len());
        if name == "none" {
            none.clone_from(&whole);
        }
        each.extend(whole);
    }
    if !holds && !write {
        eprintln!(
            "api: is it meant? Then write it with `make api ARGS=--write`, commit api/snapshots, and \
             say it in CHANGELOG.md"
        );
    }
    Ok(holds)
}

/// Prints what differs.
fn is_as_committed(name: &str, committed: &str, added: &[&str]) -> bool {
    let before: Vec<&str> = committed.lines().collect();
    for line in before.iter().filter(|line| !added.contains(line)) {
        eprintln!("api: {name}: - {line}");
    }
    for line in added.iter().filter(|line| !before.contains(line)) {
        eprintln!("api: {name}: + {line}");
    }
    let same = before == added;
    if !same {
        eprintln!("api: api/snapshots/{name}.txt is not the public API");
    }
    same
}

/// The public API with those features, a line an item.
fn public_api(root: &Path, features: &str) -> Result<Vec<String>> {
    let name = if features.is_empty() {
        "none"
    } else {
        features
    };
    let folder = root.join("target/api").join(name.replace(',', "+"));
    let json = folder.join("spanwire.json");
    // Cargo does not know this file: when it is gone, cargo has to be given a reason to make it.
    let again = if json.exists() {
        String::new()
    } else {
        let now = SystemTime::UNIX_EPOCH.elapsed()?.as_nanos();
        format!(" --cfg spanwire_api_again=\"{now}\"")
    };
    let status = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args([
            "doc",
            "--quiet",
            "--package",
            "spanwire",
            "--lib",
            "--no-deps",
        ])
        .args(["--no-default-features", "--features", features])
        .env("RUSTDOC", env::current_exe()?)
        .env(
            "RUSTDOCFLAGS",
            format!("-Z unstable-options --output-format json --cap-lints allow{again}"),
        )
        .env(OUT_DIR, &folder)
        .current_dir(root)
        .status()?;
    if !status.success() {
        return Err(format!("cargo doc with the features `{features}` failed").into());
    }
    let api = public_api::Builder::from_rustdoc_json(json)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .build()?;
    Ok(api.items().map(ToString::to_string).collect())
}

/// Stands in for rustdoc, for two things that cargo cannot be told: the JSON is unstable, which must be
/// allowed to rustdoc alone, since some dependencies are built in another way with it; and each set of
/// features has its own folder, since cargo leaves out what it has written before.
fn rustdoc(folder: &PathBuf) -> Result<bool> {
    let mut arguments: Vec<_> = env::args_os().skip(1).collect();
    if let Some(at) = arguments
        .iter()
        .position(|argument| argument == "-o" || argument == "--out-dir")
    {
        arguments[at + 1] = folder.into();
    }
    let status = Command::new("rustdoc")
        .args(arguments)
        .env("RUSTC_BOOTSTRAP", "1")
        .status()?;
    Ok(status.success())
}
