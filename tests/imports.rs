//! The layout holds: imports run one way, as ARCHITECTURE.md draws them, and no file imports one
//! that imports it.

#![expect(
    clippy::unwrap_used,
    reason = "a source file that cannot be read fails the test"
)]
#![expect(clippy::string_slice, reason = "paths are cut where they were found")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What each part of the crate may import, beside `clock` and `semconv`, which all may.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("semconv", &[]),
    ("instrument", &[]),
    ("layer", &["instrument"]),
    ("queue", &["timer", "instrument"]),
    ("timer", &["instrument"]),
    ("measurement", &["instrument"]),
    ("system", &["instrument"]),
    ("startup", &["instrument"]),
    ("history", &["instrument"]),
    ("ipc", &["queue", "measurement", "startup", "instrument"]),
    ("webview", &["ipc", "startup"]),
    (
        "report",
        &[
            "telemetry",
            "ipc",
            "queue",
            "timer",
            "measurement",
            "system",
            "instrument",
        ],
    ),
    ("testing", &["layer", "instrument"]),
    (
        "telemetry",
        &[
            "system",
            "startup",
            "timer",
            "layer",
            "history",
            "instrument",
        ],
    ),
];

/// Within `telemetry`: each may import those that come after it.
const TELEMETRY: &[&[&str]] = &[
    &["install"],
    &["assembler"],
    &["pause", "foreign_spans"],
    &["handle", "parts", "fanout"],
    &["pipelines", "subscriber"],
    &["config"],
    &["prometheus", "sampling"],
    &["metrics"],
    &["export", "thresholds"],
    &["consent", "diagnostics", "shutdown_report", "background"],
];

/// The crates of the Tauri plugin's workspace, each with a number of imports that it has in any case.
const TAURI: &[(&str, usize)] = &[
    ("tauri-plugin/src", 40),
    ("tauri-plugin/scenarios/src", 3),
    ("tauri-plugin/examples/paint-tool/src", 1),
    ("tauri-plugin/bench/src", 0),
];

/// An import: the module that it stands in, the path that it names, and where it is.
#[derive(Debug)]
struct Import {
    from: Vec<String>,
    path: Vec<String>,
    place: String,
}

#[test]
fn parts_import_only_what_lies_below_them() {
    let mut offending = Vec::new();
    for import in imports() {
        let (from, to) = (&import.from[0], &import.path[0]);
        let known = MAY_IMPORT.iter().find(|(part, _)| part == from);
        let Some((_, allowed)) = known else {
            offending.push(format!("{}: `{from}` is not in MAY_IMPORT", import.place));
            continue;
        };
        let always = ["clock", "semconv"].contains(&to.as_str());
        if from != to && !always && !allowed.contains(&to.as_str()) {
            let path = import.path.join("::");
            offending.push(format!("{}: `{from}` imports crate::{path}", import.place));
        }
    }
    assert!(offending.is_empty(), "{}", offending.join("\n"));
}

#[test]
fn telemetry_imports_from_install_down_to_diagnostics() {
    let rank = |name: &str| {
        let rank = TELEMETRY.iter().position(|names| names.contains(&name));
        rank.unwrap_or_else(|| panic!("telemetry::{name} is not in TELEMETRY"))
    };
    let mut offending = Vec::new();
    for import in imports() {
        let (from, to) = (&import.from, &import.path);
        if from[0] != "telemetry" || to[0] != "telemetry" || from.len() < 2 || to.len() < 2 {
            continue;
        }
        if from[1] == to[1] {
            continue;
        }
        if rank(&from[1]) > rank(&to[1]) {
            let path = to.join("::");
            offending.push(format!("{}: crate::{path}", import.place));
        }
    }
    assert!(offending.is_empty(), "{}", offending.join("\n"));
}

#[test]
fn no_file_imports_one_that_imports_it() {
    assert_no_loops(imports());
    for (folder, at_least) in TAURI {
        let imports = imports_in(folder);
        assert!(
            imports.len() >= *at_least,
            "the imports of {folder} are not found any more"
        );
        assert_no_loops(imports);
    }
}

fn assert_no_loops(imports: Vec<Import>) {
    // For each folder: which of its files and folders imports which other, and where.
    let mut edges: BTreeMap<Vec<String>, BTreeMap<(String, String), String>> = BTreeMap::new();
    for import in imports {
        let (from, to) = (&import.from, &import.path);
        let common = from.iter().zip(to).take_while(|(a, b)| a == b).count();
        if let (Some(a), Some(b)) = (from.get(common), to.get(common)) {
            let folder = edges.entry(from[..common].to_vec()).or_default();
            let edge = folder.entry((a.clone(), b.clone()));
            edge.or_insert(import.place);
        }
    }
    let mut loops = Vec::new();
    for (folder, edges) in &edges {
        for ((from, to), place) in edges {
            if reaches(edges, to, from) {
                let folder = folder.join("::");
                loops.push(format!(
                    "{folder}: {from} imports {to} ({place}), which leads back"
                ));
            }
        }
    }
    assert!(loops.is_empty(), "{}", loops.join("\n"));
}

fn reaches(edges: &BTreeMap<(String, String), String>, from: &str, to: &str) -> bool {
    let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(at) = open.pop() {
        if at == to {
            return true;
        }
        if seen.insert(at) {
            let next = edges.keys().filter(|(a, _)| a == at);
            open.extend(next.map(|(_, b)| b.as_str()));
        }
    }
    false
}

/// Every import of one module by another, without those of unit tests, fuzz targets and the command.
fn imports() -> Vec<Import> {
    let imports = imports_in("src");
    assert!(imports.len() > 300, "the imports are not found any more");
    imports
}

/// The same of a crate whose sources are in that folder of the repository.
fn imports_in(folder: &str) -> Vec<Import> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files = Vec::new();
    collect(&root, &mut files);
    let module = |file: &Path| -> Vec<String> {
        let path = file.strip_prefix(&root).unwrap().with_extension("");
        let parts = path.iter().map(|part| part.to_str().unwrap().to_owned());
        parts.filter(|part| part != "mod").collect()
    };
    let modules: BTreeSet<Vec<String>> = files.iter().map(|file| module(file)).collect();
    // A program has none.
    let lib = fs::read_to_string(root.join("lib.rs")).unwrap_or_default();
    let given_at_the_root = reexports(&lib);
    let mut imports = Vec::new();
    for file in &files {
        let from = module(file);
        let text = fs::read_to_string(file).unwrap();
        for (line, mut path) in paths(&text, &from) {
            if let Some(part) = given_at_the_root.get(&path[0]) {
                path.insert(0, part.clone());
            }
            // As far as it names modules; what follows are items.
            let len = (1..=path.len())
                .rev()
                .find(|len| modules.contains(&path[..*len]));
            let Some(named) = len.map(|len| path[..len].to_vec()) else {
                continue;
            };
            // A part of the crate's root is imported whatever is named of it; within a part, an
            // item of a folder's own is its parent's.
            if named != from && !from.starts_with(&named) {
                let file = file.strip_prefix(&root).unwrap();
                imports.push(Import {
                    from: from.clone(),
                    path: named,
                    place: format!("{folder}/{}:{line}", file.display()),
                });
            }
        }
    }
    imports
}

/// What `lib.rs` gives at the crate's root, with the part that it is from.
fn reexports(lib: &str) -> BTreeMap<String, String> {
    let mut given = BTreeMap::new();
    for line in lib.lines().filter_map(|line| line.strip_prefix("pub use ")) {
        for path in expanded(line.trim_end_matches(';')) {
            if let [part, .., name] = &path[..] {
                given.insert(name.clone(), part.clone());
            }
        }
    }
    given
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            if name != "bin" && name != "tests" {
                collect(&path, files);
            }
        } else if name.ends_with(".rs") && !["lib.rs", "tests.rs", "fuzzing.rs"].contains(&name) {
            files.push(path);
        }
    }
}

/// The paths that begin with `crate` or `super`, from the crate's root, with their lines.
fn paths(text: &str, module: &[String]) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.starts_with("#[cfg(test)]") || line.starts_with("#[cfg(all(test") {
            // Unit tests come last in a file, but for `mod tests;`.
            let rest = text.lines().nth(number + 1).unwrap_or_default();
            if rest.trim_end().ends_with('{') {
                break;
            }
        }
        let code = line.split("//").next().unwrap_or_default();
        let is_use = code
            .trim_start()
            .trim_start_matches("pub(crate) ")
            .starts_with("use ");
        for root in ["crate::", "super::"] {
            let mut rest = code;
            while let Some(at) = rest.find(root) {
                let before = rest[..at].chars().next_back();
                let path = &rest[at..];
                rest = &rest[at + root.len()..];
                if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                    continue;
                }
                let whole = if is_use && !path.contains(';') {
                    // A group over several lines.
                    let lines = text.lines().skip(number + 1);
                    let more = lines.take_while(|line| !line.contains(';'));
                    path.to_owned() + &more.collect::<String>()
                } else {
                    path.to_owned()
                };
                for segments in expanded(&whole) {
                    if let Some(path) = absolute(&segments, module) {
                        found.push((number + 1, path));
                    }
                }
            }
        }
    }
    found
}

/// `a::{b, c::d}` as `a::b` and `a::c::d`; ends where the path does.
fn expanded(text: &str) -> Vec<Vec<String>> {
    let is_of_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let end = text.find(|c| !is_of_path(c)).unwrap_or(text.len());
    let prefix: Vec<String> = segments(&text[..end]);
    let rest = &text[end..];
    if !rest.starts_with('{') {
        return vec![prefix];
    }
    let (mut depth, mut start, mut all) = (0, 1, Vec::new());
    for (at, c) in rest.char_indices() {
        match c {
            '{' => depth += 1,
            '}' | ',' if depth == 1 => {
                for inner in expanded(rest[start..at].trim()) {
                    all.push([prefix.clone(), inner].concat());
                }
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    all.retain(|path| path.len() > prefix.len());
    all
}

fn segments(path: &str) -> Vec<String> {
    let parts = path
        .split("::")
        .filter(|part| !part.is_empty() && *part != "self");
    parts.map(str::to_owned).collect()
}

/// From the crate's root; `None` where `super` leads out of the file's own inline module.
fn absolute(path: &[String], module: &[String]) -> Option<Vec<String>> {
    let ups = path.iter().take_while(|part| *part == "super").count();
    if ups == 0 {
        return path
            .split_first()
            .map(|(_, rest)| rest.to_vec())
            .filter(|rest| !rest.is_empty());
    }
    let base = module.get(..module.len().checked_sub(ups)?)?;
    Some([base, &path[ups..]].concat()).filter(|path| !path.is_empty())
}
