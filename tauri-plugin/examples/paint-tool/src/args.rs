//! What the command line asks for.

use std::time::Duration;

pub(crate) const USAGE: &str = "\
usage: paint-tool [--drive] [--for TIME]
  --drive      the page uses itself, so that no user has to click
  --for TIME   ends by itself after this time: 10s, 2m

/metrics is at http://127.0.0.1:9464, or where OTEL_EXPORTER_PROMETHEUS_PORT says; traces go to
OTEL_EXPORTER_OTLP_ENDPOINT.";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Args {
    pub(crate) drive: bool,
    pub(crate) run_for: Option<Duration>,
}

/// Reads them; `None` for what is not understood, and for `--help`.
pub(crate) fn parse(mut args: impl Iterator<Item = String>) -> Option<Args> {
    let mut parsed = Args::default();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--drive" => parsed.drive = true,
            "--for" => parsed.run_for = Some(duration(&args.next()?)?),
            _ => return None,
        }
    }
    Some(parsed)
}

fn duration(text: &str) -> Option<Duration> {
    let seconds = match text.strip_suffix('m') {
        Some(minutes) => minutes.parse::<u32>().ok()?.checked_mul(60)?,
        None => text.strip_suffix('s')?.parse().ok()?,
    };
    Some(Duration::from_secs(seconds.into()))
}
