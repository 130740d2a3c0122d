//! The state of the desk, and its files.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::UdpSocket;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use spanwire::ipc::{DataError, Responder};
use spanwire::{MessageQueue, monitor};

use crate::options::{Fault, Faults};

pub(crate) const CHANNELS: usize = 24;
const PRESETS: usize = 6;
const PLUGINS: usize = 40;
const UNDO_STEPS: usize = 20;
/// Keeps the fault within 300 MB of memory.
const UNDO_STEPS_MAX: usize = 300;
const DECODED_MAX: usize = 80;
const DECODED_SAMPLES: usize = 780_000;
const MIB: usize = 1024 * 1024;

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Channel {
    name: String,
    gain: f32,
    pan: f32,
    muted: bool,
}

/// A piece of a track whose peaks the page wants to draw.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct PeaksJob {
    pub(crate) track: usize,
    pub(crate) piece: u64,
}

pub(crate) struct Desk {
    pub(crate) faults: Faults,
    pub(crate) jobs: MessageQueue<PeaksJob>,
    channels: Mutex<Vec<Channel>>,
    undo: Mutex<Vec<Vec<f32>>>,
    decoded: Mutex<Vec<Vec<f32>>>,
    /// Plug-ins that are being opened, and nothing will answer.
    pub(crate) opening: Mutex<Vec<Responder>>,
    device: UdpSocket,
    folder: PathBuf,
}

#[derive(Debug)]
pub(crate) enum DeskError {
    Data(DataError),
    File(io::Error),
    NoChannel(usize),
}

impl Desk {
    pub(crate) fn new(faults: Faults) -> io::Result<Self> {
        let folder = std::env::temp_dir().join(format!("mixer-{}", std::process::id()));
        fs::create_dir_all(folder.join("presets"))?;
        for preset in 0..PRESETS {
            fs::write(
                preset_file(&folder, preset),
                format!("{{\"preset\":{preset}}}"),
            )?;
        }
        // 2 MiB of samples: what the worker reads.
        fs::write(folder.join("track.raw"), vec![7_u8; 2 * MIB])?;
        Ok(Self {
            faults,
            jobs: MessageQueue::bounded("peaks", 40),
            channels: Mutex::new(channels()),
            undo: Mutex::default(),
            decoded: Mutex::default(),
            opening: Mutex::default(),
            device: UdpSocket::bind("127.0.0.1:0")?,
            folder,
        })
    }

    pub(crate) fn clean_up(&self) {
        // What cannot be removed lies in the folder for temporary files.
        let _ = fs::remove_dir_all(&self.folder);
    }

    pub(crate) fn channels(&self) -> Vec<Channel> {
        locked(&self.channels).clone()
    }

    pub(crate) fn channel(&self, channel: usize) -> Result<Channel, DeskError> {
        let channels = locked(&self.channels);
        channels
            .get(channel)
            .cloned()
            .ok_or(DeskError::NoChannel(channel))
    }

    pub(crate) fn set_gain(&self, channel: usize, gain: f32) -> Result<f32, DeskError> {
        let mut channels = locked(&self.channels);
        let known = channels
            .get_mut(channel)
            .ok_or(DeskError::NoChannel(channel))?;
        known.gain = gain.clamp(0.0, 1.0);
        Ok(known.gain)
    }

    /// Sorts the channels into the order of the audio's way.
    pub(crate) fn rebuild_graph(&self) {
        monitor("graph.rebuild").time(|| {
            let mut channels = locked(&self.channels);
            channels.sort_by(|a, b| a.name.cmp(&b.name));
            if self.faults.has(Fault::LockHeldByRebuild) {
                // The tails of the effects fade out first.
                std::thread::sleep(Duration::from_millis(900));
            }
        });
    }

    /// Asks the audio device for news.
    pub(crate) fn poll_device(&self) {
        let wait = if self.faults.has(Fault::DevicePollOnUiThread) {
            Duration::from_millis(400)
        } else {
            Duration::ZERO
        };
        monitor("device.poll").time(|| self.await_device(wait));
    }

    fn await_device(&self, wait: Duration) {
        // No news is the usual case, and an error that ends the wait. A timeout of zero is none.
        let _ = self
            .device
            .set_nonblocking(wait.is_zero())
            .and_then(|()| {
                self.device
                    .set_read_timeout(Some(wait).filter(|wait| !wait.is_zero()))
            })
            .and_then(|()| self.device.recv(&mut [0; 64]));
    }

    pub(crate) fn scan_plugins(&self) {
        let wait = if self.faults.is_chosen(Fault::PluginScanBeforeWindow) {
            Duration::from_millis(100)
        } else {
            Duration::ZERO
        };
        monitor("plugins.scan").time(|| {
            for _ in 0..PLUGINS {
                self.await_device(wait);
            }
        });
    }

    pub(crate) fn save(&self, session: &str) -> Result<usize, DeskError> {
        monitor("session.write").run(|| {
            let mut file = File::create(self.folder.join("session.json"))?;
            file.write_all(session.as_bytes())?;
            if self.faults.has(Fault::SaveOnUiThread) {
                let mut audio = File::create(self.folder.join("session.wav"))?;
                let samples = vec![1_u8; MIB];
                for _ in 0..64 {
                    audio.write_all(&samples)?;
                    audio.sync_all()?;
                }
            }
            Ok::<_, io::Error>(())
        })?;
        Ok(session.len())
    }

    pub(crate) fn preset(&self, preset: usize) -> Result<String, DeskError> {
        if self.faults.has(Fault::PresetRetryStorm) {
            // It is gone already when this is not the first time.
            let _ = fs::remove_dir_all(self.folder.join("presets"));
        }
        Ok(fs::read_to_string(preset_file(
            &self.folder,
            preset % PRESETS,
        ))?)
    }

    /// The samples of a track: 8 kB of an overview.
    pub(crate) fn waveform(&self, track: usize) -> Vec<u8> {
        let bytes = if self.faults.has(Fault::WaveformUncompressed) {
            MIB * 3 / 4
        } else {
            8 * 1024
        };
        let first = u8::try_from(track % 200).unwrap_or_default();
        vec![first; bytes]
    }

    /// Adds a step to the undo log, and returns how long its text is.
    pub(crate) fn push_undo(&self, gains: &[f32]) -> usize {
        let steps_max = if self.faults.has(Fault::UndoLogNeverTrimmed) {
            UNDO_STEPS_MAX
        } else {
            UNDO_STEPS
        };
        let mut undo = locked(&self.undo);
        // The automation of each channel, and not its gain alone.
        let automation = if steps_max == UNDO_STEPS { 1 } else { 250 };
        undo.push(gains.repeat(automation));
        let surplus = undo.len().saturating_sub(steps_max);
        undo.drain(..surplus);
        serde_json::to_string(&*undo).map_or(0, |text| text.len())
    }

    pub(crate) fn compute_peaks(&self, job: &PeaksJob) -> Result<Vec<u8>, DeskError> {
        let piece = if self.faults.has(Fault::PeaksWorkerTooSlow) {
            1
        } else {
            64 * 1024
        };
        let peaks = monitor("peaks.compute").run(|| {
            let mut file = File::open(self.folder.join("track.raw"))?;
            let mut piece = vec![0; piece];
            let mut peaks = vec![0; 128];
            let mut at = 0;
            loop {
                let read = file.read(&mut piece)?;
                let Some(peak) = piece.iter().take(read.min(64)).max() else {
                    break Ok::<_, io::Error>(peaks);
                };
                at = (at + 1) % peaks.len();
                peaks[at] = *peak;
            }
        })?;
        if self.faults.has(Fault::DecodedAudioNeverFreed) {
            let mut decoded = locked(&self.decoded);
            if decoded.len() < DECODED_MAX {
                let level = if job.track == 0 { 0.5 } else { 0.25 };
                decoded.push(vec![level; DECODED_SAMPLES]);
            }
        }
        Ok(peaks)
    }
}

fn preset_file(folder: &std::path::Path, preset: usize) -> PathBuf {
    folder.join("presets").join(format!("{preset}.json"))
}

fn channels() -> Vec<Channel> {
    (0..CHANNELS)
        .map(|n| Channel {
            name: format!("track {n:02}"),
            gain: 0.5,
            pan: 0.0,
            muted: n % 7 == 6,
        })
        .collect()
}

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Display for DeskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Data(error) => error.fmt(f),
            Self::File(error) => error.fmt(f),
            Self::NoChannel(channel) => write!(f, "there is no channel {channel}"),
        }
    }
}

impl From<DataError> for DeskError {
    fn from(error: DataError) -> Self {
        Self::Data(error)
    }
}

impl From<io::Error> for DeskError {
    fn from(error: io::Error) -> Self {
        Self::File(error)
    }
}
