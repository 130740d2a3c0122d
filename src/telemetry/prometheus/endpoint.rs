//! The HTTP server that Prometheus scrapes.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use futures_util::future::select;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue, VARY, X_CONTENT_TYPE_OPTIONS};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use metrics::Counter;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot};

use super::content_negotiation::MediaType;
use super::host_validation::{AllowedHosts, HostError};
use crate::instrument::caught_panic::catch_panic;
use crate::instrument::handles::{GaugeSums, Instruments, Publish, counter, register};
use crate::semconv::{
    CONNECTION_LIMIT, ENDPOINT_REFUSED, ERROR_TYPE, EVENT_ENDPOINT_OFF, FORBIDDEN_HOST,
};

/// Where to listen and to whom to answer.
#[derive(Clone, Debug)]
pub(crate) struct EndpointOptions {
    /// A name or an address, for example `127.0.0.1`.
    pub(crate) host: String,
    /// 0 takes any that is free.
    pub(crate) port: u16,
    /// Values of `Host` to answer to, beside loopback's, a container's and [`Self::host`]; ports are
    /// ignored.
    pub(crate) allowed_hosts: Vec<String>,
}

/// Why there is no endpoint.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EndpointError {
    /// Somebody else listens there.
    #[error("{addr} is in use by another program")]
    AddressInUse {
        /// The address that was asked for.
        addr: SocketAddr,
    },
    /// The system lets no process listen there, or not this one.
    #[error("this process cannot listen on {addr}")]
    Listen {
        /// The address that was asked for.
        addr: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The name has no address.
    #[error("{host:?} is neither an IP address nor a name that resolves to one")]
    UnknownHost {
        /// The name.
        host: String,
    },
    /// The system has no thread or no I/O for it.
    #[error("its thread cannot start")]
    Thread(#[source] io::Error),
}

/// A running endpoint, on a thread of its own; ends when it is dropped.
///
/// `GET` and `HEAD` of `/metrics` and `/healthz` are answered, to the hosts that are allowed. At
/// most [`CONNECTIONS_MAX`] connections are served at once; further ones are closed and counted. A
/// connection carries one request, and ends after [`CONNECTION_TIME_MAX`] whatever it does.
#[derive(Debug)]
#[must_use = "dropping it ends the endpoint"]
pub(crate) struct Endpoint {
    addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    ended: Receiver<()>,
}

/// Writes what `/metrics` answers.
pub(crate) trait Render: fmt::Debug + Send + Sync {
    /// In Prometheus' plain text format.
    fn text(&self) -> String;

    /// In the OpenMetrics text format, if it knows that.
    fn openmetrics(&self) -> Option<String>;

    /// Called every five seconds.
    fn upkeep(&self) {}

    /// Whether there is nothing to be read for now.
    fn is_paused(&self) -> bool {
        false
    }
}

impl Endpoint {
    /// Listens from now on.
    pub(crate) fn start(
        options: EndpointOptions,
        exposition: impl Render + 'static,
    ) -> Result<Self, EndpointError> {
        // On the caller's thread, so that an address that is in use is an error of the install.
        let listener = listen(&options.host, options.port)?;
        let addr = listener.local_addr().map_err(EndpointError::Thread)?;
        listener
            // tokio takes a socket as it is, and a blocking one would hold up its thread in
            // `accept`.
            .set_nonblocking(true)
            .map_err(EndpointError::Thread)?;
        let refused = Arc::new(RefusedRequests {
            connections: AtomicU64::new(0),
            hosts: AtomicU64::new(0),
            counters: Instruments::new(),
        });
        // Plain atomics count the refusals, and the gauges' publishing reports them, so that a
        // refusal costs one addition.
        register(Arc::downgrade(&refused) as Weak<dyn Publish>);
        let service = Arc::new(Service {
            exposition: Box::new(exposition),
            hosts: AllowedHosts::new(&options.host, &options.allowed_hosts),
            refused,
        });
        let (stop, stopped) = oneshot::channel();
        let (end, ended) = sync_channel(1);
        thread::Builder::new()
            .name("spanwire-prometheus".into())
            .spawn(move || serve(listener, service, stopped, end))
            .map_err(EndpointError::Thread)?;
        Ok(Self {
            addr,
            stop: Some(stop),
            ended,
        })
    }

    /// Where it listens, with the real port when 0 was asked for.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        // The receiver in `serve` resolves when its sender is gone.
        drop(self.stop.take());
        // Closed by the thread's end. A render that hangs keeps the thread and not us.
        let _ = self.ended.recv_timeout(STOP_TIME_MAX);
    }
}

fn listen(host: &str, port: u16) -> Result<TcpListener, EndpointError> {
    // The resolver takes an IPv6 address without its brackets.
    let bare = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host);
    // What is told if the name has no address; otherwise the failure at its last address.
    let mut failed = EndpointError::UnknownHost { host: host.into() };
    let addrs = (bare, port).to_socket_addrs().into_iter().flatten();
    for addr in addrs {
        match TcpListener::bind(addr) {
            Ok(listener) => return Ok(listener),
            Err(source) if source.kind() == io::ErrorKind::AddrInUse => {
                failed = EndpointError::AddressInUse { addr };
            }
            Err(source) => failed = EndpointError::Listen { addr, source },
        }
    }
    Err(failed)
}

/// The thread: `_end` tells by being dropped that it is over.
fn serve(
    listener: TcpListener,
    service: Arc<Service>,
    stopped: oneshot::Receiver<()>,
    _end: SyncSender<()>,
) {
    // One thread for all connections: Prometheus asks one thing at a time, and a scrape takes
    // milliseconds.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let Ok(runtime) = runtime else {
        tracing::warn!(name: EVENT_ENDPOINT_OFF, "the Prometheus endpoint has no I/O driver and is off");
        return;
    };
    // Dropping the runtime drops every connection.
    runtime.block_on(async {
        let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
            tracing::warn!(name: EVENT_ENDPOINT_OFF, "the Prometheus endpoint cannot poll its socket and is off");
            return;
        };
        // A scrape that comes before any upkeep is fine, so nothing waits for it.
        tokio::spawn(upkeep(Arc::clone(&service)));
        select(pin!(accept(listener, service)), stopped).await;
    });
}

async fn accept(listener: tokio::net::TcpListener, service: Arc<Service>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // The process is out of file descriptors, perhaps: the error would come at once again.
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        // The endpoint closes the connection at once and does not queue it: a connection that waits
        // would hold a file descriptor.
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            service.refused.connections.fetch_add(1, Ordering::Relaxed);
            continue;
        };
        let service = Arc::clone(&service);
        tokio::spawn(async move {
            // Errors are the client's: it went away, or it does not speak HTTP.
            // The limit for the whole connection, since a client that reads slowly passes hyper's
            // for the headers.
            let _ = tokio::time::timeout(CONNECTION_TIME_MAX, connection(stream, service)).await;
            drop(place);
        });
    }
}

async fn upkeep(service: Arc<Service>) {
    loop {
        tokio::time::sleep(UPKEEP_EVERY).await;
        // As for a scrape: a bug there must not take the endpoint down.
        let _ = catch_panic(|| service.exposition.upkeep());
    }
}

async fn connection(stream: TcpStream, service: Arc<Service>) -> hyper::Result<()> {
    let answer = service_fn(move |request: Request<Incoming>| {
        let response = service.answer(&request);
        async move { Ok::<_, Infallible>(response) }
    });
    http1::Builder::new()
        // hyper panics if there is a time limit for headers and no timer.
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME_MAX)
        .keep_alive(false)
        .max_buf_size(HEADER_SIZE_MAX)
        .serve_connection(TokioIo::new(stream), answer)
        .await
}

#[derive(Debug)]
struct Service {
    exposition: Box<dyn Render>,
    hosts: AllowedHosts,
    refused: Arc<RefusedRequests>,
}

impl Service {
    fn answer<B>(&self, request: &Request<B>) -> Response<String> {
        // The host is checked before the path and everything else, so that a page behind a rebound
        // name learns nothing.
        match self.hosts.check(request.version(), request.headers()) {
            Ok(()) => {}
            Err(HostError::Missing) => {
                return text(
                    StatusCode::BAD_REQUEST,
                    "the request needs one Host header; only HTTP/1.0 may leave it out\n",
                );
            }
            Err(HostError::Forbidden) => {
                self.refused.hosts.fetch_add(1, Ordering::Relaxed);
                return text(StatusCode::FORBIDDEN, FORBIDDEN_TEXT);
            }
        }
        let path = request.uri().path();
        if path != "/metrics" && path != "/healthz" {
            return text(StatusCode::NOT_FOUND, "there is /metrics and /healthz\n");
        }
        // The body that is the same for HEAD is left out by hyper, its length is told.
        if request.method() != Method::GET && request.method() != Method::HEAD {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "use GET or HEAD\n");
            let allow = HeaderValue::from_static("GET, HEAD");
            response.headers_mut().insert(ALLOW, allow);
            return response;
        }
        // This answer precedes the check for a pause: the endpoint is well while telemetry is
        // paused.
        if path == "/healthz" {
            return text(StatusCode::OK, "ok\n");
        }
        if self.exposition.is_paused() {
            return text(StatusCode::SERVICE_UNAVAILABLE, PAUSED_TEXT);
        }
        let accepted = MediaType::accepted(request.headers());
        let render = || {
            // What cannot write OpenMetrics falls back to plain text, which every scraper reads.
            let openmetrics = match accepted {
                MediaType::Text => None,
                MediaType::OpenMetrics | MediaType::OpenMetricsDraft => {
                    self.exposition.openmetrics()
                }
            };
            match openmetrics {
                Some(body) => (accepted, body),
                None => (MediaType::Text, self.exposition.text()),
            }
        };
        // A queue's or a page's state is read here, and a bug there must not take the endpoint down.
        match catch_panic(render) {
            Ok((media_type, body)) => {
                let mut response = answer(StatusCode::OK, media_type, body);
                // A cache in between must not give one scraper the other's format.
                let accept = HeaderValue::from_static("accept");
                response.headers_mut().insert(VARY, accept);
                response
            }
            Err(_) => text(
                StatusCode::INTERNAL_SERVER_ERROR,
                "a panic while the metrics were read\n",
            ),
        }
    }
}

fn text(status: StatusCode, body: impl Into<String>) -> Response<String> {
    answer(status, MediaType::Text, body)
}

fn answer(status: StatusCode, media_type: MediaType, body: impl Into<String>) -> Response<String> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let media_type = HeaderValue::from_static(media_type.as_str());
    headers.insert(CONTENT_TYPE, media_type);
    // No browser shall take it for a page.
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// What was turned away, told like every other state when somebody looks.
#[derive(Debug)]
struct RefusedRequests {
    connections: AtomicU64,
    hosts: AtomicU64,
    counters: Instruments<[Counter; 2]>,
}

impl Publish for RefusedRequests {
    fn publish(&self, _: &mut GaugeSums) {
        let counters = self.counters.get(|| {
            [CONNECTION_LIMIT, FORBIDDEN_HOST]
                .map(|reason| counter(&ENDPOINT_REFUSED, &[(ERROR_TYPE, reason)]))
        });
        if let Some([connections, hosts]) = counters {
            // A total and no increment: telling it twice, or to a second recorder, counts nothing
            // twice.
            connections.absolute(self.connections.load(Ordering::Relaxed));
            hosts.absolute(self.hosts.load(Ordering::Relaxed));
        }
    }
}

/// Connections served at once. Prometheus needs one.
const CONNECTIONS_MAX: usize = 16;
/// From accepting a connection to its last header.
const HEADER_TIME_MAX: Duration = Duration::from_secs(2);
/// From accepting a connection to its end.
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(10);
/// A request line and its headers, in bytes. hyper takes no less than 8 KiB.
const HEADER_SIZE_MAX: usize = 16 * 1024;
/// As the exporter has it by default.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);
// Long enough not to spin, and short against the interval of scrapes.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long a drop waits for the thread.
const STOP_TIME_MAX: Duration = Duration::from_secs(1);
/// `spanwire doctor` knows it by its beginning.
const PAUSED_TEXT: &str = "telemetry is paused: nothing is recorded, served or sent. The app can resume it, \
     unless SPANWIRE_CONSENT=denied\n";
const FORBIDDEN_TEXT: &str = "this Host is not allowed here: otherwise a web page could read the metrics \
    by a name of its own (DNS rebinding). Ask by the address that the endpoint listens on \
    (OTEL_EXPORTER_PROMETHEUS_HOST; with 0.0.0.0 by any address of this machine, or by its own host \
    name), or have the app add the name: TelemetryBuilder::allowed_host(\"the name\")\n";

#[cfg(test)]
mod tests;
