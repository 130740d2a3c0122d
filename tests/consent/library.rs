//! A library that sets telemetry up for an app which is released. Each test runs in a process of its
//! own, and looks at its sockets and threads.

use std::time::Duration;

use spanwire::telemetry::{OffReason, Output, Telemetry, TelemetryBuilder};
use spanwire_testkit::child_process::{clean_command, is_child, run};
use spanwire_testkit::receiver::Receiver;

use crate::app::{SECOND, get};

/// What a plugin does, in one line; in a build without debug assertions it is
/// `on_behalf_of_app`.
fn plugin() -> TelemetryBuilder {
    Telemetry::builder("app").on_behalf_of_released_app()
}

/// How many sockets of this process listen.
#[cfg(target_os = "linux")]
fn listening() -> usize {
    let own: Vec<String> = std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|fd| std::fs::read_link(fd.unwrap().path()).ok())
        .filter_map(|to| {
            Some(
                to.to_str()?
                    .strip_prefix("socket:[")?
                    .strip_suffix(']')?
                    .to_owned(),
            )
        })
        .collect();
    let tables = ["/proc/self/net/tcp", "/proc/self/net/tcp6"].map(std::fs::read_to_string);
    let lines: Vec<String> = tables
        .into_iter()
        .flatten()
        .flat_map(|table| table.lines().skip(1).map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let is_own = |line: &&String| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        // The state, which is LISTEN, and the inode.
        fields[3] == "0A" && own.iter().any(|inode| inode == fields[9])
    };
    lines.iter().filter(is_own).count()
}

/// The names of Spanwire's threads.
#[cfg(target_os = "linux")]
fn threads() -> Vec<String> {
    let names = std::fs::read_dir("/proc/self/task")
        .unwrap()
        .filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok());
    let mut names: Vec<String> = names.map(|name| name.trim().to_owned()).collect();
    names.retain(|name| name.starts_with("spanwire"));
    names
}

#[cfg(target_os = "linux")]
#[test]
fn a_library_opens_no_port_and_starts_no_thread_for_a_released_app() {
    if !is_child() {
        run(&mut clean_command(
            "library::a_library_opens_no_port_and_starts_no_thread_for_a_released_app",
        ));
        return;
    }
    let telemetry = plugin().strict().install().unwrap();
    tracing::info_span!("work").in_scope(|| metrics::counter!("app.count").increment(1));
    assert_eq!(telemetry.prometheus_addr(), None);
    assert_eq!((listening(), threads()), (0, Vec::new()));
    drop(telemetry);
    // The same by an app itself: the port of the default.
    let telemetry = Telemetry::builder("app").install().unwrap();
    let is_taken = telemetry.prometheus_addr().is_none();
    assert!(is_taken || listening() == 1 && !threads().is_empty());
}

#[test]
fn a_variable_that_names_a_destination_is_the_apps_word() {
    let test = "library::a_variable_that_names_a_destination_is_the_apps_word";
    if is_child() {
        let telemetry = plugin().strict().install().unwrap();
        tracing::info_span!("work").in_scope(|| ());
        let addr = telemetry.prometheus_addr();
        println!(
            "\nserves {}",
            addr.is_some_and(|addr| get(addr, "/metrics").0 == 200)
        );
        telemetry.shutdown(10 * SECOND);
        return;
    }
    let receiver = Receiver::start();
    let child = |variables: &[(&str, &str)]| {
        let output = run(clean_command(test).envs(variables.iter().copied()));
        String::from_utf8_lossy(&output.stdout).contains("serves true")
    };
    assert!(child(&[("OTEL_EXPORTER_PROMETHEUS_PORT", "0")]));
    assert!(!child(&[
        ("SPANWIRE_CONSENT", "granted"),
        ("OTEL_SERVICE_NAME", "x")
    ]));
    assert!(!child(&[("OTEL_METRICS_EXPORTER", "none")]));
    assert_eq!(receiver.received().len(), 0);
    assert!(!child(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url())]));
    assert_eq!(receiver.spans().len(), 1);
}

#[test]
fn what_the_app_sets_on_the_builder_is_its_word_and_nothing_else_is() {
    let resolve = |builder: TelemetryBuilder| builder.environment(|_| None).resolve();
    let off = resolve(plugin());
    for output in Output::ALL {
        assert_eq!(off.off_reason(*output), Some(OffReason::NotRequested));
    }
    let endpoint = Output::Prometheus;
    let by_app = resolve(plugin().prometheus_port(9_000));
    assert_eq!(by_app.off_reason(endpoint), None);
    let by_app = resolve(plugin().metrics(spanwire::telemetry::MetricsExporter::Prometheus));
    assert_eq!(by_app.off_reason(endpoint), None);
    let unrelated = plugin()
        .service_version("1")
        .slow_threshold(Duration::from_secs(9));
    assert!(resolve(unrelated).off_reason(endpoint).is_some());
    // An app that is being developed is served as by itself.
    let developed = Telemetry::builder("app").on_behalf_of_app();
    let is_off = resolve(developed).off_reason(endpoint).is_some();
    assert_eq!(is_off, !cfg!(debug_assertions));
    assert_eq!(
        resolve(Telemetry::builder("app")).off_reason(endpoint),
        None
    );
}

#[test]
fn a_library_sees_that_the_app_has_set_telemetry_up() {
    let test = "library::a_library_sees_that_the_app_has_set_telemetry_up";
    const HOW: &str = "TEST_HOW";
    if !is_child() {
        for how in ["installed", "built", "disabled", "strict"] {
            run(clean_command(test).env(HOW, how));
        }
        return;
    }
    assert!(!Telemetry::is_set_up());
    let app = |variable: &'static str, value: &'static str| {
        let environment = move |name: &str| (name == variable).then(|| value.to_owned());
        Telemetry::builder("app").environment(environment)
    };
    let port = "OTEL_EXPORTER_PROMETHEUS_PORT";
    match std::env::var(HOW).unwrap().as_str() {
        "installed" => drop(app(port, "0").install()),
        "built" => drop(app(port, "0").build()),
        // The app's word too.
        "disabled" => drop(app("SPANWIRE_ENABLED", "false").install()),
        _ => {
            assert!(app(port, "many").strict().install().is_err());
            assert!(!Telemetry::is_set_up());
            return;
        }
    }
    // Also when it has ended.
    assert!(Telemetry::is_set_up());
}

#[test]
fn the_subscriber_that_spanwire_sets_is_none_of_the_apps() {
    let test = "library::the_subscriber_that_spanwire_sets_is_none_of_the_apps";
    const OWN: &str = "TEST_OWN_SUBSCRIBER";
    if !is_child() {
        let receiver = Receiver::start();
        run(clean_command(test).env("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url()));
        run(clean_command(test).env(OWN, "fmt"));
        return;
    }
    let has_any =
        || tracing::dispatcher::get_default(|it| !it.is::<tracing::subscriber::NoSubscriber>());
    assert!(!Telemetry::app_has_subscriber());
    if std::env::var_os(OWN).is_some() {
        tracing_subscriber::fmt().init();
        assert!(Telemetry::app_has_subscriber());
        return;
    }
    let telemetry = plugin().strict().install().unwrap();
    tracing::info_span!("work").in_scope(|| ());
    assert!(has_any() && !Telemetry::app_has_subscriber());
    drop(telemetry);
}
