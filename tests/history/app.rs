//! An app with a history, and the look into its file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use spanwire::Telemetry;
use spanwire::telemetry::{MetricsExporter, TelemetryBuilder};
use spanwire_testkit::folder::Folder;
pub(crate) use spanwire_testkit::sqlite::sql;

/// Long enough for a machine that has much to do.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// An app with a history and nothing else: no exporter, no recorder.
pub(crate) fn builder(path: &Path) -> TelemetryBuilder {
    Telemetry::builder("paint-tool")
        .environment(|_| None)
        .metrics(MetricsExporter::None)
        .without_system()
        .quiet()
        .history(path)
}

/// A new folder, and a file in it that is not there yet.
pub(crate) fn place(name: &str) -> (Folder, PathBuf) {
    let folder = Folder::new(&format!("history-{name}"));
    let path = folder.path().join("history.db");
    (folder, path)
}

pub(crate) fn flush(telemetry: &Telemetry) {
    telemetry.history().unwrap().flush(DEADLINE).unwrap();
}

/// What `sqlite3` answers, as one number.
pub(crate) fn number(path: &Path, query: &str) -> f64 {
    let text = sql(path, query);
    text.parse()
        .unwrap_or_else(|_| panic!("{query}: {text} is no number"))
}
