//! The HTTP client that carries OTLP: blocking, on the thread that exports, within a deadline.
//!
//! It is passed to the exporters explicitly, so which HTTP and TLS features other crates enable
//! does not matter here. With a spool, a request that is safe on disk is answered as if the
//! collector had taken it.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, Uri, header};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use ureq::Agent;

use super::proxy::Proxy;
use super::shutdown_deadline::Patience;
use super::spool::{Encoding, Lane, Spool};
use super::tls::Tls;
use crate::clock;
use crate::semconv::ExportErrorType;

/// Why a collector did not get a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExportError {
    pub(crate) kind: ExportErrorType,
    pub(crate) message: String,
}

impl ExportError {
    pub(crate) fn new(kind: ExportErrorType, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }
}

/// What became of a request that is off our hands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Receipt {
    /// Why the collector has not got it and it waits on disk; `None` when the collector took it.
    pub(crate) spooled: Option<ExportError>,
    /// Items that the collector refused all the same.
    pub(crate) rejected: u64,
    /// Why, in the collector's words.
    pub(crate) reason: String,
}

impl Receipt {
    /// What was refused, and why, for a person.
    pub(crate) fn complaint(&self) -> String {
        match self.reason.as_str() {
            "" => "the collector rejected it".to_owned(),
            reason => format!("the collector rejected it: {reason}"),
        }
    }
}

/// How to reach a collector.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// For a request with all its repetitions.
    pub(crate) timeout: Duration,
    pub(crate) tls: Tls,
    pub(crate) proxy: Option<Proxy>,
}

/// One signal's client. Clones share everything.
#[derive(Clone)]
pub(crate) struct Client(Arc<Inner>);

struct Inner {
    connection: Connection,
    patience: Arc<Patience>,
    /// Built by the thread that sends, since reading the system's roots takes a while.
    agent: OnceLock<Agent>,
    /// Where requests go while the collector is away.
    spool: Option<(Arc<Spool>, Lane)>,
    /// In the request that comes next: the exporter between us and the batch processor does not say.
    items: AtomicU64,
    /// The exporter between us and the batch processor keeps a failure's reason to itself.
    verdict: Mutex<Option<Result<Receipt, ExportError>>>,
}

impl Client {
    pub(crate) fn new(connection: Connection, patience: Arc<Patience>) -> Self {
        Self::build(connection, patience, None)
    }

    /// One that puts on disk what it cannot deliver for a reason that passes.
    pub(crate) fn spooling(
        connection: Connection,
        patience: Arc<Patience>,
        spool: Option<Arc<Spool>>,
        lane: Lane,
    ) -> Self {
        Self::build(connection, patience, spool.map(|spool| (spool, lane)))
    }

    fn build(
        connection: Connection,
        patience: Arc<Patience>,
        spool: Option<(Arc<Spool>, Lane)>,
    ) -> Self {
        Self(Arc::new(Inner {
            connection,
            patience,
            agent: OnceLock::new(),
            spool,
            items: AtomicU64::new(0),
            verdict: Mutex::new(None),
        }))
    }

    /// Says how many items the next request carries.
    pub(crate) fn announce(&self, items: usize) {
        // Relaxed: the thread that says it is the one that sends.
        self.0.items.store(items as u64, Ordering::Relaxed);
    }

    /// Sends what waited on disk: once, since it waits on. Also how long the collector asks to be
    /// left alone.
    pub(crate) fn send_once(
        &self,
        request: &Request<Bytes>,
    ) -> (Result<Receipt, ExportError>, Option<Duration>) {
        let started = clock::now();
        let until = self
            .0
            .patience
            .limit(started.plus(self.0.connection.timeout));
        match self.attempt(request, until.since(started)) {
            Ok(answer) => {
                let asked = retry_after(&answer);
                let about_us = is_about_the_sender(answer.status());
                let outcome = self.judge(request.uri(), answer);
                let outcome = outcome.map_err(|error| match about_us {
                    true => ExportError::new(ExportErrorType::Unavailable, error.message),
                    false => error,
                });
                (outcome.map(|answer| receipt(answer.body())), asked)
            }
            Err(error) => (Err(error), None),
        }
    }

    /// Sends, or puts on disk what cannot be sent now.
    fn deliver_or_spool(
        &self,
        request: &Request<Bytes>,
    ) -> Result<(Response<Bytes>, Receipt), ExportError> {
        let deliver = || {
            let answer = self.deliver(request)?;
            let receipt = receipt(answer.body());
            Ok((answer, receipt))
        };
        let Some((spool, lane)) = &self.0.spool else {
            return deliver();
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
                let receipt = Receipt {
                    spooled: Some(error),
                    ..Receipt::default()
                };
                Ok((Response::new(Bytes::new()), receipt))
            }
            // Out of order is better than not at all.
            Err(_) if waits => deliver(),
            Err(disk) => Err(ExportError {
                message: format!("{}; the spool does not take it: {disk}", error.message),
                ..error
            }),
        }
    }

    /// What became of the last request; `None` when there was none since the last look.
    pub(crate) fn take_verdict(&self) -> Option<Result<Receipt, ExportError>> {
        let mut verdict = self
            .0
            .verdict
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        verdict.take()
    }

    /// Sends until the collector takes it, refuses it, or the time is over.
    fn deliver(&self, request: &Request<Bytes>) -> Result<Response<Bytes>, ExportError> {
        let started = clock::now();
        let mut pause = FIRST_PAUSE;
        for attempt in 1.. {
            let until = self.until(started);
            let outcome = self.attempt(request, until.since(clock::now()));
            let again = attempt < ATTEMPTS_MAX
                && match &outcome {
                    Ok(response) => worth_repeating(response.status()),
                    // A collector that restarts is back soon; one that is gone must not keep
                    // the app from its end.
                    Err(error) => {
                        error.kind == ExportErrorType::Connection && !self.0.patience.is_closing()
                    }
                };
            let wait = outcome.as_ref().ok().and_then(retry_after);
            let wait = wait.unwrap_or(pause);
            if !again || wait >= self.until(started).since(clock::now()) {
                return self.judge(request.uri(), outcome?);
            }
            self.0.patience.sleep(wait);
            pause *= 2;
        }
        unreachable!("the last attempt returns")
    }

    fn until(&self, started: clock::Stamp) -> clock::Stamp {
        let until = started.plus(self.0.connection.timeout);
        match self.0.spool {
            // What is not delivered by then goes to disk, which takes time too.
            Some(_) => self.0.patience.limit_early(until),
            None => self.0.patience.limit(until),
        }
    }

    fn attempt(
        &self,
        request: &Request<Bytes>,
        timeout: Duration,
    ) -> Result<Response<Bytes>, ExportError> {
        let uri = request.uri();
        if timeout.is_zero() {
            return Err(ExportError::new(
                ExportErrorType::Timeout,
                format!("no time is left to reach {}", origin(uri)),
            ));
        }
        let failed = |error| self.explain(error, uri);
        let agent = self.0.agent.get_or_init(|| agent(&self.0.connection, uri));
        let request = agent
            .configure_request(self.dressed(request))
            .timeout_global(Some(timeout))
            .build();
        let mut answer = agent.run(request).map_err(failed)?;
        let body = answer
            .body_mut()
            .with_config()
            .limit(ANSWER_BYTES_MAX)
            .read_to_vec();
        let (parts, _) = answer.into_parts();
        // The status decides; what the collector says beside it is a courtesy that may be cut.
        let body = if parts.status.is_success() {
            body.map_err(failed)?
        } else {
            body.unwrap_or_default()
        };
        Ok(Response::from_parts(parts, Bytes::from(body)))
    }

    /// The request with our headers alone: the exporter reads some from the process environment,
    /// which the builder may have overruled.
    fn dressed(&self, request: &Request<Bytes>) -> Request<Vec<u8>> {
        let mut dressed = Request::new(request.body().to_vec());
        *dressed.method_mut() = request.method().clone();
        *dressed.uri_mut() = request.uri().clone();
        for name in [
            header::CONTENT_TYPE,
            header::CONTENT_ENCODING,
            header::USER_AGENT,
        ] {
            if let Some(value) = request.headers().get(&name) {
                dressed.headers_mut().insert(name, value.clone());
            }
        }
        for (name, value) in &self.0.connection.headers {
            dressed.headers_mut().insert(name.clone(), value.clone());
        }
        dressed
    }

    fn judge(&self, uri: &Uri, answer: Response<Bytes>) -> Result<Response<Bytes>, ExportError> {
        let kind = match answer.status() {
            status if status.is_success() => return Ok(answer),
            StatusCode::TOO_MANY_REQUESTS => ExportErrorType::Throttled,
            StatusCode::REQUEST_TIMEOUT => ExportErrorType::Timeout,
            status if worth_repeating(status) => ExportErrorType::Unavailable,
            _ => ExportErrorType::Refused,
        };
        let message = format!("{} answered {}", origin(uri), answer.status());
        Err(ExportError::new(kind, message))
    }

    fn explain(&self, error: ureq::Error, uri: &Uri) -> ExportError {
        let origin = origin(uri);
        let tls = |error: &rustls::Error| {
            let message = self.0.connection.tls.explain(error, &origin);
            ExportError::new(ExportErrorType::Tls, message)
        };
        match &error {
            ureq::Error::Rustls(error) => tls(error),
            ureq::Error::Timeout(_) => ExportError::new(
                ExportErrorType::Timeout,
                format!("{origin} did not answer in time"),
            ),
            ureq::Error::HostNotFound => ExportError::new(
                ExportErrorType::Connection,
                format!("the host of {origin} is unknown"),
            ),
            ureq::Error::Io(io) => match io.get_ref().and_then(|inner| inner.downcast_ref()) {
                Some(error) => tls(error),
                None => ExportError::new(
                    ExportErrorType::Connection,
                    format!("cannot talk to {origin}: {io}"),
                ),
            },
            other => ExportError::new(
                ExportErrorType::Connection,
                format!("cannot talk to {origin}: {other}"),
            ),
        }
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (outcome, verdict) = match self.deliver_or_spool(&request) {
            Ok((answer, receipt)) => (Ok(answer), Ok(receipt)),
            Err(error) => (Err(error.clone()), Err(error)),
        };
        *self
            .0
            .verdict
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(verdict);
        outcome.map_err(|error| error.message.into())
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Client").field(&self.0.connection).finish()
    }
}

/// Speaks to `uri` as the connection says.
pub(crate) fn agent(connection: &Connection, uri: &Uri) -> Agent {
    let mut config = Agent::config_builder()
        .http_status_as_error(false)
        // A redirect would carry the headers, secrets among them, to who knows where.
        .max_redirects(0)
        .max_idle_connections(1);
    if uri.scheme_str() == Some("https") {
        config = config.tls_config(connection.tls.config());
    }
    // Never the one that the transport would read from the environment: it passes over those that
    // it cannot use.
    let proxy = connection.proxy.as_ref().map(Proxy::transport);
    config.proxy(proxy).build().new_agent()
}

/// Scheme, host and port: what may be logged of a URL.
pub(crate) fn origin(uri: &Uri) -> String {
    let scheme = uri.scheme_str().unwrap_or_default();
    let host = uri.host().unwrap_or_default();
    match uri.port_u16() {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    }
}

/// The statuses that [OTLP](https://opentelemetry.io/docs/specs/otlp/#retryable-response-codes)
/// allows to repeat.
fn worth_repeating(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 502 | 503 | 504)
}

/// A token that has run out, a network that wants a sign-in first: once that is mended, what waits
/// is taken, so it is no reason to give up all of it.
fn is_about_the_sender(status: StatusCode) -> bool {
    status.is_redirection() || matches!(status.as_u16(), 401 | 403 | 407)
}

/// Whether the same request may be taken later. A certificate that is not trusted stays so until
/// somebody does something.
fn passes(kind: ExportErrorType) -> bool {
    use ExportErrorType::{Connection, Throttled, Timeout, Unavailable};
    matches!(kind, Connection | Throttled | Timeout | Unavailable)
}

fn retry_after(answer: &Response<Bytes>) -> Option<Duration> {
    let seconds = answer.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    Some(Duration::from_secs(seconds.trim().parse().ok()?))
}

/// The answers for the three signals have one shape: field 1 holds what was rejected, and why.
fn receipt(body: &Bytes) -> Receipt {
    let answer = ExportTraceServiceResponse::decode(body.clone()).ok();
    let partial = answer.and_then(|answer| answer.partial_success);
    partial.map_or_else(Receipt::default, |partial| Receipt {
        spooled: None,
        rejected: u64::try_from(partial.rejected_spans).unwrap_or(0),
        reason: partial.error_message,
    })
}

const ATTEMPTS_MAX: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const ANSWER_BYTES_MAX: u64 = 64 * 1024;
