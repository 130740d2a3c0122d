//! The configuration in force, as far as it needs an exporter, to read.

use std::path::Path;

use http::Uri;

use super::options::Sampler;
use super::otlp::destination::OtlpDestination;
use super::resolved::ResolvedConfig;
use crate::telemetry::export::otlp::Route;
use crate::telemetry::export::proxy::Proxy;

impl ResolvedConfig {
    /// Where traces are sent; `None` when they are off.
    #[must_use]
    pub fn traces(&self) -> Option<OtlpDestination<'_>> {
        self.destination(&self.otlp.traces)
    }

    /// Where metrics are sent, beside what Prometheus scrapes; `None` when they are not sent.
    #[must_use]
    pub fn metrics(&self) -> Option<OtlpDestination<'_>> {
        self.destination(&self.otlp.metrics)
    }

    /// Where log records are sent; `None` when they are off.
    #[must_use]
    pub fn logs(&self) -> Option<OtlpDestination<'_>> {
        self.destination(&self.otlp.logs)
    }

    /// The folder in which spans and log records wait while the collector is away; `None` when
    /// there is no spool. Whether the folder can be used is known only when telemetry starts.
    #[must_use]
    pub fn spool_dir(&self) -> Option<&Path> {
        // The configuration is resolved in full although telemetry is disabled, so this and
        // `destination` ask for that first.
        let spool = self.otlp.spool.as_ref().filter(|_| self.is_enabled())?;
        Some(&spool.folder)
    }

    /// How many bytes each process may keep in the spool.
    #[must_use]
    pub fn spool_max_bytes(&self) -> u64 {
        self.settings.otlp.spool_max_bytes
    }

    /// Which traces are sent.
    #[must_use]
    pub fn sampler(&self) -> Sampler {
        self.settings.otlp.sampler()
    }

    /// How many traces per second [`Sampler::Tail`] keeps that neither failed nor were slow; `None`
    /// with another sampler.
    #[must_use]
    pub fn traces_per_second(&self) -> Option<u32> {
        let rate = self.settings.otlp.traces_per_second;
        (self.sampler() == Sampler::Tail).then_some(rate)
    }

    /// How many times its usual duration makes a span slow; `None` where none does, or with another
    /// sampler than [`Sampler::Tail`].
    #[must_use]
    pub fn slow_factor(&self) -> Option<u32> {
        let factor = self.settings.otlp.slow_factor;
        (self.sampler() == Sampler::Tail && factor > 0).then_some(factor)
    }

    /// The proxy that the environment puts before this URL: none for this machine, for what
    /// `NO_PROXY` names, and for text that is no URL.
    ///
    /// For requests of the app's own that should take the way that exports take.
    #[must_use]
    pub fn proxy_for(&self, url: &str) -> Option<&Proxy> {
        let url: Uri = url.parse().ok()?;
        let proxies = &self.settings.otlp.proxies;
        // As `Router` does it for the signals' own URLs: an exempt host is not asked for its proxy.
        let exempt = proxies.exempt.usable();
        if exempt.is_some_and(|(exempt, _)| exempt.covers(&url)) {
            return None;
        }
        proxies.before(&url).usable().map(|(proxy, _)| proxy)
    }

    fn destination<'a>(&self, route: &'a Option<Route>) -> Option<OtlpDestination<'a>> {
        let route = route.as_ref().filter(|_| self.is_enabled())?;
        Some(OtlpDestination::new(route))
    }
}
