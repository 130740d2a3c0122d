//! Where the process is not sampled, since the feature or the system does not have it.

use std::time::Duration;

use super::stacks::ProfileSink;

/// There is none.
#[derive(Clone, Debug)]
pub(in crate::history) enum Profiler {}

impl Profiler {
    pub(in crate::history) fn start(
        _rate: u32,
        _bytes_max: usize,
        _starts_paused: bool,
        _sink: Box<dyn ProfileSink>,
    ) -> Option<Self> {
        None
    }

    pub(in crate::history) fn collect(&self, _deadline: Duration) {
        match *self {}
    }

    pub(in crate::history) fn pause(&self) {
        match *self {}
    }

    pub(in crate::history) fn resume(&self) {
        match *self {}
    }

    pub(in crate::history) fn end(self, _then: Box<dyn FnOnce() + Send>) {
        match self {}
    }
}
