//! The app's windows.

use tauri::{AppHandle, Manager, WebviewUrl, WebviewWindowBuilder};

/// Where pages come from.
pub(crate) struct Pages(pub(crate) Option<String>);

/// Opens a window whose page runs the scenario.
pub(crate) fn open(app: &AppHandle, label: &str, scenario: &str) {
    let url = match &app.state::<Pages>().0 {
        Some(url) => WebviewUrl::External(url.parse().unwrap()),
        None => WebviewUrl::App("index.html".into()),
    };
    let name = serde_json::to_string(scenario).unwrap();
    let main = include_str!("../page/scenarios.js");
    WebviewWindowBuilder::new(app, label, url)
        .initialization_script(format!("window.SCENARIO = {name};\n{main}"))
        .build()
        .unwrap();
}
