//! The Alertmanager: is it there?

use super::super::text::versioned;
use super::finding::Finding;
use super::places::Place;
use super::web::{Ahead, Trouble, Web};
use crate::clock::Stamp;

/// What it said.
pub(super) struct Said {
    place: Place,
    version: Result<String, Trouble>,
    ahead: Option<Ahead>,
}

pub(super) fn ask(place: &Place, until: Stamp) -> Said {
    let (version, ahead) = match Web::new(&place.url, until).json("/api/v2/status") {
        Ok((status, answer)) => {
            let version = status["versionInfo"]["version"].as_str().map(str::to_owned);
            (version.ok_or(Trouble::Strange(answer.status)), answer.ahead)
        }
        Err(trouble) => (Err(trouble), None),
    };
    Said {
        place: place.clone(),
        version,
        ahead,
    }
}

impl Said {
    pub(super) fn ahead(&self) -> Option<Ahead> {
        self.ahead
    }

    pub(super) fn judge(&self) -> Vec<Finding> {
        vec![match &self.version {
            Ok(version) => Finding::ok(WHAT, versioned(version, &self.place.shown())),
            Err(trouble) => self.place.missing(WHAT, trouble, "--alertmanager"),
        }]
    }
}

const WHAT: &str = "alertmanager";
