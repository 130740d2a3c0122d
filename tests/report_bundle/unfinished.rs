//! What is on the disk while a report is written.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use spanwire::history::query::{QueryError, import};
use spanwire::history::report::{Evidence, Period, ReportError, ReportOptions, Rule};

use crate::synthetic::{Synthetic, text_in};

/// A rule of the app's own is asked while the report is half written: then it does this.
struct Meanwhile<F>(F);

impl<F: Fn() + Send + Sync> Rule for Meanwhile<F> {
    fn name(&self) -> &str {
        "meanwhile"
    }

    fn question(&self) -> &str {
        "What happens meanwhile?"
    }

    fn evidence(&self, _: &Period<'_>) -> Result<Vec<Evidence>, QueryError> {
        (self.0)();
        Ok(Vec::new())
    }

    fn remedy(&self) -> &str {
        ""
    }
}

/// The files of a report that is not whole yet, or was left behind.
fn unfinished(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| {
        let name = file.file_name().unwrap().to_string_lossy();
        name.starts_with('.') && name.contains("spanwire-")
    });
    files
}

#[cfg(unix)]
fn mode(file: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(file).unwrap().permissions().mode() & 0o777
}

#[cfg(unix)]
#[test]
fn temporary_cut_of_the_history_is_for_its_owner_alone_while_the_report_is_written() {
    let history = Synthetic::new("private-cut");
    history.healthy();
    let out = history.file("report.zip");
    let folder = out.parent().unwrap().to_owned();
    let modes = Arc::new(Mutex::new(Vec::new()));
    let (seen, place) = (Arc::clone(&modes), folder.clone());
    let look = Meanwhile(move || {
        let files = unfinished(&place);
        seen.lock()
            .unwrap()
            .extend(files.iter().map(|file| mode(file)));
    });
    let options = ReportOptions::new().rule(look);
    options.write(history.history(), &out).unwrap();
    assert_eq!(*modes.lock().unwrap(), [0o600], "the cut");
    assert_eq!(mode(&out), 0o600);
    assert_eq!(unfinished(&folder), Vec::<PathBuf>::new());
}

#[test]
fn second_report_to_the_same_file_meanwhile_leaves_the_first_its_temporary_files() {
    let history = Synthetic::new("two-reports");
    history.healthy();
    let (path, out) = (history.history(), history.file("report.zip"));
    let other = (path.clone(), out.clone());
    let again = Meanwhile(move || {
        ReportOptions::new().write(&other.0, &other.1).unwrap();
    });
    let first = ReportOptions::new().rule(again).write(&path, &out);
    // The second one was the first to be whole, and stays.
    let error = first.unwrap_err();
    assert!(
        matches!(&error, ReportError::Exists(at) if *at == out),
        "{error:?}"
    );
    assert!(text_in(&out, "report.html").contains("Why is it laggy?"));
    assert_eq!(unfinished(out.parent().unwrap()), Vec::<PathBuf>::new());
}

#[cfg(unix)]
#[test]
fn history_that_is_imported_is_for_its_owner_alone() {
    let history = Synthetic::new("imported");
    let old = history.file("metrics.db");
    let connection = rusqlite::Connection::open(&old).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE metrics (operation TEXT, duration REAL, error INTEGER, is_slow INTEGER, \
             timestamp REAL); INSERT INTO metrics VALUES ('save', 5, 0, 0, 1700000000)",
        )
        .unwrap();
    let new = history.file("imported.db");
    assert_eq!(import(&old, &new).unwrap().records, 1);
    assert_eq!(mode(&new), 0o600);
}
