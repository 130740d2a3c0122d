//! The builder's options about OTLP beat the environment's.

use super::headers::Headers;
use super::options::OtlpOptions;
use super::parse;
use super::settings::OtlpSettings;
use crate::telemetry::config::accepted::{BASE_URL, SLOW_FACTOR};
use crate::telemetry::config::apply::{is_share, put, put_routing, unset};
use crate::telemetry::config::options::Sampler;
use crate::telemetry::config::routing::{Refusal, Routing};
use crate::telemetry::diagnostics::flaw::Flaw;

/// The builder's option, by which a setting is known to be the builder's.
pub(super) const ENDPOINT_OPTION: &str = "otlp_endpoint";
const HEADER_OPTION: &str = "otlp_header";

impl OtlpSettings {
    pub(crate) fn override_with(&mut self, options: &OtlpOptions, refusals: &mut Vec<Refusal>) {
        if let Some(url) = &options.endpoint {
            let (setting, outcome) = Routing::parsed(ENDPOINT_OPTION, parse::base_url(url));
            self.general.endpoint = setting;
            // It is meant for every signal.
            for signal in self.signals_mut() {
                signal.endpoint = Routing::Unset;
            }
            if let Err(flaw) = outcome {
                refusals.push(Refusal::signals_off(ENDPOINT_OPTION, url, flaw, BASE_URL));
            }
        }
        if let Some(timeout) = options.timeout {
            if timeout.is_zero() {
                let accepted = "a time longer than zero";
                refusals.push(unset("otlp_timeout", "0".into(), accepted));
            } else {
                self.general.timeout = Some(timeout);
                // A signal's own time-out in the environment would beat the general one.
                for signal in self.signals_mut() {
                    signal.timeout = None;
                }
            }
        }
        let added = headers(&options.headers, refusals);
        // Headers add to the environment's, which may hold the token that the app does not know.
        self.general.headers = self.general.headers.joined(&added, Headers::replaced_by);
        for signal in self.signals_mut() {
            // One that is unset takes the general ones, which have them already.
            if signal.headers.is_set() {
                signal.headers = signal.headers.joined(&added, Headers::replaced_by);
            }
        }
        put_routing(&options.traces, "traces", &mut self.traces_exporter);
        put_routing(&options.logs, "logs", &mut self.logs_exporter);
        put_routing(&options.spool_dir, "spool_dir", &mut self.spool_dir);
        put(&options.spool_max_bytes, &mut self.spool_max_bytes);
        put(&options.tail.traces_per_second, &mut self.traces_per_second);
        match options.tail.slow_factor {
            Some(factor) if parse::is_slow_factor(factor) => self.slow_factor = factor,
            Some(factor) => refusals.push(unset("slow_factor", factor.to_string(), SLOW_FACTOR)),
            None => {}
        }
        self.sampler = options.sampler.filter(|sampler| match sampler {
            Sampler::Ratio(share) | Sampler::ParentBasedRatio(share) => {
                is_share("sampler", *share, refusals)
            }
            _ => true,
        });
    }
}

/// The builder's headers. As in the environment's list, one that HTTP does not allow spoils all:
/// it may be the token.
fn headers(added: &[(String, String)], refusals: &mut Vec<Refusal>) -> Routing<Headers> {
    if added.is_empty() {
        return Routing::Unset;
    }
    let mut headers = Headers::default();
    for (name, value) in added {
        match parse::header(name, value) {
            Ok((name, value)) => headers.push(name, value),
            Err(what) => {
                let flaw = Flaw::said(format!("it has {what}"));
                let accepted = "a name and a value that HTTP allows";
                refusals.push(Refusal::signals_off(HEADER_OPTION, "", flaw, accepted));
                return Routing::Refused(HEADER_OPTION);
            }
        }
    }
    refusals.extend(headers.refusal(HEADER_OPTION));
    Routing::Usable(headers, HEADER_OPTION)
}
