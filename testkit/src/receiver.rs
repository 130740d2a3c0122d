//! An OTLP receiver in this process, on a real socket: it decodes, remembers and misbehaves on
//! request.

use std::convert::Infallible;
use std::io::Read;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

/// What the receiver does with a request.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    /// Takes it.
    Ok,
    /// Takes it, and says that it rejected so many items.
    Reject(i64),
    /// This status.
    Status(u16),
    /// This status and then, after so many requests, `Ok`.
    StatusFor(u32, u16),
    /// Never answers.
    Hang,
    /// Ends the connection without an answer.
    Close,
}

/// A request, decoded.
#[derive(Clone, Debug)]
pub struct Received {
    /// The path of its URL.
    pub path: String,
    /// The query of its URL.
    pub query: Option<String>,
    /// All of its headers.
    pub headers: HeaderMap,
    /// What it carried.
    pub payload: Payload,
    /// What was decoded, byte by byte.
    pub body: Vec<u8>,
}

/// A request's body, by the path that it came to.
#[derive(Clone, Debug)]
pub enum Payload {
    /// Spans.
    Traces(ExportTraceServiceRequest),
    /// Metrics.
    Metrics(ExportMetricsServiceRequest),
    /// Log records.
    Logs(ExportLogsServiceRequest),
    /// Why it could not be decoded.
    Undecodable(String),
}

/// Listens until it is dropped.
#[derive(Debug)]
pub struct Receiver {
    addr: SocketAddr,
    scheme: &'static str,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    answer: Mutex<Answer>,
    received: Mutex<Vec<Received>>,
    arrived: Condvar,
}

impl Receiver {
    /// Listens without TLS.
    pub fn start() -> Self {
        Self::listen(None)
    }

    /// Listens with TLS.
    pub fn start_tls(config: Arc<ServerConfig>) -> Self {
        Self::listen(Some(config))
    }

    fn listen(tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let addr = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            answer: Mutex::new(Answer::Ok),
            received: Mutex::default(),
            arrived: Condvar::new(),
        });
        let (stop, stopped) = oneshot::channel();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let thread = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .unwrap();
                runtime.block_on(async {
                    let listener = TcpListener::from_std(listener).unwrap();
                    let acceptor = tls.map(TlsAcceptor::from);
                    tokio::select! {
                        () = accept(listener, acceptor, shared) => {}
                        _ = stopped => {}
                    }
                });
            }
        });
        Self {
            addr,
            scheme,
            shared,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The base URL.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.addr)
    }

    /// From now on answers so.
    pub fn answer(&self, answer: Answer) {
        *self.shared.answer.lock().unwrap() = answer;
    }

    /// All requests that it took so far.
    pub fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap().clone()
    }

    /// Waits for `enough`, at most half a minute.
    pub fn wait_for(&self, enough: impl Fn(&[Received]) -> bool) -> Vec<Received> {
        let received = self.shared.received.lock().unwrap();
        let (received, timeout) = self
            .shared
            .arrived
            .wait_timeout_while(received, Duration::from_secs(30), |received| {
                !enough(received)
            })
            .unwrap();
        assert!(
            !timeout.timed_out(),
            "not received in time: only {} requests came",
            received.len()
        );
        received.clone()
    }

    /// All spans so far.
    pub fn spans(&self) -> Vec<Span> {
        self.received().iter().flat_map(Received::spans).collect()
    }

    /// All log records so far.
    pub fn logs(&self) -> Vec<LogRecord> {
        self.received().iter().flat_map(Received::logs).collect()
    }

    /// The metrics of the last request that had some.
    pub fn metrics(&self) -> Vec<Metric> {
        let received = self.received();
        let mut metrics = received.iter().rev().map(Received::metrics);
        metrics.find(|found| !found.is_empty()).unwrap_or_default()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Received {
    /// The spans of the request.
    pub fn spans(&self) -> Vec<Span> {
        let Payload::Traces(request) = &self.payload else {
            return Vec::new();
        };
        let scopes = request
            .resource_spans
            .iter()
            .flat_map(|one| &one.scope_spans);
        scopes.flat_map(|scope| scope.spans.clone()).collect()
    }

    /// The log records of the request.
    pub fn logs(&self) -> Vec<LogRecord> {
        let Payload::Logs(request) = &self.payload else {
            return Vec::new();
        };
        let scopes = request.resource_logs.iter().flat_map(|one| &one.scope_logs);
        scopes.flat_map(|scope| scope.log_records.clone()).collect()
    }

    /// The metrics of the request.
    pub fn metrics(&self) -> Vec<Metric> {
        let Payload::Metrics(request) = &self.payload else {
            return Vec::new();
        };
        let scopes = request
            .resource_metrics
            .iter()
            .flat_map(|one| &one.scope_metrics);
        scopes.flat_map(|scope| scope.metrics.clone()).collect()
    }

    /// The only resource of the request.
    pub fn resource(&self) -> Resource {
        let resources: Vec<_> = match &self.payload {
            Payload::Traces(all) => all.resource_spans.iter().map(|r| &r.resource).collect(),
            Payload::Metrics(all) => all.resource_metrics.iter().map(|r| &r.resource).collect(),
            Payload::Logs(all) => all.resource_logs.iter().map(|r| &r.resource).collect(),
            Payload::Undecodable(why) => panic!("{why}"),
        };
        assert_eq!(resources.len(), 1);
        resources[0].clone().unwrap()
    }
}

/// An attribute as text.
pub fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    Some(match found.value.clone()?.value? {
        any_value::Value::StringValue(text) => text,
        any_value::Value::IntValue(number) => number.to_string(),
        any_value::Value::DoubleValue(number) => number.to_string(),
        any_value::Value::BoolValue(truth) => truth.to_string(),
        other => format!("{other:?}"),
    })
}

/// A log record's text.
pub fn body(log: &LogRecord) -> String {
    match log.body.clone() {
        Some(AnyValue {
            value: Some(any_value::Value::StringValue(text)),
        }) => text,
        other => format!("{other:?}"),
    }
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            return;
        };
        tokio::spawn(serve(stream, tls.clone(), Arc::clone(&shared)));
    }
}

async fn serve(stream: TcpStream, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    let service = service_fn(move |request| answer(request, Arc::clone(&shared)));
    let http = hyper::server::conn::http1::Builder::new();
    // A connection that ends in an error is what several tests want.
    match tls {
        Some(tls) => {
            if let Ok(stream) = tls.accept(stream).await {
                let _ = http.serve_connection(TokioIo::new(stream), service).await;
            }
        }
        None => {
            let _ = http.serve_connection(TokioIo::new(stream), service).await;
        }
    }
}

async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
) -> Result<Response<Full<Bytes>>, Refusal> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Refusal)?.to_bytes();
    let answer = {
        let mut answer = shared.answer.lock().unwrap();
        let now = *answer;
        if let Answer::StatusFor(times, status) = now {
            *answer = match times {
                0 | 1 => Answer::Ok,
                more => Answer::StatusFor(more - 1, status),
            };
        }
        now
    };
    let body = decompressed(&parts.headers, &body);
    let payload = match &body {
        Ok(body) => decode(parts.uri.path(), body),
        Err(error) => Payload::Undecodable(error.to_string()),
    };
    let undecodable = matches!(payload, Payload::Undecodable(_));
    if matches!(answer, Answer::Ok | Answer::Reject(_)) {
        shared.received.lock().unwrap().push(Received {
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().map(str::to_owned),
            headers: parts.headers,
            payload,
            body: body.unwrap_or_default(),
        });
        shared.arrived.notify_all();
    }
    let (status, body) = match answer {
        Answer::Ok if undecodable => (400, Vec::new()),
        Answer::Ok => (200, Vec::new()),
        Answer::Reject(items) => (200, rejected(items)),
        Answer::Status(status) | Answer::StatusFor(_, status) => (status, Vec::new()),
        Answer::Hang => std::future::pending().await,
        Answer::Close => return Err(Refusal),
    };
    Ok(Response::builder()
        .status(StatusCode::from_u16(status).unwrap())
        .header("content-type", "application/x-protobuf")
        .body(Full::from(body))
        .unwrap())
}

fn decompressed(headers: &HeaderMap, body: &[u8]) -> std::io::Result<Vec<u8>> {
    if headers.get("content-encoding").is_none_or(|c| c != "gzip") {
        return Ok(body.to_vec());
    }
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(body).read_to_end(&mut plain)?;
    Ok(plain)
}

fn decode(path: &str, body: &[u8]) -> Payload {
    let decoded = match path {
        "/v1/traces" => ExportTraceServiceRequest::decode(body).map(Payload::Traces),
        "/v1/metrics" => ExportMetricsServiceRequest::decode(body).map(Payload::Metrics),
        "/v1/logs" => ExportLogsServiceRequest::decode(body).map(Payload::Logs),
        other => return Payload::Undecodable(format!("no signal at {other}")),
    };
    decoded.unwrap_or_else(|error| Payload::Undecodable(error.to_string()))
}

/// The answers of all three signals have this shape.
fn rejected(items: i64) -> Vec<u8> {
    ExportTraceServiceResponse {
        partial_success: Some(ExportTracePartialSuccess {
            rejected_spans: items,
            error_message: "too many".into(),
        }),
    }
    .encode_to_vec()
}

/// Makes hyper end the connection without an answer.
#[derive(Debug)]
struct Refusal;

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no answer")
    }
}

impl std::error::Error for Refusal {}

impl From<Infallible> for Refusal {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
