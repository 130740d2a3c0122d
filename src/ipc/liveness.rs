//! Whether the page is alive, by what is heard from it and by pings: pure, time comes in.
//!
//! There is no timer: somebody looks at each scrape, export and system sample, and a ping is asked
//! for then.

use std::time::Duration;

use crate::clock::Stamp;
use crate::semconv::ErrorType;

/// The signs of life of one page after another.
#[derive(Debug)]
pub(super) struct Liveness {
    unresponsive_after: Duration,
    heard_at: Stamp,
    /// When the first of what was sent since then was sent.
    waiting_since: Option<Stamp>,
    ping: Ping,
    /// Of the last ping; they rise within a generation.
    last_id: u64,
    /// Pongs since the page was ready, as far as the handshake counts.
    answered: u32,
    beat_at: Stamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ping {
    None,
    /// The next script asks for one.
    Due,
    /// At most one is open, so that a pong is its answer.
    Open {
        id: u64,
        asked: Stamp,
    },
}

/// Pings after `ready`, each after the answer to the one before: what is taken from the best of
/// them is the page's clock.
const HANDSHAKE: u32 = 3;
/// What a page may be silent before it is asked for a sign of life.
const SILENCE_MAX: Duration = Duration::from_secs(5);
/// The event loop is woken so often at most, however often somebody looks.
const BEAT_EVERY: Duration = Duration::from_secs(1);

impl Liveness {
    pub(super) fn new(unresponsive_after: Duration) -> Self {
        Self {
            unresponsive_after,
            heard_at: Stamp::NONE,
            waiting_since: None,
            ping: Ping::None,
            last_id: 0,
            answered: 0,
            beat_at: Stamp::NONE,
        }
    }

    /// A page is there: the handshake begins.
    pub(super) fn ready(&mut self, now: Stamp) {
        self.gone();
        self.heard_at = now;
        self.ping = Ping::Due;
    }

    /// The page is gone, and what was asked of it with it.
    pub(super) fn gone(&mut self) {
        let beat_at = self.beat_at;
        *self = Self::new(self.unresponsive_after);
        self.beat_at = beat_at;
    }

    /// The page sent something, whatever it was.
    pub(super) fn heard(&mut self, now: Stamp) {
        self.heard_at = now;
        self.waiting_since = None;
    }

    /// The id of the ping that the next script should ask for, if any.
    pub(super) fn due(&self) -> Option<u64> {
        (self.ping == Ping::Due).then_some(self.last_id + 1)
    }

    /// A script went out that the page has to answer to, perhaps with a ping in it.
    pub(super) fn sent(&mut self, ping: Option<u64>, now: Stamp) {
        self.waiting_since.get_or_insert(now);
        if let Some(id) = ping {
            self.last_id = id;
            self.ping = Ping::Open { id, asked: now };
        }
    }

    /// The page could not take the script that was sent at `at`; whether its ping is asked again.
    pub(super) fn not_taken(&mut self, ping: Option<u64>, at: Stamp, again: Again) -> bool {
        // What the page never got it does not have to answer. When more was sent after it, the
        // count begins anew with the next script, or with the next ping.
        if self.waiting_since == Some(at) {
            self.waiting_since = None;
        }
        match self.ping {
            Ping::Open { id, .. } if ping == Some(id) => {
                self.ping = match again {
                    Again::Now => Ping::Due,
                    Again::WithTheNextBeat => Ping::None,
                };
                self.ping == Ping::Due
            }
            _ => false,
        }
    }

    /// The page answered a ping: when that was asked.
    pub(super) fn answered(&mut self, pong: u64) -> Result<Stamp, ErrorType> {
        match self.ping {
            Ping::Open { id, asked } if id == pong => {
                self.answered = self.answered.saturating_add(1);
                self.ping = if self.answered < HANDSHAKE {
                    Ping::Due
                } else {
                    Ping::None
                };
                Ok(asked)
            }
            _ => Err(ErrorType::UnknownAck),
        }
    }

    /// Somebody looks: asks a page that is silent for a sign of life.
    pub(super) fn beat(&mut self, now: Stamp) {
        if now.since(self.heard_at) < SILENCE_MAX {
            return;
        }
        match self.ping {
            Ping::None => self.ping = Ping::Due,
            // The page lives and never answered it: it was lost.
            Ping::Open { asked, .. } if asked < self.heard_at => self.ping = Ping::Due,
            Ping::Due | Ping::Open { .. } => {}
        }
    }

    /// Whether it is time to wake the event loop, which is asked for its delay in this way.
    pub(super) fn wakes(&mut self, now: Stamp) -> bool {
        let due = self.beat_at == Stamp::NONE || now.since(self.beat_at) >= BEAT_EVERY;
        if due {
            self.beat_at = now;
        }
        due
    }

    /// Whether the page left something unanswered for too long.
    pub(super) fn is_unresponsive(&self, now: Stamp) -> bool {
        self.waiting_since
            .is_some_and(|since| now.since(since) > self.unresponsive_after)
    }
}

/// When a ping that the page could not take is asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    Now,
    /// The page takes nothing, and must not keep the event loop busy.
    WithTheNextBeat,
}
