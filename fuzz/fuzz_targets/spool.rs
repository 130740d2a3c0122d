//! Segments of the spool: what is as it was written is read, once and in order, and nothing else.

#![no_main]

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use spanwire::fuzzing::{SpoolFolder, SpoolSignal};
use spanwire::testing::FakeClock;

#[derive(Arbitrary, Debug)]
struct Input {
    /// What a process left behind.
    files: Vec<File>,
    /// What another one does then, until it ends too.
    steps: Vec<Step>,
    is_small: bool,
}

#[derive(Arbitrary, Debug)]
struct File {
    key: Key,
    signal: Signal,
    content: Content,
}

#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
enum Signal {
    Traces,
    Logs,
}

/// When a segment was begun, as its name says, in microseconds.
#[derive(Arbitrary, Debug)]
enum Key {
    Early(u8),
    AroundNow(i8),
    Late(u8),
}

#[derive(Arbitrary, Debug)]
enum Content {
    Bytes(Vec<u8>),
    Frames(Vec<Frame>, Damage),
}

#[derive(Arbitrary, Debug)]
struct Frame {
    is_done: bool,
    is_of_the_other_signal: bool,
    is_gzip: bool,
    items: u32,
    body: Vec<u8>,
    /// The length that the header says instead of the right one.
    told_len: Option<u32>,
}

#[derive(Arbitrary, Debug)]
enum Damage {
    None,
    Flip(u16, u8),
    Cut(u16),
    Tail(Vec<u8>),
}

#[derive(Arbitrary, Debug)]
enum Step {
    /// A request is taken and delivered.
    Deliver(Signal),
    /// A request is taken and not delivered.
    Fail(Signal),
    Append(Signal, u8, Vec<u8>),
}

impl Signal {
    const ALL: [Self; 2] = [Self::Traces, Self::Logs];

    fn spool(self) -> SpoolSignal {
        match self {
            Self::Traces => SpoolSignal::Traces,
            Self::Logs => SpoolSignal::Logs,
        }
    }

    fn byte(self) -> u8 {
        self as u8 + 1
    }
}

/// The second in which the fake clock stands, in microseconds.
const NOW: u64 = 1_767_225_601_000_000;

impl File {
    fn key(&self) -> u64 {
        match self.key {
            Key::Early(key) => key.into(),
            Key::AroundNow(by) => NOW.saturating_add_signed(by.into()),
            Key::Late(by) => u64::MAX - u64::from(by),
        }
    }

    fn name(&self) -> String {
        let ending = match self.signal {
            Signal::Traces => "traces",
            Signal::Logs => "logs",
        };
        format!("{:020}.{ending}", self.key())
    }

    fn bytes(&self) -> Vec<u8> {
        let (frames, damage) = match &self.content {
            Content::Bytes(bytes) => return bytes.clone(),
            Content::Frames(frames, damage) => (frames, damage),
        };
        let mut bytes = Vec::new();
        for frame in frames {
            frame.write(self.signal, &mut bytes);
        }
        match damage {
            Damage::None => {}
            Damage::Flip(place, bit) => {
                let len = bytes.len().max(1);
                if let Some(byte) = bytes.get_mut(usize::from(*place) % len) {
                    *byte ^= 1 << (bit % 8);
                }
            }
            Damage::Cut(len) => bytes.truncate(usize::from(*len)),
            Damage::Tail(tail) => bytes.extend_from_slice(tail),
        }
        bytes
    }
}

impl Frame {
    /// As the table in `src/telemetry/export/spool/record.rs` has it.
    fn write(&self, signal: Signal, out: &mut Vec<u8>) {
        let signal = match self.is_of_the_other_signal {
            true => 3 - signal.byte(),
            false => signal.byte(),
        };
        let len = u32::try_from(self.body.len()).expect("an input is small");
        let mut header = [0; 32];
        header[0] = if self.is_done { b'd' } else { b'w' };
        header[1..4].copy_from_slice(b"SW1");
        header[4] = signal;
        header[5] = u8::from(self.is_gzip);
        header[8..12].copy_from_slice(&self.items.to_le_bytes());
        header[12..16].copy_from_slice(&self.told_len.unwrap_or(len).to_le_bytes());
        header[24..28].copy_from_slice(&crc32fast::hash(&self.body).to_le_bytes());
        let crc = crc32fast::hash(&header[1..28]);
        header[28..].copy_from_slice(&crc.to_le_bytes());
        out.extend_from_slice(&header);
        out.extend_from_slice(&self.body);
    }
}

/// A request that waits.
#[derive(Debug, PartialEq)]
struct Request {
    items: u64,
    body: Vec<u8>,
}

/// What of a segment waits, up to the first damaged header: the format, read apart from the product.
fn waiting(bytes: &[u8], signal: Signal) -> Vec<Request> {
    let mut waiting = Vec::new();
    let mut rest = bytes;
    while let Some((header, after)) = rest.split_at_checked(32) {
        let u32_at = |at: usize| {
            let bytes = header[at..at + 4].try_into().expect("four");
            u32::from_le_bytes(bytes)
        };
        let is_sound = u32_at(28) == crc32fast::hash(&header[1..28])
            && header[1..4] == *b"SW1"
            && header[4] == signal.byte()
            && header[5] <= 1;
        let body = after.split_at_checked(u32_at(12) as usize);
        let (true, Some((body, after))) = (is_sound, body) else {
            break;
        };
        match header[0] {
            b'w' if crc32fast::hash(body) == u32_at(24) => waiting.push(Request {
                items: u32_at(8).into(),
                body: body.to_vec(),
            }),
            // A damaged body costs its record alone.
            b'w' | b'd' => {}
            _ => break,
        }
        rest = after;
    }
    waiting
}

/// A folder that is gone afterwards.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("spanwire-fuzz-spool-{}-{next}", std::process::id());
        // In memory where there is such a place: a disk would be waited for at each request.
        let memory = Path::new("/dev/shm");
        let folder = match memory.is_dir() {
            true => memory.join(name),
            false => std::env::temp_dir().join(name),
        };
        private(&folder);
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn private(folder: &Path) {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).expect("a folder");
}

/// What has to come, by signal.
struct Expected {
    requests: [VecDeque<Request>; 2],
    is_small: bool,
}

impl Expected {
    fn of(&mut self, signal: Signal) -> &mut VecDeque<Request> {
        &mut self.requests[signal as usize]
    }

    /// The next request is what was taken. A small spool may have given up what was before it.
    fn check(&mut self, signal: Signal, taken: Option<&Request>) {
        let is_small = self.is_small;
        let requests = self.of(signal);
        if is_small {
            while requests
                .front()
                .is_some_and(|next| taken.is_none_or(|taken| taken != next))
            {
                requests.pop_front();
            }
        }
        assert_eq!(requests.front(), taken, "{signal:?}");
    }
}

fn take(store: &mut SpoolFolder, signal: Signal, expected: &mut Expected) -> bool {
    let taken = store.take(signal.spool()).expect("the disk is there");
    let request = taken.as_ref().map(|taken| Request {
        items: taken.items,
        body: taken.body.clone(),
    });
    expected.check(signal, request.as_ref());
    match taken {
        Some(taken) => {
            store.done(&taken);
            expected.of(signal).pop_front();
            true
        }
        None => false,
    }
}

fn open(root: &Path, bytes_max: u64) -> SpoolFolder {
    let mut store = None;
    let used = allocation_counter::measure(|| {
        let (opened, strange) = SpoolFolder::open(root, bytes_max).expect("a folder of ours");
        assert_eq!(strange, 0, "every file is a segment of ours");
        store = Some(opened);
    });
    // Headers alone are looked at, whatever lengths they tell.
    assert!(used.bytes_max < 64 << 10, "{} bytes", used.bytes_max);
    let store = store.expect("it was opened");
    assert!(store.bytes() <= bytes_max);
    store
}

fn check(input: &Input) {
    let root = Folder::new();
    let left = root.0.join("00000000000000aa");
    private(&left);
    let mut files = BTreeMap::new();
    for file in input.files.iter().take(8) {
        files.entry((file.key(), file.name())).or_insert(file);
    }
    let mut expected = Expected {
        requests: [VecDeque::new(), VecDeque::new()],
        is_small: input.is_small,
    };
    for ((_, name), file) in files {
        let bytes = file.bytes();
        fs::write(left.join(name), &bytes).expect("a file");
        expected
            .of(file.signal)
            .extend(waiting(&bytes, file.signal));
    }

    let bytes_max = if input.is_small { 256 } else { 1 << 20 };
    let mut store = open(&root.0, bytes_max);
    for step in input.steps.iter().take(16) {
        match step {
            Step::Deliver(signal) => {
                take(&mut store, *signal, &mut expected);
            }
            Step::Fail(signal) => {
                let taken = store.take(signal.spool()).expect("the disk is there");
                let request = taken.map(|taken| Request {
                    items: taken.items,
                    body: taken.body,
                });
                expected.check(*signal, request.as_ref());
            }
            Step::Append(signal, items, body) => {
                let items = u64::from(*items);
                if store.append(signal.spool(), items, body).is_ok() {
                    let body = body.clone();
                    expected.of(*signal).push_back(Request { items, body });
                    assert!(store.waits(signal.spool()));
                } else {
                    assert!(body.len() as u64 + 32 > bytes_max, "there is room");
                }
            }
        }
        assert!(store.bytes() <= bytes_max);
    }
    drop(store);

    // The next process finds what is left, and nothing of what is done.
    let mut store = open(&root.0, bytes_max);
    for signal in Signal::ALL {
        while take(&mut store, signal, &mut expected) {}
        assert!(!store.waits(signal.spool()));
    }
    assert_eq!(store.bytes(), 0);
    drop(store);
    let left = fs::read_dir(&root.0).expect("a folder").count();
    assert_eq!(left, 0, "nothing is left behind");
}

fuzz_target!(|input: Input| {
    let clock = FakeClock::new();
    clock.run(|| check(&input));
});
