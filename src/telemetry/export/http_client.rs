//! The HTTP client that carries OTLP: blocking, on the thread that exports, within a deadline.
//!
//! It is passed to the exporters explicitly, so which HTTP and TLS features other crates enable
//! does not matter here.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, Uri, header};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use ureq::Agent;
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{Connector as _, DefaultConnector};

use super::backoff::Backoff;
use super::late_answer::LateAnswerConnector;
use super::proxy::Proxy;
use super::result::{Acceptance, ExportError};
use super::shutdown_deadline::ShutdownDeadline;
use super::tls::Tls;
use crate::clock::{self, Clock, Stamp};
use crate::semconv::ExportErrorType;
use crate::telemetry::consent::Epoch;

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
    deadline: Arc<ShutdownDeadline>,
    /// Built by the thread that sends, since reading the system's roots takes a while.
    agent: OnceLock<Agent>,
}

impl Client {
    pub(crate) fn new(connection: Connection, deadline: Arc<ShutdownDeadline>) -> Self {
        Self(Arc::new(Inner {
            connection,
            deadline,
            agent: OnceLock::new(),
        }))
    }

    /// For a request with all its repetitions.
    pub(crate) fn timeout(&self) -> Duration {
        self.0.connection.timeout
    }

    /// Sends what waited on disk: once, since it waits on. Also how long the collector asks to be
    /// left alone. A pause since `epoch` may keep it back.
    pub(crate) fn send_once(
        &self,
        request: &Request<Bytes>,
        epoch: Epoch,
    ) -> (Result<Acceptance, ExportError>, Option<Duration>) {
        let now = clock::now();
        let until = self.0.deadline.limit(now.plus(self.timeout()));
        match self.attempt(request, epoch, until.since(now)) {
            Ok(answer) => (classify(request.uri(), &answer), retry_after(&answer)),
            Err(error) => (Err(error), None),
        }
    }

    /// Sends until the collector takes it or refuses it. An attempt ends at `until`, and none begins
    /// after `again_until`, nor after the shutdown's deadline. Also how long the collector asks to
    /// be left alone. A pause since `epoch` keeps what is not on its way yet.
    pub(crate) fn deliver(
        &self,
        request: &Request<Bytes>,
        epoch: Epoch,
        again_until: Stamp,
        until: Stamp,
    ) -> (Result<Acceptance, ExportError>, Option<Duration>) {
        // The client asks for the deadline at each attempt: a shutdown may begin during the
        // attempts, and its deadline then holds.
        let left = |until| self.0.deadline.limit(until).since(clock::now());
        let mut backoff = Backoff::new(FIRST_PAUSE);
        for attempt in 1.. {
            let answer = self.attempt(request, epoch, left(until));
            let outcome = match &answer {
                Ok(answer) => classify(request.uri(), answer),
                Err(error) => Err(error.clone()),
            };
            let again = attempt < ATTEMPTS_MAX
                && match (&answer, &outcome) {
                    (_, Ok(_)) => false,
                    (Ok(answer), Err(_)) => worth_repeating(answer),
                    // A collector that restarts is back soon; one that is gone must not keep
                    // the app from its end.
                    (Err(error), _) => {
                        error.kind == ExportErrorType::Connection && !self.0.deadline.is_closing()
                    }
                };
            let asked = answer.as_ref().ok().and_then(retry_after);
            // What the collector asks for replaces our own pause, also where it is shorter.
            let wait = asked.unwrap_or_else(|| backoff.pause());
            // A pause that would outlast the time is not begun. The answer is given now, while it
            // can still be put on disk.
            if !again || wait >= left(again_until) {
                return (outcome, asked);
            }
            self.0.deadline.sleep(wait);
        }
        unreachable!("the last attempt returns")
    }

    fn attempt(
        &self,
        request: &Request<Bytes>,
        epoch: Epoch,
        timeout: Duration,
    ) -> Result<Response<Bytes>, ExportError> {
        // At each attempt: a pause may have begun since the last one.
        if !self.0.deadline.switch().allows(epoch) {
            return Err(ExportError::paused());
        }
        let uri = request.uri();
        if timeout.is_zero() {
            return Err(ExportError::new(
                ExportErrorType::Timeout,
                format!("no time is left to reach {}", origin(uri)),
            ));
        }
        let failed = |error| self.explain(error, uri);
        // One agent for all requests, so that its connection is kept open between exports.
        let agent = self.0.agent.get_or_init(|| agent(&self.0.connection, uri));
        let request = agent
            .configure_request(self.with_headers(request))
            // The whole call, from the look-up of the name to the end of the answer.
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
        let body = body.unwrap_or_default();
        Ok(Response::from_parts(parts, Bytes::from(body)))
    }

    /// The request with our headers alone: the exporter reads some from the process environment,
    /// which the builder may have overruled.
    fn with_headers(&self, request: &Request<Bytes>) -> Request<Vec<u8>> {
        let mut ours = Request::new(request.body().to_vec());
        *ours.method_mut() = request.method().clone();
        *ours.uri_mut() = request.uri().clone();
        for name in [
            header::CONTENT_TYPE,
            header::CONTENT_ENCODING,
            header::USER_AGENT,
        ] {
            if let Some(value) = request.headers().get(&name) {
                ours.headers_mut().insert(name, value.clone());
            }
        }
        for (name, value) in &self.0.connection.headers {
            ours.headers_mut().insert(name.clone(), value.clone());
        }
        ours
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
            // rustls reports a handshake that fails while it reads or writes as an I/O error around
            // its own.
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

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Client").field(&self.0.connection).finish()
    }
}

/// Speaks to `uri` as the connection says.
pub(crate) fn agent(connection: &Connection, uri: &Uri) -> Agent {
    let mut config = Agent::config_builder()
        // ureq's error for a status has neither headers nor body, and `Retry-After` and the reason
        // are there.
        .http_status_as_error(false)
        // A redirect would carry the headers, secrets among them, to who knows where.
        .max_redirects(0)
        // One thread uses an agent, so it never needs a second connection.
        .max_idle_connections(1);
    // A plain endpoint does without the system's roots, which take some milliseconds to read.
    if uri.scheme_str() == Some("https") {
        config = config.tls_config(connection.tls.config());
    }
    // Never the one that the transport would read from the environment: it passes over those that
    // it cannot use.
    let proxy = connection.proxy.as_ref().map(Proxy::transport);
    let config = config.proxy(proxy).build();
    Agent::with_parts(
        config,
        // At the end of the chain, so that it wraps a TLS connection as well as a plain one.
        DefaultConnector::default().chain(LateAnswerConnector),
        DefaultResolver::default(),
    )
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

/// Whether the collector took it.
fn classify(uri: &Uri, answer: &Response<Bytes>) -> Result<Acceptance, ExportError> {
    let origin = origin(uri);
    let kind = match answer.status() {
        status if status.is_success() => match acceptance(answer) {
            Some(acceptance) => return Ok(acceptance),
            None => {
                let message = format!(
                    "{origin} answered {status} with something that is not OTLP, as a network does \
                     that wants a sign-in first"
                );
                return Err(ExportError::new(ExportErrorType::Unavailable, message));
            }
        },
        StatusCode::TOO_MANY_REQUESTS => ExportErrorType::Throttled,
        // 408 is none of OTLP's retryable statuses, so it is not repeated at once. But it passes,
        // so the spool keeps the request.
        StatusCode::REQUEST_TIMEOUT => ExportErrorType::Timeout,
        StatusCode::PAYLOAD_TOO_LARGE => ExportErrorType::TooLarge,
        status if is_retryable(status) || is_about_the_sender(status) => {
            ExportErrorType::Unavailable
        }
        _ => ExportErrorType::Refused,
    };
    let message = format!("{origin} answered {}", answer.status());
    Err(ExportError::new(kind, message))
}

/// What a collector said; `None` when it is no collector that answered.
///
/// With OTLP's content type the status alone decides, so that a body that is cut or too long does
/// not have the same request sent again. Some vendors answer with nothing.
fn acceptance(answer: &Response<Bytes>) -> Option<Acceptance> {
    let media_type = answer.headers().get(header::CONTENT_TYPE);
    let media_type = media_type.and_then(|value| value.to_str().ok());
    let essence = media_type.map(|text| text.split(';').next().unwrap_or_default().trim());
    match essence.map(str::to_ascii_lowercase).as_deref() {
        Some("application/x-protobuf" | "application/protobuf") => {
            Some(decoded(answer.body()).unwrap_or_default())
        }
        Some("application/json") => {
            let body = answer.body();
            let is_object = body.trim_ascii_start().starts_with(b"{");
            (body.is_empty() || is_object).then(Acceptance::default)
        }
        Some("text/html" | "application/xhtml+xml") => None,
        _ if answer.body().is_empty() => Some(Acceptance::default()),
        None => decoded(answer.body()),
        // A status of success with a page or a text is a portal's or a proxy's, and the data has
        // not arrived.
        Some(_) => None,
    }
}

/// The statuses that [OTLP](https://opentelemetry.io/docs/specs/otlp/#retryable-response-codes)
/// allows to repeat.
fn is_retryable(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 502 | 503 | 504)
}

/// An answer that is no collector's may be from a proxy that restarts, too.
fn worth_repeating(answer: &Response<Bytes>) -> bool {
    is_retryable(answer.status()) || answer.status().is_success()
}

/// A token that has run out, a network that wants a sign-in first: once that is mended, what waits
/// or is sent meanwhile is taken, so it is no reason to give up all of it.
fn is_about_the_sender(status: StatusCode) -> bool {
    status.is_redirection() || matches!(status.as_u16(), 401 | 403 | 407)
}

/// As seconds or as a date.
fn retry_after(answer: &Response<Bytes>) -> Option<Duration> {
    let text = answer.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(text.trim()).ok()?;
    let (_, now) = Clock::current().now_and_wall();
    // A date that has passed asks for nothing.
    Some(until.duration_since(now).unwrap_or_default())
}

/// The answers for the three signals have one shape: field 1 holds what was rejected, and why.
fn decoded(body: &Bytes) -> Option<Acceptance> {
    let answer = ExportTraceServiceResponse::decode(body.clone()).ok()?;
    let partial = answer.partial_success;
    Some(
        partial.map_or_else(Acceptance::default, |partial| Acceptance {
            // The field is signed, and a negative number means nothing.
            rejected: u64::try_from(partial.rejected_spans).unwrap_or(0),
            message: partial.error_message,
        }),
    )
}

const ATTEMPTS_MAX: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const ANSWER_BYTES_MAX: u64 = 64 * 1024;
