//! Where each signal goes over OTLP, or that it is off.

use std::path::PathBuf;
use std::time::Duration;

use http::Uri;
use http::header::AUTHORIZATION;

use super::endpoint::Endpoint;
use super::overrides::ENDPOINT_OPTION;
use super::settings::{OtlpSettings, SignalSettings};
use crate::telemetry::config::options::{Exporter, MetricsOutputs};
use crate::telemetry::config::routing::{Instead, Needs, Off, Refusal, Routing, SPOOL};
use crate::telemetry::diagnostics::flaw::Flaw;
use crate::telemetry::export::http_client::Connection;
use crate::telemetry::export::otlp::Route;
use crate::telemetry::export::proxy::Proxy;
use crate::telemetry::export::signal::{LOGS, METRICS, METRICS_PATH, TRACES};
use crate::telemetry::export::tls::Tls;

/// Where telemetry waits on disk.
#[derive(Clone, Debug)]
pub(crate) struct SpoolConfig {
    /// The setting that asked for it.
    pub(crate) variable: &'static str,
    pub(crate) folder: PathBuf,
    pub(crate) bytes_max: u64,
}

/// Finds out where each signal goes, or that it is off.
pub(super) struct Router<'a> {
    pub(super) settings: &'a OtlpSettings,
    pub(super) metrics_exporter: &'a Routing<MetricsOutputs>,
    pub(super) off: &'a mut Off,
    pub(super) refusals: &'a mut Vec<Refusal>,
}

impl Router<'_> {
    /// Traces are sent when somebody said so, or said where to.
    pub(super) fn traces(&mut self) -> Option<Route> {
        let settings = self.settings;
        let own = &settings.traces;
        // An endpoint that cannot be used counts, too: it asks for traces, and `route` says why
        // they are off.
        let somewhere = own.endpoint.is_set() || settings.general.endpoint.is_set();
        let needs = &mut self.off.needs_of(TRACES.name);
        let wanted = match needs.get(&settings.traces_exporter) {
            Some(exporter) => exporter == Exporter::Otlp,
            // With a refused exporter nothing can be granted any more, but `route` names what else
            // is bad.
            None => somewhere || needs.is_refused(),
        };
        let limit = settings.span_batch.timeout;
        wanted
            .then(|| self.route(TRACES.name, own, TRACES.path, limit))
            .flatten()
    }

    pub(super) fn logs(&mut self) -> Option<Route> {
        let settings = self.settings;
        let exporter = self.off.needs_of(LOGS.name).get(&settings.logs_exporter);
        let wanted = exporter == Some(Exporter::Otlp);
        let (own, limit) = (&settings.logs, settings.log_batch.timeout);
        wanted
            .then(|| self.route(LOGS.name, own, LOGS.path, limit))
            .flatten()
    }

    pub(super) fn metrics(&mut self) -> Option<Route> {
        let settings = self.settings;
        let exporter = self.off.needs_of(METRICS).get(self.metrics_exporter);
        let wanted = exporter.is_some_and(|outputs| outputs.otlp);
        let (own, limit) = (&settings.metrics, settings.metric_timeout);
        wanted
            .then(|| self.route(METRICS, own, METRICS_PATH, limit))
            .flatten()
    }

    pub(super) fn spool(&mut self) -> Option<SpoolConfig> {
        let setting = &self.settings.spool_dir;
        let folder = self.off.needs_of(SPOOL).get(setting)?;
        let (_, variable) = setting.usable()?;
        Some(SpoolConfig {
            variable,
            folder,
            bytes_max: self.settings.spool_max_bytes,
        })
    }

    /// Looks at every setting, so that each that turns the signal off is known.
    fn route(
        &mut self,
        signal: &'static str,
        own: &SignalSettings,
        path: &str,
        limit: Duration,
    ) -> Option<Route> {
        let general = &self.settings.general;
        let mut needs = self.off.needs_of(signal);
        let endpoint = if own.endpoint.is_set() {
            needs.get(&own.endpoint)
        } else if general.endpoint.is_set() {
            let base = needs.get(&general.endpoint);
            base.map(|base| base.joined(path))
        } else {
            // The specification's default, for an exporter `otlp` without an endpoint.
            Some(Endpoint::local_collector().joined(path))
        };
        let headers = needs.get(own.headers.or(&general.headers));
        let mut headers = headers.unwrap_or_default().sent;
        // There is one protocol, so its value is of no use. A refused one turns the signal off.
        needs.get(own.protocol.or(&general.protocol));
        let compression = needs.get(own.compression.or(&general.compression));
        let tls = Tls {
            authority: needs.get(own.certificate.or(&general.certificate)),
            client: needs.get(own.client.or(&general.client)),
        };
        // They are refused by themselves when their files are.
        needs.get(own.client_certificate.or(&general.client_certificate));
        needs.get(own.client_key.or(&general.client_key));
        let uri = endpoint.as_ref().and_then(|to| to.url.parse::<Uri>().ok());
        let mut proxy = None;
        if let Some(uri) = &uri {
            proxy = self::proxy(self.settings, uri, &mut needs);
            if uri.scheme_str() == Some("http") && !general.endpoint.is_by(ENDPOINT_OPTION) {
                let refusals = unused_certificates(own, general, &mut needs);
                for refusal in refusals {
                    // A general certificate is found once for each signal, and reported once.
                    let known = |other: &Refusal| other.variable == refusal.variable;
                    if !self.refusals.iter().any(known) {
                        self.refusals.push(refusal);
                    }
                }
            }
        }
        // Not earlier: everything above is to be looked at, so that all reasons are known.
        let endpoint = endpoint?;
        // A header that says who sends beats the URL.
        if let Some(value) = endpoint.authorization
            && !headers.iter().any(|(name, _)| *name == AUTHORIZATION)
        {
            headers.push((AUTHORIZATION, value));
        }
        let timeout = own.timeout.or(general.timeout);
        needs.grant(Route {
            url: endpoint.url,
            connection: Connection {
                headers,
                // The time-out of the processor or of the reader caps that of the exporter.
                timeout: timeout.unwrap_or(limit).min(limit),
                tls,
                proxy,
            },
            compression: compression?,
        })
    }
}

/// The proxy between us and `url`. One that is not asked may be as bad as it likes.
fn proxy(settings: &OtlpSettings, url: &Uri, needs: &mut Needs<'_>) -> Option<Proxy> {
    let proxy = settings.proxies.before(url);
    if !proxy.is_set() {
        return None;
    }
    let exempt = needs.get(&settings.proxies.exempt);
    if exempt.is_some_and(|exempt| exempt.covers(url)) {
        return None;
    }
    needs.get(proxy)
}

/// Certificates for an endpoint without TLS: who set them counts on TLS, so nothing is sent. But a
/// signal's own endpoint is more special than general certificates, which are for the others.
fn unused_certificates(
    own: &SignalSettings,
    general: &SignalSettings,
    needs: &mut Needs<'_>,
) -> Vec<Refusal> {
    let levels: &[&SignalSettings] = match own.endpoint.is_set() {
        true => &[own],
        false => &[own, general],
    };
    let mut set = Vec::new();
    for otlp in levels {
        set.extend(otlp.certificate.usable().map(|(_, by)| by));
        set.extend(otlp.client.usable().map(|(_, by)| by));
    }
    let refusals = set.into_iter().map(|variable| {
        needs.refuse(variable);
        Refusal {
            variable,
            value: String::new(),
            flaw: Flaw::said("it is for TLS, and the endpoint begins with http://"),
            accepted: "it with an endpoint that begins with https://".into(),
            instead: Instead::SignalsOff,
        }
    });
    refusals.collect()
}
