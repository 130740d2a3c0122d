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

use super::proxy::Proxy;
use super::result::{ExportError, ExportResponse};
use super::shutdown_deadline::ShutdownDeadline;
use super::tls::Tls;
use crate::clock::{self, Stamp};
use crate::semconv::ExportErrorType;

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

    /// Sends what waited on disk: once, since it waits on. Also how long the collector asks to be
    /// left alone.
    pub(crate) fn send_once(
        &self,
        request: &Request<Bytes>,
    ) -> (Result<ExportResponse, ExportError>, Option<Duration>) {
        let started = clock::now();
        let until = started.plus(self.0.connection.timeout);
        let until = self.0.deadline.limit(until);
        match self.attempt(request, until.since(started)) {
            Ok(answer) => {
                let asked = retry_after(&answer);
                let about_us = is_about_the_sender(answer.status());
                let outcome = classify(request.uri(), answer);
                let outcome = outcome.map_err(|error| match about_us {
                    true => ExportError::new(ExportErrorType::Unavailable, error.message),
                    false => error,
                });
                (outcome.map(|answer| response_of(answer.body())), asked)
            }
            Err(error) => (Err(error), None),
        }
    }

    /// Sends until the collector takes it, refuses it, or the time is over.
    ///
    /// `limit` gives the shutdown's part in when that is.
    pub(crate) fn deliver(
        &self,
        request: &Request<Bytes>,
        limit: fn(&ShutdownDeadline, Stamp) -> Stamp,
    ) -> Result<(Response<Bytes>, ExportResponse), ExportError> {
        let started = clock::now();
        let until = || limit(&self.0.deadline, started.plus(self.0.connection.timeout));
        let mut pause = FIRST_PAUSE;
        for attempt in 1.. {
            let outcome = self.attempt(request, until().since(clock::now()));
            let again = attempt < ATTEMPTS_MAX
                && match &outcome {
                    Ok(response) => worth_repeating(response.status()),
                    // A collector that restarts is back soon; one that is gone must not keep
                    // the app from its end.
                    Err(error) => {
                        error.kind == ExportErrorType::Connection && !self.0.deadline.is_closing()
                    }
                };
            let wait = outcome.as_ref().ok().and_then(retry_after);
            let wait = wait.unwrap_or(pause);
            if !again || wait >= until().since(clock::now()) {
                let answer = classify(request.uri(), outcome?)?;
                let response = response_of(answer.body());
                return Ok((answer, response));
            }
            self.0.deadline.sleep(wait);
            pause *= 2;
        }
        unreachable!("the last attempt returns")
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
            .configure_request(self.with_headers(request))
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

/// Whether the collector took it.
fn classify(uri: &Uri, answer: Response<Bytes>) -> Result<Response<Bytes>, ExportError> {
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

fn retry_after(answer: &Response<Bytes>) -> Option<Duration> {
    let seconds = answer.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    Some(Duration::from_secs(seconds.trim().parse().ok()?))
}

/// The answers for the three signals have one shape: field 1 holds what was rejected, and why.
fn response_of(body: &Bytes) -> ExportResponse {
    let answer = ExportTraceServiceResponse::decode(body.clone()).ok();
    let partial = answer.and_then(|answer| answer.partial_success);
    partial.map_or_else(ExportResponse::default, |partial| ExportResponse {
        spooled: None,
        rejected: u64::try_from(partial.rejected_spans).unwrap_or(0),
        reason: partial.error_message,
    })
}

const ATTEMPTS_MAX: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const ANSWER_BYTES_MAX: u64 = 64 * 1024;
