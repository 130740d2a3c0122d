//! One list of names: what is emitted, what `semconv.rs` lists and what `docs/reference/telemetry.md` says.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::collections::BTreeSet;
use std::process::{Child, Command};
use std::time::Duration;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use serde_json::json;
use spanwire::ipc::observe::Observer;
use spanwire::ipc::{Call, Ipc, Limits, Received};
use spanwire::queue::{MessageQueue, Traced};
use spanwire::semconv::{
    ATTRIBUTE_INFO, ATTRIBUTES, EVENTS, ErrorType, METRICS, OTHER_NAMES_MAX, PageSpanErrorType,
    SPANS, SpoolErrorType, ValueType,
};
use spanwire::startup;
use spanwire::system::AllocatorFigures;
use spanwire::telemetry::{Exporter, MetricsExporter, Telemetry, Warning};
use spanwire::timer::{monitor, set_slow_threshold_of};
use spanwire_testkit::child_process;
use spanwire_testkit::folder::Folder;
use spanwire_testkit::model_page::{Eval, ModelPage};
use spanwire_testkit::receiver::Receiver;
use spanwire_testkit::scrape::scrape_text;
use spanwire_testkit::stamped_page;

const FIELDS: [&str; 17] = [
    "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q",
];

const DOCS: &str = include_str!("../docs/reference/telemetry.md");

/// The cells of the table rows whose first cell begins with a name in backticks.
fn rows() -> impl Iterator<Item = (&'static str, Vec<&'static str>)> {
    DOCS.lines().filter_map(|line| {
        let cells: Vec<&str> = line.strip_prefix("| ")?.split('|').map(str::trim).collect();
        let (name, _) = cells[0].strip_prefix('`')?.split_once('`')?;
        Some((name, cells))
    })
}

fn section(title: &str) -> &'static str {
    let (_, rest) = DOCS.split_once(&format!("# {title}\n")).unwrap();
    rest.split("\n#").next().unwrap()
}

fn backticked(text: &str) -> BTreeSet<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

#[test]
fn the_docs_list_each_metric_as_it_is_and_no_other() {
    let described: Vec<_> = rows()
        .filter(|(_, cells)| cells[0].contains("<br>"))
        .collect();
    for metric in METRICS {
        let (_, cells) = described
            .iter()
            .find(|(name, _)| *name == metric.name)
            .unwrap_or_else(|| panic!("{} is not in docs/reference/telemetry.md", metric.name));
        assert!(
            cells[0].ends_with(&format!("<br>`{}`", metric.prometheus_name())),
            "{}",
            cells[0]
        );
        let kind = format!("{}, {}", metric.instrument.as_str(), metric.unit);
        assert_eq!(
            cells[1].to_lowercase(),
            kind.to_lowercase(),
            "{}",
            metric.name
        );
        let attributes: BTreeSet<_> = metric.attributes.iter().copied().collect();
        assert_eq!(backticked(cells[2]), attributes, "{}", metric.name);
    }
    assert_eq!(described.len(), METRICS.len());
}

#[test]
fn the_docs_list_each_attribute_error_type_and_span_and_no_other() {
    let first_cells = |text: &'static str| -> BTreeSet<&str> {
        text.lines()
            .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
            .collect()
    };
    assert_eq!(
        first_cells(section("How to read the attributes")),
        ATTRIBUTES.iter().copied().collect::<BTreeSet<_>>()
    );
    assert_eq!(
        first_cells(section("Values of `error.type` on the wire")),
        ErrorType::ALL
            .iter()
            .map(|error| error.as_str())
            .collect::<BTreeSet<_>>()
    );
    assert_eq!(
        first_cells(section("Values of `error.type` on `spanwire.page.spans`")),
        PageSpanErrorType::ALL
            .iter()
            .map(|error| error.as_str())
            .collect::<BTreeSet<_>>()
    );
    assert_eq!(
        first_cells(section("Values of `error.type` on `spanwire.spool.items`")),
        SpoolErrorType::ALL
            .iter()
            .map(|error| error.as_str())
            .collect::<BTreeSet<_>>()
    );
    assert_eq!(
        first_cells(section("Spans")),
        SPANS.iter().map(|span| span.name).collect::<BTreeSet<_>>()
    );
}

#[test]
fn the_docs_list_each_event_as_it_is_and_no_other() {
    let cells = section("Log records").lines().filter_map(|line| {
        let cells: Vec<&str> = line
            .strip_prefix("| `")?
            .split('|')
            .map(str::trim)
            .collect();
        Some((cells[0].trim_end_matches('`'), cells))
    });
    let described: Vec<_> = cells.collect();
    for event in EVENTS {
        let (_, cells) = described
            .iter()
            .find(|(name, _)| *name == event.name)
            .unwrap_or_else(|| panic!("{} is not in docs/reference/telemetry.md", event.name));
        assert_eq!(cells[2], event.severity, "{}", event.name);
        let attributes: BTreeSet<_> = event.attributes.iter().copied().collect();
        assert_eq!(backticked(cells[3]), attributes, "{}", event.name);
    }
    assert_eq!(described.len(), EVENTS.len());
}

#[test]
fn what_is_emitted_is_listed_and_what_is_listed_is_emitted() {
    // Everything process-wide, and backtraces are switched on by the environment: a process of its
    // own.
    if child_process::is_child() {
        return emit_everything();
    }
    let test = "what_is_emitted_is_listed_and_what_is_listed_is_emitted";
    child_process::run(child_process::command(test).env("RUST_BACKTRACE", "1"));
}

/// A process that looks like the webview's own.
struct WebProcess {
    process: Child,
    _folder: Folder,
}

impl WebProcess {
    fn start() -> Self {
        let folder = Folder::new("names");
        let program = folder.path().join("WebKitWebProcess");
        std::fs::copy("/bin/sleep", &program).unwrap();
        Self {
            process: Command::new(program).arg("120").spawn().unwrap(),
            _folder: folder,
        }
    }
}

impl Drop for WebProcess {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn emit_everything() {
    let _web_process = WebProcess::start();
    let receiver = Receiver::start();
    let spool = Folder::new("names-spool");
    let telemetry = Telemetry::builder("names")
        .environment(|_| None)
        .prometheus_port(0)
        .otlp_endpoint(receiver.url())
        .traces(Exporter::Otlp)
        .logs(Exporter::Otlp)
        .metrics(MetricsExporter::PrometheusAndOtlp)
        .system_interval(Duration::from_millis(200))
        .allocator(|| AllocatorFigures::allocated(1).resident(2).mapped(3))
        .spool_dir(spool.path());
    #[cfg(feature = "history")]
    let telemetry = telemetry.history(spool.path().join("history.db"));
    let telemetry = telemetry.install().unwrap();
    assert!(
        telemetry.warnings().is_empty(),
        "{:?}",
        telemetry.warnings()
    );

    startup::reached(startup::Phase::Window);
    let ipc = Ipc::builder("main")
        .queue_capacity(4)
        // Each handler keeps the UI thread for longer.
        .main_thread_budget(Duration::ZERO)
        .cpu_time(spanwire::timer::CpuTime::Recorded)
        .page_spans(telemetry.page_spans())
        .build();
    ipc.on("good", |_: &Call| ()).unwrap();
    ipc.on("bad", |_: &Call| Err::<(), _>("no")).unwrap();
    ipc.on_wake(|| ());
    // Before there is a page.
    ipc.emit("early", &1).unwrap();
    let mut page = ModelPage::load(&ipc, "p1");
    page.call(&ipc, "good", json!(1));
    page.emit(&ipc, "bad", json!(1));
    page.send(
        &ipc,
        &[
            json!({"kind": "error", "type": "uncaught"}),
            json!({"kind": "error", "type": "listener_error", "event": "early"}),
        ],
    );
    stamped(&ipc, &mut page);
    // More names than there is room for.
    for n in 0..=OTHER_NAMES_MAX {
        page.emit(&ipc, &format!("unknown.{n}"), json!(1));
    }
    // One that waits for its answer.
    let (keep, _kept) = std::sync::mpsc::sync_channel(1);
    ipc.on_deferred("waits", move |_, responder| keep.send(responder).unwrap())
        .unwrap();
    page.call(&ipc, "waits", json!(1));
    page.send(
        &ipc,
        &[
            json!({"kind": "vital", "name": "lcp", "rating": "good", "value": 800}),
            json!({"kind": "long_task", "value": 120}),
            json!({"kind": "unheard", "event": "early", "count": 1}),
        ],
    );
    page.send(
        &ipc,
        &[json!({"kind": "record", "name": "fps", "value": 60, "category": "render", "unit": "1"})],
    );
    // Of an SDK of the page's; its spans have the page's names.
    page.send(&ipc, &[json!({"kind": "spans", "count": 1, "data": {}})]);
    // Events beyond those that get spans.
    let mut limits = Limits::default();
    limits.event_spans_per_second_max = 0;
    let flooded = Ipc::builder("flooded").limits(limits).build();
    let mut flooding = ModelPage::load(&flooded, "p1");
    // The first shows that its spans go somewhere.
    flooding.emit(&flooded, "good", json!(1));
    flooding.emit(&flooded, "good", json!(2));
    ipc.emit("again", &1).unwrap();
    let script = ipc.next_script().unwrap();
    ipc.evaluation_failed(script);
    page.pump(&ipc);

    let queue = MessageQueue::bounded("jobs", 1);
    queue.push(1).unwrap();
    assert!(queue.push(2).is_err());
    assert_eq!(queue.try_pop(), Some(1));

    let traced = MessageQueue::<Traced<u8>>::bounded("traced", 1);
    // Both traces are slow, so that they are kept.
    set_slow_threshold_of("slow", Duration::ZERO);
    monitor("slow").time(|| traced.push_traced(1).unwrap());
    // Its worker takes the message, and waits for another one until the process ends.
    let _workers = traced.work(1, "slow", |_| ()).unwrap();

    // One span of a task more than a call can have links to.
    let observer = Observer::builder("observed").build();
    let mut observed = observer.call("good").begin();
    observed.link_spans_of_task();
    stamped_page::runtime().block_on(async {
        let task = tokio::spawn(async move {
            (0..17).for_each(|_| monitor("slow").time(|| ()));
            observed.end(Ok(()));
        });
        task.await.unwrap();
    });

    // One field more than there is room for.
    let mut many = monitor("slow").slow_after(Duration::ZERO);
    for key in FIELDS {
        many = many.field(key, 1);
    }
    let failed: Result<(), std::num::ParseIntError> = many.run(|| "x".parse::<u32>().map(drop));
    assert!(failed.is_err());
    // Slower than usual.
    for took in [0; 60].into_iter().chain([400]) {
        monitor("running").time(|| std::thread::sleep(Duration::from_millis(took)));
    }
    let timer = spanwire::ScopedTimer::start("running");
    // Another one, whose place as a recorder is taken.
    let other = Telemetry::builder("other").environment(|_| None);
    let other = other.prometheus_port(0).install().unwrap();
    assert_eq!(other.warnings(), [Warning::RecorderTaken]);
    // A metric of the app's with the name of one of ours, which stays.
    metrics::gauge!("spanwire_endpoint_refused_total").set(1.0);
    // The sums over exports come with the exports after the first, and CPU with the second sample.
    let mut text = String::new();
    let has_history = cfg!(feature = "history");
    let wanted: BTreeSet<String> = METRICS
        .iter()
        .filter(|metric| has_history || metric.name != "spanwire.history.records")
        .map(|metric| metric.prometheus_name())
        .collect();
    for _ in 0..100 {
        telemetry.flush(Duration::from_secs(5)).unwrap();
        text = scrape_text(telemetry.prometheus_addr().unwrap());
        if families(&text).is_superset(&wanted) {
            break;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    let mut emitted = families(&text);
    assert!(emitted.remove("target_info"));
    same_names(&emitted, &wanted);

    let mut attributes = BTreeSet::new();
    for line in text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.starts_with("target_info"))
    {
        let Some((name, rest)) = line.split_once('{') else {
            continue;
        };
        let metric = METRICS
            .iter()
            .find(|metric| {
                let known = metric.prometheus_name();
                name.strip_prefix(&known)
                    .is_some_and(|ending| matches!(ending, "" | "_bucket" | "_sum" | "_count"))
            })
            .unwrap_or_else(|| panic!("{name}"));
        for label in rest
            .split("=\"")
            .filter_map(|part| part.rsplit([',', '"', '{']).next())
        {
            if label == "le"
                || !label.chars().all(|c| c.is_ascii_lowercase() || c == '_')
                || label.is_empty()
            {
                continue;
            }
            let attribute = metric
                .attributes
                .iter()
                .find(|known| known.replace('.', "_") == label);
            let values = ATTRIBUTE_INFO
                .iter()
                .find(|info| Some(&info.name) == attribute)
                .map_or(&[][..], |info| info.values);
            let value = line.split_once(&format!("{label}=\"")).unwrap().1;
            let (value, _) = value.split_once('"').unwrap();
            assert!(values.is_empty() || values.contains(&value), "{line}");
            attributes.insert(
                attribute
                    .unwrap_or_else(|| panic!("{label} on {name}"))
                    .to_string(),
            );
        }
    }

    timer.complete();
    telemetry.shutdown(Duration::from_secs(10));
    // Spans by what they are called once the part that varies has its placeholder.
    let spans: BTreeSet<(String, String)> = receiver
        .spans()
        .iter()
        .map(|span| {
            (
                placeholder(&span.name),
                span.kind()
                    .as_str_name()
                    .to_lowercase()
                    .replace("span_kind_", ""),
            )
        })
        .collect();
    let listed = SPANS
        .iter()
        .map(|span| (span.name.to_owned(), span.kind.to_owned()));
    assert_eq!(spans, listed.collect::<BTreeSet<_>>());

    for span in receiver.spans() {
        let kind = span.kind().as_str_name().to_lowercase();
        check_span(
            &span.name,
            kind.trim_start_matches("span_kind_"),
            &span.attributes,
        );
        attributes.extend(
            span.attributes
                .iter()
                .map(|attribute| attribute.key.clone()),
        );
    }
    let mut events = BTreeSet::new();
    for log in receiver.logs() {
        let event = EVENTS.iter().find(|event| event.name == log.event_name);
        let event = event.unwrap_or_else(|| panic!("{log:?}"));
        assert!(
            log.severity_text.eq_ignore_ascii_case(event.severity),
            "{log:?}"
        );
        for attribute in &log.attributes {
            assert!(event.attributes.contains(&&*attribute.key), "{log:?}");
        }
        log.attributes.iter().for_each(check_value);
        events.insert(event.name);
        attributes.extend(log.attributes.iter().map(|attribute| attribute.key.clone()));
    }
    // The app's own fields, given above.
    attributes.retain(|attribute| !FIELDS.contains(&attribute.as_str()));
    let listed: BTreeSet<String> = ATTRIBUTES.iter().map(|name| name.to_string()).collect();
    same_names(&attributes, &listed);
}

/// Two lists of some sixty names are the same; says what is in one of them alone.
fn same_names(emitted: &BTreeSet<String>, listed: &BTreeSet<String>) {
    let not_emitted: Vec<_> = listed.difference(emitted).collect();
    let not_listed: Vec<_> = emitted.difference(listed).collect();
    assert!(
        not_emitted.is_empty() && not_listed.is_empty(),
        "in src/semconv.rs, but `emit_everything` causes none of it: {not_emitted:?}; \
         emitted, but not in src/semconv.rs: {not_listed:?}"
    );
}

/// A span has the attributes that are listed for it, beside those of the app.
fn check_span(name: &str, kind: &str, attributes: &[KeyValue]) {
    let placeholder = placeholder(name);
    let listed = SPANS
        .iter()
        .find(|span| (span.name, span.kind) == (&*placeholder, kind))
        .unwrap();
    for attribute in attributes {
        let key = &*attribute.key;
        assert!(
            listed.attributes.contains(&key) || FIELDS.contains(&key),
            "{key} on {placeholder} {kind}"
        );
        check_value(attribute);
    }
}

/// A value is of its attribute's type and of its closed set.
fn check_value(attribute: &KeyValue) {
    let Some(info) = ATTRIBUTE_INFO
        .iter()
        .find(|info| info.name == attribute.key)
    else {
        return;
    };
    let value = attribute.value.clone().unwrap().value.unwrap();
    let (found, text) = match &value {
        Value::StringValue(text) => (ValueType::String, Some(&**text)),
        Value::IntValue(_) => (ValueType::Int, None),
        Value::DoubleValue(_) => (ValueType::Double, None),
        Value::BoolValue(_) => (ValueType::Boolean, None),
        other => panic!("{other:?}"),
    };
    assert_eq!(found, info.value_type, "{attribute:?}");
    if let (Some(text), false) = (text, info.values.is_empty()) {
        assert!(info.values.contains(&text), "{attribute:?}");
    }
}

/// The span's name with a placeholder for the part that varies.
fn placeholder(name: &str) -> String {
    match name {
        "slow" | "running" => "{operation}".to_owned(),
        "click" => "{trace}".to_owned(),
        "startup" => "startup".to_owned(),
        "send traced" => "send {queue}".to_owned(),
        name if name.starts_with("startup ") => "startup {phase}".to_owned(),
        name => match name.split_once(' ') {
            Some((verb, _)) => format!("{verb} {{event}}"),
            None => "{event}".to_owned(),
        },
    }
}

/// A call and a span of a page that stamps what it sends, and one more once its clock is known.
fn stamped(ipc: &Ipc, page: &mut ModelPage) {
    let began = spanwire::clock::now();
    let now = || spanwire::clock::now().since(began).as_millis();
    let send = |page: &ModelPage, messages: &[serde_json::Value]| {
        let text = page.batch(messages);
        let sent = format!(r#","sent":{},"messages""#, now());
        let text = text.replacen(r#","messages""#, &sent, 1);
        assert_eq!(ipc.receive(&text, None), Received::Ours);
    };
    for span in 1..=2 {
        let open = json!({"kind": "open", "span": span, "name": "click", "at": now()});
        let id = page.take_id();
        let call = json!({"kind": "call", "id": id, "event": "good", "at": now(), "span": span});
        send(page, &[open, call]);
        while let Some(script) = ipc.next_script() {
            if let Some(mut ack) = page.run(&script, Eval::Runs) {
                ack["at"] = json!(now());
                send(
                    page,
                    &[ack, json!({"kind": "close", "span": span, "at": now()})],
                );
            }
        }
    }
}

/// Names of the metric families in the text format.
fn families(text: &str) -> BTreeSet<String> {
    text.lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .map(str::to_owned)
        .collect()
}
