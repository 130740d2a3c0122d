//! The queue beside a model of it, under any sequence of calls.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Op {
    Push,
    PushNoWait,
    PushLatest(u8),
    Pop,
    PopTimeout,
    Drain(usize),
    Close,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => Just(Op::Push),
        2 => Just(Op::PushNoWait),
        8 => (0..4u8).prop_map(Op::PushLatest),
        4 => Just(Op::Pop),
        1 => Just(Op::PopTimeout),
        2 => (0..4usize).prop_map(Op::Drain),
        1 => Just(Op::Close),
    ]
}

/// The queue in one thread, as simply as it can be said.
struct Model {
    queued: VecDeque<(Option<u8>, u32)>,
    capacity: usize,
    overflow: Overflow,
    closed: bool,
}

impl Model {
    fn push(
        &mut self,
        key: Option<u8>,
        message: u32,
        wait: bool,
    ) -> Result<Pushed<u32>, PushErrorReason> {
        if self.closed {
            return Err(PushErrorReason::Closed);
        }
        if let Some(queued) = self.queued.iter_mut().find(|q| key.is_some() && q.0 == key) {
            return Ok(Pushed::Superseded(std::mem::replace(
                &mut queued.1,
                message,
            )));
        }
        let mut pushed = Pushed::Queued;
        if self.queued.len() == self.capacity {
            if wait {
                return Err(PushErrorReason::Timeout);
            }
            if self.overflow != Overflow::DropOldest {
                return Err(PushErrorReason::Full);
            }
            pushed = Pushed::Evicted(self.queued.pop_front().unwrap().1);
        }
        self.queued.push_back((key, message));
        Ok(pushed)
    }

    fn pop(&mut self) -> Option<u32> {
        self.queued.pop_front().map(|(_, message)| message)
    }
}

proptest! {
    #[test]
    fn any_sequence_agrees_with_the_model(
        capacity in 1..5usize,
        overflow in prop_oneof![
            Just(Overflow::DropNewest), Just(Overflow::DropOldest), Just(Overflow::Block)
        ],
        ops in prop::collection::vec(op(), 0..60),
    ) {
        let recorder = recorder();
        ::metrics::with_local_recorder(&recorder, || -> Result<(), TestCaseError> {
            let queue = MessageQueue::builder("model")
                .capacity(capacity)
                .overflow(overflow)
                .build();
            let mut model = Model { queued: VecDeque::new(), capacity, overflow, closed: false };
            let (mut ok, mut lost) = (0, 0);
            for (op, message) in ops.into_iter().zip(0u32..) {
                // A blocking push into a full queue would wait for ever in one thread.
                let blocks = overflow == Overflow::Block
                    && model.queued.len() == capacity
                    && !model.closed;
                let pushed = match op {
                    Op::Push if !blocks => {
                        Some((queue.push(message), model.push(None, message, false)))
                    }
                    Op::Push | Op::PushNoWait => Some((
                        queue.push_timeout(message, Duration::ZERO),
                        model.push(None, message, true),
                    )),
                    Op::PushLatest(key)
                        if !blocks || model.queued.iter().any(|q| q.0 == Some(key)) =>
                    {
                        Some((
                            queue.push_latest(&key.to_string(), message),
                            model.push(Some(key), message, false),
                        ))
                    }
                    Op::PushLatest(_) => None,
                    Op::Pop => {
                        let popped = queue.try_pop();
                        prop_assert_eq!(popped, model.pop());
                        ok += usize::from(popped.is_some());
                        None
                    }
                    Op::PopTimeout => {
                        let popped = queue.pop_timeout(Duration::ZERO);
                        let nothing = if model.closed { PopError::Closed } else { PopError::Timeout };
                        prop_assert_eq!(popped, model.pop().ok_or(nothing));
                        ok += usize::from(popped.is_ok());
                        None
                    }
                    Op::Drain(max) => {
                        let drained = queue.drain(max);
                        ok += drained.len();
                        let expected: Vec<_> = (0..max).map_while(|_| model.pop()).collect();
                        prop_assert_eq!(drained, expected);
                        None
                    }
                    Op::Close => {
                        queue.close();
                        model.closed = true;
                        None
                    }
                };
                if let Some((pushed, expected)) = pushed {
                    lost += usize::from(!matches!(pushed, Ok(Pushed::Queued)));
                    let pushed = pushed.map_err(|error| {
                        assert_eq!(error.message, message);
                        error.reason
                    });
                    prop_assert_eq!(pushed, expected);
                }
                prop_assert_eq!(queue.len(), model.queued.len());
                prop_assert_eq!(queue.is_closed(), model.closed);
            }
            queue.close();
            let left = queue.drain(usize::MAX);
            ok += left.len();
            prop_assert_eq!(left.len(), model.queued.len());
            prop_assert_eq!(queue.len(), 0);
            let mut counted = [0, 0];
            for line in series(&recorder) {
                if let Some((_, rest)) = line.split_once("queue_messages{") {
                    let value: usize = rest.split_once("} ").unwrap().1.parse().unwrap();
                    counted[usize::from(!rest.contains("\"ok\""))] += value;
                }
            }
            prop_assert_eq!(counted, [ok, lost]);
            Ok(())
        })?;
    }
}
