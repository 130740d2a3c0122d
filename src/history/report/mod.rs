//! "Why is it laggy?" as one file: a report of a history, with advice.
//!
//! A report is a ZIP file with
//!
//! - `report.html`, which any browser shows without a request to anywhere,
//! - `trace.json` in Chrome's trace event format, for <https://ui.perfetto.dev>,
//! - `otlp.jsonl`, an `ExportTraceServiceRequest` on each line, for a Collector,
//! - `profile.speedscope.json` for <https://www.speedscope.app>, if the app was sampled,
//! - `history.sqlite`, a cut of the history.
//!
//! It holds names, numbers, threads and trace ids; payloads are in no history. Error texts and what
//! the app added to its operations are left out unless [`ReportOptions::with_error_texts`] asks for
//! them. It is of a bounded size, however large the history is: it shows the 200 slowest events, the
//! 200 newest failures and up to 2,000 others, and `history.sqlite` has up to 20,000 rows a table.
//!
//! ```
//! use spanwire::history::History;
//! use spanwire::history::report::ReportOptions;
//! use spanwire::monitor;
//! use std::time::Duration;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = std::env::temp_dir().join(format!("spanwire-report-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! let history = History::open(folder.join("history.db"))?;
//! monitor("load_scene").time(|| { /* … */ });
//! history.flush(Duration::from_secs(2))?;
//! let report = ReportOptions::new().write(history.path(), folder.join("report.zip"))?;
//! println!("{}", report.verdict);
//! # assert!(report.advice.is_empty());
//! # history.shutdown(Duration::from_secs(2));
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok(())
//! # }
//! ```

mod advice;
mod catalogue;
mod cut;
mod error;
mod facts;
mod failures;
mod flame;
mod growth;
mod html;
mod last_minute;
mod otlp;
mod page_style;
mod profile;
mod rule;
mod speedscope;
mod spread;
mod text;
mod trace;
mod unclean;
mod wall;

use std::fs::{self, File};
use std::io::{self, Cursor, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

pub use advice::Advice;
pub use error::ReportError;
#[cfg(feature = "profile")]
pub(crate) use profile::{NO_PROFILE_HERE, PROFILES_IN_PROCESS};
pub(crate) use rule::Rules;
pub use rule::{Evidence, Period, Rule};

use super::private_file::{create_unfinished, finish, unfinished_beside};
use super::query::HistoryReader;
use super::set_aside::with_suffix;
use super::time::{nanos_since_epoch, time_at};
use facts::Facts;

/// What a report is of, and what it may tell.
#[derive(Clone, Debug, Default)]
#[must_use = "nothing is written before `write`"]
pub struct ReportOptions {
    since: Option<SystemTime>,
    until: Option<SystemTime>,
    with_error_texts: bool,
    rules: Rules,
}

/// A report that was written.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// Its file.
    pub path: PathBuf,
    /// The file's size in bytes.
    pub bytes: u64,
    /// What is wrong, in a line.
    pub verdict: String,
    /// What to change, the worst first; empty when nothing is wrong.
    pub advice: Vec<Advice>,
    /// What the history could not tell, and why.
    pub missing: Vec<String>,
    /// Samples of the CPU profile in it; 0 without one.
    pub profile_samples: u64,
}

impl Report {
    /// How to have a CPU profile, where there is none.
    #[must_use]
    pub fn profile_hint(&self) -> Option<&'static str> {
        (self.profile_samples == 0).then_some(profile::HINT)
    }
}

impl ReportOptions {
    /// All of the history, without error texts.
    pub fn new() -> Self {
        Self::default()
    }

    /// What started at this time or later. Default: from the history's first record on.
    pub fn since(mut self, since: SystemTime) -> Self {
        self.since = Some(since);
        self
    }

    /// What started before this time. Default: to the history's last record.
    pub fn until(mut self, until: SystemTime) -> Self {
        self.until = Some(until);
        self
    }

    /// With the texts of errors and what the app added to its operations, which may be private.
    pub fn with_error_texts(mut self) -> Self {
        self.with_error_texts = true;
        self
    }

    /// With what a rule of the app's own finds. Default: those of the catalogue alone.
    pub fn rule(mut self, rule: impl Rule + 'static) -> Self {
        self.rules.add(rule);
        self
    }

    pub(crate) fn rules(mut self, rules: &Rules) -> Self {
        self.rules = rules.clone();
        self
    }

    /// Writes the report of the history at `history` to the new file `out`.
    ///
    /// An app may write to the history meanwhile. What is damaged in it is named in the report.
    ///
    /// # Errors
    ///
    /// A [`ReportError`] when the history cannot be opened, or the report cannot be written.
    pub fn write(
        &self,
        history: impl AsRef<Path>,
        out: impl AsRef<Path>,
    ) -> Result<Report, ReportError> {
        let out = out.as_ref();
        // A quick answer before the work. `finish` decides, since another process may write the
        // file meanwhile.
        if out.exists() {
            return Err(ReportError::Exists(out.to_owned()));
        }
        let reader = HistoryReader::open(history)?;
        let (since, until) = (self.since, self.until);
        let mut facts = Facts::read(
            &reader,
            since.map(nanos_since_epoch),
            until.map(nanos_since_epoch),
            self.with_error_texts,
        )?;
        let unfinished = Unfinished::beside(out);
        let unwritable =
            |source: Box<dyn std::error::Error + Send + Sync>| ReportError::Unwritable {
                path: out.to_owned(),
                source,
            };
        // First: it may find more that cannot be read.
        create_unfinished(&unfinished.cut).map_err(|error| unwritable(error.into()))?;
        let cut = cut::write(&reader, &facts, &unfinished.cut);
        facts
            .missing
            .extend(cut.map_err(|error| unwritable(error.into()))?);
        let period = Period {
            reader: &reader,
            since: time_at(facts.from),
            until: time_at(facts.to),
            stats: &facts.stats,
        };
        // The app's rules come after all reading of the report's own, so one that is slow or panics
        // takes nothing from it.
        let (own, silent) = self.rules.ask(&period);
        facts.missing.extend(silent);
        let advice = advice::advice(&facts, own);
        let verdict = match (unclean::sentence(&facts), advice.is_empty()) {
            (Some(unclean), true) => unclean,
            (Some(unclean), false) => format!("{unclean} {}", verdict(&facts, &advice)),
            (None, _) => verdict(&facts, &advice),
        };
        let written = write_zip(&unfinished, &facts, &advice, &verdict);
        written.map_err(|error| unwritable(error.into()))?;
        finish(&unfinished.zip, out).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => ReportError::Exists(out.to_owned()),
            _ => unwritable(error.into()),
        })?;
        let bytes = fs::metadata(out).map_or(0, |is| is.len());
        Ok(Report {
            path: out.to_owned(),
            bytes,
            verdict,
            advice,
            profile_samples: facts.profile.samples(),
            missing: facts.missing,
        })
    }
}

fn write_zip(
    unfinished: &Unfinished,
    facts: &Facts,
    advice: &[Advice],
    verdict: &str,
) -> io::Result<()> {
    let mut file = create_unfinished(&unfinished.zip)?;
    file.write_all(&packed(facts, advice, verdict, &unfinished.cut)?)?;
    // On disk before it has its name: else a machine that is shut off could leave an empty report.
    file.sync_all()
}

/// The ZIP file's bytes.
///
/// They are packed in memory, since a report is small, and the writer tells stderr of a disk that is full.
fn packed(facts: &Facts, advice: &[Advice], verdict: &str, cut: &Path) -> io::Result<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default();
    zip.start_file("report.html", options)?;
    zip.write_all(html::page(facts, advice, verdict).as_bytes())?;
    zip.start_file("trace.json", options)?;
    trace::write(facts, &mut zip)?;
    zip.start_file("otlp.jsonl", options)?;
    otlp::write(facts, &mut zip)?;
    if facts.profile.samples() > 0 {
        zip.start_file("profile.speedscope.json", options)?;
        // The newest session: they are in the order of time.
        let service = facts.sessions.last().map_or("app", |it| &it.service);
        speedscope::write(&facts.profile, service, &mut zip)?;
    }
    zip.start_file("history.sqlite", options)?;
    io::copy(&mut File::open(cut)?, &mut zip)?;
    Ok(zip.finish()?.into_inner())
}

/// What is wrong, in a line.
fn verdict(facts: &Facts, advice: &[Advice]) -> String {
    match advice {
        _ if facts.is_empty() && !facts.missing.is_empty() => {
            "The history could not be read.".to_owned()
        }
        _ if facts.is_empty() => "Nothing was recorded in this period.".to_owned(),
        [] if facts.missing.is_empty() => "Nothing is wrong in this period.".to_owned(),
        [] => "Nothing is wrong in what could be read.".to_owned(),
        [first, rest @ ..] => {
            let more = match rest.len() {
                0 => String::new(),
                1 => " (and 1 more finding)".to_owned(),
                count => format!(" (and {count} more findings)"),
            };
            format!("{}: {}{more}", first.subject, first.evidence)
        }
    }
}

/// What is there until the report is whole.
struct Unfinished {
    zip: PathBuf,
    cut: PathBuf,
}

impl Unfinished {
    fn beside(out: &Path) -> Self {
        let name = unfinished_beside(out);
        Self {
            zip: with_suffix(&name, ".zip"),
            cut: with_suffix(&name, ".sqlite"),
        }
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // The drop removes the files after a success as well: the report's file is a link to the
        // first, whose hidden name stays.
        for file in [&self.zip, &self.cut] {
            let _ = fs::remove_file(file);
        }
    }
}
