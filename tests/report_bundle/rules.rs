//! Rules of the app's own, and settings that a running app can change.

use std::time::Duration;

use spanwire::history::query::QueryError;
use spanwire::history::report::{Evidence, Period, ReportOptions, Rule};
use spanwire::ipc::Ipc;
use spanwire::report::{
    PerformanceClient, PerformanceConfig, create_performance_client_with_config,
};
use spanwire::telemetry::MetricsExporter;
use spanwire::{Telemetry, monitor};
use spanwire_testkit::child_process::run_alone;
use spanwire_testkit::folder::Folder;
use spanwire_testkit::model_page::ModelPage;

use crate::synthetic::{Row, Synthetic, text_in};

/// A scene loads within a budget.
struct SceneBudget(Duration);

impl Rule for SceneBudget {
    fn name(&self) -> &str {
        "paint-tool.scene-budget"
    }

    fn question(&self) -> &str {
        "Does a scene load within its <budget>?"
    }

    fn evidence(&self, period: &Period<'_>) -> Result<Vec<Evidence>, QueryError> {
        let is_over = |stats: &&_| {
            let stats: &spanwire::history::query::SeriesStats = stats;
            stats.series.name == "load_scene" && stats.max > self.0
        };
        let mut found = Vec::new();
        for stats in period.stats().iter().filter(is_over) {
            let one = period.filter().exact_name("load_scene").limit(1);
            let record = period.reader().records(&one)?.next().transpose()?;
            let text = format!("{} scenes were loaded", stats.count);
            let evidence = Evidence::new("operation load_scene", text).critical();
            found.push(match &record {
                Some(record) => evidence.example(record),
                None => evidence,
            });
        }
        Ok(found)
    }

    fn remedy(&self) -> &str {
        "load textures later"
    }
}

/// Fails as code may that is not ours.
struct Broken(&'static str);

impl Rule for Broken {
    fn name(&self) -> &str {
        assert_ne!(self.0, "name", "the rule's name panics");
        "paint-tool.broken"
    }

    fn question(&self) -> &str {
        "?"
    }

    fn evidence(&self, _: &Period<'_>) -> Result<Vec<Evidence>, QueryError> {
        match self.0 {
            "many" => Ok(vec![Evidence::new("x", "y"); 1_000]),
            "error" => Err(QueryError::Damaged("a page is missing".to_owned())),
            _ => panic!("the rule's secret"),
        }
    }

    fn remedy(&self) -> &str {
        ""
    }
}

#[test]
fn rule_of_the_app_is_in_the_report_that_telemetry_writes() {
    run_alone(
        "rules::rule_of_the_app_is_in_the_report_that_telemetry_writes",
        &[],
        || {
            let folder = Folder::new("report-rule");
            let telemetry = Telemetry::builder("paint-tool")
                .environment(|_| None)
                .metrics(MetricsExporter::None)
                .without_system()
                .quiet()
                .history(folder.path().join("history.db"))
                .report_rule(SceneBudget(Duration::ZERO))
                .install()
                .unwrap();
            for _ in 0..3 {
                monitor("load_scene").time(|| std::hint::black_box(()));
            }
            let out = folder.path().join("report.zip");
            let report = telemetry.report(&out).unwrap();
            assert_eq!(report.missing, [""; 0]);
            let [advice] = &report.advice[..] else {
                panic!("{:?}", report.advice)
            };
            assert_eq!(advice.id, "paint-tool.scene-budget");
            assert_eq!(advice.severity, "critical");
            assert_eq!(advice.remedy, "load textures later");
            assert!(advice.example_at.is_some());
            assert_eq!(report.verdict, "operation load_scene: 3 scenes were loaded");
            let html = text_in(&out, "report.html");
            assert!(html.contains("Does a scene load within its &lt;budget&gt;?"));
        },
    );
}

#[test]
fn rule_is_silent_when_all_is_well() {
    let history = Synthetic::new("own-rule");
    history.healthy();
    let out = history.file("report.zip");
    let budget = SceneBudget(Duration::from_secs(1));
    let report = ReportOptions::new().rule(budget);
    let report = report.write(history.history(), out).unwrap();
    assert!(report.advice.is_empty(), "{:?}", report.advice);
}

#[test]
fn rule_that_panics_or_cannot_read_is_named_and_the_others_are_asked() {
    let history = Synthetic::new("broken-rules");
    history.healthy();
    let out = history.file("report.zip");
    let report = ReportOptions::new()
        .rule(Broken("evidence"))
        .rule(Broken("name"))
        .rule(Broken("error"))
        .rule(SceneBudget(Duration::ZERO))
        .rule(Broken("many"))
        .write(history.history(), &out)
        .unwrap();
    assert_eq!(
        report.missing,
        [
            "the rule paint-tool.broken: it panicked",
            "the rule number 2: it panicked",
            "the rule paint-tool.broken: the file is damaged (a page is missing): sqlite3's .recover \
             may save the rest",
        ]
    );
    assert_eq!(report.advice[0].id, "paint-tool.scene-budget");
    assert_eq!(report.advice.len(), 21, "the first 20 of a rule are shown");
    let html = text_in(&out, "report.html");
    assert!(html.contains("the rule number 2") && !html.contains("secret"));
}

#[test]
fn advice_names_the_setting_that_a_running_app_changes_and_takes_back() {
    let history = Synthetic::new("apply");
    let flood: Vec<Row> = (0..40_000)
        .map(|n| Row::event_out("progress", n, 2, 1))
        .collect();
    history.write(&flood);
    let out = history.file("report.zip");
    let report = ReportOptions::new().write(history.history(), &out);
    let advice = report.unwrap().advice;
    let flood = advice.iter().find(|is| is.id == "event-flood").unwrap();
    let id = flood.optimization.as_deref().unwrap();
    assert!(text_in(&out, "report.html").contains(&format!("apply_optimization({id})")));

    let ipc = Ipc::builder("main").build();
    let client = create_performance_client_with_config(PerformanceConfig::new().with_ipc(&ipc));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let mut page = ModelPage::load(&ipc, "p1");
    let mut delivered = || {
        for n in 0..50 {
            ipc.emit("progress", &n).unwrap();
        }
        page.log.clear();
        page.pump(&ipc);
        page.log
            .iter()
            .filter(|line| line.contains("progress"))
            .count()
    };
    assert_eq!(delivered(), 50);
    assert!(runtime.block_on(client.apply_optimization(id)).unwrap());
    assert_eq!(delivered(), 1, "the flood is gone");
    assert!(runtime.block_on(client.undo_optimization(id)).unwrap());
    assert_eq!(delivered(), 50);
}

#[test]
fn advice_for_a_queue_that_waits_names_larger_batches() {
    let history = Synthetic::new("apply-queue");
    let rows: Vec<Row> = (0..50)
        .map(|n| Row::event_out("progress", n * 1_000, 300, 1))
        .collect();
    history.write(&rows);
    let report = ReportOptions::new().write(history.history(), history.file("report.zip"));
    let advice = report.unwrap().advice;
    let waits = advice.iter().find(|is| is.id == "queue-waits").unwrap();
    let ipc = Ipc::builder("main").build();
    let client = create_performance_client_with_config(PerformanceConfig::new().with_ipc(&ipc));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let known = runtime.block_on(client.get_optimizations()).unwrap();
    let ids: Vec<_> = known.iter().map(|is| Some(is.id.clone())).collect();
    assert!(ids.contains(&waits.optimization), "{ids:?} {waits:?}");
}
