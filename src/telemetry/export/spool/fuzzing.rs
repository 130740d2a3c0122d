//! A store of the spool for the fuzz targets.

use std::io;
use std::path::Path;

use super::directory::SpoolDirectory;
use super::record::{Encoding, SpooledSignal};
use super::store::{Store, StoredRequest};

/// A process' place in a spool's folder.
#[derive(Debug)]
pub struct SpoolFolder(Store);

/// A request that waited on disk, and is still there.
#[derive(Debug)]
pub struct Spooled {
    taken: StoredRequest,
    /// How many spans or log records it says it has.
    pub items: u64,
    /// The request's body.
    pub body: Vec<u8>,
}

impl SpoolFolder {
    /// Takes a place in that folder, and takes over what processes that ended have left there;
    /// says how much in the folder no process of this user made.
    ///
    /// # Errors
    ///
    /// When the folder cannot be made, written or locked.
    pub fn open(root: &Path, bytes_max: u64) -> io::Result<(Self, u64)> {
        let mut store = Store::new(SpoolDirectory::open(root)?, bytes_max);
        let unknown = store.adopt(&SpooledSignal::ALL);
        Ok((Self(store), unknown.count))
    }

    /// Puts a request to the end of the traces, or of the logs.
    ///
    /// # Errors
    ///
    /// When it is larger than the spool, or the disk does not take it.
    pub fn append(&mut self, signal: SpoolSignal, items: u64, body: &[u8]) -> io::Result<()> {
        self.0
            .append(signal.lane(), Encoding::Identity, items, body)
            .map(drop)
    }

    /// The oldest request.
    ///
    /// # Errors
    ///
    /// When the disk does not let it be read now.
    pub fn take(&mut self, signal: SpoolSignal) -> io::Result<Option<Spooled>> {
        let taken = self.0.take(signal.lane())?;
        Ok(taken.map(|taken| Spooled {
            items: taken.place.items,
            body: taken.body.to_vec(),
            taken,
        }))
    }

    /// The request was delivered.
    pub fn done(&mut self, spooled: &Spooled) {
        self.0.done(&spooled.taken.place);
    }

    /// Whether something waits.
    #[must_use]
    pub fn waits(&self, signal: SpoolSignal) -> bool {
        self.0.waits(signal.lane())
    }

    /// Bytes on disk, as the spool counts them.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.bytes()
    }
}

/// What a request carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpoolSignal {
    /// Spans.
    Traces,
    /// Log records.
    Logs,
}

impl SpoolSignal {
    fn lane(self) -> SpooledSignal {
        match self {
            Self::Traces => SpooledSignal::Traces,
            Self::Logs => SpooledSignal::Logs,
        }
    }
}
