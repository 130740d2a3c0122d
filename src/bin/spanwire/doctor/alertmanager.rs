//! The Alertmanager: is it there?

use spanwire::clock::Stamp;

use super::client::{ClockSkew, HttpClient};
use super::finding::Finding;
use super::probe_error::ProbeError;
use super::targets::Target;
use crate::text::versioned;

/// What it answered.
pub(super) struct AlertmanagerProbe {
    target: Target,
    version: Result<String, ProbeError>,
    clock_skew: Option<ClockSkew>,
}

pub(super) fn probe(target: &Target, deadline: Stamp) -> AlertmanagerProbe {
    let (version, clock_skew) = match HttpClient::new(target, deadline).json("/api/v2/status") {
        Ok((status, answer)) => {
            // A JSON answer without a version is another program's.
            let version = status["versionInfo"]["version"].as_str().map(str::to_owned);
            (
                version.ok_or(ProbeError::UnexpectedResponse(answer.status)),
                answer.clock_skew,
            )
        }
        Err(error) => (Err(error), None),
    };
    AlertmanagerProbe {
        target: target.clone(),
        version,
        clock_skew,
    }
}

impl AlertmanagerProbe {
    pub(super) fn clock_skew(&self) -> Option<ClockSkew> {
        self.clock_skew
    }

    pub(super) fn evaluate(&self) -> Vec<Finding> {
        vec![match &self.version {
            Ok(version) => Finding::ok(WHAT, versioned(version, &self.target.redacted())),
            Err(error) => self.target.missing(WHAT, error, "--alertmanager"),
        }]
    }
}

const WHAT: &str = "alertmanager";
