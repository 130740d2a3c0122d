//! `spanwire history import`: an old system's file becomes a history.

use std::io::{self, Write};

use spanwire::history::query::import;

use super::args::Import;
use super::{Failure, figures, told};
use crate::Outcome;

pub(super) fn run(out: &mut impl Write, options: &Import) -> io::Result<Outcome> {
    let imported = match import(&options.old, &options.new) {
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
