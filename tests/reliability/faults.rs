//! Every fault of a collector, with and without a spool: what the app's calls cost meanwhile, how
//! long its end takes, and whether its counts are what the collector saw.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use spanwire_testkit::faulty_collector::{
    Answer, BAD_REQUEST, CUT, FaultyCollector, GARBAGE, REDIRECT, SIGN_IN, THROTTLED, UNAUTHORIZED,
    UNAVAILABLE, refused_url,
};
use spanwire_testkit::folder::Folder;
use spanwire_testkit::reliability::{Plan, Table};
use spanwire_testkit::spooling_process::next_process;

use crate::calls::{self, DEADLINE, Percentiles, Said};
use crate::child;

const FAULTS: &[(&str, Option<Answer>)] = &[
    ("none: it is well", Some(Answer::Taken)),
    ("refused", None),
    ("black hole", Some(Answer::Hangs)),
    ("1 byte/s", Some(Answer::ByteASecond)),
    ("503", Some(Answer::Bytes(UNAVAILABLE))),
    ("429", Some(Answer::Bytes(THROTTLED))),
    ("400", Some(Answer::Bytes(BAD_REQUEST))),
    ("413, read", Some(Answer::ReadAbove(TOO_LARGE))),
    ("413, unread", Some(Answer::UnreadAbove(TOO_LARGE))),
    ("401", Some(Answer::Bytes(UNAUTHORIZED))),
    ("redirect", Some(Answer::Bytes(REDIRECT))),
    ("sign-in page", Some(Answer::Bytes(SIGN_IN))),
    ("garbage", Some(Answer::Bytes(GARBAGE))),
    ("cut body", Some(Answer::Bytes(CUT))),
    ("early close", Some(Answer::Closes)),
    ("endless body", Some(Answer::Endless)),
];

/// A quarter of what comes in 400 ms, of spans of [`SPAN`] bytes.
const TOO_LARGE: usize = 400_000;
const SPAN: usize = 10_000;

const CALL_MAX: Duration = Duration::from_millis(1);
const TRIES: u32 = 3;
/// What a process takes to end beside its shutdown, on a machine that has other work.
const GRACE: Duration = Duration::from_millis(500);

pub(crate) fn run(plan: &Plan) -> Table {
    let mut table = Table::new(
        &format!(
            "{} spans, records and emits under each fault; p99 of a call in µs, exit in s of {} s",
            plan.calls,
            DEADLINE.as_secs()
        ),
        &[
            "the collector",
            "spool",
            "span",
            "record",
            "emit",
            "exit",
            "exported",
            "on disk",
            "dropped",
            "lost",
            "of",
        ],
    );
    for (name, answer) in FAULTS {
        for spool in [true, false] {
            let mut row = Row::measure(plan, *answer, spool);
            println!("  {name}, {}: {row:?}", with(spool));
            // What else a machine does takes turns with the app; a call that waits does so always.
            for _ in 1..TRIES {
                if row.is_quick() {
                    break;
                }
                row = Row::measure(plan, *answer, spool);
                println!("  {name}, {}, again: {row:?}", with(spool));
            }
            for why in row.failures() {
                table.failed(format!("{name}, {}: {why}", with(spool)));
            }
            table.row(row.cells(name, spool));
        }
    }
    table
}

fn with(spool: bool) -> &'static str {
    if spool { "with" } else { "without" }
}

/// What was measured under one fault.
#[derive(Debug)]
struct Row {
    said: Said,
    exit: Duration,
    /// Spans that the collector took, and those that the next process sent.
    taken: usize,
    next: usize,
    /// The app's own spans that arrived nowhere, of so many.
    missing: usize,
    own: usize,
    /// Those that arrived more than once.
    twice: usize,
}

impl Row {
    fn measure(plan: &Plan, answer: Option<Answer>, spool: bool) -> Self {
        let server = answer.map(FaultyCollector::start);
        let url = server
            .as_ref()
            .map_or_else(refused_url, FaultyCollector::url);
        let folder = Folder::new("reliability");
        let bytes = match answer {
            Some(Answer::ReadAbove(_) | Answer::UnreadAbove(_)) => SPAN,
            _ => 0,
        };
        let mut command = child("calls");
        command
            .env(calls::URL, url)
            .env(calls::CALLS, plan.calls.to_string())
            .env(calls::BYTES, bytes.to_string())
            .stdout(Stdio::piped());
        if spool {
            command.env(calls::FOLDER, folder.path());
        }
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (mut ends, mut said) = (None, None);
        for line in lines.map_while(Result::ok) {
            if line == "ends" {
                ends = Some(Instant::now());
            } else if let Some(json) = line.strip_prefix("said ") {
                said = Some(serde_json::from_str(json).unwrap());
            }
        }
        assert!(child.wait().unwrap().success());
        let exit = ends.unwrap().elapsed();

        let taken = server.map_or_else(Vec::new, |server| server.taken());
        let next = match spool {
            true => next_process(folder.path()).requests.concat(),
            false => Vec::new(),
        };
        let is_own = |name: &&String| name.starts_with("call");
        let all: Vec<&String> = taken.iter().chain(&next).filter(is_own).collect();
        let once: BTreeSet<&&String> = all.iter().collect();
        let own = plan.calls as usize;
        Self {
            said: said.unwrap(),
            exit,
            taken: taken.len(),
            next: next.len(),
            missing: own - once.len(),
            own,
            twice: all.len() - once.len(),
        }
    }

    fn is_quick(&self) -> bool {
        let Said {
            span, record, emit, ..
        } = &self.said;
        [span, record, emit]
            .iter()
            .all(|times| Duration::from_micros(times.p99) < CALL_MAX)
    }

    fn failures(&self) -> Vec<String> {
        let said = &self.said;
        let mut failures = Vec::new();
        if !self.is_quick() {
            failures.push(format!("a call takes long: {said:?}"));
        }
        if self.exit > DEADLINE + GRACE {
            failures.push(format!("the exit takes {:?}", self.exit));
        }
        if said.exported != self.taken as u64 {
            failures.push(format!("{} were taken: {said:?}", self.taken));
        }
        if said.spooled != self.next as u64 {
            failures.push(format!("{} were on disk: {said:?}", self.next));
        }
        let gone = said.dropped + said.lost;
        if (self.missing as u64) > gone || (self.missing == 0) != (gone == 0) {
            failures.push(format!("{} arrived nowhere: {said:?}", self.missing));
        }
        if self.twice > 0 {
            failures.push(format!("{} arrived twice", self.twice));
        }
        let all = said.exported + said.spooled + gone;
        // The wire makes a span of each message.
        let made = 2 * self.own as u64;
        if all != made {
            failures.push(format!("{all} of {made} are counted"));
        }
        failures
    }

    fn cells(&self, name: &str, spool: bool) -> Vec<String> {
        let said = &self.said;
        let all = said.exported + said.spooled + said.dropped + said.lost;
        let p99 = |times: &Percentiles| times.p99.to_string();
        let mut cells = vec![
            name.to_owned(),
            with(spool).to_owned(),
            p99(&said.span),
            p99(&said.record),
            p99(&said.emit),
            format!("{:.2}", self.exit.as_secs_f64()),
        ];
        cells.extend(
            [said.exported, said.spooled, said.dropped, said.lost, all]
                .map(|count| count.to_string()),
        );
        cells
    }
}
