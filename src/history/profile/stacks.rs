//! Samples of stacks, summed up by thread, within bounds.

use serde::{Deserialize, Serialize};

/// What was sampled in some time.
#[derive(Debug)]
pub(crate) struct ProfilePeriod {
    /// Nanoseconds since the Unix epoch.
    pub(crate) started_at: i64,
    pub(crate) ended_at: i64,
    /// The epoch of recording in which it began.
    pub(crate) epoch: u32,
    pub(crate) threads: Vec<ThreadStacks>,
}

/// What was sampled of the threads of a name.
#[derive(Debug, PartialEq)]
pub(crate) struct ThreadStacks {
    pub(crate) thread: String,
    pub(crate) samples: u64,
    /// Of these, in no stack.
    pub(crate) left_out: u64,
    pub(crate) table: StackTable,
}

/// Stacks as the file has them, in JSON.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct StackTable {
    pub(crate) functions: Vec<String>,
    /// Of each, how many samples, and its functions, the outermost first.
    pub(crate) stacks: Vec<Vec<u64>>,
}

/// Where periods go.
#[cfg_attr(
    not(all(feature = "profile", any(target_os = "linux", target_os = "macos"))),
    expect(dead_code, reason = "there is no sampler")
)]
pub(crate) trait ProfileSink: Send {
    /// That of recording, now.
    fn epoch(&self) -> u32;
    fn put(&self, period: ProfilePeriod);
}

#[cfg(any(
    test,
    all(feature = "profile", any(target_os = "linux", target_os = "macos"))
))]
pub(crate) mod bounded {
    use std::collections::HashMap;
    use std::sync::Arc;

    use super::{StackTable, ThreadStacks};

    /// A stack that was sampled so many times.
    #[derive(Clone, Debug)]
    pub(crate) struct Sampled {
        pub(crate) thread: String,
        /// The outermost first.
        pub(crate) frames: Vec<Arc<str>>,
        pub(crate) samples: u64,
    }

    /// Equal stacks of threads of one name as one, in as many bytes of JSON at most: the threads and
    /// the stacks that have the most samples. Of the others the samples are counted.
    pub(crate) fn bounded(sampled: Vec<Sampled>, bytes_max: usize) -> Vec<ThreadStacks> {
        let mut totals: HashMap<String, u64> = HashMap::new();
        let mut sums: HashMap<(String, Vec<Arc<str>>), u64> = HashMap::new();
        for Sampled {
            thread,
            frames,
            samples,
        } in sampled
        {
            // A thread's total counts all of its samples, also those whose stack finds no room
            // below.
            *totals.entry(thread.clone()).or_default() += samples;
            *sums.entry((thread, shortened(frames))).or_default() += samples;
        }
        let mut totals: Vec<(String, u64)> = totals.into_iter().collect();
        // Ties go by name: a HashMap has no order, and equal samples should give an equal file.
        totals.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let others: u64 = totals
            .iter()
            .skip(THREADS_MAX)
            .map(|(_, count)| count)
            .sum();
        totals.truncate(THREADS_MAX);
        let mut threads: Vec<Thread> = totals.into_iter().map(Thread::new).collect();
        let places: HashMap<String, usize> = threads
            .iter()
            .enumerate()
            .map(|(place, thread)| (thread.stacks.thread.clone(), place))
            .collect();
        let mut sums: Vec<_> = sums.into_iter().collect();
        sums.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let (mut count, mut bytes) = (0, 0);
        for ((thread, frames), samples) in sums {
            // The threads beyond the bound are in `others` already.
            let Some(thread) = places.get(&thread).and_then(|at| threads.get_mut(*at)) else {
                continue;
            };
            let more = thread.bytes_of(&frames);
            // No break: a later stack may be small enough.
            if count < STACKS_MAX && bytes + more <= bytes_max {
                thread.add(&frames, samples);
                count += 1;
                bytes += more;
            } else {
                thread.stacks.left_out += samples;
            }
        }
        let mut threads: Vec<ThreadStacks> = threads.into_iter().map(|it| it.stacks).collect();
        if others > 0 {
            threads.push(ThreadStacks {
                thread: OTHER_THREADS.to_owned(),
                samples: others,
                left_out: others,
                table: StackTable::default(),
            });
        }
        threads
    }

    /// Of a stack that is too deep, where it begins and where it ends.
    fn shortened(frames: Vec<Arc<str>>) -> Vec<Arc<str>> {
        if frames.len() <= FRAMES_MAX {
            return frames;
        }
        // One frame less, for the one that says that some are left out.
        let after = frames.len() - (FRAMES_MAX - OUTERMOST - 1);
        let outermost = frames.iter().take(OUTERMOST).cloned();
        let innermost = frames.iter().skip(after).cloned();
        let between = std::iter::once(Arc::from(FRAMES_LEFT_OUT));
        outermost.chain(between).chain(innermost).collect()
    }

    struct Thread {
        stacks: ThreadStacks,
        places: HashMap<Arc<str>, u64>,
    }

    impl Thread {
        fn new((thread, samples): (String, u64)) -> Self {
            Self {
                stacks: ThreadStacks {
                    thread,
                    samples,
                    left_out: 0,
                    table: StackTable::default(),
                },
                places: HashMap::new(),
            }
        }

        /// What the stack takes in the file, about.
        fn bytes_of(&self, frames: &[Arc<str>]) -> usize {
            let names = frames
                .iter()
                .filter(|name| !self.places.contains_key(*name));
            let names: usize = names.map(|name| name.len() + NAME_BYTES).sum();
            names + (frames.len() + 1) * PLACE_BYTES
        }

        fn add(&mut self, frames: &[Arc<str>], samples: u64) {
            let Self { stacks, places } = self;
            let functions = &mut stacks.table.functions;
            // A stack in the file is its count, and then the places of its functions.
            let mut stack = vec![samples];
            for name in frames {
                let place = *places.entry(Arc::clone(name)).or_insert_with(|| {
                    functions.push(name.to_string());
                    functions.len() as u64 - 1
                });
                stack.push(place);
            }
            stacks.table.stacks.push(stack);
        }
    }

    /// Stacks of all threads in a period.
    // A period of a busy app has a long tail of stacks with one sample each.
    const STACKS_MAX: usize = 2_000;
    const THREADS_MAX: usize = 50;
    /// Functions of a stack, and how many of these are the outermost if it is deeper.
    const FRAMES_MAX: usize = 96;
    const OUTERMOST: usize = 32;
    /// What a name takes beside its letters, and its place in a stack.
    const NAME_BYTES: usize = 4;
    const PLACE_BYTES: usize = 5;
    const OTHER_THREADS: &str = "other threads";
    const FRAMES_LEFT_OUT: &str = "[frames left out]";

    #[cfg(test)]
    mod tests {
        use super::*;

        fn sampled(thread: &str, frames: &[&str], samples: u64) -> Sampled {
            Sampled {
                thread: thread.to_owned(),
                frames: frames.iter().map(|name| Arc::from(*name)).collect(),
                samples,
            }
        }

        const MUCH: usize = 1 << 20;

        #[test]
        fn equal_stacks_of_threads_of_one_name_are_one() {
            let threads = bounded(
                vec![
                    sampled("worker", &["main", "draw"], 2),
                    sampled("ui", &["main"], 4),
                    sampled("worker", &["main", "draw"], 3),
                    sampled("worker", &["main"], 1),
                ],
                MUCH,
            );
            let [worker, ui] = &threads[..] else {
                panic!("{threads:?}");
            };
            assert_eq!((worker.thread.as_str(), worker.samples), ("worker", 6));
            assert_eq!(worker.table.functions, ["main", "draw"]);
            assert_eq!(worker.table.stacks, [vec![5, 0, 1], vec![1, 0]]);
            assert_eq!((ui.samples, ui.left_out), (4, 0));
        }

        #[test]
        fn stacks_without_room_are_counted_the_smallest_first() {
            let many = (0..3_000).map(|n| sampled("a", &["main", &format!("f{n}")], 3_000 - n));
            let threads = bounded(many.collect(), MUCH);
            let thread = threads.first().unwrap();
            assert_eq!(thread.table.stacks.len(), STACKS_MAX);
            assert_eq!(thread.samples, 3_000 * 3_001 / 2);
            assert_eq!(thread.left_out, 1_000 * 1_001 / 2);
            let kept: u64 = thread.table.stacks.iter().map(|stack| stack[0]).sum();
            assert_eq!(kept + thread.left_out, thread.samples);
        }

        #[test]
        fn json_is_not_larger_than_its_bound() {
            let many = (0..1_000).map(|n| {
                let deep: Vec<String> = (0..40).map(|at| format!("module::f{}", n * at)).collect();
                let deep: Vec<&str> = deep.iter().map(String::as_str).collect();
                sampled(&format!("t{}", n % 7), &deep, 1)
            });
            let threads = bounded(many.collect(), 40_000);
            let json = threads
                .iter()
                .map(|thread| serde_json::to_string(&thread.table).unwrap().len());
            let json: usize = json.sum();
            assert!((20_000..41_000).contains(&json), "{json}");
            let left: u64 = threads.iter().map(|thread| thread.left_out).sum();
            assert!(left > 0);
        }

        #[test]
        fn deep_stack_keeps_its_begin_and_its_end() {
            let deep: Vec<String> = (0..200).map(|at| format!("f{at}")).collect();
            let deep: Vec<&str> = deep.iter().map(String::as_str).collect();
            let threads = bounded(vec![sampled("a", &deep, 1)], MUCH);
            let functions = &threads.first().unwrap().table.functions;
            assert_eq!(functions.len(), FRAMES_MAX);
            assert_eq!(functions.first().unwrap(), "f0");
            assert_eq!(functions.get(OUTERMOST).unwrap(), FRAMES_LEFT_OUT);
            assert_eq!(functions.last().unwrap(), "f199");
        }

        #[test]
        fn threads_beyond_the_bound_are_counted_together() {
            let many = (0..60).map(|n| sampled(&format!("t{n}"), &["main"], 100 - n));
            let threads = bounded(many.collect(), MUCH);
            assert_eq!(threads.len(), THREADS_MAX + 1);
            let last = threads.last().unwrap();
            assert_eq!(last.thread, OTHER_THREADS);
            assert_eq!((last.samples, last.left_out), (455, 455));
        }
    }
}
