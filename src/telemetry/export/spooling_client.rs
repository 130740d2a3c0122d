//! The transport of one signal's exporter: the HTTP client, and the spool behind it if there is one.
//!
//! A request that is safe on disk is answered as if the collector had taken it, since the exporter
//! has no word for that; [`SpoolingClient::take_last_result`] tells them apart.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response, header};
use opentelemetry_http::{HttpClient, HttpError};

use super::http_client::{Client, Connection};
use super::result::{ExportError, ExportResponse};
use super::shutdown_deadline::ShutdownDeadline;
use super::spool::{Encoding, Spool, SpooledSignal};
use crate::semconv::ExportErrorType;

/// One signal's transport. Clones share everything.
#[derive(Clone)]
pub(crate) struct SpoolingClient(Arc<Inner>);

struct Inner {
    client: Client,
    /// Where requests go while the collector is away.
    spool: Option<(Arc<Spool>, SpooledSignal)>,
    /// In the request that comes next: the exporter between us and the batch processor does not say.
    items: AtomicU64,
    /// The exporter between us and the batch processor keeps a failure's reason to itself.
    last_result: Mutex<Option<Result<ExportResponse, ExportError>>>,
}

impl SpoolingClient {
    /// With a spool it puts on disk what it cannot deliver for a reason that passes.
    pub(crate) fn new(
        connection: Connection,
        deadline: Arc<ShutdownDeadline>,
        spool: Option<(Arc<Spool>, SpooledSignal)>,
    ) -> Self {
        Self(Arc::new(Inner {
            client: Client::new(connection, deadline),
            spool,
            items: AtomicU64::new(0),
            last_result: Mutex::new(None),
        }))
    }

    /// Says how many items the next request carries.
    pub(crate) fn announce(&self, items: usize) {
        // Relaxed: the thread that says it is the one that sends.
        self.0.items.store(items as u64, Ordering::Relaxed);
    }

    /// What became of the last request; `None` when there was none since the last look.
    pub(crate) fn take_last_result(&self) -> Option<Result<ExportResponse, ExportError>> {
        let last = self.0.last_result.lock();
        last.unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Sends, or puts on disk what cannot be sent now.
    fn deliver_or_spool(
        &self,
        request: &Request<Bytes>,
    ) -> Result<(Response<Bytes>, ExportResponse), ExportError> {
        let Some((spool, lane)) = &self.0.spool else {
            return self.0.client.deliver(request, ShutdownDeadline::limit);
        };
        // What is not delivered by then goes to disk, which takes time too.
        let deliver = || {
            self.0
                .client
                .deliver(request, ShutdownDeadline::limit_early)
        };
        let waits = spool.waits(*lane);
        let error = if waits {
            // In order, and without waiting for a collector that is away.
            ExportError::new(ExportErrorType::Unavailable, spool.reason(*lane))
        } else {
            match deliver() {
                Err(error) if passes(error.kind) => error,
                outcome => return outcome,
            }
        };
        let encoding = match request.headers().get(header::CONTENT_ENCODING) {
            None => Encoding::Identity,
            Some(_) => Encoding::Gzip,
        };
        let items = self.0.items.load(Ordering::Relaxed);
        match spool.append(*lane, encoding, items, request.body(), &error.message) {
            Ok(()) => {
                let response = ExportResponse {
                    spooled: Some(error),
                    ..ExportResponse::default()
                };
                Ok((Response::new(Bytes::new()), response))
            }
            // Out of order is better than not at all.
            Err(_) if waits => deliver(),
            Err(disk) => Err(ExportError {
                message: format!("{}; the spool does not take it: {disk}", error.message),
                ..error
            }),
        }
    }
}

#[async_trait]
impl HttpClient for SpoolingClient {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (outcome, result) = match self.deliver_or_spool(&request) {
            Ok((answer, response)) => (Ok(answer), Ok(response)),
            Err(error) => (Err(error.clone()), Err(error)),
        };
        let last = self.0.last_result.lock();
        *last.unwrap_or_else(PoisonError::into_inner) = Some(result);
        outcome.map_err(|error| error.message.into())
    }
}

impl fmt::Debug for SpoolingClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpoolingClient")
            .field("client", &self.0.client)
            .field("spool", &self.0.spool.is_some())
            .finish()
    }
}

/// Whether the same request may be taken later. A certificate that is not trusted stays so until
/// somebody does something.
fn passes(kind: ExportErrorType) -> bool {
    use ExportErrorType::{Connection, Throttled, Timeout, Unavailable};
    matches!(kind, Connection | Throttled | Timeout | Unavailable)
}
