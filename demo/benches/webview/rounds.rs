//! The measurements: rounds of the two ways in turns, and what came of them.

use std::fmt;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use crate::arrivals::{Arrived, now};
use crate::main_thread::MainThread;
use crate::{ours, raw, usage};

/// What was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) rounds: usize,
    /// Both, or one of them to look at it in a profiler.
    ways: Vec<Way>,
    names: Vec<String>,
}

impl Plan {
    pub(crate) fn from_args() -> Self {
        let mut plan = Self {
            rounds: 7,
            ways: vec![Way::Raw, Way::Ours],
            names: Vec::new(),
        };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--rounds" => {
                    let rounds = args.next().and_then(|rounds| rounds.parse().ok());
                    plan.rounds = rounds.expect("--rounds has a number");
                }
                "--only-raw" => plan.ways = vec![Way::Raw],
                "--only-ours" => plan.ways = vec![Way::Ours],
                // Cargo's own.
                "--bench" => {}
                _ => plan.names.push(arg),
            }
        }
        plan
    }

    fn asks_for(&self, name: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|asked| asked == name)
    }
}

/// Which way.
#[derive(Clone, Copy, Debug)]
enum Way {
    Raw,
    Ours,
}

/// What a measurement's numbers are, and what they have to be.
#[derive(Clone, Copy, Debug)]
enum Unit {
    /// Messages a second; ours so many times raw's, at least.
    Rate(f64),
    /// Microseconds; ours so many times raw's, at most.
    Time(f64),
    /// Microseconds, to know.
    TimeOnly,
}

/// What came of one measurement.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// `inbound` and `outbound` are the host's words; a call is the page's, a ping the host's.
    name: &'static str,
    unit: Unit,
    raw: Vec<f64>,
    ours: Vec<f64>,
    /// Processor time for a message in µs: host and page, raw and ours.
    cpu: [[f64; 2]; 2],
}

#[derive(Clone)]
pub(crate) struct Bench {
    main_thread: MainThread,
}

impl Bench {
    pub(crate) fn new(main_thread: MainThread) -> Self {
        Self { main_thread }
    }

    /// Messages a second of one flood from the page.
    fn page_to_rust(&self, way: Way, count: u64) -> f64 {
        self.rate(count, count, || match way {
            Way::Raw => raw::flood(&self.main_thread, count),
            Way::Ours => ours::flood(&self.main_thread, count),
        })
    }

    /// Messages a second to the page, until it has said that the last one ran.
    fn rust_to_page(&self, way: Way, count: u64) -> f64 {
        let before = self.main_thread.ipc.metrics();
        let rate = self.rate(count, 1, || match way {
            Way::Raw => raw::ticks(&self.main_thread, count),
            Way::Ours => ours::ticks(&self.main_thread, count),
        });
        if matches!(way, Way::Ours) {
            let since = self.main_thread.ipc.metrics().since(&before);
            assert!(since.messages_sent >= count, "acknowledged: {since:?}");
        }
        rate
    }

    fn rate(&self, count: u64, arrivals: u64, start: impl FnOnce()) -> f64 {
        let arrived = self.main_thread.arrivals.expect(arrivals);
        let started = now();
        start();
        count as f64 / wait(&arrived).at.duration_since(started).as_secs_f64()
    }

    /// The median time from one call of the page's to the next, each made when the one before was
    /// answered.
    fn page_rust_page(&self, way: Way, count: u64) -> f64 {
        self.trips(count, || match way {
            Way::Raw => raw::trips(&self.main_thread, count),
            Way::Ours => ours::trips(&self.main_thread, count),
        })
    }

    /// The same the other way round.
    fn rust_page_rust(&self, way: Way, count: u64) -> f64 {
        self.trips(count, || match way {
            Way::Raw => raw::pings(&self.main_thread),
            Way::Ours => ours::pings(&self.main_thread),
        })
    }

    fn trips(&self, count: u64, start: impl FnOnce()) -> f64 {
        let arrived = self.main_thread.arrivals.expect_stamps(count);
        start();
        let stamps = wait(&arrived).stamps;
        let gap = |pair: &[Instant]| pair[1].duration_since(pair[0]).as_secs_f64() * 1e6;
        median(&stamps.windows(2).map(gap).collect::<Vec<_>>())
    }
}

/// Far beyond what any takes: the page is stuck.
const PATIENCE: Duration = Duration::from_secs(60);

fn wait(arrived: &Receiver<Arrived>) -> Arrived {
    arrived.recv_timeout(PATIENCE).expect("all of it arrives")
}

/// Measures what the plan asks for, and says so as it goes.
pub(crate) fn run(bench: &Bench, plan: &Plan) -> Vec<Outcome> {
    type Measure = fn(&Bench, Way, u64) -> f64;
    // So many that a round of either way takes about as long, and what else the machine does meets
    // both alike.
    let flood = [20_000, 120_000];
    let trips = [2_000, 2_000];
    let all: [(&str, Unit, [u64; 2], Measure); 4] = [
        ("inbound", Unit::Rate(5.0), flood, Bench::page_to_rust),
        ("outbound", Unit::Rate(8.0), flood, Bench::rust_to_page),
        ("call", Unit::Time(1.25), trips, Bench::page_rust_page),
        ("ping", Unit::TimeOnly, trips, Bench::rust_page_rust),
    ];
    all.into_iter()
        .filter(|(name, ..)| plan.asks_for(name))
        .map(|(name, unit, counts, measure)| {
            let mut outcome = Outcome {
                name,
                unit,
                raw: Vec::new(),
                ours: Vec::new(),
                cpu: [[0.0; 2]; 2],
            };
            for round in 0..=plan.rounds {
                for &way in &plan.ways {
                    let count = counts[way as usize];
                    let before = bench.cpu(way);
                    let value = measure(bench, way, count);
                    let after = bench.cpu(way);
                    // What each has queued for later is not the other's to pay.
                    bench.settle();
                    // The first warms up.
                    if round > 0 {
                        outcome.add(way, value);
                        for (at, cpu) in outcome.cpu[way as usize].iter_mut().enumerate() {
                            let used = after[at].saturating_sub(before[at]).as_secs_f64() * 1e6;
                            *cpu += used / (count * plan.rounds as u64) as f64;
                        }
                    }
                }
            }
            outcome
        })
        .collect()
}

impl Bench {
    /// Processor time used so far by the host, and by the way's page.
    fn cpu(&self, way: Way) -> [Duration; 2] {
        [std::process::id(), self.main_thread.pages[way as usize]].map(usage::cpu)
    }

    fn settle(&self) {
        while self.main_thread.ipc.metrics().messages_open > 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

impl Outcome {
    fn add(&mut self, way: Way, value: f64) {
        match way {
            Way::Raw => self.raw.push(value),
            Way::Ours => self.ours.push(value),
        }
    }

    /// The median of the rounds' own: the two of a round ran next to each other.
    fn ratio(&self) -> f64 {
        let rounds = self.ours.iter().zip(&self.raw);
        median(&rounds.map(|(ours, raw)| ours / raw).collect::<Vec<_>>())
    }

    pub(crate) fn holds(&self) -> bool {
        match self.unit {
            Unit::Rate(least) => self.ratio() >= least,
            Unit::Time(most) => self.ratio() <= most,
            Unit::TimeOnly => true,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ratio, verdict) = (self.ratio(), if self.holds() { "holds" } else { "MISSED" });
        let show = |values: &[f64]| match self.unit {
            Unit::Rate(_) => format!("{:.1}k/s", median(values) / 1e3),
            Unit::Time(_) | Unit::TimeOnly => format!("{:.0} µs", median(values)),
        };
        let (raw, ours) = (show(&self.raw), show(&self.ours));
        write!(f, "{:<9} raw {raw:>10}  ours {ours:>10}  ", self.name)?;
        match self.unit {
            Unit::Rate(least) => write!(f, "{ratio:5.2} times, at least {least}: {verdict}")?,
            Unit::Time(most) => write!(f, "{ratio:5.2} times, at most {most}: {verdict}")?,
            Unit::TimeOnly => write!(f, "{ratio:5.2} times")?,
        }
        let [[raw_host, raw_page], [host, page]] = self.cpu;
        write!(
            f,
            "\n{:<9} processor time for each: raw {raw_host:.1} µs in the host and {raw_page:.1} in the page, \
             ours {host:.1} and {page:.1}\n{:<9} rounds: raw",
            "", ""
        )?;
        for (values, name) in [(&self.raw, ", ours"), (&self.ours, "")] {
            for value in values {
                let value = if matches!(self.unit, Unit::Rate(_)) {
                    value / 1e3
                } else {
                    *value
                };
                write!(f, " {value:.0}")?;
            }
            f.write_str(name)?;
        }
        Ok(())
    }
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
