//! The thread that begins and ends faults, and the console that tells it to.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, BufRead};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use clap::ValueEnum;
use spanwire::ipc::Call;

use super::command::{Command, HELP};
use super::{Fault, Guard, Victims, messages};
use crate::output::say;

/// Whether faults are begun and ended by what is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Console {
    Off,
    Stdin,
}

/// The faults of a window: those that are on, and who turns them on and off.
#[derive(Clone, Debug)]
pub(crate) struct Faults {
    orders: SyncSender<Order>,
    ended: Arc<AtomicBool>,
}

#[derive(Debug)]
enum Order {
    Do(Command),
    /// The page is there for the first time.
    BeginFirst,
    /// Nothing but to look whether it has ended.
    Look,
}

impl Faults {
    /// Begins those of `first` as soon as the page is there, and listens to the console.
    ///
    /// # Errors
    ///
    /// A handler or a thread cannot be had.
    pub(crate) fn start(
        victims: Victims,
        first: &[Fault],
        console: Console,
    ) -> Result<Self, Box<dyn Error>> {
        // Bounded, since a program may write to standard input faster than faults begin.
        let (sender, orders) = sync_channel(ORDERS);
        messages::register(&victims.ipc)?;
        // `session.start` is the page's first call. A page that is loaded anew calls it again, and
        // then `first` is empty.
        let page_is_there = sender.clone();
        victims.ipc.on("session.start", move |_: &Call<'_>| {
            // This is the UI thread. The first one comes through, and no other is needed.
            let _ = page_is_there.try_send(Order::BeginFirst);
        })?;
        let ended = Arc::new(AtomicBool::new(false));
        let control = Control {
            ended: Arc::clone(&ended),
            victims,
            first: first.to_vec(),
            on: BTreeMap::new(),
        };
        std::thread::Builder::new()
            .name("faults".into())
            // A thread of its own: to end a fault may wait, and neither the UI thread nor the
            // runtime may.
            .spawn(move || control.run(&orders))?;
        if console == Console::Stdin {
            say!("faults   {HELP}\n");
            let typed = sender.clone();
            std::thread::Builder::new()
                .name("console".into())
                .spawn(move || listen(&typed))?;
        }
        Ok(Self {
            orders: sender,
            ended,
        })
    }

    /// Ends all that are on, and begins none any more. It does not wait for that.
    pub(crate) fn end_all(&self) {
        // The flag is set before the order is sent, so the thread that takes the order sees it.
        self.ended.store(true, Ordering::Release);
        // The queue is full when a user types orders faster than the thread runs them. The thread
        // then has an order to take, and looks at the flag before it runs that.
        let _ = self.orders.try_send(Order::Look);
    }
}

/// Reads lines until there are no more, which changes nothing.
fn listen(orders: &SyncSender<Order>) {
    // This thread is never joined: nothing ends a read of standard input. It goes with the process.
    for line in io::stdin().lock().lines() {
        let line = match line {
            Ok(line) => line,
            // Not UTF-8: the next line may be.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                say!("fault: that is no text: {HELP}");
                continue;
            }
            Err(_) => return,
        };
        match Command::parse(&line) {
            Ok(Some(command)) => {
                if orders.send(Order::Do(command)).is_err() {
                    return;
                }
            }
            Ok(None) => {}
            Err(error) => say!("fault: {error}"),
        }
    }
}

struct Control {
    /// The window closes: a fault that begins now could keep it open for ever.
    ended: Arc<AtomicBool>,
    victims: Victims,
    /// Those that are to begin with the page.
    first: Vec<Fault>,
    on: BTreeMap<Fault, Guard>,
}

impl Control {
    fn run(mut self, orders: &Receiver<Order>) {
        for order in orders {
            if self.ended.load(Ordering::Acquire) {
                // The guards end their faults here, and not on the UI thread, which may be what
                // hangs.
                self.on.clear();
                continue;
            }
            match order {
                Order::Do(Command::Start(fault)) => self.start(fault),
                Order::Do(Command::Stop(fault)) => self.stop(fault),
                Order::Do(Command::List) => self.list(),
                Order::Do(Command::Help) => say!("fault: {HELP}"),
                Order::BeginFirst => {
                    for fault in std::mem::take(&mut self.first) {
                        self.start(fault);
                    }
                }
                Order::Look => {}
            }
        }
    }

    fn start(&mut self, fault: Fault) {
        if self.on.contains_key(&fault) {
            say!("fault {fault}: is on already");
            return;
        }
        match fault.cause(&self.victims) {
            Ok(guard) => {
                self.on.insert(fault, guard);
                say!("fault {fault}: started");
            }
            Err(error) => say!("fault {fault}: not started: {error}"),
        }
    }

    fn stop(&mut self, fault: Fault) {
        match self.on.remove(&fault) {
            Some(guard) => {
                drop(guard);
                say!("fault {fault}: stopped");
            }
            None => say!("fault {fault}: is not on"),
        }
    }

    fn list(&self) {
        for fault in Fault::value_variants() {
            let state = if self.on.contains_key(fault) {
                "on"
            } else {
                "off"
            };
            say!("fault {fault:17} {state:3}  {}", fault.about());
        }
    }
}

/// Lines that may wait. Who types faster waits.
const ORDERS: usize = 64;
