//! Faults on purpose, to see what they look like on a dashboard and which alert they set off.
//!
//! Each is real, and made with what any app has: a handler that fails, a thread that waits, a
//! process that is killed. What it holds is a guard, and to drop that is to end it: the app is
//! healthy again then.

mod command;
mod control;
mod fault;
mod imports;
mod leak;
mod messages;
mod page_call;
mod page_process;
mod repeat;
mod ui_thread;

use std::any::Any;
use std::io;
use std::time::Duration;

use spanwire::ipc::Ipc;
use spanwire::timer::monitor;

pub(crate) use control::{Console, Faults};
pub(crate) use fault::Fault;

use crate::import::Imports;
use crate::ui::Ui;
use repeat::Repeat;

/// The parts of the app in which something can go wrong.
#[derive(Clone, Debug)]
pub(crate) struct Victims {
    pub(crate) ipc: Ipc,
    pub(crate) imports: Imports,
    pub(crate) ui: Ui,
}

/// A fault that is on, until it is dropped.
// `Any` for a type without a method: all that is ever done with it is to drop it.
type Guard = Box<dyn Any + Send>;

impl Fault {
    /// Begins it. It never waits for the UI thread, which may be what hangs.
    fn cause(self, victims: &Victims) -> io::Result<Guard> {
        let Victims { ipc, imports, ui } = victims;
        Ok(match self {
            Self::FailingHandler => Box::new(messages::failing_handler(ipc)?),
            Self::SlowHandler => Box::new(messages::slow_handler(ipc)?),
            Self::SilentHandler => Box::new(messages::silent_handler(ipc)?),
            Self::SlowListener => Box::new(messages::slow_listener(ipc)?),
            Self::FailingPage => Box::new(messages::failing_page(ipc)?),
            Self::FullQueue => Box::new(messages::full_queue(ipc, ui)?),
            Self::StuckImporter => Box::new(imports::stuck(imports)),
            Self::ImportFlood => Box::new(imports::flood(imports)?),
            Self::BlockedUi => Box::new(ui_thread::blocked(ipc)?),
            Self::HungUi => Box::new(ui_thread::hung(ui)),
            Self::FrozenPage => Box::new(page_process::frozen()?),
            Self::DeadPage => Box::new(page_process::dead(ipc, ui)?),
            Self::EmptyPage => Box::new(page_process::empty(ui)),
            Self::FailingOperation => Box::new(failing_operation()?),
            Self::Leak => Box::new(leak::leak()?),
        })
    }
}

fn failing_operation() -> io::Result<Repeat> {
    Repeat::every(Duration::from_millis(100), |_| {
        let backup = || Err::<(), _>(io::Error::other("no space left on the device"));
        // What it returns is what the operation has counted.
        let _ = monitor("backup").run(backup);
    })
}
