//! The plugin itself: what Tauri calls.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;
use tauri::ipc::Invoke;
use tauri::plugin::{Plugin, TauriPlugin};
use tauri::webview::PageLoadPayload;
use tauri::{AppHandle, Manager, RunEvent, Runtime, Webview};

use crate::app_telemetry::AppTelemetry;
use crate::builder::{Builder, Overrides};
use crate::commands;
use crate::diagnostics::{inform, warn};
use crate::page_script::{self, PageApi};
use crate::plugin_state::PluginState;
use crate::settings::Settings;
use crate::way::Way;
use crate::webviews;

/// The key of the settings, and what `plugin:…|` has in front of a command.
pub(crate) const NAME: &str = "spanwire";

/// Where the person's answer is kept, in the app's configuration folder.
const CONSENT_FILE: &str = "telemetry-consent";

/// The plugin, for [`tauri::Builder::plugin`]; made by [`init`](crate::init) and [`Builder`].
pub struct Spanwire<R: Runtime> {
    builder: Option<Builder>,
    running: Option<Running<R>>,
}

struct Running<R: Runtime> {
    state: Arc<PluginState<R>>,
    page_api: PageApi,
}

impl Builder {
    /// The plugin, for [`tauri::Builder::plugin`]. Register it first.
    pub fn build<R: Runtime>(self) -> Spanwire<R> {
        Spanwire {
            builder: Some(self),
            running: None,
        }
    }
}

impl<R: Runtime> Plugin<R> for Spanwire<R> {
    fn name(&self) -> &'static str {
        NAME
    }

    fn initialize(
        &mut self,
        app: &AppHandle<R>,
        config: Value,
    ) -> Result<(), Box<dyn std::error::Error>> {
        // Tauri initialises a plugin once, but through `&mut self`, which cannot give the closures
        // away.
        let Some(builder) = self.builder.take() else {
            return Ok(());
        };
        let (mut settings, warnings) = Settings::read(&config);
        settings.take(builder.overrides);
        let way = Way::choose(app.config(), builder.seam);
        // Without a folder the person is asked at each start.
        let folder = app.path().app_config_dir().ok();
        let consent_file = folder
            .filter(|_| settings.ask_first)
            .map(|folder| folder.join(CONSENT_FILE));
        let telemetry = AppTelemetry::install(
            &builder.service_name,
            &app.package_info().version.to_string(),
            way,
            &settings,
            consent_file,
            builder.configure,
        );
        let asks_nobody = telemetry.is_none() && settings.ask_first;
        if let Some(telemetry) = telemetry {
            // Tauri's state keeps it for the app's whole life: `SpanwireExt` lends references to
            // it.
            app.manage(telemetry);
        }
        if let Some(report_to) = builder.report_to {
            app.manage(report_to);
        }
        warnings.iter().for_each(warn);
        if asks_nobody {
            warn(
                "askFirst has no effect, since the plugin has installed no telemetry: an app that \
                 sets it up itself has it start with TelemetryBuilder::start_paused",
            );
        }
        // Tauri gives each webview its schemes when it makes it, so a scheme that comes later does
        // not reach those that exist.
        let made_before = webviews::made_before(app);
        match way {
            Way::Seam => {
                inform(way);
                made_before.iter().for_each(warn_of_made_before);
            }
            // It says so of every webview.
            Way::Handler(_) => warn(way),
        }
        let state = Arc::new(PluginState::new(way, settings, made_before));
        app.manage(Arc::clone(&state));
        if way == Way::Seam {
            // What it registers stays with Tauri.
            seam(&state).initialize(app, Value::Null)?;
        }
        self.running = Some(Running {
            state,
            page_api: builder.page_api,
        });
        Ok(())
    }

    fn initialization_script(&self) -> Option<String> {
        let running = self.running.as_ref()?;
        let is_seam = running.state.way == Way::Seam;
        // What the page says of itself comes through the scheme.
        is_seam.then(|| page_script::text(&running.state.page_script, running.page_api))
    }

    fn webview_created(&mut self, webview: Webview<R>) {
        if let Some(running) = &self.running {
            webviews::created(&running.state, webview);
        }
    }

    fn on_page_load(&mut self, webview: &Webview<R>, payload: &PageLoadPayload<'_>) {
        if let Some(running) = &self.running {
            webviews::page_load(&running.state, webview, payload);
        }
    }

    fn on_event(&mut self, app: &AppHandle<R>, event: &RunEvent) {
        let Some(running) = &self.running else {
            return;
        };
        webviews::on_event(&running.state, event);
        if let (RunEvent::Exit, Some(telemetry)) = (event, app.try_state::<AppTelemetry>()) {
            // `run` ends the process: what is queued is sent now or never.
            telemetry.shutdown();
        }
    }

    fn extend_api(&mut self, invoke: Invoke<R>) -> bool {
        commands::handler()(invoke)
    }
}

fn warn_of_made_before(label: &String) {
    warn(format_args!(
        "the webview {label} was made before the plugin was there, so its commands are seen in \
         tauri_plugin_spanwire::traced(…) alone: register the plugin first"
    ));
}

/// What registers the scheme.
fn seam<R: Runtime>(state: &Arc<PluginState<R>>) -> TauriPlugin<R> {
    let state = Arc::clone(state);
    tauri::plugin::Builder::new(NAME)
        .register_asynchronous_uri_scheme_protocol("ipc", move |context, request, responder| {
            crate::protocol::answer(&state, &context, request, responder);
        })
        .build()
}

impl Settings {
    /// The builder has the last word.
    fn take(&mut self, overrides: Overrides) {
        self.telemetry = overrides.telemetry.or(self.telemetry);
        self.ask_first = overrides.ask_first.unwrap_or(self.ask_first);
        self.page_traces = overrides.page_traces.unwrap_or(self.page_traces);
        self.main_thread_budget = overrides.main_thread_budget.or(self.main_thread_budget);
        let events = overrides.event_spans_per_second_max;
        self.event_spans_per_second_max = events.or(self.event_spans_per_second_max);
        self.shutdown_deadline = overrides.shutdown_deadline.or(self.shutdown_deadline);
    }
}

impl<R: Runtime> fmt::Debug for Spanwire<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.running.as_ref().map(|running| &running.state);
        f.debug_struct("Spanwire")
            .field("state", &state)
            .finish_non_exhaustive()
    }
}
