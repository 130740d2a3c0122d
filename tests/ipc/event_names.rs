//! What may be a name: one table for both sides of the wire, and what is taken stays as it is.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use proptest::collection::vec;
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};
use spanwire::ipc::{
    Call, EmitErrorReason, Ipc, NameError, PageEvents, Received, RegisterError, check_event_name,
};
use spanwire::testing::Capture;

use spanwire_testkit::model_page::ModelPage;

#[derive(Deserialize)]
struct Table {
    accepted: Vec<String>,
    refused: Vec<(String, String)>,
    not_printable: Vec<(String, String)>,
}

/// What `page/test/names.test.mjs` holds the page script to.
fn table() -> Table {
    serde_json::from_str(include_str!("../event_names.json")).unwrap()
}

#[test]
fn every_use_of_a_name_judges_as_the_table_does() {
    let Table {
        accepted, refused, ..
    } = table();
    let ipc = Ipc::builder("main").build();
    for name in accepted {
        assert_eq!(check_event_name(&name), Ok(()), "{name:?}");
        ipc.emit(&name, &1).unwrap();
        ipc.on(&name, |_: &Call<'_>| ()).unwrap();
    }
    for (at, (name, why)) in refused.into_iter().enumerate() {
        assert_eq!(check_event_name(&name).unwrap_err().to_string(), why);
        let emitted = ipc.emit(&name, &1).unwrap_err();
        assert_eq!(emitted.to_string(), format!("event name {why}"));
        assert!(matches!(emitted.reason, EmitErrorReason::InvalidName(_)));
        let registered = ipc.on(&name, |_: &Call<'_>| ()).unwrap_err();
        let RegisterError::InvalidName { error, .. } = registered else {
            panic!("{registered}")
        };
        assert_eq!(error.to_string(), why);
        // The page's callers are told as well.
        ipc.page_gone();
        let mut page = ModelPage::load(&ipc, &format!("p{at}"));
        let _ = ipc.next_script();
        page.call(&ipc, &name, json!(null));
        let script = std::iter::from_fn(|| ipc.next_script()).map(|script| script.text());
        let scripts: String = script.collect();
        assert!(
            scripts.contains(&format!("the event's name {why}")),
            "{scripts}"
        );
    }
}

#[test]
fn every_character_is_judged_as_the_table_does() {
    let code = |hex: &str| u32::from_str_radix(hex, 16).unwrap();
    let ranges: Vec<_> = table()
        .not_printable
        .iter()
        .map(|(first, last)| code(first)..=code(last))
        .collect();
    for character in '\0'..=char::MAX {
        let is_refused = ranges
            .iter()
            .any(|range| range.contains(&(character as u32)));
        let expected = if is_refused {
            Err(NameError::NotPrintable { character, at: 1 })
        } else {
            Ok(())
        };
        assert_eq!(check_event_name(&format!("a{character}b")), expected);
    }
}

/// Names of all kinds of characters, a few of which a name must not have.
fn name() -> impl Strategy<Value = String> {
    let awkward = prop::sample::select(vec![
        '"', '\\', '<', '|', '{', '}', '=', ',', ';', '\'', '`', '$', '%', ' ', '\u{a0}', 'é',
        '保', '🎨', '\u{301}', '\u{200b}', '\n', '\u{2028}', '\u{202e}', '\u{7f}',
    ]);
    let character = prop_oneof![4 => any::<char>(), 4 => awkward, 4 => prop::char::range('!', '~')];
    vec(character, 0..20).prop_map(String::from_iter)
}

/// What is wrong with it is left out.
fn good_name() -> impl Strategy<Value = String> {
    let is_good = |character: &char| check_event_name(&format!("a{character}b")).is_ok();
    (name(), "[!-~]").prop_map(move |(name, last)| {
        let good: String = name.chars().filter(is_good).collect();
        format!("{}{last}", good.trim_start())
    })
}

fn bad_name() -> impl Strategy<Value = String> {
    let bad = prop::sample::select(vec!['\u{200b}', '\n', '\u{2028}', '\u{202e}', '\u{7f}']);
    (name(), bad, name()).prop_map(|(before, bad, after)| format!("{before}{bad}{after}"))
}

fn inbound_ok(capture: &Capture, name: &str) -> u64 {
    capture.counter(
        "spanwire.ipc.messages",
        &[
            ("spanwire.ipc.direction", "inbound"),
            ("spanwire.ipc.event", name),
            ("spanwire.outcome", "ok"),
        ],
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_name_that_is_taken_is_the_same_at_the_handler_on_the_page_and_in_telemetry(
        name in good_name(),
        is_escaped in any::<bool>(),
    ) {
        let capture = Capture::new();
        let seen = Arc::new(Mutex::new(Vec::new()));
        capture.run(|| -> Result<(), TestCaseError> {
            let ipc = Ipc::builder("main")
                .page_events(PageEvents::SpanwireAndPlain)
                .tracer_provider(&capture.tracer_provider())
                .build();
            ipc.on(&name, {
                let seen = Arc::clone(&seen);
                move |call: &Call<'_>| {
                    seen.lock().unwrap().push(call.event().to_owned());
                    Ok::<_, Infallible>(1)
                }
            }).unwrap();
            let mut page = ModelPage::load(&ipc, "p1");
            page.emit(&ipc, &name, json!(null));
            // As a page posts it, and as one does that writes ASCII alone.
            let mut quoted = serde_json::to_string(&name).unwrap();
            if is_escaped {
                let units = name.encode_utf16().map(|unit| format!("\\u{unit:04x}"));
                quoted = format!("\"{}\"", units.collect::<String>());
            }
            let plain = format!(r#"{{"type":"event","event":{quoted}}}"#);
            prop_assert_eq!(ipc.receive(&plain, None), Received::Ours);
            ipc.emit(&name, &2).unwrap();
            let script = ipc.next_script().unwrap();
            let text = script.text();
            prop_assert!(!text.contains(['<', '\u{2028}', '\u{2029}']), "{}", text);
            let batch: Value = serde_json::from_str(script.json().unwrap()).unwrap();
            let events: Vec<_> = batch["messages"].as_array().unwrap().iter()
                .filter_map(|message| message["event"].as_str())
                .collect();
            prop_assert_eq!(events, [name.as_str()]);
            Ok(())
        })?;
        prop_assert_eq!(&*seen.lock().unwrap(), &[name.clone(), name.clone()]);
        prop_assert_eq!(inbound_ok(&capture, &name), 2);
        let spans = capture.finished_spans();
        prop_assert_eq!(spans.iter().filter(|span| span.name == name).count(), 2);
    }

    #[test]
    fn a_name_that_is_refused_is_counted_without_a_series_of_its_own(name in bad_name()) {
        let capture = Capture::new();
        capture.run(|| -> Result<(), TestCaseError> {
            let ipc = Ipc::builder("main").build();
            let mut page = ModelPage::load(&ipc, "p1");
            page.emit(&ipc, &name, json!(null));
            prop_assert!(ipc.emit(&name, &1).is_err());
            Ok(())
        })?;
        for direction in ["inbound", "outbound"] {
            let counted = capture.counter("spanwire.ipc.messages", &[
                ("error.type", "invalid_name"),
                ("spanwire.ipc.direction", direction),
                ("spanwire.ipc.event", "_OTHER"),
            ]);
            prop_assert_eq!(counted, 1);
        }
    }
}

#[test]
fn names_and_categories_with_spaces_are_measurements_of_their_own() {
    let capture = Capture::new();
    capture.run(|| {
        let ipc = Ipc::builder("main").build();
        let page = ModelPage::load(&ipc, "p1");
        let record = |name: &str, category: &str, value: u32| {
            page.send(
                &ipc,
                &[json!({"kind": "record", "name": name, "category": category, "value": value})],
            );
        };
        record("load time", "of scene", 1);
        record("load", "time of scene", 2);
        let value = |name, category| {
            let labels = [
                ("spanwire.measurement.category", category),
                ("spanwire.measurement.name", name),
            ];
            capture.gauge("spanwire.measurement", &labels)
        };
        assert_eq!(value("load time", "of scene"), Some(1.0));
        assert_eq!(value("load", "time of scene"), Some(2.0));
    });
}
