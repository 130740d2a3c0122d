//! The endpoint that Prometheus scrapes, and the recorder behind it.

use super::Assembler;
use crate::telemetry::config::warning::Warning;
#[cfg(feature = "metrics-exporter-prometheus")]
use crate::telemetry::prometheus::exporter::ExporterExposition;
use crate::telemetry::prometheus::{
    self, Endpoint, EndpointError, EndpointOptions, PausableExposition, PrometheusRecorder, Render,
};

impl Assembler<'_> {
    /// None without the endpoint, since nothing else reads it, and with a recorder of the app's.
    pub(super) fn prometheus_recorder(&mut self) -> Option<PrometheusRecorder> {
        let options = self.config.prometheus.as_ref()?;
        #[cfg(feature = "metrics-exporter-prometheus")]
        if let Some(handle) = &self.config.prometheus_exporter {
            let exposition = ExporterExposition::new(handle.clone(), &self.config.resource);
            // The process's recorder is the app's. Only the endpoint that serves it is ours.
            self.endpoint(options, exposition);
            return None;
        }
        let (recorder, exposition) = prometheus::recorder(&self.config.resource);
        #[cfg(feature = "otlp")]
        let exemplars = exposition.exemplars();
        // Without an endpoint nothing reads the series. So no recorder is set, and recording stays
        // a no-op of the facade.
        if !self.endpoint(options, exposition) {
            return None;
        }
        #[cfg(feature = "otlp")]
        {
            self.exemplars = Some(exemplars);
        }
        Some(recorder)
    }

    /// Whether it listens. A taken port must not keep an app from its start.
    fn endpoint(&mut self, options: &EndpointOptions, exposition: impl Render + 'static) -> bool {
        // The endpoint listens in a pause, too, and answers 503.
        let exposition = PausableExposition {
            exposition,
            switch: self.switch.clone(),
        };
        match Endpoint::start(options.clone(), exposition) {
            Ok(endpoint) => {
                self.telemetry.prometheus_addr = Some(endpoint.addr());
                self.running.endpoint = Some(endpoint);
                true
            }
            Err(error) => {
                self.warnings.push(bind_warning(options, &error));
                false
            }
        }
    }
}

/// Why nothing listens for who scrapes.
fn bind_warning(options: &EndpointOptions, error: &EndpointError) -> Warning {
    let asked = options.port.to_string();
    let (host, port) = (
        "OTEL_EXPORTER_PROMETHEUS_HOST",
        "OTEL_EXPORTER_PROMETHEUS_PORT",
    );
    let (variable, value, accepted) = match error {
        // Who never set the variable would look for it in vain.
        EndpointError::AddressInUse { addr } if addr.port() == DEFAULT_PROMETHEUS_PORT => {
            return Warning::DefaultPortTaken { addr: *addr };
        }
        EndpointError::AddressInUse { .. } => (port, asked, "a free port, or 0 for any"),
        EndpointError::UnknownHost { host: name } => (
            host,
            name.clone(),
            "a host name or an IP address of this machine",
        ),
        _ => (port, asked, "a port that this process may listen on"),
    };
    let mut instead = format!("/metrics is off, since {error}");
    // The error's own text names the address, and its source the system's reason.
    if let Some(source) = std::error::Error::source(error) {
        instead = format!("{instead}: {source}");
    }
    Warning::value(variable, &value, accepted, instead)
}

/// As `OTEL_EXPORTER_PROMETHEUS_PORT` has it in [`VARIABLES`](crate::telemetry::VARIABLES).
const DEFAULT_PROMETHEUS_PORT: u16 = 9464;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::VARIABLES;

    #[test]
    fn nobody_is_blamed_for_a_default_port_that_is_taken() {
        let taken = |port: u16| {
            let options = EndpointOptions {
                host: "127.0.0.1".into(),
                port,
                allowed_hosts: Vec::new(),
            };
            let addr = ([127, 0, 0, 1], port).into();
            bind_warning(&options, &EndpointError::AddressInUse { addr }).to_string()
        };
        let name = "OTEL_EXPORTER_PROMETHEUS_PORT";
        let variable = VARIABLES.iter().find(|variable| variable.name == name);
        let default = variable.unwrap().default.parse().unwrap();
        assert_eq!(
            taken(default),
            "the default port 9464 is taken: /metrics is off, since 127.0.0.1:9464 is in use by \
             another program; OTEL_EXPORTER_PROMETHEUS_PORT takes another, or 0 for any that is free"
        );
        assert!(taken(9_465).starts_with("OTEL_EXPORTER_PROMETHEUS_PORT=\"9465\" is not used"));
    }
}
