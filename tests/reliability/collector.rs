//! The real Collector is killed under load, and comes back: every span arrives once, in order, or
//! is counted, and the app's memory stays flat.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use spanwire_testkit::faulty_collector::{Answer, FaultyCollector};
use spanwire_testkit::folder::Folder;
use spanwire_testkit::reliability::{Plan, Table};

use crate::otelcol::Otelcol;
use crate::{child, steady};

const BEFORE: Duration = Duration::from_secs(20);
/// The spool waits for at most a minute between two tries.
const CATCHES_UP_IN: Duration = Duration::from_secs(180);
const AFTERWARDS: Duration = Duration::from_secs(20);
const GROWTH_MAX: u64 = 16_000_000;

/// What the app said last, and when.
#[derive(Clone, Copy, Debug)]
struct State {
    at: Duration,
    resident: u64,
    on_disk: f64,
}

pub(crate) fn run(plan: &Plan) -> Table {
    let stored = FaultyCollector::start(Answer::Taken);
    let mut collector = Otelcol::start(&stored.url());
    let folder = Folder::new("collector");
    let mut app = child("steady")
        .env(steady::URL, collector.url())
        .env(steady::FOLDER, folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let began = Instant::now();
    let states: Arc<Mutex<Vec<State>>> = Arc::default();
    let lines = BufReader::new(app.stdout.take().unwrap()).lines();
    let reader = thread::spawn({
        let states = Arc::clone(&states);
        move || {
            let mut end = None;
            for line in lines.map_while(Result::ok) {
                let words: Vec<&str> = line.split(' ').collect();
                match words.as_slice() {
                    ["is", resident, on_disk] => states.lock().unwrap().push(State {
                        at: began.elapsed(),
                        resident: resident.parse().unwrap(),
                        on_disk: on_disk.parse().unwrap(),
                    }),
                    ["made", numbers @ ..] => {
                        let numbers = numbers.iter().map(|number| number.parse().unwrap());
                        end = Some(numbers.collect::<Vec<u64>>());
                    }
                    _ => {}
                }
            }
            end.expect("the app ends with a report")
        }
    });
    let last = || *states.lock().unwrap().last().expect("the app tells");

    thread::sleep(BEFORE);
    let (killed, before) = (began.elapsed(), last());
    println!(
        "  {:?} {before:?}; the Collector is killed",
        began.elapsed()
    );
    collector.kill();
    thread::sleep(plan.outage);
    println!("  {:?} {:?}; it comes back", began.elapsed(), last());
    collector.start_again();
    let back = began.elapsed();
    while last().on_disk > 0.0 || last().at < back + Duration::from_secs(2) {
        assert!(
            began.elapsed() < back + CATCHES_UP_IN,
            "the spool is not sent: {:?}; {}",
            last(),
            collector.log()
        );
        thread::sleep(Duration::from_millis(250));
    }
    let caught_up = began.elapsed();
    println!("  {caught_up:?} {:?}; everything is sent", last());
    thread::sleep(AFTERWARDS);
    drop(app.stdin.take());
    let end = reader.join().unwrap();
    assert!(app.wait().unwrap().success());
    let [made, took_ms, exported, spooled, dropped, lost] = end[..] else {
        panic!("{end:?}");
    };
    println!("  {:?} {:?}; the app has ended", began.elapsed(), last());

    let taken = stored.taken();
    let numbers: Vec<u64> = taken.iter().map(|name| name.parse().unwrap()).collect();
    let once: BTreeSet<u64> = numbers.iter().copied().collect();
    let (mut seen, mut disorder, mut highest) = (BTreeSet::new(), 0_u64, 0);
    for number in &numbers {
        if seen.insert(*number) {
            disorder += u64::from(*number < highest);
            highest = highest.max(*number);
        }
    }
    let states = states.lock().unwrap();
    let most = |from: Duration, to: Duration| {
        let within = states
            .iter()
            .filter(|state| from <= state.at && state.at < to);
        within.map(|state| state.resident).max().unwrap_or_default()
    };
    let warm = Duration::from_secs(5);
    let (well, away, catching_up, after) = (
        most(warm, killed),
        most(killed, back),
        most(back, caught_up),
        most(caught_up, Duration::MAX),
    );
    let on_disk = states.iter().map(|state| state.on_disk as u64).max();

    let mut table = Table::new(
        &format!(
            "The real Collector, killed for {} s at {} spans a second",
            plan.outage.as_secs(),
            made * 1_000 / took_ms.max(1)
        ),
        &["what", "figure"],
    );
    let mb = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
    let again = numbers.len() - once.len();
    for (what, figure) in [
        ("spans made", made.to_string()),
        ("arrived", once.len().to_string()),
        ("of them twice: in flight at the kill", again.to_string()),
        ("arrived behind a younger one", disorder.to_string()),
        ("reported exported", exported.to_string()),
        ("reported dropped, lost", format!("{dropped}, {lost}")),
        ("most on disk", mb(on_disk.unwrap_or_default())),
        (
            "caught up, after the Collector was back",
            format!("{:.0} s", (caught_up - back).as_secs_f64()),
        ),
        (
            "most memory of the app: well, away, catching up, after",
            [well, away, catching_up, after].map(mb).join(", "),
        ),
    ] {
        table.row(vec![what.to_owned(), figure]);
    }
    let gone = made - once.len() as u64;
    let in_flight = stored.taken_requests().iter().map(Vec::len).max();
    for (holds, what) in [
        (gone == dropped + lost, "what did not arrive is counted"),
        (exported == once.len() as u64, "what arrived is counted"),
        (spooled == 0, "nothing is left on disk"),
        (
            again <= in_flight.unwrap_or_default(),
            "one request comes again",
        ),
        (disorder == 0, "order is kept"),
        (
            away.max(catching_up).max(after) <= well + GROWTH_MAX,
            "memory is flat",
        ),
        (
            made * 1_000 / took_ms.max(1) >= 1_900,
            "the app keeps its rate",
        ),
    ] {
        if !holds {
            table.failed(format!("not so: {what}"));
        }
    }
    table
}
