//! An app whose `/metrics` is read, and how the tests read it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, UNIX_EPOCH};

use serde_json::json;
use spanwire::clock::Clock;
use spanwire::ipc::{Call, Ipc};
use spanwire::telemetry::{Sampler, Telemetry, TelemetryBuilder, TelemetryParts};
use spanwire::timer::monitor;
use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt;

use spanwire_testkit::local_recorder::with_recorder_of;
use spanwire_testkit::model_page::ModelPage;
use spanwire_testkit::openmetrics::{Exemplar, Family, FamilySample, parse};
use spanwire_testkit::scrape::scrape_as;

/// What Prometheus 2.42 accepts.
pub(crate) const PROMETHEUS: &str = "application/openmetrics-text;version=1.0.0,\
    application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
pub(crate) const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn builder() -> TelemetryBuilder {
    Telemetry::builder("paint \"tool\"")
        .environment(|_| None)
        .prometheus_port(0)
        .sampler(Sampler::ParentBasedAlwaysOn)
        .without_system()
        .quiet()
}

/// An app with a page, in the middle of its telemetry.
pub(crate) struct App {
    pub(crate) telemetry: Telemetry,
    pub(crate) parts: TelemetryParts,
    pub(crate) ipc: Ipc,
    pub(crate) page: ModelPage,
}

impl App {
    pub(crate) fn start(builder: TelemetryBuilder) -> Self {
        let (telemetry, parts) = builder.build().unwrap();
        let ipc = Ipc::builder("main");
        let ipc = match &parts.tracer_provider {
            Some(provider) => ipc.tracer_provider(provider),
            None => ipc,
        };
        let ipc = ipc.build();
        ipc.on("good", |_: &Call| ()).unwrap();
        ipc.on("bad", |_: &Call| Err::<(), _>("no")).unwrap();
        let page = ModelPage::load(&ipc, "p1");
        Self {
            telemetry,
            parts,
            ipc,
            page,
        }
    }

    pub(crate) fn run<R>(&mut self, f: impl FnOnce(&Ipc, &mut ModelPage) -> R) -> R {
        let subscriber = Registry::default().with(self.parts.layer());
        with_recorder_of(&self.parts, || {
            tracing::subscriber::with_default(subscriber, || f(&self.ipc, &mut self.page))
        })
    }

    /// One of everything that has an exemplar.
    pub(crate) fn work(&mut self) {
        self.run(|ipc, page| {
            for event in ["good", "bad"] {
                page.call(ipc, event, json!(1));
                page.emit(ipc, event, json!(1));
            }
            ipc.emit("tick", &1).unwrap();
            page.pump(ipc);
            monitor("save")
                .run(|| Ok::<_, std::fmt::Error>(()))
                .unwrap();
            monitor("save")
                .run(|| Err::<(), _>(std::fmt::Error))
                .unwrap_err();
        });
    }

    pub(crate) fn text(&self) -> String {
        let (media_type, text) = scrape_as(self.telemetry.prometheus_addr().unwrap(), PROMETHEUS);
        assert_eq!(media_type, OPENMETRICS);
        text
    }

    pub(crate) fn scrape(&self) -> Vec<Family> {
        let text = self.text();
        parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    pub(crate) fn exemplars(&self) -> Vec<(FamilySample, Exemplar)> {
        let samples = self.scrape().into_iter().flat_map(|family| family.samples);
        samples
            .filter_map(|mut sample| {
                let exemplar = sample.exemplar.take()?;
                Some((sample, exemplar))
            })
            .collect()
    }
}

pub(crate) fn family<'a>(families: &'a [Family], name: &str) -> &'a Family {
    let mut found = families.iter().filter(|family| family.name == name);
    let family = found.next().unwrap_or_else(|| panic!("no {name}"));
    assert!(found.next().is_none(), "{name} twice");
    family
}

/// Its samples by name, labels and value.
pub(crate) fn samples(family: &Family) -> BTreeSet<(String, BTreeMap<String, String>, String)> {
    let samples = family.samples.iter();
    samples
        .map(|sample| {
            (
                sample.name.clone(),
                sample.labels.clone(),
                sample.value.clone(),
            )
        })
        .collect()
}

pub(crate) fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Seconds since 1970.
pub(crate) fn wall_s() -> f64 {
    let clock = Clock::current();
    let since = clock.wall(clock.now()).duration_since(UNIX_EPOCH);
    since.unwrap().as_secs_f64()
}
