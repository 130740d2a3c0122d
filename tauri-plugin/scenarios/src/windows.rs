//! The app, and its windows.

use serde::{Deserialize, Serialize};
use tauri::{AppHandle, Manager, WebviewUrl, WebviewWindowBuilder};
use tauri_plugin_spanwire::traced;

use crate::commands;

/// With which plugin the app runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Plugin {
    /// None: what Tauri does by itself.
    Without,
    /// The one line of the guide.
    Init,
    /// The line that the builder goes through.
    Instrument,
    /// The public way alone.
    TracedAlone,
    /// The public way beside the seam.
    TracedToo,
}

/// Where a window's page comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// The app.
    Local,
    /// A server on this machine, which is another origin.
    Remote,
}

/// How a scenario's app is set up.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Setup {
    /// With which plugin it runs.
    pub plugin: Plugin,
    /// The scenario, a function of the page's `scenarios.js`.
    pub scenario: String,
    /// The window's label, by which it has its capabilities.
    pub label: String,
    /// Where the window's page comes from.
    pub origin: Origin,
    /// `plugins.spanwire`.
    pub settings: serde_json::Value,
    /// The page's content security policy.
    pub csp: Option<String>,
}

/// Runs the app until its page has reported.
pub fn run(setup: Setup) {
    let mut context = tauri::generate_context!();
    let config = context.config_mut();
    if !setup.settings.is_null() {
        let settings = setup.settings.clone();
        config.plugins.0.insert("spanwire".to_owned(), settings);
    }
    if let Some(csp) = setup.csp.clone() {
        config.app.security.csp = Some(tauri::utils::config::Csp::Policy(csp));
    }
    let builder = tauri::Builder::default();
    let builder = match setup.plugin {
        Plugin::Without => builder.invoke_handler(commands::handler()),
        Plugin::Init => builder
            .plugin(tauri_plugin_spanwire::init("scenarios"))
            .invoke_handler(commands::handler()),
        Plugin::Instrument => tauri_plugin_spanwire::instrument(builder, "scenarios")
            .invoke_handler(commands::handler()),
        Plugin::TracedAlone => builder
            .plugin(
                tauri_plugin_spanwire::Builder::new("scenarios")
                    .without_seam()
                    .build(),
            )
            .invoke_handler(traced(commands::handler())),
        Plugin::TracedToo => builder
            .plugin(tauri_plugin_spanwire::init("scenarios"))
            .invoke_handler(traced(commands::handler())),
    };
    builder
        .setup(move |app| {
            let remote = match setup.origin {
                Origin::Local => None,
                Origin::Remote => Some(crate::remote::serve(app.handle().clone())),
            };
            app.manage(Pages(remote));
            open(app.handle(), &setup.label, &setup.scenario);
            Ok(())
        })
        .run(context)
        .unwrap();
}

/// Where pages come from.
struct Pages(Option<String>);

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
