//! A receiver, the settings with which everything reaches it, and a watch on the default place.

use std::io::Read;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use spanwire::telemetry::{Telemetry, TelemetryBuilder, TelemetryParts};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt;

use spanwire_testkit::authority::Authority;
use spanwire_testkit::environment::{Variables, environment, variables};
use spanwire_testkit::local_recorder::with_recorder_of;
use spanwire_testkit::receiver::{Payload, Receiver};

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const SIGNALS: [&str; 3] = ["traces", "metrics", "logs"];

/// Later ones replace earlier ones.
pub(crate) fn with(mut base: Variables, more: Variables) -> Variables {
    base.retain(|(name, _)| more.iter().all(|(other, _)| other != name));
    base.extend(more);
    base
}

pub(crate) fn builder(variables: Variables) -> TelemetryBuilder {
    Telemetry::builder("test")
        .environment(environment(variables))
        .prometheus_port(0)
        .without_system()
}

/// One of each signal.
pub(crate) fn emit(parts: &TelemetryParts) {
    if parts.recorder.is_some() {
        with_recorder_of(parts, || {
            metrics::counter!("own.things").increment(1);
        });
    }
    tracing::subscriber::with_default(Registry::default().with(parts.layer()), || {
        tracing::info_span!("work").in_scope(|| tracing::error!("hello"));
    });
}

/// Emits one of each signal and ends; returns the warnings.
pub(crate) fn run(builder: TelemetryBuilder) -> Vec<String> {
    let (telemetry, parts) = builder.build().unwrap();
    emit(&parts);
    telemetry.shutdown(10 * SECOND);
    let warnings = telemetry.warnings().iter();
    warnings.map(ToString::to_string).collect()
}

/// The signals that arrived.
pub(crate) fn arrived(receiver: &Receiver) -> Vec<&'static str> {
    let received = receiver.received();
    let has = |signal: &str| {
        received.iter().any(|request| {
            assert!(!matches!(request.payload, Payload::Undecodable(_)));
            request.path == format!("/v1/{signal}")
        })
    };
    SIGNALS.into_iter().filter(|signal| has(signal)).collect()
}

/// Listens at the default endpoint, and counts connections. Tests that use it run one after the
/// other.
pub(crate) struct DefaultPlace {
    count: Arc<AtomicU32>,
    /// Empty where something on this machine, a Collector perhaps, has the place.
    addrs: Vec<SocketAddr>,
}

impl DefaultPlace {
    pub(crate) fn take() -> Self {
        let count = Arc::new(AtomicU32::new(0));
        let loopback: [SocketAddr; 2] = [
            (Ipv4Addr::LOCALHOST, 4318).into(),
            (Ipv6Addr::LOCALHOST, 4318).into(),
        ];
        let listeners = loopback
            .iter()
            .filter_map(|addr| TcpListener::bind(addr).ok());
        let addrs = listeners.map(|listener| {
            let addr = listener.local_addr().unwrap();
            let count = Arc::clone(&count);
            std::thread::spawn(move || {
                for stream in listener.incoming() {
                    count.fetch_add(1, Ordering::SeqCst);
                    drop(stream);
                }
            });
            addr
        });
        Self {
            addrs: addrs.collect(),
            count,
        }
    }

    /// So many came. A connection of our own shows that all before it were counted.
    pub(crate) fn visits(&self) -> u32 {
        let before = self.count.load(Ordering::SeqCst);
        for addr in &self.addrs {
            let _ = TcpStream::connect(addr).unwrap().read(&mut [0]);
        }
        let ours = u32::try_from(self.addrs.len()).unwrap();
        let all = self.count.load(Ordering::SeqCst);
        assert!(all >= before + ours);
        self.count.store(0, Ordering::SeqCst);
        all - ours
    }
}

static DEFAULT_PLACE: Mutex<Option<DefaultPlace>> = Mutex::new(None);

/// Asserts that nothing went to the default place in the meantime.
pub(crate) fn nothing_goes_to_the_default_place<R>(f: impl FnOnce() -> R) -> R {
    let mut place = DEFAULT_PLACE.lock().unwrap_or_else(PoisonError::into_inner);
    let place = place.get_or_insert_with(DefaultPlace::take);
    let result = f();
    assert_eq!(place.visits(), 0, "data went to the default place");
    result
}

/// A receiver with or without TLS, and the settings with which everything reaches it.
pub(crate) struct Fixture {
    pub(crate) authority: Authority,
    pub(crate) receiver: Receiver,
    pub(crate) base: Variables,
}

impl Fixture {
    pub(crate) fn plain() -> Self {
        let receiver = Receiver::start();
        Self {
            authority: Authority::new("ours"),
            base: Self::base(&receiver),
            receiver,
        }
    }

    /// The collector wants to see a client's certificate, too.
    pub(crate) fn tls() -> Self {
        let authority = Authority::new("ours");
        let receiver = Receiver::start_tls(authority.server_for_known_clients());
        let (certificate, key) = authority.client_files();
        let base = with(
            Self::base(&receiver),
            [
                ("OTEL_EXPORTER_OTLP_CERTIFICATE", authority.file()),
                ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", certificate),
                ("OTEL_EXPORTER_OTLP_CLIENT_KEY", key),
            ]
            .map(|(name, path)| (name.to_owned(), path.to_str().unwrap().to_owned()))
            .into(),
        );
        Self {
            authority,
            receiver,
            base,
        }
    }

    pub(crate) fn base(receiver: &Receiver) -> Variables {
        variables(&[
            ("OTEL_TRACES_EXPORTER", "otlp"),
            ("OTEL_METRICS_EXPORTER", "otlp"),
            ("OTEL_LOGS_EXPORTER", "otlp"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=s3cret"),
        ])
    }

    /// A file of that text.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.authority.folder().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

/// Sets what is in `bad`, and asserts that exactly `off` are off, with one warning.
pub(crate) fn turns_off(fixture: &Fixture, bad: Variables, variable: &str, off: &[&str]) {
    let before = fixture.receiver.received().len();
    let warnings =
        nothing_goes_to_the_default_place(|| run(builder(with(fixture.base.clone(), bad.clone()))));
    assert_eq!(warnings.len(), 1, "{bad:?}: {warnings:?}");
    let warning = &warnings[0];
    assert!(warning.starts_with(variable), "{warning}");
    assert!(warning.contains("accepted is "), "{warning}");
    assert!(!warning.contains("s3cret"), "{warning}");
    let said = warning.rsplit("; ").next().unwrap();
    assert!(said.ends_with(" are off"), "{warning}");
    let received = fixture.receiver.received().split_off(before);
    for signal in SIGNALS {
        let came = received
            .iter()
            .any(|request| request.path.ends_with(&format!("/v1/{signal}")));
        assert_eq!(came, !off.contains(&signal), "{signal} with {bad:?}");
        assert_eq!(said.contains(signal), off.contains(&signal), "{warning}");
    }
}
