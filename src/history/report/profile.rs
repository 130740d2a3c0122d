//! The CPU profile of the period: stacks of each thread, as the history has them.

use std::collections::HashMap;

use rusqlite::Connection;

use super::flame::{Flame, draw};
use super::text::{escaped, put, share};
use crate::history::profile::IS_SUPPORTED;
use crate::history::profile::stacks::ThreadStacks;
use crate::history::profile::table;
use crate::history::query::QueryError;

/// Whether a process of this system can sample itself.
pub(crate) const PROFILES_IN_PROCESS: bool = IS_SUPPORTED;

/// What to do where a process cannot sample itself.
#[cfg(feature = "profile")]
pub(crate) const NO_PROFILE_HERE: &str = "a process cannot sample itself on this system: record the \
     app from outside, on Windows with `samply record APP.exe` or Windows Performance Recorder";

/// What to do where there are no samples.
pub(super) const HINT: &str = match PROFILES_IN_PROCESS {
    true => {
        "No CPU profile: run the app with SPANWIRE_PROFILE=99, built with the feature `profile`, to \
         have one."
    }
    false => {
        "No CPU profile: record the app with `samply record APP.exe` or Windows Performance Recorder \
         to have one."
    }
};

/// All that was sampled.
#[derive(Debug, Default)]
pub(super) struct Profile {
    pub(super) functions: Vec<String>,
    /// First the one with the most samples.
    pub(super) threads: Vec<Thread>,
}

/// What was sampled of the threads of one name.
#[derive(Debug, Default)]
pub(super) struct Thread {
    pub(super) name: String,
    pub(super) samples: u64,
    /// Of these, in no stack.
    pub(super) left_out: u64,
    /// Functions, the outermost first, and how many samples; the most first.
    pub(super) stacks: Vec<(Vec<usize>, u64)>,
}

impl Profile {
    pub(super) fn read(connection: &Connection, from: i64, to: i64) -> Result<Self, QueryError> {
        let mut merged = Merged::default();
        table::read(connection, from, to, |row| merged.take(row))?;
        Ok(merged.finish())
    }

    pub(super) fn samples(&self) -> u64 {
        self.threads.iter().map(|thread| thread.samples).sum()
    }

    fn name(&self, function: usize) -> &str {
        self.functions.get(function).map_or("", String::as_str)
    }

    /// Of each function the samples in which it is the innermost, and those in which it is at all.
    fn of_functions(&self) -> Vec<(&str, u64, u64)> {
        let mut counts = vec![(0_u64, 0_u64); self.functions.len()];
        for (stack, samples) in self.threads.iter().flat_map(|thread| &thread.stacks) {
            if let Some(count) = stack.last().and_then(|at| counts.get_mut(*at)) {
                count.0 += samples;
            }
            // A recursive function is in a stack several times, and counts once.
            let mut once = stack.clone();
            once.sort_unstable();
            once.dedup();
            for at in once {
                if let Some(count) = counts.get_mut(at) {
                    count.1 += samples;
                }
            }
        }
        let named = self.functions.iter().zip(counts);
        let mut named: Vec<_> = named
            .map(|(name, (innermost, all))| (name.as_str(), innermost, all))
            .collect();
        named.sort_by(|a, b| b.1.cmp(&a.1).then(b.2.cmp(&a.2)).then(a.0.cmp(b.0)));
        named
    }
}

/// Rows of many minutes and runs, on their way to one profile.
#[derive(Default)]
struct Merged {
    places: HashMap<String, usize>,
    threads: HashMap<String, MergedThread>,
    stacks: usize,
}

#[derive(Default)]
struct MergedThread {
    samples: u64,
    left_out: u64,
    stacks: HashMap<Vec<usize>, u64>,
}

impl Merged {
    fn take(&mut self, row: ThreadStacks) {
        let Self {
            places,
            threads,
            stacks,
        } = self;
        // Each row numbers its own functions. Here they get numbers that hold for the whole report.
        let known: Vec<usize> = row
            .table
            .functions
            .into_iter()
            .map(|name| {
                let next = places.len();
                *places.entry(name).or_insert(next)
            })
            .collect();
        let thread = threads.entry(row.thread).or_default();
        thread.samples += row.samples;
        thread.left_out += row.left_out;
        for stack in row.table.stacks {
            let Some((samples, functions)) = stack.split_first() else {
                continue;
            };
            // A file is foreign input: a number beyond the row's functions is left out.
            let place = |at: &u64| {
                usize::try_from(*at)
                    .ok()
                    .and_then(|at| known.get(at).copied())
            };
            let functions: Vec<usize> = functions.iter().filter_map(place).collect();
            match thread.stacks.get_mut(&functions) {
                Some(sum) => *sum += samples,
                // The newest rows come first, so older ones are left out.
                None if *stacks >= STACKS_MAX => thread.left_out += samples,
                None => {
                    *stacks += 1;
                    thread.stacks.insert(functions, *samples);
                }
            }
        }
    }

    fn finish(self) -> Profile {
        let mut functions = vec![String::new(); self.places.len()];
        for (name, place) in self.places {
            if let Some(function) = functions.get_mut(place) {
                *function = name;
            }
        }
        let threads = self.threads.into_iter();
        let threads = threads.map(|(name, merged)| {
            let mut stacks: Vec<_> = merged.stacks.into_iter().collect();
            stacks.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
            Thread {
                name,
                samples: merged.samples,
                left_out: merged.left_out,
                stacks,
            }
        });
        let mut threads: Vec<Thread> = threads.collect();
        threads.sort_by(|a, b| b.samples.cmp(&a.samples).then_with(|| a.name.cmp(&b.name)));
        Profile { functions, threads }
    }
}

/// The page's section: a flame graph of each thread, and the functions that computed the most.
pub(super) fn section(out: &mut String, profile: &Profile) {
    out.push_str("<h2>CPU profile</h2>");
    let all = profile.samples();
    if all == 0 {
        put!(out, "<p class=\"soft\">{}</p>", escaped(HINT));
        return;
    }
    put!(
        out,
        "<p class=\"soft\">{} of processor time: a thread that waits has none. The \
         outermost function is on top. Functions are those of the binary: one that was inlined counts \
         for the one around it.</p>",
        counted(all)
    );
    let of_all = |thread: &Thread| thread.samples as f64 / all as f64;
    let drawn = profile.threads.iter().take(THREADS);
    let drawn: Vec<&Thread> = drawn.filter(|it| of_all(it) >= THREAD_MIN).collect();
    for thread in &drawn {
        put!(
            out,
            "<h3>Thread {}: {}, {}</h3>",
            escaped(&thread.name),
            counted(thread.samples),
            share(of_all(thread))
        );
        // A sample counts for each function of its stack: a box is as wide as all that is within
        // it.
        let mut flame = Flame::new();
        for (stack, samples) in &thread.stacks {
            let mut at = Flame::ROOT;
            for function in stack {
                at = flame.within(at, profile.name(*function));
                flame.add(at, *samples);
            }
        }
        if thread.left_out > 0 {
            let at = flame.within(Flame::ROOT, LEFT_OUT);
            flame.add(at, thread.left_out);
        }
        draw(out, &flame, &counted);
    }
    if profile.threads.len() > drawn.len() {
        put!(
            out,
            "<p class=\"soft\">More threads are in profile.speedscope.json: {}.</p>",
            profile.threads.len() - drawn.len()
        );
    }
    out.push_str(
        "<div class=\"scroll\"><table><tr><th>Function</th><th class=\"n\">Itself</th>\
         <th class=\"n\">With what it calls</th></tr>",
    );
    let functions = profile.of_functions();
    for (name, innermost, with_calls) in functions.into_iter().take(FUNCTIONS) {
        // The list has those with most samples of their own first, so the rest has none.
        if innermost == 0 {
            break;
        }
        put!(
            out,
            "<tr><td class=\"name\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            escaped(name),
            share(innermost as f64 / all as f64),
            share(with_calls as f64 / all as f64)
        );
    }
    out.push_str("</table></div>");
}

fn counted(samples: u64) -> String {
    match samples {
        1 => "1 sample".to_owned(),
        _ => format!("{samples} samples"),
    }
}

/// What samples without a stack are called.
pub(super) const LEFT_OUT: &str = "[stacks left out]";
/// Stacks of a report, of all threads.
const STACKS_MAX: usize = 20_000;
/// Threads that are drawn, and the share of all samples from which one is.
const THREADS: usize = 6;
const THREAD_MIN: f64 = 0.01;
const FUNCTIONS: usize = 15;
