//! One request on disk: a header of fixed size with checksums, and the encoded body.
//!
//! | bytes | what |
//! |---|---|
//! | 0 | `w` while it waits, `d` once it was delivered or given up; no checksum covers it |
//! | 1–3 | `SW1`: the format and its version |
//! | 4 | the signal: 1 traces, 2 logs |
//! | 5 | the body's encoding: 0 as it is, 1 gzip |
//! | 6–7 | zero |
//! | 8–11 | items in the body |
//! | 12–15 | length of the body |
//! | 16–23 | when it was written, in milliseconds since 1970 |
//! | 24–27 | CRC-32 of the body |
//! | 28–31 | CRC-32 of bytes 1–27 |
//!
//! A header that is whole says where the next record begins, so a damaged body costs its record
//! alone. Behind a damaged header nothing of a segment is found.
//!
//! Numbers are little-endian. Nothing of a request but its body and its encoding is kept: headers
//! may hold secrets, and those in force when it is sent are the right ones anyway.

use bytes::Bytes;

/// What a spooled request carries. Each has an order of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SpooledSignal {
    Traces,
    Logs,
}

impl SpooledSignal {
    pub(crate) const ALL: [Self; 2] = [Self::Traces, Self::Logs];

    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Traces => 0,
            Self::Logs => 1,
        }
    }

    /// What its segments' names end with.
    // These and the numbers in `byte` are part of the format: a later version reads what an earlier
    // one left.
    pub(crate) const fn ending(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Logs => "logs",
        }
    }

    const fn byte(self) -> u8 {
        match self {
            Self::Traces => 1,
            Self::Logs => 2,
        }
    }
}

/// How a body is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Identity,
    Gzip,
}

/// What a record begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) state: RecordState,
    pub(crate) lane: SpooledSignal,
    pub(crate) encoding: Encoding,
    pub(crate) items: u32,
    pub(crate) body_len: u32,
    pub(crate) written_ms: u64,
    body_crc: u32,
}

/// Whether a record is still to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordState {
    Waiting,
    Done,
}

impl RecordState {
    pub(crate) const fn byte(self) -> u8 {
        match self {
            Self::Waiting => b'w',
            Self::Done => b'd',
        }
    }
}

/// Why bytes are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a record as it was written")]
pub(crate) struct Corrupt;

impl Header {
    /// `None` when the body is longer than a record may be.
    pub(crate) fn of(
        lane: SpooledSignal,
        encoding: Encoding,
        items: u64,
        written_ms: u64,
        body: &[u8],
    ) -> Option<Self> {
        Some(Self {
            state: RecordState::Waiting,
            lane,
            encoding,
            items: u32::try_from(items).ok()?,
            body_len: u32::try_from(body.len())
                .ok()
                .filter(|len| *len <= BODY_LEN_MAX)?,
            written_ms,
            body_crc: crc32fast::hash(body),
        })
    }

    pub(crate) fn encode(&self) -> [u8; HEADER_LEN] {
        let encoding = match self.encoding {
            Encoding::Identity => 0,
            Encoding::Gzip => 1,
        };
        let mut bytes = [0; HEADER_LEN];
        bytes[0] = self.state.byte();
        bytes[1..4].copy_from_slice(MAGIC);
        bytes[4] = self.lane.byte();
        bytes[5] = encoding;
        bytes[8..12].copy_from_slice(&self.items.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.body_len.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.written_ms.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.body_crc.to_le_bytes());
        // Without byte 0, which alone is changed in its place later.
        let crc = crc32fast::hash(&bytes[1..28]);
        bytes[28..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// # Errors
    ///
    /// When anything differs from what [`encode`](Self::encode) writes.
    pub(crate) fn decode(bytes: &[u8; HEADER_LEN]) -> Result<Self, Corrupt> {
        if crc32fast::hash(&bytes[1..28]) != u32_at(bytes, 28) || bytes[1..4] != *MAGIC {
            return Err(Corrupt);
        }
        let body_len = u32_at(bytes, 12);
        // A header may have the right checksum and be none of ours, since another program can write
        // files, too. Nothing is allocated for it.
        if body_len > BODY_LEN_MAX {
            return Err(Corrupt);
        }
        Ok(Self {
            state: match bytes[0] {
                b'w' => RecordState::Waiting,
                b'd' => RecordState::Done,
                _ => return Err(Corrupt),
            },
            lane: match bytes[4] {
                1 => SpooledSignal::Traces,
                2 => SpooledSignal::Logs,
                _ => return Err(Corrupt),
            },
            encoding: match bytes[5] {
                0 => Encoding::Identity,
                1 => Encoding::Gzip,
                _ => return Err(Corrupt),
            },
            // Not compared with the body, which is decoded only if a request has to be split. So it
            // is a number for the counters alone.
            items: u32_at(bytes, 8),
            body_len,
            written_ms: u64::from(u32_at(bytes, 16)) | u64::from(u32_at(bytes, 20)) << 32,
            body_crc: u32_at(bytes, 24),
        })
    }

    /// Of header and body together.
    pub(crate) fn record_len(&self) -> u64 {
        HEADER_LEN as u64 + u64::from(self.body_len)
    }

    pub(crate) fn fits(&self, body: &Bytes) -> bool {
        body.len() as u64 == u64::from(self.body_len) && crc32fast::hash(body) == self.body_crc
    }
}

fn u32_at(bytes: &[u8; HEADER_LEN], at: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(number)
}

pub(crate) const HEADER_LEN: usize = 32;
const MAGIC: &[u8; 3] = b"SW1";
/// More than collectors take. A reader makes room for a body before it knows its checksum.
// `opentelemetry-otlp` makes no larger request either.
const BODY_LEN_MAX: u32 = 64 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn header(
        lane: SpooledSignal,
        encoding: Encoding,
        items: u32,
        time: u64,
        body: &[u8],
    ) -> Header {
        Header::of(lane, encoding, u64::from(items), time, body).unwrap()
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            lane in prop_oneof![Just(SpooledSignal::Traces), Just(SpooledSignal::Logs)],
            encoding in prop_oneof![Just(Encoding::Identity), Just(Encoding::Gzip)],
            items: u32,
            time: u64,
            body in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let written = header(lane, encoding, items, time, &body);
            let read = Header::decode(&written.encode()).unwrap();
            prop_assert_eq!(read, written);
            prop_assert!(read.fits(&Bytes::from(body)));
        }

        #[test]
        fn any_flipped_bit_is_seen(
            items: u32,
            body in proptest::collection::vec(any::<u8>(), 1..100),
            place: prop::sample::Index,
            bit in 0..8u32,
        ) {
            let written = header(SpooledSignal::Logs, Encoding::Gzip, items, 7, &body);
            let mut record = [&written.encode()[..], &body].concat();
            let place = place.index(record.len());
            record[place] ^= 1 << bit;
            let (head, body) = record.split_at(HEADER_LEN);
            let read = Header::decode(head.try_into().unwrap());
            let whole = read.is_ok_and(|read| read.fits(&Bytes::copy_from_slice(body)));
            // `w` and `d` differ in more than one bit, so a flip makes neither of the other.
            prop_assert!(!whole, "byte {}", place);
        }

        #[test]
        fn noise_is_no_frame(bytes: [u8; HEADER_LEN]) {
            prop_assert_eq!(Header::decode(&bytes), Err(Corrupt));
        }
    }
}
