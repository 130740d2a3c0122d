//! What is measured, each once: a number for the writer, and its rows' ids in the file.

use std::collections::HashMap;
use std::hash::BuildHasher;

use super::sampling::Stratum;
use crate::instrument::duration_sketch::DurationSketch;
use crate::instrument::record_sink::{Name, RecordKind};

/// A series as the writer knows it.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) kind: RecordKind,
    pub(crate) name: Box<str>,
    /// Empty where there is none.
    pub(crate) webview: Box<str>,
    /// Those that ended well and in time, and those that did not.
    pub(crate) ordinary: Stratum,
    pub(crate) notable: Stratum,
    /// How long it usually takes; `None` before the first record.
    pub(crate) usual: Option<Box<DurationSketch>>,
}

/// All series that came. They are few: names are capped where they are made.
#[derive(Debug, Default)]
pub(crate) struct SeriesTable {
    all: Vec<Series>,
    /// By their hash, to look up without a copy of the texts.
    // The fast variant is enough here: the keys are hashes already, made by `hasher`.
    places: HashMap<u64, Vec<usize>, foldhash::fast::RandomState>,
    hasher: foldhash::quality::RandomState,
}

impl SeriesTable {
    /// The place of that series.
    pub(crate) fn place(&mut self, kind: RecordKind, name: &Name, webview: Option<&str>) -> usize {
        self.place_of(kind, name.as_str(), webview.unwrap_or_default())
    }

    pub(crate) fn place_of(&mut self, kind: RecordKind, name: &str, webview: &str) -> usize {
        let hash = self.hasher.hash_one((kind, name, webview));
        let places = self.places.entry(hash).or_default();
        // Two series may have the same hash, so the texts are compared, too.
        let known = places.iter().copied().find(|place| {
            let series = &self.all[*place];
            series.kind == kind && *series.name == *name && *series.webview == *webview
        });
        known.unwrap_or_else(|| {
            let place = self.all.len();
            places.push(place);
            self.all.push(Series {
                kind,
                name: name.into(),
                webview: webview.into(),
                ordinary: Stratum::default(),
                notable: Stratum::default(),
                usual: None,
            });
            place
        })
    }

    pub(crate) fn get(&self, place: usize) -> &Series {
        &self.all[place]
    }

    /// As if it were not known how long anything takes.
    pub(crate) fn forget_usual(&mut self) {
        self.all.iter_mut().for_each(|series| series.usual = None);
    }

    pub(crate) fn get_mut(&mut self, place: usize) -> &mut Series {
        &mut self.all[place]
    }
}
