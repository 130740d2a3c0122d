//! A ZIP file, written one entry after the other.
//!
//! By PKWARE's APPNOTE.TXT, sections 4.3.7 to 4.3.16, without encryption and without ZIP64: a report
//! is far below 4 GiB.

use std::io::{self, Seek, SeekFrom, Write};

use flate2::Compression;
use flate2::write::DeflateEncoder;

/// Writes entries to a file that can be gone back in.
#[derive(Debug)]
pub(super) struct ZipWriter<W> {
    out: W,
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    name: &'static str,
    offset: u32,
    checksum: u32,
    packed: u32,
    size: u32,
}

impl<W: Write + Seek> ZipWriter<W> {
    pub(super) fn new(out: W) -> Self {
        Self {
            out,
            entries: Vec::new(),
        }
    }

    /// Writes one entry, with what `write` writes.
    pub(super) fn entry<E: From<io::Error>>(
        &mut self,
        name: &'static str,
        write: impl FnOnce(&mut dyn Write) -> Result<(), E>,
    ) -> Result<(), E> {
        let offset = self.out.stream_position()?;
        let mut entry = Entry {
            name,
            offset: short(offset)?,
            checksum: 0,
            packed: 0,
            size: 0,
        };
        // Its sums are known at the end alone, and are written over these.
        self.out.write_all(&local_header(&entry))?;
        let begin = self.out.stream_position()?;
        let (checksum, size) = pack(&mut self.out, write)?;
        let end = self.out.stream_position()?;
        entry.checksum = checksum;
        entry.packed = short(end - begin)?;
        entry.size = short(size)?;
        self.out.seek(SeekFrom::Start(offset))?;
        self.out.write_all(&local_header(&entry))?;
        self.out.seek(SeekFrom::Start(end))?;
        self.entries.push(entry);
        Ok(())
    }

    /// Writes the directory, without which the file is none.
    pub(super) fn finish(mut self) -> io::Result<W> {
        let begin = self.out.stream_position()?;
        for entry in &self.entries {
            self.out.write_all(&directory_entry(entry))?;
        }
        let end = self.out.stream_position()?;
        let count = u16::try_from(self.entries.len()).map_err(|_| too_large())?;
        let mut tail = Vec::with_capacity(22);
        tail.extend(0x0605_4b50_u32.to_le_bytes());
        tail.extend([0; 4]);
        tail.extend(count.to_le_bytes());
        tail.extend(count.to_le_bytes());
        tail.extend(short(end - begin)?.to_le_bytes());
        tail.extend(short(begin)?.to_le_bytes());
        tail.extend([0; 2]);
        self.out.write_all(&tail)?;
        self.out.flush()?;
        Ok(self.out)
    }
}

/// Packs what `write` writes: its checksum and its size.
fn pack<W: Write, E: From<io::Error>>(
    out: &mut W,
    write: impl FnOnce(&mut dyn Write) -> Result<(), E>,
) -> Result<(u32, u64), E> {
    let mut packer = Packer {
        encoder: DeflateEncoder::new(out, Compression::default()),
        checksum: crc32fast::Hasher::new(),
        size: 0,
    };
    write(&mut packer)?;
    packer.encoder.try_finish()?;
    Ok((packer.checksum.finalize(), packer.size))
}

/// Packs what is written, and sums it up.
struct Packer<'a, W: Write> {
    encoder: DeflateEncoder<&'a mut W>,
    checksum: crc32fast::Hasher,
    size: u64,
}

impl<W: Write> Write for Packer<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.encoder.write(bytes)?;
        self.checksum.update(bytes.get(..written).unwrap_or(bytes));
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.encoder.flush()
    }
}

fn local_header(entry: &Entry) -> Vec<u8> {
    let mut bytes = 0x0403_4b50_u32.to_le_bytes().to_vec();
    common(&mut bytes, entry);
    bytes.extend(entry.name.as_bytes());
    bytes
}

fn directory_entry(entry: &Entry) -> Vec<u8> {
    let mut bytes = 0x0201_4b50_u32.to_le_bytes().to_vec();
    bytes.extend(VERSION.to_le_bytes());
    common(&mut bytes, entry);
    // No comment, disk 0, no attributes.
    bytes.extend([0; 10]);
    bytes.extend(entry.offset.to_le_bytes());
    bytes.extend(entry.name.as_bytes());
    bytes
}

/// What both headers have: version, flags, method, time, sums, the name's length and no extra field.
fn common(bytes: &mut Vec<u8>, entry: &Entry) {
    bytes.extend(VERSION.to_le_bytes());
    // Names in UTF-8.
    bytes.extend((1_u16 << 11).to_le_bytes());
    bytes.extend(DEFLATED.to_le_bytes());
    // No time, and the first day that there is: the report itself says when it was made.
    bytes.extend([0, 0]);
    bytes.extend(0x0021_u16.to_le_bytes());
    bytes.extend(entry.checksum.to_le_bytes());
    bytes.extend(entry.packed.to_le_bytes());
    bytes.extend(entry.size.to_le_bytes());
    let length = u16::try_from(entry.name.len()).unwrap_or(u16::MAX);
    bytes.extend(length.to_le_bytes());
    bytes.extend([0, 0]);
}

fn short(number: u64) -> io::Result<u32> {
    u32::try_from(number).map_err(|_| too_large())
}

fn too_large() -> io::Error {
    io::Error::other("the report is larger than 4 GiB")
}

/// 2.0, the first one with Deflate.
const VERSION: u16 = 20;
const DEFLATED: u16 = 8;
