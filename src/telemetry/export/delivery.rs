//! The way of one signal's requests: to the collector, or to disk while it is away.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, header};

use super::http_client::{Client, Connection};
use super::result::{ExportError, Outcome, Sent};
use super::shutdown_deadline::ShutdownDeadline;
use super::split::{SplitKind, halves};
use super::spool::{Encoding, Spool, SpooledSignal};
use crate::clock;
use crate::semconv::ExportErrorType;

/// Delivers the requests of one signal.
pub(crate) struct Delivery {
    client: Client,
    /// What its requests hold, if they can be split.
    signal: Option<SplitKind>,
    /// Where requests go while the collector is away.
    spool: Option<(Arc<Spool>, SpooledSignal)>,
}

impl Delivery {
    /// With a spool it puts on disk what it cannot deliver for a reason that passes.
    pub(crate) fn new(
        connection: Connection,
        deadline: Arc<ShutdownDeadline>,
        signal: Option<SplitKind>,
        spool: Option<(Arc<Spool>, SpooledSignal)>,
    ) -> Self {
        Self {
            client: Client::new(connection, deadline),
            signal,
            spool,
        }
    }

    /// Delivers a request of so many items. One that is too large for the collector is delivered in
    /// halves, each of which has an outcome of its own.
    pub(crate) fn deliver(&self, request: Request<Bytes>, items: u64) -> Vec<Sent> {
        let until = clock::now().plus(self.client.timeout());
        let mut sent = Vec::new();
        let mut pieces = VecDeque::from([(request, items)]);
        while let Some((request, items)) = pieces.pop_front() {
            let outcome = match &self.spool {
                None => self
                    .client
                    .deliver(&request, until, ShutdownDeadline::limit),
                Some((spool, signal)) if spool.waits(*signal) => {
                    // In order, and without waiting for a collector that is away.
                    let reason = spool.reason(*signal);
                    Err(ExportError::new(ExportErrorType::Unavailable, reason))
                }
                // What is not delivered by then goes to disk, which takes time too.
                Some(_) => self
                    .client
                    .deliver(&request, until, ShutdownDeadline::limit_early),
            };
            let outcome = match outcome {
                Ok(acceptance) => Outcome::Exported(acceptance),
                Err(error) if error.kind == ExportErrorType::TooLarge => {
                    let halves = self.signal.and_then(|signal| halves(&request, signal));
                    if let Some([first, second]) = halves {
                        pieces.push_front(second);
                        pieces.push_front(first);
                        continue;
                    }
                    Outcome::Lost(error)
                }
                Err(error) if error.is_temporary() => self.spooled(&request, items, error),
                Err(error) => Outcome::Lost(error),
            };
            sent.push(Sent { items, outcome });
        }
        sent
    }

    /// Puts on disk what cannot be sent now.
    fn spooled(&self, request: &Request<Bytes>, items: u64, error: ExportError) -> Outcome {
        let Some((spool, signal)) = &self.spool else {
            return Outcome::Lost(error);
        };
        let encoding = match request.headers().get(header::CONTENT_ENCODING) {
            None => Encoding::Identity,
            Some(_) => Encoding::Gzip,
        };
        let waited = spool.waits(*signal);
        match spool.append(*signal, encoding, items, request.body(), &error.message) {
            Ok(_) => Outcome::Spooled(error),
            // Out of order is better than not at all.
            Err(_) if waited => {
                let until = clock::now().plus(self.client.timeout());
                match self.client.deliver(request, until, ShutdownDeadline::limit) {
                    Ok(acceptance) => Outcome::Exported(acceptance),
                    Err(error) => Outcome::Lost(error),
                }
            }
            Err(disk) => Outcome::Lost(ExportError {
                message: format!("{}; the spool does not take it: {disk}", error.message),
                ..error
            }),
        }
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("client", &self.client)
            .field("spool", &self.spool.is_some())
            .finish()
    }
}
