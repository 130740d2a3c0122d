//! Whether the page is alive, by what is heard from it and by pings: pure, time comes in.
//!
//! There is no timer: each scrape, export, system sample and look of the history's flight recorder
//! reads the wire's state, and asks for a ping then.

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
/// The event loop is woken so often at most, however often the wire's state is read.
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
        // The beat's time stays. Otherwise pages that come and go would wake the event loop as
        // often.
        let beat_at = self.beat_at;
        *self = Self::new(self.unresponsive_after);
        self.beat_at = beat_at;
    }

    /// The page sent something, whatever it was.
    pub(super) fn heard(&mut self, now: Stamp) {
        self.heard_at = now;
        self.waiting_since = None;
    }

    /// When the page was heard last; `None` while there is none.
    pub(super) fn heard_at(&self) -> Option<Stamp> {
        (self.heard_at != Stamp::NONE).then_some(self.heard_at)
    }

    /// The id of the ping that the next script should ask for, if any.
    pub(super) fn due(&self) -> Option<u64> {
        (self.ping == Ping::Due).then_some(self.last_id + 1)
    }

    /// A script went out that the page has to answer to, perhaps with a ping in it.
    pub(super) fn sent(&mut self, ping: Option<u64>, now: Stamp) {
        // The oldest unanswered script counts: a page that hangs may be sent one each second.
        self.waiting_since.get_or_insert(now);
        if let Some(id) = ping {
            self.last_id = id;
            self.ping = Ping::Open { id, asked: now };
        }
    }

    /// The page could not take the script that was sent at `at`; whether its ping is asked again.
    pub(super) fn not_taken(&mut self, ping: Option<u64>, at: Stamp, again: AskAgain) -> bool {
        // What the page never got it does not have to answer. When more was sent after it, the
        // count begins anew with the next script, or with the next ping.
        if self.waiting_since == Some(at) {
            self.waiting_since = None;
        }
        match self.ping {
            Ping::Open { id, .. } if ping == Some(id) => {
                self.ping = match again {
                    AskAgain::Now => Ping::Due,
                    AskAgain::WithTheNextBeat => Ping::None,
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

    /// The wire's state is read: asks a page that is silent for a sign of life. Whether it does so just
    /// now.
    pub(super) fn beat(&mut self, now: Stamp) -> bool {
        let is_askable = match self.ping {
            Ping::None => true,
            // The page lives and never answered it: it was lost.
            Ping::Open { asked, .. } => asked < self.heard_at,
            Ping::Due => false,
        };
        let asks = is_askable && now.since(self.heard_at) >= SILENCE_MAX;
        if asks {
            self.ping = Ping::Due;
        }
        asks
    }

    /// Whether it is time to wake the event loop, which is asked for its delay in this way.
    pub(super) fn wakes(&mut self, now: Stamp) -> bool {
        // The first comparison is needed: `since` of no stamp is zero, which would never be due.
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
pub(super) enum AskAgain {
    Now,
    /// The page takes nothing, and must not keep the event loop busy.
    WithTheNextBeat,
}

#[cfg(test)]
mod tests {
    use super::*;

    const AFTER: Duration = Duration::from_secs(5);

    fn at(ms: u64) -> Stamp {
        // A second in, as all stamps are later than none.
        Stamp::NONE.plus(Duration::from_millis(1_000 + ms))
    }

    /// A page that was ready at 0 and answered the handshake.
    fn ready() -> Liveness {
        let mut page = Liveness::new(AFTER);
        page.ready(at(0));
        for _ in 0..HANDSHAKE {
            let ping = page.due();
            page.sent(ping, at(0));
            page.heard(at(0));
            page.answered(ping.unwrap()).unwrap();
        }
        assert_eq!(page.due(), None);
        page
    }

    #[test]
    fn the_handshake_is_three_pings_each_after_the_answer_to_the_one_before() {
        let mut page = Liveness::new(AFTER);
        assert_eq!(page.due(), None);
        page.ready(at(0));
        for id in 1..=3 {
            assert_eq!(page.due(), Some(id));
            page.sent(Some(id), at(10 * id));
            assert_eq!(page.due(), None, "one is open");
            assert_eq!(page.answered(id), Ok(at(10 * id)));
            assert_eq!(
                page.answered(id),
                Err(ErrorType::UnknownAck),
                "it was answered"
            );
        }
        assert_eq!(page.due(), None);
        assert_eq!(page.answered(4), Err(ErrorType::UnknownAck));
    }

    #[test]
    fn a_silent_page_is_pinged_when_the_state_is_read() {
        let mut page = ready();
        page.beat(at(4_999));
        assert_eq!(page.due(), None);
        page.beat(at(5_000));
        assert_eq!(page.due(), Some(4));
        page.sent(Some(4), at(5_001));
        page.beat(at(60_000));
        assert_eq!(page.due(), None, "one is open");
        page.heard(at(60_001));
        page.answered(4).unwrap();
        assert_eq!(page.due(), None, "the handshake is over");
    }

    #[test]
    fn a_ping_that_a_living_page_never_answered_is_given_up() {
        let mut page = ready();
        page.beat(at(5_000));
        page.sent(Some(4), at(5_000));
        page.heard(at(6_000));
        page.beat(at(10_999));
        assert_eq!(page.due(), None);
        page.beat(at(11_000));
        assert_eq!(page.due(), Some(5));
        page.sent(Some(5), at(11_000));
        assert_eq!(page.answered(4), Err(ErrorType::UnknownAck));
        assert_eq!(page.answered(5), Ok(at(11_000)));
    }

    #[test]
    fn a_page_is_unresponsive_when_nothing_is_heard_since_the_first_thing_sent() {
        let mut page = ready();
        assert!(
            !page.is_unresponsive(at(3_600_000)),
            "nothing was asked of it"
        );
        page.sent(None, at(10_000));
        page.sent(None, at(14_000));
        assert!(!page.is_unresponsive(at(15_000)));
        assert!(page.is_unresponsive(at(15_001)));
        // Any sign of life will do, and what is sent after it counts anew.
        page.heard(at(15_002));
        assert!(!page.is_unresponsive(at(3_600_000)));
        page.sent(None, at(20_000));
        assert!(!page.is_unresponsive(at(25_000)) && page.is_unresponsive(at(25_001)));
        page.gone();
        assert!(!page.is_unresponsive(at(3_600_000)));
    }

    #[test]
    fn a_script_that_the_page_never_got_needs_no_sign_of_life() {
        let mut page = ready();
        page.sent(None, at(10_000));
        assert!(!page.not_taken(None, at(10_000), AskAgain::Now));
        assert!(!page.is_unresponsive(at(3_600_000)));
        // But another one that it got is.
        page.sent(None, at(20_000));
        page.sent(None, at(21_000));
        page.not_taken(None, at(21_000), AskAgain::Now);
        assert!(page.is_unresponsive(at(25_001)));
    }

    #[test]
    fn a_ping_that_could_not_be_sent_is_asked_again_up_to_a_bound() {
        let mut page = Liveness::new(AFTER);
        page.ready(at(0));
        page.sent(Some(1), at(0));
        assert!(
            !page.not_taken(Some(7), at(0), AskAgain::Now),
            "another script's"
        );
        assert!(page.not_taken(Some(1), at(0), AskAgain::Now));
        assert_eq!(page.due(), Some(2));
        page.sent(Some(2), at(1));
        assert!(!page.not_taken(Some(2), at(1), AskAgain::WithTheNextBeat));
        assert_eq!(page.due(), None);
        page.beat(at(5_000));
        assert_eq!(page.due(), Some(3));
    }

    #[test]
    fn the_event_loop_is_woken_once_a_second_at_most() {
        let mut page = ready();
        let woken: Vec<bool> = [0, 999, 1_000, 1_999, 2_500]
            .map(|ms| page.wakes(at(ms)))
            .into();
        assert_eq!(woken, [true, false, true, false, true]);
        page.ready(at(2_600));
        assert!(!page.wakes(at(2_700)), "another page is no reason");
    }
}
