//! The books of a wire: what `IpcMetrics` says, and what a Prometheus sees.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;

use spanwire::ipc::{Ipc, IpcMetrics};

use crate::scrape;

/// A wire's two sets of books, read together.
#[derive(Clone)]
pub struct Ledger {
    /// What the wire says of itself.
    pub metrics: IpcMetrics,
    /// Messages by event and by their end: `ok`, or the `error.type`.
    pub inbound: BTreeMap<(String, String), u64>,
    /// Messages to the page, likewise.
    pub outbound: BTreeMap<(String, String), u64>,
    /// Errors of the page, by their type.
    pub page_errors: BTreeMap<String, u64>,
    outcomes: BTreeMap<String, u64>,
}

impl Ledger {
    pub(super) fn read(ipc: &Ipc, addr: SocketAddr) -> Self {
        let before = ipc.metrics();
        let mut ledger = Self {
            metrics: before,
            inbound: BTreeMap::new(),
            outbound: BTreeMap::new(),
            page_errors: BTreeMap::new(),
            outcomes: BTreeMap::new(),
        };
        for sample in scrape::scrape(addr) {
            if sample.label("spanwire_webview_name") != ipc.name() {
                continue;
            }
            let count = sample.value as u64;
            let error = match sample.label("error_type") {
                "" => "ok",
                error => error,
            };
            match sample.name.as_str() {
                "spanwire_ipc_messages_total" => {
                    let outbound = sample.label("spanwire_ipc_direction") == "outbound";
                    let books = if outbound {
                        &mut ledger.outbound
                    } else {
                        &mut ledger.inbound
                    };
                    let event = sample.label("spanwire_ipc_event").to_owned();
                    *books.entry((event, error.to_owned())).or_default() += count;
                    if outbound {
                        let outcome = sample.label("spanwire_outcome").to_owned();
                        *ledger.outcomes.entry(outcome).or_default() += count;
                    }
                }
                "spanwire_page_errors_total" => {
                    // The errors of listeners have a series for each event.
                    *ledger.page_errors.entry(error.to_owned()).or_default() += count;
                }
                _ => {}
            }
        }
        ledger
    }

    /// Where the exported counters and the snapshot differ, if they do.
    pub(super) fn disagreement(&self) -> Option<String> {
        let exported = |outcome: &str| self.outcomes.get(outcome).copied().unwrap_or(0);
        let metrics = &self.metrics;
        // What the page shed itself is counted for it and was never received.
        let received: u64 = self.inbound.values().sum::<u64>() - self.inbound("", "page_shed");
        [
            ("sent", exported("ok"), metrics.messages_sent),
            ("failed", exported("failed"), metrics.messages_failed),
            ("dropped", exported("dropped"), metrics.messages_dropped),
            ("received", received, metrics.messages_received),
        ]
        .into_iter()
        .find(|(_, exported, counted)| exported != counted)
        .map(|(what, exported, counted)| {
            format!("{what}: {exported} were exported and {counted} counted")
        })
    }

    /// Messages of the page: of one event or (`""`) of all, that ended `ok` or with this error.
    pub fn inbound(&self, event: &str, end: &str) -> u64 {
        sum(&self.inbound, event, end)
    }

    /// Messages to the page, likewise.
    pub fn outbound(&self, event: &str, end: &str) -> u64 {
        sum(&self.outbound, event, end)
    }

    /// Messages to the page that ended, however they did.
    pub fn ended(&self) -> u64 {
        let metrics = &self.metrics;
        metrics.messages_sent + metrics.messages_failed + metrics.messages_dropped
    }

    /// Each message that was accepted, by the app's own count, is in the books once.
    #[track_caller]
    pub fn accounts_for(&self, accepted: u64) {
        let open = self.metrics.messages_open;
        assert_eq!(self.ended() + open, accepted, "{self:?}");
    }

    /// Errors of the page, of that type.
    pub fn page_errors(&self, error: &str) -> u64 {
        self.page_errors.get(error).copied().unwrap_or(0)
    }
}

/// A line for each series, since it is read where something went wrong.
impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?}", self.metrics)?;
        for (direction, books) in [("inbound", &self.inbound), ("outbound", &self.outbound)] {
            for ((event, end), count) in books {
                writeln!(f, "  {direction} {event} {end}: {count}")?;
            }
        }
        writeln!(f, "  errors of the page: {:?}", self.page_errors)
    }
}

fn sum(books: &BTreeMap<(String, String), u64>, event: &str, end: &str) -> u64 {
    let fits = |(of, ended): &(String, String)| {
        (event.is_empty() || of == event) && (end.is_empty() || ended == end)
    };
    books
        .iter()
        .filter(|(key, _)| fits(key))
        .map(|(_, count)| count)
        .sum()
}
