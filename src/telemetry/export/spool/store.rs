//! What waits on disk: segments of records, oldest first, within a bound.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::directory::{Name, SpoolDirectory, UnknownFiles};
use super::record::{Encoding, HEADER_LEN, Header, RecordState, SpooledSignal};
use crate::clock::Clock;
use crate::semconv::SpoolErrorType;

/// The segments of one process, and those it took over from others that ended.
#[derive(Debug)]
pub(crate) struct Store {
    directory: Option<SpoolDirectory>,
    /// Where it is made again.
    root: PathBuf,
    bytes_max: u64,
    segment_bytes: u64,
    bytes: u64,
    last_key: u64,
    /// In the order in which they were begun.
    // One map for both lanes: the bound is for both, and the oldest goes first, whatever its lane.
    segments: BTreeMap<u64, Segment>,
    writers: [Option<Writer>; SpooledSignal::ALL.len()],
    /// Why segments went while a request of theirs was being sent.
    gone_in_flight: BTreeMap<u64, GoneBy>,
    drops: Vec<Dropped>,
}

#[derive(Debug)]
struct Segment {
    name: Name,
    len: u64,
    /// Where the first record that waits begins.
    next: u64,
    /// In the records that wait.
    items: u64,
    /// Of them in the record that is being sent.
    in_flight: u64,
    stored_by: StoredBy,
}

#[derive(Debug)]
struct Writer {
    key: u64,
    file: File,
}

/// Which process spooled it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoredBy {
    ThisProcess,
    EarlierProcess,
}

/// Items that were given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dropped {
    pub(crate) lane: SpooledSignal,
    pub(crate) items: u64,
    pub(crate) stored_by: StoredBy,
    pub(crate) why: GoneBy,
}

/// Why items are on disk no more, other than by being sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GoneBy {
    Error(SpoolErrorType),
    /// A pause, which was to delete them.
    Pause,
}

/// A request on disk: its segment, its place there, and what is counted of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    key: u64,
    at: u64,
    record_len: u64,
    pub(crate) lane: SpooledSignal,
    pub(crate) items: u64,
    pub(crate) stored_by: StoredBy,
}

/// The oldest request of a lane. It stays on disk until [`Store::done`].
#[derive(Debug)]
pub(crate) struct StoredRequest {
    pub(crate) place: Place,
    pub(crate) encoding: Encoding,
    pub(crate) body: Bytes,
}

impl Store {
    /// Holds at most `bytes_max`.
    pub(crate) fn new(directory: SpoolDirectory, bytes_max: u64) -> Self {
        let root = directory.named().to_owned();
        Self::with(Some(directory), root, bytes_max)
    }

    /// The same without a folder yet: nothing is made on disk before [`reopen`](Self::reopen).
    ///
    /// # Errors
    ///
    /// When it cannot be known which folder that is.
    pub(crate) fn closed(root: &Path, bytes_max: u64) -> io::Result<Self> {
        // The app may go to another folder before.
        Ok(Self::with(None, std::path::absolute(root)?, bytes_max))
    }

    fn with(directory: Option<SpoolDirectory>, root: PathBuf, bytes_max: u64) -> Self {
        Self {
            directory,
            root,
            bytes_max,
            // Of a small spool not everything goes at once when it is full.
            segment_bytes: (bytes_max / 8).min(SEGMENT_BYTES),
            bytes: 0,
            last_key: 0,
            segments: BTreeMap::new(),
            writers: [None, None],
            gone_in_flight: BTreeMap::new(),
            drops: Vec::new(),
        }
    }

    /// Opens the folder, unless it is open.
    ///
    /// # Errors
    ///
    /// As [`SpoolDirectory::open`].
    pub(crate) fn reopen(&mut self) -> io::Result<()> {
        if self.directory.is_none() {
            self.directory = Some(SpoolDirectory::open(&self.root)?);
        }
        Ok(())
    }

    /// Deletes everything, also what processes left that ended, and leaves the folder, which is
    /// removed if nothing else is there. Says how many items that were, by lane.
    pub(crate) fn discard(&mut self) -> [u64; SpooledSignal::ALL.len()] {
        // Without a folder nothing can be there that could be read.
        if self.root.exists() && self.reopen().is_ok() {
            self.take_over_left(&SpooledSignal::ALL, &mut UnknownFiles::default());
        }
        let mut discarded = [0; SpooledSignal::ALL.len()];
        let keys: Vec<u64> = self.segments.keys().copied().collect();
        for key in keys {
            if let Some(segment) = self.segments.get(&key) {
                let items = segment.items.saturating_sub(segment.in_flight);
                discarded[segment.name.lane.index()] += items;
            }
            self.give_up(key, GoneBy::Pause);
        }
        self.directory = None;
        discarded
    }

    /// How many items wait, by lane.
    pub(crate) fn items(&self) -> [u64; SpooledSignal::ALL.len()] {
        let mut items = [0; SpooledSignal::ALL.len()];
        for segment in self.segments.values() {
            items[segment.name.lane.index()] += segment.items;
        }
        items
    }

    fn directory(&self) -> io::Result<&SpoolDirectory> {
        let closed = || io::Error::new(io::ErrorKind::NotConnected, "the spool is not open");
        self.directory.as_ref().ok_or_else(closed)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether something of that lane waits.
    pub(crate) fn waits(&self, lane: SpooledSignal) -> bool {
        self.segments
            .values()
            .any(|segment| segment.name.lane == lane)
    }

    /// What was given up since the last look.
    pub(crate) fn take_drops(&mut self) -> Vec<Dropped> {
        std::mem::take(&mut self.drops)
    }

    /// Writes a request to the end of its lane; durable when it returns.
    ///
    /// The oldest segments make room for it.
    ///
    /// # Errors
    ///
    /// When it is larger than the spool, or the disk does not take it.
    pub(crate) fn append(
        &mut self,
        lane: SpooledSignal,
        encoding: Encoding,
        items: u64,
        body: &[u8],
    ) -> io::Result<Place> {
        let now = micros();
        let too_large = || io::Error::new(io::ErrorKind::FileTooLarge, "larger than the spool");
        let header = Header::of(lane, encoding, items, now / 1_000, body).ok_or_else(too_large)?;
        if header.record_len() > self.bytes_max {
            return Err(too_large());
        }
        // The spool first gives up what others deleted: that takes no room, so no record has to go
        // for it.
        self.give_up_deleted(lane);
        // This ends, since the record fits into an empty spool.
        while self.bytes + header.record_len() > self.bytes_max {
            self.drop_oldest();
        }
        let mut writer = self.writer(lane, header.record_len(), now)?;
        let segment = self
            .segments
            .get_mut(&writer.key)
            .expect("a writer's segment goes with its writer");
        let mut record = Vec::with_capacity(HEADER_LEN + body.len());
        record.extend_from_slice(&header.encode());
        record.extend_from_slice(body);
        let written = writer
            .file
            .seek(SeekFrom::Start(segment.len))
            .and_then(|_| writer.file.write_all(&record))
            // `sync_data` writes the file's length as well. The name was synced when the segment
            // was made.
            .and_then(|()| writer.file.sync_data());
        if let Err(error) = written {
            // Half a record would end the segment for its reader; the next record goes over it, or
            // to a segment of its own when nothing came before.
            let _ = writer.file.set_len(segment.len);
            if segment.len == 0 {
                drop(writer.file);
                self.remove(writer.key);
            } else {
                self.writers[lane.index()] = Some(writer);
            }
            return Err(error);
        }
        let place = Place {
            key: writer.key,
            at: segment.len,
            record_len: header.record_len(),
            lane,
            items,
            stored_by: StoredBy::ThisProcess,
        };
        segment.len += header.record_len();
        segment.items += items;
        self.bytes += header.record_len();
        self.writers[lane.index()] = Some(writer);
        Ok(place)
    }

    /// The request is being sent, and was so before it came here.
    pub(crate) fn is_in_flight(&mut self, place: &Place) {
        if let Some(segment) = self.segments.get_mut(&place.key) {
            segment.in_flight = place.items;
        }
    }

    /// Gives up what was deleted by others: the segment that a lane is about to write to says
    /// whether that is so, since a file that has no name any more still takes all that is written.
    fn give_up_deleted(&mut self, lane: SpooledSignal) {
        let is_gone = |store: &Self, segment: &Segment| {
            let file = store.directory();
            let file = file.and_then(|directory| directory.open_to_read(segment.name));
            file.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
        };
        let writer = self.writers[lane.index()].as_ref();
        let segment = writer.and_then(|writer| self.segments.get(&writer.key));
        if segment.is_some_and(|segment| is_gone(self, segment)) {
            let gone = self.segments.iter();
            let gone = gone.filter(|(_, segment)| is_gone(self, segment));
            let gone: Vec<u64> = gone.map(|(key, _)| *key).collect();
            for key in gone {
                self.give_up(key, GoneBy::Error(SpoolErrorType::Deleted));
            }
        }
    }

    fn writer(&mut self, lane: SpooledSignal, record_len: u64, now: u64) -> io::Result<Writer> {
        if let Some(writer) = self.writers[lane.index()].take()
            && let Some(segment) = self.segments.get(&writer.key)
            // A record that is larger than a segment gets one of its own.
            && segment.len + record_len <= self.segment_bytes
        {
            return Ok(writer);
        }
        // Keys rise also where the clock was set back.
        let key = now.max(self.last_key + 1);
        let name = Name { key, lane };
        let file = match self.directory()?.create(name) {
            // The whole folder was deleted.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.directory = Some(SpoolDirectory::open(&self.root)?);
                self.directory()?.create(name)?
            }
            outcome => outcome?,
        };
        if let Err(error) = self.directory()?.sync() {
            // Without a durable name the records in it would not be durable either.
            let _ = self.directory()?.remove(name);
            return Err(error);
        }
        self.last_key = key;
        let segment = Segment {
            name,
            len: 0,
            next: 0,
            items: 0,
            in_flight: 0,
            stored_by: StoredBy::ThisProcess,
        };
        self.segments.insert(key, segment);
        Ok(Writer { key, file })
    }

    /// The oldest request of that lane; what is not as it was written is given up.
    ///
    /// # Errors
    ///
    /// When the disk does not let it be read now.
    pub(crate) fn take(&mut self, lane: SpooledSignal) -> io::Result<Option<StoredRequest>> {
        loop {
            let of_lane = |segment: &&mut Segment| segment.name.lane == lane;
            let Some(segment) = self.segments.values_mut().find(of_lane) else {
                return Ok(None);
            };
            let key = segment.name.key;
            let directory = self.directory.as_ref().ok_or(io::ErrorKind::NotConnected)?;
            let file = directory.open_to_read(segment.name);
            let (header, body) = match file.and_then(|mut file| read(&mut file, segment.next, lane))
            {
                Ok(record) => record,
                // The segment goes, so this ends; so it does below, where the place moves on.
                Err(error) => {
                    let why = lasting(&error).ok_or(error)?;
                    self.give_up(key, GoneBy::Error(why));
                    continue;
                }
            };
            let place = Place {
                key,
                at: segment.next,
                record_len: header.record_len(),
                lane,
                items: u64::from(header.items),
                stored_by: segment.stored_by,
            };
            match body {
                Body::Whole(body) => {
                    segment.in_flight = place.items;
                    return Ok(Some(StoredRequest {
                        place,
                        encoding: header.encoding,
                        body,
                    }));
                }
                // Its header, which is whole, says where the next one is.
                Body::Damaged => {
                    self.done(&place);
                    self.drop_items(&place, GoneBy::Error(SpoolErrorType::Corrupt));
                }
                // Behind one that could not be marked, and is sent once more. It was counted.
                Body::Done => self.pass(&place, 0),
            }
        }
    }

    /// The request was delivered, or is not wanted: it is not sent again.
    pub(crate) fn done(&mut self, place: &Place) {
        let Some(segment) = self.segments.get_mut(&place.key) else {
            // It had to make room meanwhile.
            self.gone_in_flight.remove(&place.key);
            return;
        };
        let name = segment.name;
        segment.in_flight = 0;
        let file = self
            .directory()
            .and_then(|directory| directory.open_to_write(name));
        // Without it the request would be sent once more by the next process, which is allowed.
        let _ = file.and_then(|mut file| mark_done(&mut file, place.at));
        self.pass(place, place.items);
    }

    /// Goes to the record behind that one.
    fn pass(&mut self, place: &Place, items: u64) {
        let Some(segment) = self.segments.get_mut(&place.key) else {
            return;
        };
        segment.next = place.at + place.record_len;
        segment.items = segment.items.saturating_sub(items);
        if segment.next >= segment.len {
            self.remove(place.key);
        }
    }

    /// The request was not delivered: it waits on, unless its segment went meanwhile.
    pub(crate) fn give_back(&mut self, place: &Place) {
        match self.segments.get_mut(&place.key) {
            Some(segment) => segment.in_flight = 0,
            None => {
                let why = self.gone_in_flight.remove(&place.key);
                let full = GoneBy::Error(SpoolErrorType::SpoolFull);
                self.drop_items(place, why.unwrap_or(full));
            }
        }
    }

    fn drop_items(&mut self, place: &Place, why: GoneBy) {
        self.drops.push(Dropped {
            lane: place.lane,
            items: place.items,
            stored_by: place.stored_by,
            why,
        });
    }

    /// Takes over what processes that ended have left, within the bound, and says what in the
    /// folder is none of that.
    ///
    /// What cannot be read or moved stays where it is: another process, or a later one, may.
    pub(crate) fn adopt(&mut self, signals: &[SpooledSignal]) -> UnknownFiles {
        let mut unknown = UnknownFiles::default();
        self.take_over_left(signals, &mut unknown);
        while self.bytes > self.bytes_max {
            self.drop_oldest();
        }
        unknown
    }

    fn take_over_left(&mut self, signals: &[SpooledSignal], unknown: &mut UnknownFiles) {
        let Ok(directory) = self.directory() else {
            return;
        };
        for id in directory.others() {
            let left = self
                .directory()
                .and_then(|directory| directory.take_over(id));
            match left {
                Ok(Some(left)) => self.adopt_from(&left, signals, unknown),
                Ok(None) => {}
                Err(error) => unknown.note(&error),
            }
        }
    }

    fn adopt_from(
        &mut self,
        left: &SpoolDirectory,
        signals: &[SpooledSignal],
        unknown: &mut UnknownFiles,
    ) {
        let now = micros();
        for theirs in left.segments(signals).unwrap_or_default() {
            let file = left.open_to_read(theirs);
            let extent = match file.and_then(|mut file| scan(&mut file, theirs.lane)) {
                Ok(Some(extent)) => extent,
                Ok(None) => {
                    let _ = left.remove(theirs);
                    continue;
                }
                Err(error) => {
                    unknown.note(&error);
                    continue;
                }
            };
            let name = Name {
                key: self.free_key(theirs.key, now),
                lane: theirs.lane,
            };
            let moved = self
                .directory()
                .and_then(|directory| directory.move_from(left, theirs, name));
            // The segment stays, and with it the folder and its lock file, for a later process.
            if moved.is_err() {
                continue;
            }
            // New segments come behind the ones taken over, which are older.
            self.last_key = self.last_key.max(name.key);
            let Extent { len, next, items } = extent;
            self.bytes += len;
            let segment = Segment {
                name,
                len,
                next,
                items,
                in_flight: 0,
                stored_by: StoredBy::EarlierProcess,
            };
            self.segments.insert(name.key, segment);
            if len > self.bytes_max {
                // For it alone everything else would have to make room.
                self.give_up(name.key, GoneBy::Error(SpoolErrorType::SpoolFull));
            }
        }
    }

    /// A key for a segment that was begun then, or is said to have been. One from the future,
    /// after which no other could come, is as good as now.
    fn free_key(&self, key: u64, now: u64) -> u64 {
        if key > now {
            return now.max(self.last_key + 1);
        }
        // The last key is the greatest there is, so this ends right behind it at the latest.
        let mut key = key;
        while self.segments.contains_key(&key) {
            key += 1;
        }
        key
    }

    fn drop_oldest(&mut self) {
        if let Some(key) = self.segments.keys().next().copied() {
            self.give_up(key, GoneBy::Error(SpoolErrorType::SpoolFull));
        }
    }

    fn give_up(&mut self, key: u64, why: GoneBy) {
        if let Some(segment) = self.remove(key) {
            if segment.in_flight > 0 {
                self.gone_in_flight.insert(key, why);
            }
            self.drops.push(Dropped {
                lane: segment.name.lane,
                // What is being sent may arrive yet.
                items: segment.items.saturating_sub(segment.in_flight),
                stored_by: segment.stored_by,
                why,
            });
        }
    }

    fn remove(&mut self, key: u64) -> Option<Segment> {
        let segment = self.segments.remove(&key)?;
        self.bytes -= segment.len;
        let writer = &mut self.writers[segment.name.lane.index()];
        // Closed before it is removed, or some systems keep it.
        writer.take_if(|writer| writer.key == key);
        if let Some(directory) = &self.directory {
            let _ = directory.remove(segment.name);
        }
        Some(segment)
    }
}

/// Why the rest of a segment is lost, if reading again would give the same. Too many open files,
/// for one, would not.
fn lasting(error: &io::Error) -> Option<SpoolErrorType> {
    use io::ErrorKind::{InvalidData, NotFound, UnexpectedEof};
    match error.kind() {
        NotFound => Some(SpoolErrorType::Deleted),
        InvalidData | UnexpectedEof => Some(SpoolErrorType::Corrupt),
        _ => None,
    }
}

/// What follows a header that is whole.
#[derive(Debug, PartialEq, Eq)]
enum Body {
    Whole(Bytes),
    /// It is not what was written, and as long as that.
    Damaged,
    /// It is not wanted any more, and was not read.
    Done,
}

/// The record at that place. Without a whole header it cannot be told where the next one begins.
fn read(file: &mut File, at: u64, lane: SpooledSignal) -> io::Result<(Header, Body)> {
    let (header, left) = read_header(file, at)?;
    // A length that the file does not have is not worth an allocation.
    if header.lane != lane || u64::from(header.body_len) > left {
        return Err(io::ErrorKind::InvalidData.into());
    }
    if header.state == RecordState::Done {
        return Ok((header, Body::Done));
    }
    let mut body = vec![0; header.body_len as usize];
    file.read_exact(&mut body)?;
    let body = Bytes::from(body);
    match header.fits(&body) {
        true => Ok((header, Body::Whole(body))),
        false => Ok((header, Body::Damaged)),
    }
}

/// A header, and how many bytes follow it.
fn read_header(file: &mut File, at: u64) -> io::Result<(Header, u64)> {
    let len = file.metadata()?.len();
    let mut bytes = [0; HEADER_LEN];
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(&mut bytes)?;
    let header = Header::decode(&bytes)
        .map_err(|corrupt| io::Error::new(io::ErrorKind::InvalidData, corrupt))?;
    Ok((header, len.saturating_sub(at + HEADER_LEN as u64)))
}

fn mark_done(file: &mut File, at: u64) -> io::Result<()> {
    file.seek(SeekFrom::Start(at))?;
    // Not synced: after a loss of power the request may be sent again, which at-least-once delivery
    // allows.
    file.write_all(&[RecordState::Done.byte()])
}

/// What of a segment waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Extent {
    len: u64,
    /// Where the first record that waits begins.
    next: u64,
    items: u64,
}

/// Reads the headers alone. `None` when nothing waits.
fn scan(file: &mut File, lane: SpooledSignal) -> io::Result<Option<Extent>> {
    let len = file.metadata()?.len();
    let (mut at, mut items, mut first) = (0, 0u64, None);
    while at < len {
        match read_header(file, at) {
            Ok((header, left)) if header.lane == lane => {
                if header.state == RecordState::Waiting {
                    first = first.or(Some(at));
                    items += u64::from(header.items);
                }
                // The process died while it wrote this record. Its items were counted above, and
                // are given up when `take` comes to it.
                if u64::from(header.body_len) > left {
                    break;
                }
                at += header.record_len();
            }
            // Nobody knows how many: at least one.
            _ => {
                first = first.or(Some(at));
                items += 1;
                break;
            }
        }
    }
    Ok(first.map(|next| Extent { len, next, items }))
}

/// Microseconds since 1970.
fn micros() -> u64 {
    let (_, wall) = Clock::current().now_and_wall();
    let since = wall.duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_micros()).unwrap_or_default()
    })
}

/// What is removed at once when there is no room, and not much to look through.
const SEGMENT_BYTES: u64 = 1024 * 1024;

#[cfg(test)]
mod tests;
