//! What must hold between several variables.

use super::parse;
use super::settings::OtlpSettings;
use crate::telemetry::config::accepted::{BLRP_BATCH, BSP_BATCH};
use crate::telemetry::config::routing::{Instead, Refusal, Routing};
use crate::telemetry::diagnostics::flaw::Flaw;

impl OtlpSettings {
    pub(crate) fn check(
        &mut self,
        get: &dyn Fn(&str) -> Option<String>,
        refusals: &mut Vec<Refusal>,
    ) {
        self.check_batches(get, refusals);
        self.check_headers(refusals);
        self.check_clients(refusals);
    }

    /// A batch cannot be larger than its queue: an error only where somebody asked for it.
    fn check_batches(&mut self, get: &dyn Fn(&str) -> Option<String>, refusals: &mut Vec<Refusal>) {
        for (batch, queue, limits) in [
            (BSP_BATCH, "OTEL_BSP_MAX_QUEUE_SIZE", &mut self.span_batch),
            (BLRP_BATCH, "OTEL_BLRP_MAX_QUEUE_SIZE", &mut self.log_batch),
        ] {
            let most = limits.queue_max;
            if limits.batch_max <= most {
                continue;
            }
            limits.batch_max = most;
            // A small queue makes the default batch too large, which is no mistake of the user's. A
            // value that is no number has its warning already.
            if let Some(value) = get(batch).filter(|value| parse::count(value).is_some()) {
                refusals.push(Refusal {
                    variable: batch,
                    value,
                    flaw: Flaw::Shown,
                    accepted: format!("a whole number from 1 to {queue}, which is {most}").into(),
                    instead: Instead::Holds(format!("{most} is used").into()),
                });
            }
        }
    }

    /// Headers of the protocol are left out, and the signal stays on: without them the request
    /// goes to the same place, with the same trust and the same credentials.
    fn check_headers(&self, refusals: &mut Vec<Refusal>) {
        for otlp in [&self.general, &self.traces, &self.metrics, &self.logs] {
            if let Some((headers, variable)) = otlp.headers.usable() {
                refusals.extend(headers.refusal(variable));
            }
        }
    }

    /// A certificate needs its key and the other way round, from the signal's variables or the
    /// general ones.
    fn check_clients(&mut self, refusals: &mut Vec<Refusal>) {
        let general = self.general.clone();
        for (key_name, otlp) in [
            ("OTEL_EXPORTER_OTLP_CLIENT_KEY", &mut self.general),
            ("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", &mut self.traces),
            ("OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY", &mut self.metrics),
            ("OTEL_EXPORTER_OTLP_LOGS_CLIENT_KEY", &mut self.logs),
        ] {
            // A signal that sets neither uses the general pair, which the first round checks.
            if !otlp.client_certificate.is_set() && !otlp.client_key.is_set() {
                continue;
            }
            let certificate = otlp.client_certificate.or(&general.client_certificate);
            let key = otlp.client_key.or(&general.client_key);
            let problem = match (certificate, key) {
                // What cannot be read has its own warning, and turns the signal off by itself.
                (Routing::Refused(_), _) | (_, Routing::Refused(_)) => continue,
                (Routing::Usable(certificate, _), Routing::Usable(key, _)) => {
                    // Checked here, since ureq panics at the first connection when the two do not
                    // fit.
                    if key.belongs_to(certificate) {
                        let pair = (certificate.clone(), key.clone());
                        otlp.client = Routing::Usable(pair, key_name);
                        continue;
                    }
                    "it is not the key of the client certificate"
                }
                (Routing::Unset, _) => "there is a key and no certificate",
                (_, Routing::Unset) => "there is a certificate and no key",
            };
            otlp.client = Routing::Refused(key_name);
            refusals.push(Refusal {
                variable: key_name,
                value: String::new(),
                flaw: Flaw::said(problem),
                accepted: "the key of the client certificate, both set".into(),
                instead: Instead::SignalsOff,
            });
        }
    }
}
