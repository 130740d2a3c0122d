//! The ZIP file of a real app's history.

use std::time::Duration;

use serde_json::{Value, json};
use spanwire::ipc::{Call, DataError, Ipc};
use spanwire::telemetry::MetricsExporter;
use spanwire::{Telemetry, monitor};
use spanwire_testkit::child_process::run_alone;
use spanwire_testkit::folder::Folder;
use spanwire_testkit::model_page::ModelPage;

use crate::synthetic::{PARTS, text_in, unzipped};

fn telemetry(history: Option<&std::path::Path>) -> Telemetry {
    let builder = Telemetry::builder("paint-tool")
        .environment(|_| None)
        .metrics(MetricsExporter::None)
        .without_system()
        .quiet();
    match history {
        Some(file) => builder.history(file).install().unwrap(),
        None => builder.install().unwrap(),
    }
}

#[test]
fn a_running_app_writes_the_report_of_what_it_did_until_then() {
    run_alone(
        "bundle::a_running_app_writes_the_report_of_what_it_did_until_then",
        &[],
        || {
            let folder = Folder::new("report-app");
            let telemetry = telemetry(Some(&folder.path().join("history.db")));
            let ipc = Ipc::builder("main").build();
            let mut page = ModelPage::load(&ipc, "p1");
            ipc.on("save", |call: &Call| -> Result<Value, DataError> {
                std::thread::sleep(Duration::from_millis(2));
                call.data()
            })
            .unwrap();
            page.call(&ipc, "save", json!("the payload is a secret"));
            page.pump(&ipc);
            ipc.emit("tick", &"the payload is a secret").unwrap();
            page.pump(&ipc);
            monitor("load_scene").time(|| ());
            let out = folder.path().join("report.zip");
            let report = telemetry.report(&out).unwrap();
            assert_eq!(report.verdict, "Nothing is wrong in this period.");
            assert!(report.missing.is_empty(), "{:?}", report.missing);
            assert_eq!(report.bytes, out.metadata().unwrap().len());
            let html = text_in(&out, "report.html");
            for name in ["save", "tick", "load_scene", "paint-tool", "handler "] {
                assert!(html.contains(name), "{name}");
            }
            let trace = text_in(&out, "trace.json");
            assert!(trace.contains("save: handler"), "{trace}");
            assert!(text_in(&out, "otlp.jsonl").contains("call save"));
            for part in PARTS {
                let bytes = unzipped(&out, part);
                let has = |text: &str| bytes.windows(text.len()).any(|is| is == text.as_bytes());
                assert!(!has("a secret"), "{part}");
            }
            // Nothing is left beside it but the history.
            let left = std::fs::read_dir(folder.path()).unwrap();
            let mut left = left.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            assert!(!left.any(|name| name.starts_with('.')));
        },
    );
}

#[test]
fn an_app_without_a_history_is_told_so() {
    run_alone("bundle::an_app_without_a_history_is_told_so", &[], || {
        let folder = Folder::new("report-none");
        let out = folder.path().join("report.zip");
        let error = telemetry(None).report(&out).unwrap_err();
        assert!(error.to_string().contains("SPANWIRE_HISTORY"), "{error}");
        assert!(!out.exists());
    });
}
