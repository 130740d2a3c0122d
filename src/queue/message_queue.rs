//! The queue: a crossbeam channel whose places, losses and waits are counted.

use std::cell::Cell;
use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, never, select, unbounded};

use super::builder::QueueBuilder;
use super::metrics::QueueMetrics;
use super::outcome::{PopError, Popped, PushError, PushErrorReason, Pushed};
use super::overflow::Overflow;
use super::wake::Wake;
use crate::clock::{Clock, Stamp};
use crate::semconv::ErrorType;

/// A named, bounded queue for many producers and many consumers.
///
/// Clones are handles to one queue. Messages come out in the order they went in, but for
/// [`push_latest`](Self::push_latest). What is still queued when the last handle is dropped is
/// counted as dropped with `error.type` `shutdown`.
pub struct MessageQueue<T> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    metrics: Arc<QueueMetrics>,
    overflow: Overflow,
    // The queue keeps both ends, so the channel itself never disconnects: `Capacity` does the
    // closing.
    sender: Sender<Entry<T>>,
    receiver: Receiver<Entry<T>>,
    /// The newest message of each key that has an entry in the channel. A lock is held for a few
    /// instructions and never while waiting.
    latest: Mutex<Latest<T>>,
    wake: Wake,
    /// Dropped by `close`, which ends the waits on `closed`.
    open: Mutex<Option<Sender<Infallible>>>,
    closed: Receiver<Infallible>,
}

// The layout keeps moves fast. A message that sits right behind a tag's byte, or in a type whose
// spare tag values the `Result`s on its way use, is copied in pieces that do not match those it was
// written in, and each such copy stalls the processor: half of a push and pop. Hence `repr(C)`,
// which puts the message at a word's boundary, and a cell, which has no spare values.
#[repr(C)]
struct Entry<T> {
    enqueued_at: Stamp,
    body: Cell<Body<T>>,
}

#[repr(C, u64)]
enum Body<T> {
    Message(T),
    /// The message is in `latest`, where a newer one may take its place.
    Key(Arc<str>),
}

type Latest<T> = HashMap<Arc<str>, (T, Stamp), foldhash::quality::RandomState>;

impl<T> MessageQueue<T> {
    /// Builds a queue that holds `capacity` messages and refuses more. A capacity of 0 counts as 1,
    /// and any other is as good: see [`QueueBuilder::capacity`].
    ///
    /// The name is to be unique, as [`builder`](Self::builder) says.
    #[must_use]
    pub fn bounded(name: &str, capacity: usize) -> Self {
        Self::builder(name).capacity(capacity).build()
    }

    /// Starts building a queue.
    ///
    /// The name is to be unique in the process: two queues of one name are not told apart, and each of
    /// their gauges is a sum.
    pub fn builder(name: &str) -> QueueBuilder<T> {
        QueueBuilder::new(name)
    }

    fn new(options: QueueBuilder<T>) -> Self {
        let (sender, receiver) = channel(options.capacity);
        // A channel that no message goes through: it is there to be disconnected, which `select!`
        // can wait for beside the messages.
        let (open, closed) = bounded(0);
        Self {
            shared: Arc::new(Shared {
                overflow: options.overflow,
                metrics: QueueMetrics::new(options),
                sender,
                receiver,
                latest: Mutex::default(),
                wake: Wake::default(),
                open: Mutex::new(Some(open)),
                closed,
            }),
        }
    }

    /// Queues a message; when the queue is full, does as its [`Overflow`] says.
    ///
    /// # Errors
    ///
    /// [`Full`](PushErrorReason::Full) with [`Overflow::DropNewest`], or
    /// [`Closed`](PushErrorReason::Closed). The message is in the error, and was counted as
    /// dropped.
    #[inline]
    pub fn push(&self, message: T) -> Result<Pushed<T>, PushError<T>> {
        match self.shared.metrics.capacity.reserve() {
            Ok(()) => {
                self.shared.publish(message);
                Ok(Pushed::Queued)
            }
            Err(reason) => self.push_against(message, reason),
        }
    }

    /// Queues a message, waiting for room at most that long, whatever the queue's [`Overflow`].
    ///
    /// # Errors
    ///
    /// [`Timeout`](PushErrorReason::Timeout) or [`Closed`](PushErrorReason::Closed), also when the
    /// queue is closed meanwhile. The message is in the error, and was counted as dropped.
    pub fn push_timeout(&self, message: T, timeout: Duration) -> Result<Pushed<T>, PushError<T>> {
        // A timeout is counted here; the other reasons were counted by `refuse`.
        self.push_again_timeout(message, timeout)
            .inspect_err(|error| {
                if error.reason == PushErrorReason::Timeout {
                    self.shared.metrics.dropped(ErrorType::Timeout, 1);
                }
            })
    }

    /// As [`push_timeout`](Self::push_timeout), for a caller that pushes the message again when it
    /// timed out: then it is not counted.
    #[doc(hidden)]
    pub fn push_again_timeout(
        &self,
        message: T,
        timeout: Duration,
    ) -> Result<Pushed<T>, PushError<T>> {
        let capacity = &self.shared.metrics.capacity;
        // Without the gate first, since most pushes find room.
        let reserved = match capacity.reserve() {
            Err(PushErrorReason::Full) => capacity.reserve_by(Some(deadline(timeout))),
            reserved => reserved,
        };
        match reserved {
            Ok(()) => {
                self.shared.publish(message);
                Ok(Pushed::Queued)
            }
            Err(reason @ PushErrorReason::Timeout) => Err(PushError { message, reason }),
            Err(reason) => Err(self.shared.refuse(message, reason)),
        }
    }

    /// Queues a message in the place of an older one with the same key that is still queued.
    ///
    /// The new message keeps the old one's place in the order, so a key that is pushed without
    /// pause still gets its turn. Without an older one it is an ordinary [`push`](Self::push).
    /// This is the one push that may allocate.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push). A replacement needs no room, so it is never refused for want of it.
    pub fn push_latest(&self, key: &str, message: T) -> Result<Pushed<T>, PushError<T>> {
        let shared = &*self.shared;
        let capacity = &shared.metrics.capacity;
        // The flag is true once `reserve_by` has waited for room. That wait gives up the lock, so
        // the loop checks again whether the key is queued by now.
        let mut has_place = false;
        loop {
            // The stamp precedes the lock: the first stamp registers handles, and a recorder may be
            // code of the app.
            let stamp = shared.metrics.stamp();
            let mut latest = shared.latest();
            // A place that was taken before the close entitles its message, as it does in `push`.
            if capacity.is_closed() && !has_place {
                drop(latest);
                return Err(shared.refuse(message, PushErrorReason::Closed));
            }
            if let Some(queued) = latest.get_mut(key) {
                // The entry in the channel stays as it is, and with it the place in the order.
                let (older, _) = std::mem::replace(queued, (message, stamp));
                drop(latest);
                if has_place {
                    // The message took over an older one's place, so the one that was waited for
                    // goes back.
                    capacity.release();
                }
                shared.metrics.dropped(ErrorType::Superseded, 1);
                return Ok(Pushed::Superseded(older));
            }
            let reserved = if has_place {
                Ok(())
            } else {
                capacity.reserve()
            };
            match (reserved, shared.overflow) {
                (Ok(()), _) => {
                    // The message is published under the lock, so that of two pushers of one key
                    // only one finds it absent.
                    shared.publish_key(&mut latest, key, (message, stamp));
                    // The lock ends before the signal, since the waker is code of the app.
                    drop(latest);
                    shared.wake.signal();
                    return Ok(Pushed::Queued);
                }
                (Err(PushErrorReason::Full), Overflow::DropOldest) => {
                    // Received and resolved under one lock: another pusher cannot replace the
                    // message in between.
                    if let Ok(oldest) = shared.receiver.try_recv() {
                        let oldest = match oldest.body.into_inner() {
                            Body::Message(oldest) => oldest,
                            Body::Key(key) => take(&key, &mut latest).0,
                        };
                        shared.publish_key(&mut latest, key, (message, stamp));
                        drop(latest);
                        shared.wake.signal();
                        shared.metrics.dropped(ErrorType::QueueFull, 1);
                        return Ok(Pushed::Evicted(oldest));
                    }
                    // As in `push_against`; the other thread may need the lock.
                    drop(latest);
                    std::thread::yield_now();
                }
                (Err(PushErrorReason::Full), Overflow::Block) => {
                    drop(latest);
                    match capacity.reserve_by(None) {
                        Ok(()) => has_place = true,
                        Err(reason) => return Err(shared.refuse(message, reason)),
                    }
                }
                (Err(reason), _) => {
                    drop(latest);
                    return Err(shared.refuse(message, reason));
                }
            }
        }
    }

    /// A push that found no room, or a closed queue.
    #[cold]
    fn push_against(
        &self,
        message: T,
        mut reason: PushErrorReason,
    ) -> Result<Pushed<T>, PushError<T>> {
        let shared = &*self.shared;
        let capacity = &shared.metrics.capacity;
        loop {
            match (reason, shared.overflow) {
                (PushErrorReason::Full, Overflow::DropOldest) => {
                    // The new message takes over the old one's place, so no other thread can come between.
                    if let Some((oldest, _)) = shared.take() {
                        shared.publish(message);
                        shared.metrics.dropped(ErrorType::QueueFull, 1);
                        return Ok(Pushed::Evicted(oldest));
                    }
                    // Every place is held by a thread in the middle of a push or a pop.
                    // Not a spin: the other thread needs a few instructions, and may be off the
                    // processor.
                    std::thread::yield_now();
                    reason = match capacity.reserve() {
                        Ok(()) => break,
                        Err(reason) => reason,
                    };
                }
                (PushErrorReason::Full, Overflow::Block) => match capacity.reserve_by(None) {
                    Ok(()) => break,
                    Err(why) => reason = why,
                },
                _ => return Err(shared.refuse(message, reason)),
            }
        }
        shared.publish(message);
        Ok(Pushed::Queued)
    }

    /// The first half of a push; calling what it returns is the second.
    #[cfg(test)]
    pub(super) fn half_push(&self, message: T) -> impl FnOnce() {
        self.shared.metrics.capacity.reserve().unwrap();
        || self.shared.publish(message)
    }

    /// Takes the oldest message, if there is one.
    #[inline]
    #[must_use = "the message is lost"]
    pub fn try_pop(&self) -> Option<T> {
        let (message, enqueued_at) = self.shared.take()?;
        self.shared.popped(enqueued_at);
        Some(message)
    }

    /// Takes the oldest message with its time in the queue.
    #[inline]
    pub(crate) fn try_pop_timed(&self) -> Option<Popped<T>> {
        let (message, enqueued_at) = self.shared.take()?;
        let wait = self.shared.popped(enqueued_at);
        Some(Popped { message, wait })
    }

    /// The same for a caller that holds a lock, under which no metric may be recorded: it gives the
    /// waits to [`record_waits`](Self::record_waits) afterwards.
    pub(crate) fn try_pop_unrecorded(&self) -> Option<Popped<T>> {
        let (message, enqueued_at) = self.shared.take()?;
        self.shared.metrics.capacity.release();
        let wait = self.shared.metrics.waited(enqueued_at);
        Some(Popped { message, wait })
    }

    /// Records what [`try_pop_unrecorded`](Self::try_pop_unrecorded) left out.
    pub(crate) fn record_waits(&self, waits: &[Duration]) {
        self.shared.metrics.record_waits(waits);
    }

    /// Takes the oldest message, waiting for one at most that long.
    ///
    /// A closed queue first gives what is left in it.
    ///
    /// # Errors
    ///
    /// [`PopError::Timeout`], or [`PopError::Closed`] once the queue is closed and empty, also when
    /// it is closed meanwhile.
    pub fn pop_timeout(&self, timeout: Duration) -> Result<T, PopError> {
        if let Some(message) = self.try_pop() {
            return Ok(message);
        }
        let shared = &*self.shared;
        let deadline = deadline(timeout);
        let mut closed = shared.closed.clone();
        loop {
            if shared.metrics.capacity.is_finished() {
                return Err(PopError::Closed);
            }
            let mut left = deadline.since(Clock::system().now());
            // The flag is read before the wait: with no time left, `select!` still takes a message
            // that is there.
            let timed_out = left.is_zero();
            if shared.metrics.capacity.is_closed() {
                // A last message is between its producer's count and the channel, or between the
                // channel and another consumer's count. That takes a few instructions and the
                // latter wakes no thread, so look again soon.
                // It is ready for ever from here on, so `select!` would return at once in a loop.
                closed = never();
                left = left.min(RECHECK_INTERVAL);
            }
            let entry = select! {
                recv(shared.receiver) -> entry => entry.ok(),
                recv(closed) -> _ => None,
                default(left) => None,
            };
            match entry {
                Some(entry) => {
                    let (message, enqueued_at) = shared.resolve(entry);
                    shared.popped(enqueued_at);
                    return Ok(message);
                }
                None if timed_out => return Err(PopError::Timeout),
                None => {}
            }
        }
    }

    /// Takes up to `max` messages, the oldest first.
    #[must_use = "the messages are lost"]
    pub fn drain(&self, max: usize) -> Vec<T> {
        // Not `max` alone, which may be `usize::MAX`.
        let mut messages = Vec::with_capacity(max.min(self.len()));
        self.drain_into(&mut messages, max);
        messages
    }

    /// Appends up to `max` messages, the oldest first, and returns how many.
    ///
    /// It costs less than popping them one by one: the clock is read once, and they are counted
    /// together.
    pub fn drain_into(&self, messages: &mut Vec<T>, max: usize) -> usize {
        let mut batch = self.shared.metrics.batch();
        for _ in 0..max {
            let Some((message, enqueued_at)) = self.shared.take() else {
                break;
            };
            self.shared.metrics.capacity.release();
            batch.popped(enqueued_at);
            messages.push(message);
        }
        batch.end()
    }

    /// Closes the queue: pushes are refused, waits for room end, and pops get what is left.
    ///
    /// Closing twice does nothing.
    pub fn close(&self) {
        // The bit first: a consumer that the disconnection wakes looks at it.
        self.shared.metrics.capacity.close();
        let open = self
            .shared
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        drop(open);
    }

    /// Tells whether the queue was closed. It may still hold messages.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.metrics.capacity.is_closed()
    }

    /// Messages that wait now, with those that are just being pushed or popped.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.metrics.capacity.len()
    }

    /// Tells whether no message waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Messages that can wait at once.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.shared.metrics.capacity.capacity()
    }

    /// The most messages that ever waited at once.
    #[must_use]
    pub fn peak(&self) -> usize {
        self.shared.metrics.capacity.peak()
    }

    /// Starts [`peak`](Self::peak) anew from what waits now; the exported gauge stays.
    pub(crate) fn reset_peak(&self) {
        self.shared.metrics.capacity.reset_peak();
    }

    /// The queue's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.metrics.name
    }

    /// The name as an attribute's value: capped.
    pub(super) fn label(&self) -> &Arc<str> {
        &self.shared.metrics.label
    }

    /// Sets what wakes the consumer, in place of an earlier waker.
    ///
    /// It is called on the pusher's thread, once per burst: by the first push after
    /// [`rearm`](Self::rearm), and at once if messages wait already. So it must be quick and must
    /// not panic; waking an event loop is what it is for. A waker that holds a handle of this queue
    /// keeps the queue alive.
    ///
    /// The consumer, once woken, calls [`rearm`](Self::rearm) **first** and then pops until the
    /// queue is empty. If it stops before, for example to draw a frame, it has to come back by
    /// itself.
    ///
    /// ```
    /// use spanwire::queue::MessageQueue;
    ///
    /// let (wake, woken) = std::sync::mpsc::sync_channel(1);
    /// let queue = MessageQueue::bounded("jobs", 100);
    /// queue.on_wake(move || {
    ///     let _ = wake.try_send(());
    /// });
    /// queue.push(1)?;
    /// queue.push(2)?;
    ///
    /// woken.recv()?;
    /// queue.rearm();
    /// assert_eq!(queue.drain(usize::MAX), [1, 2]);
    /// assert!(woken.try_recv().is_err(), "one wake for the two");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_wake(&self, waker: impl Fn() + Send + Sync + 'static) {
        // Then the look: a push before it saw no waker, and a push after it calls the waker itself.
        self.shared.wake.set(Arc::new(waker));
        if !self.is_empty() {
            self.shared.wake.signal();
        }
    }

    /// Lets the next push wake the consumer again; see [`on_wake`](Self::on_wake).
    pub fn rearm(&self) {
        self.shared.wake.rearm();
    }
}

impl<T> QueueBuilder<T> {
    /// Builds the queue.
    #[must_use]
    pub fn build(self) -> MessageQueue<T> {
        MessageQueue::new(self)
    }
}

impl<T> Shared<T> {
    /// Puts a message into the channel. The caller holds a place for it.
    #[inline]
    fn publish(&self, message: T) {
        self.send(Entry {
            enqueued_at: self.metrics.stamp(),
            body: Cell::new(Body::Message(message)),
        });
        self.wake.signal();
    }

    /// As `publish`, and leaves the signal to the caller, who holds the lock.
    fn publish_key(&self, latest: &mut Latest<T>, key: &str, message: (T, Stamp)) {
        // The map and the channel share one text.
        let key: Arc<str> = Arc::from(key);
        // A consumer that receives the key at once waits for the lock, and finds the message then.
        latest.insert(Arc::clone(&key), message);
        self.send(Entry {
            // That of the newest message counts.
            enqueued_at: Stamp::NONE,
            body: Cell::new(Body::Key(key)),
        });
    }

    #[inline]
    fn send(&self, entry: Entry<T>) {
        // It cannot fail, as `Capacity` explains. In a release a bug here would lose the message,
        // and not panic in the app.
        let sent = self.sender.try_send(entry);
        debug_assert!(sent.is_ok(), "who has a place finds room in the channel");
    }

    /// Takes the oldest message; its place stays taken.
    #[inline]
    fn take(&self) -> Option<(T, Stamp)> {
        let entry = self.receiver.try_recv().ok()?;
        Some(self.resolve(entry))
    }

    #[inline]
    fn resolve(&self, entry: Entry<T>) -> (T, Stamp) {
        match entry.body.into_inner() {
            Body::Message(message) => (message, entry.enqueued_at),
            Body::Key(key) => take(&key, &mut self.latest()),
        }
    }

    /// Gives a message's place back and records the pop.
    #[inline]
    fn popped(&self, enqueued_at: Stamp) -> Duration {
        self.metrics.capacity.release();
        self.metrics.popped(enqueued_at)
    }

    fn latest(&self) -> MutexGuard<'_, Latest<T>> {
        // No code of the app runs under the lock.
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cold]
    fn refuse(&self, message: T, reason: PushErrorReason) -> PushError<T> {
        self.metrics.dropped(reason.error_type(), 1);
        PushError { message, reason }
    }
}

fn take<T>(key: &str, latest: &mut Latest<T>) -> (T, Stamp) {
    latest
        .remove(key)
        .expect("a key leaves the map only with its one entry in the channel")
}

/// A channel with room for so many messages, taken at once where that is little. The places
/// are counted by [`Capacity`](super::capacity::Capacity), so a channel without a bound of its own
/// holds no more.
#[expect(clippy::disallowed_methods, reason = "`Capacity` is its bound")]
fn channel<T>(capacity: usize) -> (Sender<Entry<T>>, Receiver<Entry<T>>) {
    let bytes = size_of::<Entry<T>>().saturating_mul(capacity);
    // crossbeam's bounded channel allocates all its slots when it is made; its unbounded one
    // allocates blocks as they fill.
    if bytes <= PREALLOCATED_BYTES_MAX {
        bounded(capacity)
    } else {
        unbounded()
    }
}

/// The most memory that a queue takes before it holds anything.
const PREALLOCATED_BYTES_MAX: usize = 64 << 20;

fn deadline(timeout: Duration) -> Stamp {
    Clock::system().now().plus(timeout)
}

// Short against a timeout that a person would notice, long against the few instructions waited for.
const RECHECK_INTERVAL: Duration = Duration::from_millis(1);

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        // No other handle is left, so nothing is between its place and the channel, and the count
        // is exact.
        let left = self.metrics.capacity.len();
        if left > 0 {
            self.metrics.dropped(ErrorType::Shutdown, left);
        }
        self.metrics.queue_dropped();
    }
}

impl<T> Clone for MessageQueue<T> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<T> fmt::Debug for MessageQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageQueue")
            .field("name", &self.name())
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
