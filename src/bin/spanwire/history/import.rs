//! `spanwire history import`: an old system's file becomes a history.

use std::io::{self, IsTerminal, Write};

use spanwire::history::query::import_with_progress;

use super::args::Import;
use super::{Failure, figures, told};
use crate::Outcome;

pub(super) fn run(out: &mut impl Write, options: &Import) -> io::Result<Outcome> {
    let mut shown = false;
    let is_seen = io::stderr().is_terminal();
    let imported = import_with_progress(&options.old, &options.new, |rows| {
        if is_seen {
            shown = true;
            let _ = write!(io::stderr(), "\r{} rows", figures::whole(rows));
        }
    });
    if shown {
        let _ = writeln!(io::stderr());
    }
    let imported = match imported {
        Ok(imported) => imported,
        Err(error) => return told(Err(Failure::of(error))),
    };
    writeln!(
        out,
        "{} records in {}; {} is as it was",
        figures::whole(imported.records),
        options.new.display(),
        options.old.display()
    )?;
    if imported.skipped > 0 {
        writeln!(
            out,
            "{} rows were left out: their operation, duration or time is none",
            figures::whole(imported.skipped)
        )?;
    }
    Ok(Outcome::Good)
}
