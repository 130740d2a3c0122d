//! What the command line asks for.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use crate::faults::{Console, Fault};

/// A window whose page and Rust talk to each other over an instrumented wire.
///
/// It serves /metrics for Prometheus, and sends traces over OTLP to where the standard variable
/// OTEL_EXPORTER_OTLP_ENDPOINT says.
#[derive(Debug, Parser)]
#[command(name = "spanwire-demo", version)]
pub(crate) struct Args {
    /// Ends by itself after this time: 10s, 500ms, 2m.
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub(crate) run_for: Option<Duration>,

    /// The page uses itself, without a user.
    #[arg(long)]
    pub(crate) drive: bool,

    /// Takes "start NAME", "stop NAME", "list" and "help" on standard input, where NAME is a fault that
    /// then really happens. See --fault for their names.
    ///
    /// With faults, --drive uses only what is fast and succeeds, so anything slow or failing is a fault.
    #[arg(long)]
    pub(crate) faults: bool,

    /// A fault that is on from the start; may be repeated.
    #[arg(long, value_name = "NAME", value_enum)]
    pub(crate) fault: Vec<Fault>,

    /// Address at which /metrics and /healthz are served [default: OTEL_EXPORTER_PROMETHEUS_HOST or 127.0.0.1]
    #[arg(long, value_parser = host)]
    pub(crate) host: Option<IpAddr>,

    /// Port of /metrics and /healthz, 0 for any free one [default: OTEL_EXPORTER_PROMETHEUS_PORT or 9464]
    #[arg(long)]
    pub(crate) port: Option<u16>,

    /// File of the history, or "none" [default: SPANWIRE_HISTORY or the user's folder for states]
    #[arg(long, value_name = "FILE")]
    pub(crate) history: Option<PathBuf>,

    /// Time between two lines of the summary.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = interval)]
    pub(crate) interval: Duration,
}

impl Args {
    /// Whether something is to go wrong on purpose.
    pub(crate) fn has_faults(&self) -> bool {
        self.faults || !self.fault.is_empty()
    }

    pub(crate) fn console(&self) -> Console {
        if self.faults {
            Console::Stdin
        } else {
            Console::Off
        }
    }
}

/// Reads `10s`, `500ms`, `2m` or `1h`.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let millis_per_unit: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "" if digits > 0 => {
            return Err(format!("which unit? {text}ms, {text}s, {text}m or {text}h"));
        }
        _ => return Err("expected a whole number and a unit, as in 500ms, 10s, 2m or 1h".into()),
    };
    let number: u64 = number
        .parse()
        .map_err(|_| "expected a whole number and a unit, as in 500ms, 10s, 2m or 1h".to_owned())?;
    // Saturated, so that the bound below refuses what does not fit.
    let millis = number.saturating_mul(millis_per_unit);
    // A year: beyond it a timer's arithmetic may overflow.
    if !(1..=365 * 24 * 3_600_000).contains(&millis) {
        return Err("expected a time from 1ms to a year".into());
    }
    Ok(Duration::from_millis(millis))
}

fn host(text: &str) -> Result<IpAddr, String> {
    // The only name: the endpoint listens at an address, and a name may have several.
    if text == "localhost" {
        return Ok(Ipv4Addr::LOCALHOST.into());
    }
    text.parse()
        .map_err(|_| "expected an address, as in 127.0.0.1, ::1, 0.0.0.0 or localhost".to_owned())
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = duration(text)?;
    if interval < Duration::from_millis(50) {
        return Err("expected 50ms or more, or there is nothing left to read".into());
    }
    Ok(interval)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_whole_number_and_a_unit() {
        for (text, millis) in [
            ("500ms", 500),
            ("10s", 10_000),
            ("2m", 120_000),
            ("1h", 3_600_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn a_host_is_an_address_or_localhost() {
        assert_eq!(host("localhost"), host("127.0.0.1"));
        assert!(host("::1").is_ok());
        for text in ["", "nonsense", "127.0.0", "127.0.0.1:80"] {
            assert!(host(text).unwrap_err().contains("127.0.0.1"), "{text}");
        }
    }

    #[test]
    fn a_time_that_says_nothing_clear_is_refused() {
        for text in [
            "",
            "s",
            "10",
            "0s",
            "-1s",
            "1.5s",
            "10 s",
            "10d",
            "99999999999999999999s",
            "9999999h",
            "１s",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert!(duration("10").unwrap_err().contains("10s"));
        assert!(interval("1ms").is_err());
    }
}
