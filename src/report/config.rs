//! How a client is set up.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::advice::Advice;
use super::metric::MetricSource;
use super::optimization::Optimization;
use crate::ipc::{Ipc, WeakIpc};
#[cfg(feature = "otlp")]
use crate::telemetry::{SamplingRate, Telemetry};

/// What a client does. It is its own builder.
///
/// ```
/// use spanwire::report::{PerformanceConfig, create_performance_client_with_config};
/// use std::time::Duration;
///
/// let ipc = spanwire::Ipc::builder("main").build();
/// let config = PerformanceConfig::builder()
///     .with_profiling(true)
///     .with_metrics_retention(Duration::from_secs(600))
///     .with_auto_optimize(false)
///     .with_ipc(&ipc)
///     .build();
/// let client = create_performance_client_with_config(config);
/// # drop(client);
/// ```
#[derive(Clone)]
#[non_exhaustive]
#[must_use = "it does nothing before a client is made with it"]
pub struct PerformanceConfig {
    /// Whether sessions can be started. Default: they can.
    pub profiling: bool,
    /// Time between the snapshots of a session, of which the least is 10 ms. Default: 1 s.
    pub profile_interval: Duration,
    /// Whether there are optimisations. Default: there are.
    pub optimizations: bool,
    /// Whether each snapshot applies by itself what something speaks for, as far as nothing is lost
    /// by it. Default: no.
    pub auto_optimize: bool,
    /// Whether metrics are kept. Where they are not, recording one is checked, reaches the recorder
    /// that is installed, and is then forgotten. Default: they are.
    pub metrics: bool,
    /// How long metrics and snapshots are kept. Default: an hour.
    pub retention: Duration,
    pub(super) wires: Vec<WeakIpc>,
    #[cfg(feature = "otlp")]
    pub(super) sampling_rate: Option<SamplingRate>,
    pub(super) sources: Vec<Arc<dyn MetricSource>>,
    pub(super) own_optimizations: Vec<Arc<dyn Optimization>>,
    pub(super) advice: Vec<Arc<dyn Advice>>,
    hints: Vec<String>,
}

impl PerformanceConfig {
    /// Everything as it is by default; the environment is not read.
    pub fn new() -> Self {
        Self {
            profiling: true,
            profile_interval: Duration::from_secs(1),
            optimizations: true,
            auto_optimize: false,
            metrics: true,
            retention: Duration::from_secs(3_600),
            wires: Vec::new(),
            #[cfg(feature = "otlp")]
            sampling_rate: None,
            sources: Vec::new(),
            own_optimizations: Vec::new(),
            advice: Vec::new(),
            hints: Vec::new(),
        }
    }

    /// The same as [`new`](Self::new).
    pub fn builder() -> Self {
        Self::new()
    }

    /// The configuration as it is: for code that ends a builder.
    pub fn build(self) -> Self {
        self
    }

    /// The default with what the process's environment says; see
    /// [`from_environment`](Self::from_environment).
    pub fn from_env() -> Self {
        Self::from_environment(|name| std::env::var(name).ok())
    }

    /// The default with what `environment` says.
    ///
    /// | ours | an older system's | what it sets |
    /// |---|---|---|
    /// | `SPANWIRE_ENABLED` | `PERFORMANCE_ENABLED` | `false`: no profiling, metrics or optimisations |
    /// | `SPANWIRE_SYSTEM_INTERVAL_MS` | `PERFORMANCE_PROFILE_INTERVAL` | the interval, in ms |
    /// | `SPANWIRE_RETENTION_SECONDS` | `PERFORMANCE_RETENTION` | the retention, in s |
    ///
    /// Ours wins. An older one is taken and gets a [hint](Self::hints) at ours; a value that cannot be
    /// used gets one, too, and leaves the default.
    pub fn from_environment(environment: impl Fn(&str) -> Option<String>) -> Self {
        let mut config = Self::new();
        let mut value = |ours: &str, theirs: &str| -> Option<(String, String)> {
            let found = |name: &str| Some((name.to_owned(), environment(name)?.trim().to_owned()));
            // OpenTelemetry's specification has an empty variable count as one that is not set.
            let set = |(_, value): &(String, String)| !value.is_empty();
            if let Some(found) = found(ours).filter(set) {
                // Ours is set, so the older name is not looked at and gives no hint.
                return Some(found);
            }
            let found = found(theirs).filter(set)?;
            let hint = format!("{theirs} is an older system's name: set {ours} instead");
            config.hints.push(hint);
            Some(found)
        };
        let enabled = value("SPANWIRE_ENABLED", "PERFORMANCE_ENABLED");
        let interval = value(
            "SPANWIRE_SYSTEM_INTERVAL_MS",
            "PERFORMANCE_PROFILE_INTERVAL",
        );
        let retention = value("SPANWIRE_RETENTION_SECONDS", "PERFORMANCE_RETENTION");
        let mut unusable = |name: &str, what: &str| {
            let hint = format!("{name} is not {what}: the default holds");
            config.hints.push(hint);
        };
        if let Some((name, text)) = enabled {
            match &*text.to_ascii_lowercase() {
                "true" | "1" | "yes" | "on" => {}
                "false" | "0" | "no" | "off" => {
                    config.profiling = false;
                    config.metrics = false;
                    config.optimizations = false;
                }
                _ => unusable(&name, "true or false"),
            }
        }
        // 32 bits are some 49 days in milliseconds, and no sum with a time overflows.
        let positive = |text: &str| text.parse::<u32>().ok().filter(|number| *number > 0);
        if let Some((name, text)) = interval {
            match positive(&text) {
                Some(ms) => config.profile_interval = Duration::from_millis(ms.into()),
                // Ours means by zero that the sampler is off, which says nothing of a session.
                None if text == "0" && name.starts_with("SPANWIRE_") => {}
                None => unusable(&name, "a whole number of milliseconds from 1"),
            }
        }
        if let Some((name, text)) = retention {
            match positive(&text) {
                Some(seconds) => config.retention = Duration::from_secs(seconds.into()),
                None => unusable(&name, "a whole number of seconds from 1"),
            }
        }
        config
    }

    /// What the environment said that should be said otherwise.
    #[must_use]
    pub fn hints(&self) -> &[String] {
        &self.hints
    }

    /// Sets [`profiling`](Self::profiling).
    pub fn with_profiling(mut self, profiling: bool) -> Self {
        self.profiling = profiling;
        self
    }

    /// Sets [`profile_interval`](Self::profile_interval).
    pub fn with_profile_interval(mut self, interval: Duration) -> Self {
        self.profile_interval = interval;
        self
    }

    /// Sets [`optimizations`](Self::optimizations).
    pub fn with_optimizations(mut self, optimizations: bool) -> Self {
        self.optimizations = optimizations;
        self
    }

    /// Sets [`auto_optimize`](Self::auto_optimize).
    pub fn with_auto_optimize(mut self, auto_optimize: bool) -> Self {
        self.auto_optimize = auto_optimize;
        self
    }

    /// Sets [`metrics`](Self::metrics).
    pub fn with_metrics(mut self, metrics: bool) -> Self {
        self.metrics = metrics;
        self
    }

    /// Sets [`retention`](Self::retention).
    pub fn with_metrics_retention(mut self, retention: Duration) -> Self {
        self.retention = retention;
        self
    }

    /// Looks at this wire, too, and may optimise it. It is not kept alive.
    pub fn with_ipc(mut self, ipc: &Ipc) -> Self {
        // A strong handle would keep a closed webview's wire alive, and with it its queue and its
        // series.
        self.wires.push(WeakIpc::of(ipc));
        self
    }

    /// May optimise how many traces this telemetry keeps.
    #[cfg(feature = "otlp")]
    pub fn with_telemetry(mut self, telemetry: &Telemetry) -> Self {
        // `None` where the tail sampler is not in use: then there is no rate to change.
        self.sampling_rate = telemetry.sampling_rate();
        self
    }

    /// Adds metrics of the app's own to each snapshot.
    pub fn with_metric_source(mut self, source: impl MetricSource + 'static) -> Self {
        self.sources.push(Arc::new(source));
        self
    }

    /// Adds an optimisation of the app's own.
    pub fn with_optimization(mut self, optimization: impl Optimization + 'static) -> Self {
        self.own_optimizations.push(Arc::new(optimization));
        self
    }

    /// Adds a rule of the app's own for recommendations.
    pub fn with_advice(mut self, advice: impl Advice + 'static) -> Self {
        self.advice.push(Arc::new(advice));
        self
    }
}

impl Default for PerformanceConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for PerformanceConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PerformanceConfig")
            .field("profiling", &self.profiling)
            .field("profile_interval", &self.profile_interval)
            .field("optimizations", &self.optimizations)
            .field("auto_optimize", &self.auto_optimize)
            .field("metrics", &self.metrics)
            .field("retention", &self.retention)
            .finish_non_exhaustive()
    }
}
