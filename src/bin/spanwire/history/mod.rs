//! Questions to a history file, and its care.

pub(crate) mod args;
mod clean;
mod comparison;
mod export;
mod figures;
mod import;
mod json;
pub(crate) mod moment;
mod series;
mod slow;
mod table;

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::Subcommand;
use clap::error::ErrorKind;
use spanwire::history::query::HistoryReader;

use crate::Outcome;
use args::{History, Query};

pub(super) fn run(out: &mut impl Write, command: &History) -> io::Result<Outcome> {
    match command {
        History::Query(query) => answer(out, query),
        History::Import(options) => import::run(out, options),
    }
}

/// Answers one question, by whichever of its two names it was asked.
pub(super) fn answer(out: &mut impl Write, query: &Query) -> io::Result<Outcome> {
    match query {
        Query::Slow(options) => slow::run(out, options),
        Query::Stats(options) => series::run(out, options),
        Query::Compare(options) => comparison::run(out, options),
        Query::Export(options) => export::run(out, options),
        Query::Clean(options) => clean::run(out, options),
    }
}

/// The file that the arguments or else the environment name.
pub(crate) fn file(named: Option<&PathBuf>) -> PathBuf {
    let from_environment = || {
        let value = std::env::var_os(FILE_VARIABLE)?;
        // An empty variable counts as unset, as in the library.
        (!value.is_empty()).then(|| PathBuf::from(value))
    };
    named.cloned().or_else(from_environment).unwrap_or_else(|| {
        misused(
            ErrorKind::MissingRequiredArgument,
            "which history? Name its file, or set SPANWIRE_HISTORY as the app has it",
        )
    })
}

/// Ends the process as clap does for arguments that it does not understand.
fn misused(kind: ErrorKind, message: &str) -> ! {
    // clap ends the process with code 2 and the usage, as for each other mistake in the arguments.
    let mut command = args::Query::augment_subcommands(clap::Command::new("spanwire"));
    command.error(kind, message).exit()
}

/// Opens the file and answers, or says why not.
fn with_reader(
    named: Option<&PathBuf>,
    answer: impl FnOnce(&HistoryReader) -> Result<Outcome, Failure>,
) -> io::Result<Outcome> {
    told(
        HistoryReader::open(file(named))
            .map_err(Failure::of)
            .and_then(|reader| answer(&reader)),
    )
}

/// Why there is no answer.
pub(crate) enum Failure {
    /// The answer cannot be written; `main` tells.
    Output(io::Error),
    History(Box<dyn Error>),
}

impl Failure {
    pub(crate) fn of(error: impl Error + 'static) -> Self {
        Self::History(error.into())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<spanwire::history::query::QueryError> for Failure {
    fn from(error: spanwire::history::query::QueryError) -> Self {
        Self::of(error)
    }
}

/// Says on the error output what failed, with its causes.
pub(crate) fn told(done: Result<Outcome, Failure>) -> io::Result<Outcome> {
    let error = match done {
        Ok(outcome) => return Ok(outcome),
        Err(Failure::Output(error)) => return Err(error),
        Err(Failure::History(error)) => error,
    };
    let mut text = format!("error: {error}");
    // `Display` of the library's errors leaves out the cause, which is mostly SQLite's or the
    // system's.
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    let _ = writeln!(io::stderr(), "{text}");
    Ok(Outcome::Bad)
}

const FILE_VARIABLE: &str = "SPANWIRE_HISTORY";
