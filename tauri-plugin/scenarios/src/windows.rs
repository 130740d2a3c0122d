//! The app.

use serde::{Deserialize, Serialize};
use tauri::{Manager, RunEvent};
use tauri_plugin_spanwire::traced;

use crate::commands;
use crate::own::{self, Own};
use crate::pages::{self, Pages};
use crate::reports;

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
    /// The same, registered when the window is there.
    AfterWindow,
}

/// Where a window's page comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// The app.
    Local,
    /// A server on this machine, which is another origin.
    Remote,
}

/// How Tauri lets a page call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pattern {
    /// As by default.
    Brownfield,
    /// Through a frame of the app's own, which encrypts each call.
    Isolation,
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
    /// How Tauri lets the page call.
    pub pattern: Pattern,
    /// What telemetry the app sets up itself.
    pub own: Own,
    /// `plugins.spanwire`.
    pub settings: serde_json::Value,
    /// The page's content security policy.
    pub csp: Option<String>,
}

/// Runs the app until its page has reported.
pub fn run(setup: Setup) {
    let own = own::set_up(setup.own);
    let mut context = match setup.pattern {
        Pattern::Brownfield => tauri::generate_context!(),
        // Without the feature `isolation`, which tests have, it is the same as above.
        Pattern::Isolation => tauri::generate_context!("isolation/tauri.conf.json"),
    };
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
            .plugin(reports::plugin(&setup.scenario))
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
        Plugin::AfterWindow => builder.invoke_handler(traced(commands::handler())),
    };
    builder
        .setup(move |app| {
            let remote = match setup.origin {
                Origin::Local => None,
                Origin::Remote => Some(crate::remote::serve(app.handle().clone())),
            };
            app.manage(Pages(remote));
            pages::open(app.handle(), &setup.label, &setup.scenario);
            if setup.plugin == Plugin::AfterWindow {
                app.handle()
                    .plugin(tauri_plugin_spanwire::init("scenarios"))?;
            }
            Ok(())
        })
        .build(context)
        .unwrap()
        .run(move |_, event| {
            if matches!(event, RunEvent::Exit) {
                own::shut_down(own.as_ref());
            }
        });
}
