//! How the plugin is set up.

use std::fmt;
use std::time::Duration;

use spanwire::telemetry::TelemetryBuilder;

use crate::app_telemetry::Configure;
use crate::page_script::PageApi;
use crate::reports::ReportTo;
use crate::settings::PageTraces;
use crate::way::Seam;

/// Sets the plugin up; what is set here beats the environment, and that beats `tauri.conf.json`.
#[must_use = "a builder does nothing until build()"]
pub struct Builder {
    pub(crate) service_name: String,
    pub(crate) seam: Seam,
    pub(crate) page_api: PageApi,
    pub(crate) overrides: Overrides,
    pub(crate) configure: Option<Configure>,
    pub(crate) report_to: Option<ReportTo>,
}

/// What the builder says that `tauri.conf.json` can say too.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Overrides {
    pub(crate) telemetry: Option<bool>,
    pub(crate) ask_first: Option<bool>,
    pub(crate) page_traces: Option<PageTraces>,
    pub(crate) main_thread_budget: Option<Duration>,
    pub(crate) event_spans_per_second_max: Option<u32>,
    pub(crate) shutdown_deadline: Option<Duration>,
}

impl Builder {
    /// Begins to set the plugin up for the app of that name, which is the default of `service.name`.
    pub fn new(service_name: impl Into<String>) -> Self {
        Self {
            service_name: service_name.into(),
            seam: Seam::On,
            page_api: PageApi::Hidden,
            overrides: Overrides::default(),
            configure: None,
            report_to: None,
        }
    }

    /// Sets further up what sends and shows telemetry. Default: as the environment says.
    pub fn telemetry(
        mut self,
        configure: impl FnOnce(TelemetryBuilder) -> TelemetryBuilder + Send + 'static,
    ) -> Self {
        // A closure asks for telemetry of the plugin's, whether or not the app has a recorder.
        self.overrides.telemetry = Some(true);
        self.configure = Some(Box::new(configure));
        self
    }

    /// The app sets telemetry up itself, with [`spanwire::Telemetry`] or without. Default: the
    /// plugin does, unless the process has set it up already or has a `metrics` recorder.
    pub fn without_telemetry(mut self) -> Self {
        self.overrides.telemetry = Some(false);
        self.configure = None;
        self
    }

    /// Nothing is recorded before the person who uses the app has said yes, by the command
    /// `plugin:spanwire|set_consent` or by [`SpanwireExt::spanwire_telemetry`](crate::SpanwireExt).
    /// The answer is kept in the app's configuration folder. Default: telemetry records at once.
    pub fn ask_first(mut self) -> Self {
        self.overrides.ask_first = Some(true);
        self
    }

    /// Lets a page with the permission `spanwire:allow-save-report` have a report written by the
    /// command `plugin:spanwire|save_report`, to the new file that `name` names each time; the page
    /// cannot say where to. It needs a history: [`telemetry`](Self::telemetry) or `SPANWIRE_HISTORY`
    /// names its file. Default: the command is an error.
    ///
    /// ```no_run
    /// # fn run(context: tauri::Context) -> tauri::Result<()> {
    /// let folder = std::path::PathBuf::from("/var/lib/paint-tool");
    /// let history = folder.join("history.db");
    /// let spanwire = tauri_plugin_spanwire::Builder::new("paint-tool")
    ///     .telemetry(move |builder| builder.history(history))
    ///     .report_to(move || folder.join("report.zip"))
    ///     .build();
    /// tauri::Builder::default().plugin(spanwire).run(context)
    /// # }
    /// ```
    #[cfg(feature = "report")]
    pub fn report_to(
        mut self,
        name: impl Fn() -> std::path::PathBuf + Send + Sync + 'static,
    ) -> Self {
        self.report_to = Some(ReportTo::new(name));
        self
    }

    /// Leaves Tauri's `ipc` scheme alone, so that only commands in [`traced`](crate::traced) are
    /// seen. Default: the scheme is answered, where that was tested.
    pub fn without_seam(mut self) -> Self {
        self.seam = Seam::Off;
        self
    }

    /// What to do with a page's `traceparent` header. Default: [`PageTraces::Ignored`].
    pub fn page_traces(mut self, traces: PageTraces) -> Self {
        self.overrides.page_traces = Some(traces);
        self
    }

    /// How long a command may run on the main thread before it counts as blocking it. Default: 16 ms.
    pub fn main_thread_budget(mut self, budget: Duration) -> Self {
        self.overrides.main_thread_budget = Some(budget);
        self
    }

    /// Events of each direction and webview that get spans, in a second. Default: 1,000.
    pub fn event_spans_per_second_max(mut self, events: u32) -> Self {
        self.overrides.event_spans_per_second_max = Some(events);
        self
    }

    /// How long the app's exit may wait for the collector. Default: 2 s.
    pub fn shutdown_deadline(mut self, deadline: Duration) -> Self {
        self.overrides.shutdown_deadline = Some(deadline);
        self
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("service_name", &self.service_name)
            .field("seam", &self.seam)
            // The closures have nothing to show, and are left out.
            .field("overrides", &self.overrides)
            .finish_non_exhaustive()
    }
}
