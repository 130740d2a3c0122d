//! What `make test-reliability` runs, and how much of it: two programs share one command line.

use std::fmt;
use std::time::Duration;

/// A part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Every fault of a collector, and what the app's calls cost meanwhile.
    Faults,
    /// Processes with a spool that are killed, and disks that fail.
    Kills,
    /// The real Collector, killed under load.
    Collector,
    /// A flood through a real window.
    Flood,
}

impl Part {
    const ALL: [(&'static str, Self); 4] = [
        ("faults", Self::Faults),
        ("kills", Self::Kills),
        ("collector", Self::Collector),
        ("flood", Self::Flood),
    ];
}

/// What to run.
#[derive(Clone, Debug)]
pub struct Plan {
    parts: Vec<Part>,
    /// How many processes are killed on a healthy disk; a tenth of it on each kind of failing one.
    pub kills: u32,
    /// How often the app calls each function under each fault.
    pub calls: u32,
    /// How long the real Collector is away.
    pub outage: Duration,
    /// How long the window is flooded.
    pub flood: Duration,
    /// Where chance begins.
    pub seed: u64,
}

const USAGE: &str = "usage: [faults] [kills] [collector] [flood] \
    [--kills 1000] [--calls 2000] [--outage-seconds 60] [--flood-seconds 600] [--seed N]";

impl Plan {
    /// By this process's arguments; everything without one.
    pub fn from_args() -> Self {
        let mut plan = Self {
            parts: Vec::new(),
            kills: 1_000,
            calls: 2_000,
            outage: Duration::from_secs(60),
            flood: Duration::from_secs(600),
            seed: u64::from(std::process::id()),
        };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            if let Some((_, part)) = Part::ALL.iter().find(|(name, _)| *name == arg) {
                plan.parts.push(*part);
                continue;
            }
            let value = args.next().and_then(|value| value.parse::<u64>().ok());
            let Some(value) = value else {
                panic!("{arg:?}; {USAGE}");
            };
            match arg.as_str() {
                "--kills" => plan.kills = u32::try_from(value).expect(USAGE),
                "--calls" => plan.calls = u32::try_from(value).expect(USAGE),
                "--outage-seconds" => plan.outage = Duration::from_secs(value),
                "--flood-seconds" => plan.flood = Duration::from_secs(value),
                "--seed" => plan.seed = value,
                _ => panic!("{arg:?}; {USAGE}"),
            }
        }
        plan
    }

    /// Whether that part is asked for.
    pub fn runs(&self, part: Part) -> bool {
        self.parts.is_empty() || self.parts.contains(&part)
    }
}

/// Rows for the end, as Markdown, and what did not hold.
#[derive(Debug, Default)]
pub struct Table {
    /// What the rows are about.
    pub title: String,
    rows: Vec<Vec<String>>,
    failures: Vec<String>,
}

impl Table {
    /// A table with these columns.
    pub fn new(title: &str, columns: &[&str]) -> Self {
        let columns = columns.iter().map(|column| (*column).to_owned());
        Self {
            title: title.to_owned(),
            rows: vec![columns.collect()],
            failures: Vec::new(),
        }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Something did not hold.
    pub fn failed(&mut self, why: String) {
        self.failures.push(why);
    }

    /// Whether everything held.
    pub fn holds(&self) -> bool {
        self.failures.is_empty()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{}\n", self.title)?;
        for (at, row) in self.rows.iter().enumerate() {
            writeln!(f, "| {} |", row.join(" | "))?;
            if at == 0 {
                writeln!(f, "|{}", "---|".repeat(row.len()))?;
            }
        }
        for failure in &self.failures {
            writeln!(f, "FAILED: {failure}")?;
        }
        Ok(())
    }
}

/// Chance that can be had again.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// The same for the same seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below that.
    pub fn below(&mut self, end: u64) -> u64 {
        // xorshift64*: https://doi.org/10.1145/2845077
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) % end
    }

    /// A time from the first to the second.
    pub fn between(&mut self, from: Duration, to: Duration) -> Duration {
        from + Duration::from_micros(self.below((to - from).as_micros() as u64))
    }
}
