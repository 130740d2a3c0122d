//! The Collector, to which each signal's exporter would send: an empty export request.

use spanwire::clock::Stamp;

use super::client::{Answer, ClockSkew, HttpClient};
use super::finding::{Finding, Status, quoted};
use super::probe_error::ProbeError;
use super::targets::{NamedBy, Receiver};

/// What it answered.
pub(super) struct CollectorProbe {
    receiver: Receiver,
    answer: Result<Answer, ProbeError>,
    /// Of the extension `health_check`, which is optional.
    health: Option<Answer>,
}

pub(super) fn probe(receiver: &Receiver, deadline: Stamp) -> CollectorProbe {
    let url = &receiver.target.url;
    // A protobuf message without fields has no bytes. A receiver takes it, and stores nothing.
    let answer = HttpClient::new(&receiver.target, deadline).post_empty_message();
    // Only on this machine: on another, something else may have the port.
    let health = (receiver.target.is_local() && receiver.signal == "traces" && answer.is_ok())
        .then(|| {
            let health = format!("http://{}:{HEALTH_PORT}/", url.host()?);
            HttpClient::local(&health.parse().ok()?, deadline)
                .get_base()
                .ok()
        })
        .flatten();
    CollectorProbe {
        receiver: receiver.clone(),
        answer,
        health,
    }
}

impl CollectorProbe {
    pub(super) fn clock_skew(&self) -> Option<ClockSkew> {
        self.answer.as_ref().ok()?.clock_skew
    }

    pub(super) fn evaluate(&self) -> Vec<Finding> {
        let target = &self.receiver.target;
        let (url, signal) = (target.redacted(), self.receiver.signal);
        match &self.answer {
            // Without an endpoint in the environment an app sends no traces, so nothing is missing.
            Err(error) if target.named_by == NamedBy::Default => vec![Finding::skip(
                WHAT,
                format!("{url}: {}, and nothing says that traces are sent", error),
                "--collector URL, or OTEL_EXPORTER_OTLP_ENDPOINT as the app has it",
            )],
            Err(error) => vec![Finding::fail(
                WHAT,
                format!("{url}: {error}"),
                self.cause(error),
            )],
            Ok(answer) if answer.status == 200 && is_otlp(answer) => {
                let mut findings = vec![Finding::ok(WHAT, format!("{url} takes {signal}"))];
                findings.extend(self.not_configured());
                findings.extend(self.unhealthy());
                findings
            }
            Ok(answer) => vec![self.refused(answer)],
        }
    }

    /// It is there, and whether the app knows cannot be seen from here.
    fn not_configured(&self) -> Option<Finding> {
        (self.receiver.target.named_by == NamedBy::Default).then(|| {
            Finding::warn(
                WHAT,
                "this environment does not say that traces are sent to it",
                "OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 where the app is started, \
                 unless its builder says so",
            )
        })
    }

    fn unhealthy(&self) -> Option<Finding> {
        let health = self.health.as_ref()?;
        // The extension answers 503 while a part of the Collector is not available.
        (health.status == 503).then(|| {
            Finding::warn(
                WHAT,
                quoted("it says that it is not well", &health.text()),
                "see its log: a part of its pipeline does not run",
            )
        })
    }

    fn cause(&self, error: &ProbeError) -> String {
        let url = &self.receiver.target.url;
        let remedy = match error {
            // A gRPC server speaks HTTP/2 alone, and answers HTTP/1.1 with a frame or a closed
            // connection.
            ProbeError::NotHttp(_) | ProbeError::Other(_) if url.port_u16() == Some(GRPC_PORT) => {
                GRPC
            }
            ProbeError::Refused => {
                "start the Collector, with an OTLP receiver over HTTP on that port"
            }
            ProbeError::Timeout => "it hangs, or a firewall drops the way to it",
            ProbeError::UnknownHost => "correct the host of the endpoint",
            // rustls says so when the first bytes are no TLS record: the server has answered in
            // plain text.
            ProbeError::Tls(how) if how.contains("InvalidContentType") => {
                "the receiver has no TLS: the endpoint is http:// and not https://"
            }
            // webpki refuses a CA's certificate as a server's own, which OpenSSL and curl accept.
            ProbeError::Tls(how) if how.contains("CaUsedAsEndEntity") => {
                "its certificate is a CA's, as `openssl req -x509` makes it: make it with \
                 `-addext basicConstraints=critical,CA:FALSE` and `-addext subjectAltName=DNS:…`, \
                 or sign one for the server with a CA of your own"
            }
            ProbeError::Tls(_) => {
                "a private CA goes into OTEL_EXPORTER_OTLP_CERTIFICATE; \
                 a receiver without TLS is http://"
            }
            ProbeError::NotHttp(_) => {
                "that port speaks something else: TLS (https://), or gRPC \
                 (Spanwire speaks OTLP over HTTP, port 4318)"
            }
            _ => "correct the endpoint",
        };
        match &self.receiver.target.connection.proxy {
            Some(proxy) => {
                let variable = proxy.variable();
                format!("{remedy}; {variable} puts a proxy in between (NO_PROXY)")
            }
            None => remedy.to_owned(),
        }
    }

    fn refused(&self, answer: &Answer) -> Finding {
        let target = &self.receiver.target;
        let (url, status) = (target.redacted(), answer.status);
        let words = answer.text();
        let remedy = match status {
            200 => "another program has the port: a receiver answers in application/x-protobuf",
            // Go's server says so in words to a request without TLS.
            400 if words.contains("HTTPS") => "the receiver has TLS: https://",
            401 | 403 => {
                "OTEL_EXPORTER_OTLP_HEADERS needs the token: authorization=Bearer%20…; \
                 it is not sent to what --collector names"
            }
            404 => {
                "OTEL_EXPORTER_OTLP_ENDPOINT is the base, to which /v1/traces is added; \
                 a signal's own endpoint is the whole URL"
            }
            405 | 415 => "that is no OTLP receiver over HTTP: its usual port is 4318",
            429 | 502 | 503 | 504 => "it has too much to do, or what is behind it is away",
            _ => "see the Collector's log",
        };
        // The page of another program would only confuse.
        let words = if status == 200 { "" } else { &*words };
        let detail = match status {
            200 => format!("{url}: HTTP 200, and not as a receiver answers"),
            _ => quoted(&format!("{url}: HTTP {status}"), words),
        };
        let bad = match (target.named_by, status) {
            // Something else has the usual port, and no app is set up to send there.
            (NamedBy::Default, _) => Status::Skip,
            // It will pass, and the exporter tries again.
            (_, 429 | 503) => Status::Warn,
            _ => Status::Fail,
        };
        Finding::new(bad, WHAT, detail, remedy)
    }
}

/// A client server answers anything with a page.
fn is_otlp(answer: &Answer) -> bool {
    answer.media_type.starts_with("application/x-protobuf")
        || answer.media_type.starts_with("application/json")
        // An empty message has no bytes, so an answer without a body and a type is one too.
        || (answer.media_type.is_empty() && answer.body.is_empty())
}

const WHAT: &str = "collector";
const GRPC: &str = "4317 is OTLP over gRPC; Spanwire speaks OTLP over HTTP: port 4318";
const GRPC_PORT: u16 = 4317;
const HEALTH_PORT: u16 = 13133;
