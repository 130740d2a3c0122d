//! Environment variables: nothing in them panics, and no value that cannot be used sends
//! telemetry elsewhere, or with another trust, than what it was meant for.
//!
//! The input is an environment as the system has it: `NAME=value`, each with a NUL behind it. The
//! values of variables that name a PEM file are what is in the file, or one of [`Files`].

#![no_main]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use spanwire::fuzzing::{Destination, Resolved};
use spanwire::telemetry::{Telemetry, TelemetryBuilder, TelemetryError, VARIABLES, Warning};

type Environment = BTreeMap<&'static str, String>;

/// PEM files that are sound, by the value that stands for them.
struct Files {
    folder: PathBuf,
}

static FILES: LazyLock<Files> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("spanwire-fuzz-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    for (certificate, key) in [("@one", "@one.key"), ("@two", "@two.key")] {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("keys");
        fs::write(folder.join(certificate), made.cert.pem()).expect("a file");
        fs::write(folder.join(key), made.signing_key.serialize_pem()).expect("a file");
    }
    Files { folder }
});

impl Files {
    fn path_of(&self, variable: &str, value: &str) -> String {
        let known = ["@one", "@one.key", "@two", "@two.key", "@missing"];
        let file = match known.contains(&value) {
            true => self.folder.join(value),
            false => {
                let file = self.folder.join(variable);
                fs::write(&file, value).expect("a file");
                file
            }
        };
        file.to_str().expect("a path of ours").to_owned()
    }
}

fn environment(block: &[u8]) -> Environment {
    let mut environment = Environment::new();
    for entry in block.split(|byte| *byte == 0) {
        let entry = String::from_utf8_lossy(entry);
        let Some((name, value)) = entry.split_once('=') else {
            continue;
        };
        let Some(variable) = VARIABLES.iter().find(|variable| variable.name == name) else {
            continue;
        };
        let names_a_file = name.ends_with("_CERTIFICATE") || name.ends_with("_CLIENT_KEY");
        let value = match names_a_file && !value.trim().is_empty() {
            true => FILES.path_of(name, value),
            false => value.to_owned(),
        };
        environment.insert(variable.name, value);
    }
    environment
}

fn builder(environment: &Environment) -> TelemetryBuilder {
    let environment = environment.clone();
    Telemetry::builder("fuzzed").environment(move |name| environment.get(name).cloned())
}

/// What a variable is set to. Blank counts as unset.
fn set<'a>(environment: &'a Environment, name: &str) -> Option<&'a str> {
    let value = environment.get(name)?.trim();
    (!value.is_empty()).then_some(value)
}

/// The variable that holds for a signal: its own before the general one.
fn of_signal<'a>(environment: &'a Environment, signal: &str, what: &str) -> Option<&'a str> {
    set(environment, &format!("OTEL_EXPORTER_OTLP_{signal}_{what}"))
        .or_else(|| set(environment, &format!("OTEL_EXPORTER_OTLP_{what}")))
}

/// What is sent goes where the variables say, as they say, or is not sent.
fn check(environment: &Environment, signal: &str, path: &str, destination: &Destination) {
    let own = set(
        environment,
        &format!("OTEL_EXPORTER_OTLP_{signal}_ENDPOINT"),
    );
    let base = set(environment, "OTEL_EXPORTER_OTLP_ENDPOINT").unwrap_or("http://localhost:4318");
    let meant = match own {
        Some(own) => without_fragment(own).to_owned(),
        None => {
            let base = without_fragment(base);
            format!("{}/{path}", base.trim_end_matches('/'))
        }
    };
    let meant = without_user(&meant);
    assert_eq!(destination.url, meant, "{signal}");
    let scheme = meant.split("://").next().unwrap_or_default();
    assert!(["http", "https"].contains(&scheme.to_ascii_lowercase().as_str()));

    let protocol = of_signal(environment, signal, "PROTOCOL");
    assert!(
        protocol.is_none_or(|protocol| protocol == "http/protobuf"),
        "{protocol:?}"
    );
    // Paths of ours need no escape.
    let trusted = destination.authority.as_deref().unwrap_or_default();
    let meant = of_signal(environment, signal, "CERTIFICATE").unwrap_or_default();
    assert!(trusted.contains(meant), "{signal} trusts {trusted}");
    let shown = destination.client.as_deref().unwrap_or_default();
    for what in ["CLIENT_CERTIFICATE", "CLIENT_KEY"] {
        let meant = of_signal(environment, signal, what).unwrap_or_default();
        assert!(shown.contains(meant), "{signal} shows {shown}");
    }
    if scheme.eq_ignore_ascii_case("http") {
        let trust = ["CERTIFICATE", "CLIENT_CERTIFICATE"];
        let is_in_vain = |prefix: &str| {
            let name = |what: &&str| format!("OTEL_EXPORTER_OTLP_{prefix}{what}");
            trust
                .iter()
                .any(|what| set(environment, &name(what)).is_some())
        };
        assert!(!is_in_vain(&format!("{signal}_")), "{signal} without TLS");
        assert!(own.is_some() || !is_in_vain(""), "{signal} without TLS");
    }

    let compression = of_signal(environment, signal, "COMPRESSION").unwrap_or("none");
    assert!(
        match destination.is_compressed {
            true => compression.eq_ignore_ascii_case("gzip"),
            false => compression.eq_ignore_ascii_case("none"),
        },
        "{compression}"
    );
    check_headers(
        of_signal(environment, signal, "HEADERS").unwrap_or_default(),
        destination,
    );
    check_proxy(environment, destination);
}

fn without_fragment(url: &str) -> &str {
    url.split('#').next().unwrap_or_default()
}

/// User and password are sent as a header.
fn without_user(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let place = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{place}{path}")
}

/// Each header is sent but for those that say how the request is carried.
fn check_headers(headers: &str, destination: &Destination) {
    let names = headers.split(',').filter_map(|pair| pair.split_once('='));
    let names = names.map(|(name, _)| name.trim().to_ascii_lowercase());
    // The decoding of `%41` is not told again here.
    for name in names.filter(|name| !name.contains('%')) {
        let is_sent = destination.headers.iter().any(|(sent, _)| *sent == name);
        assert_ne!(is_sent, OF_THE_PROTOCOL.contains(&name.as_str()), "{name}");
    }
    for (name, is_secret) in &destination.headers {
        assert!(is_secret, "{name} can be shown");
        assert!(!OF_THE_PROTOCOL.contains(&name.as_str()), "{name}");
    }
    // The URL's user and password are one, too.
    let is_empty = headers.split(',').all(|pair| pair.trim().is_empty());
    let mut sent = destination.headers.iter();
    assert!(!is_empty || sent.all(|(name, _)| name == "authorization"));
}

/// Headers that describe the request or the connection: the exporter gives them.
const OF_THE_PROTOCOL: &[&str] = &[
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "trailers",
    "transfer-encoding",
    "upgrade",
];

/// What does not stay on the machine goes by the scheme's proxy, or else by the one for all.
fn check_proxy(environment: &Environment, destination: &Destination) {
    let is_https = destination.url.to_ascii_lowercase().starts_with("https:");
    let of_scheme = if is_https {
        "HTTPS_PROXY"
    } else {
        "HTTP_PROXY"
    };
    let mut names = [of_scheme, "ALL_PROXY"]
        .into_iter()
        .flat_map(|name| [name.to_lowercase(), name.to_owned()]);
    let named = names.find(|name| set(environment, name).is_some());
    let expected = named.map(|name| format!("Proxy({name})"));
    let is_exempt = ["NO_PROXY", "no_proxy"]
        .iter()
        .any(|name| set(environment, name).is_some());
    let is_local = ["localhost", "127.", "[::1]", "[0:"]
        .iter()
        .any(|host| destination.url.to_ascii_lowercase().contains(host));
    if destination.proxy.is_none() && (is_exempt || is_local) {
        return;
    }
    assert_eq!(destination.proxy, expected, "{}", destination.url);
}

fn check_warnings(environment: &Environment, warnings: &[Warning]) {
    for warning in warnings {
        let text = warning.to_string();
        assert!(text.len() < 4_096, "{text}");
        let Warning::Value { variable, .. } = warning else {
            panic!("{text} is not about a variable");
        };
        let is_known = VARIABLES.iter().any(|known| known.name == *variable);
        assert!(is_known && text.starts_with(variable), "{text}");
    }
    if environment.values().all(|value| value.trim().is_empty()) {
        assert_eq!(warnings, [], "nothing is set");
    }
}

fuzz_target!(|block: &[u8]| {
    let environment = environment(block);
    let plan = Resolved::new(builder(&environment)).expect("only a strict builder fails");
    check_warnings(&environment, &plan.warnings);

    match Resolved::new(builder(&environment).strict()) {
        Ok(strict) => assert_eq!(plan.warnings, strict.warnings),
        Err(TelemetryError::Strict(warnings)) => {
            assert_eq!(plan.warnings, warnings);
            assert!(!warnings.is_empty());
        }
        Err(other) => panic!("{other}"),
    }

    let is_disabled = set(&environment, "OTEL_SDK_DISABLED")
        .is_some_and(|value| value.eq_ignore_ascii_case("true"))
        || set(&environment, "SPANWIRE_ENABLED")
            .is_some_and(|value| value.eq_ignore_ascii_case("false"));
    assert_eq!(plan.enabled, !is_disabled);

    for (signal, path, destination) in [
        ("TRACES", "v1/traces", &plan.traces),
        ("METRICS", "v1/metrics", &plan.metrics),
        ("LOGS", "v1/logs", &plan.logs),
    ] {
        let exporter = set(&environment, &format!("OTEL_{signal}_EXPORTER"));
        // Metrics are sent by more than one exporter, or by none of them.
        let is_sent = exporter.is_none_or(|names| names.split(',').any(|one| one.trim() == "otlp"));
        assert!(is_sent || destination.is_none(), "{signal} goes nowhere");
        if let Some(destination) = destination {
            check(&environment, signal, path, destination);
        }
    }
    if let Some((host, port)) = &plan.prometheus {
        let meant = set(&environment, "OTEL_EXPORTER_PROMETHEUS_HOST").unwrap_or("127.0.0.1");
        let bare = meant.trim_start_matches('[').trim_end_matches(']');
        assert_eq!(host, bare);
        let meant = set(&environment, "OTEL_EXPORTER_PROMETHEUS_PORT").unwrap_or("9464");
        assert_eq!(meant.parse(), Ok(*port));
    }
    if let Some(folder) = &plan.spool {
        let meant = environment.get("SPANWIRE_SPOOL_DIR").map(PathBuf::from);
        assert_eq!(Some(folder), meant.as_ref());
    }
});
