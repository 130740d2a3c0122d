//! How the Tauri plugin sees the app's commands, by its own word.

use std::collections::BTreeMap;

use spanwire::semconv::{TAURI_VERSION, TAURI_WAY};

use super::finding::Finding;
use crate::text::shown;

/// What the labels of the app's `target_info` say; nothing for an app that is not Tauri's.
pub(super) fn evaluate(info: &BTreeMap<String, String>) -> Option<Finding> {
    // Prometheus' labels have no dots.
    let label = |attribute: &str| info.get(&attribute.replace('.', "_"));
    let way = label(TAURI_WAY)?;
    let version = label(TAURI_VERSION).map_or("", String::as_str);
    let tauri = format!("Tauri {}", shown(version));
    let remedy = match way.as_str() {
        "seam" => {
            let detail = format!("{tauri}: every command is seen");
            return Some(Finding::ok(WHAT, detail));
        }
        "untested" => "raise tauri-plugin-spanwire to a version that was tested with that Tauri",
        "feature_off" => "the crate's feature `seam` is off; docs/guide/tauri.md",
        "turned_off" => "the app calls Builder::without_seam; docs/guide/tauri.md",
        "isolation" => "the isolation pattern leaves no other way; docs/guide/tauri.md",
        "android" => "Android leaves no other way; docs/guide/tauri.md",
        // A newer plugin may have further reasons.
        _ => "see the app's log",
    };
    let detail = format!(
        "{tauri}: only commands in a handler wrapped in traced(…) are seen, without their errors ({})",
        shown(way)
    );
    Some(Finding::warn(WHAT, detail, remedy))
}

const WHAT: &str = "tauri";
