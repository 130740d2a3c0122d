//! `spanwire clean`: deletes what is old.

use std::io::{self, IsTerminal, Write};

use spanwire::history::query::{Cleaned, Cleanup};

use super::args::Clean;
use super::{Failure, figures, file, told};
use crate::Outcome;

pub(super) fn run(out: &mut impl Write, options: &Clean) -> io::Result<Outcome> {
    told(clean(out, options))
}

fn clean(out: &mut impl Write, options: &Clean) -> Result<Outcome, Failure> {
    let path = file(options.file.as_ref());
    let mut cleanup = Cleanup::before(options.older_than);
    if options.rollups {
        cleanup = cleanup.with_rollups();
    }
    if options.dry_run {
        let would = cleanup.count(&path).map_err(Failure::of)?;
        writeln!(out, "would delete {}", counted(would))?;
        return Ok(Outcome::Good);
    }
    // A log file needs no line that overwrites itself.
    let shows = io::stderr().is_terminal();
    let cleaned = cleanup.run(&path, |done, all| {
        if shows {
            let (done, all) = (sum(done), sum(all));
            let _ = write!(
                io::stderr(),
                "\r{} of {}",
                figures::whole(done),
                // The app may write on, so more may be deleted than was counted at the start.
                figures::whole(all.max(done))
            );
        }
    });
    if shows {
        let _ = writeln!(io::stderr());
    }
    writeln!(out, "deleted {}", counted(cleaned.map_err(Failure::of)?))?;
    Ok(Outcome::Good)
}

fn sum(cleaned: Cleaned) -> u64 {
    cleaned.records + cleaned.samples + cleaned.rollups
}

fn counted(cleaned: Cleaned) -> String {
    let part = |number: u64, noun: &str| {
        let plural = if number == 1 { "" } else { "s" };
        format!("{} {noun}{plural}", figures::whole(number))
    };
    format!(
        "{}, {} and {}",
        part(cleaned.records, "record"),
        part(cleaned.samples, "sample"),
        part(cleaned.rollups, "roll-up"),
    )
}
