//! The faults that there are.

use std::fmt;

use clap::ValueEnum;

/// Something that goes wrong on purpose.
///
/// The first line of each is what the console and `--help` say about it; in parentheses the alerts
/// that it sets off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Fault {
    /// The page calls a handler that fails (SpanwireErrorRateHigh)
    FailingHandler,
    /// The page calls a handler that takes two seconds (SpanwireHandlerSlow)
    SlowHandler,
    /// The page calls a handler that never answers (SpanwireCallsUnsettled)
    SilentHandler,
    /// A listener of the page keeps it busy (SpanwireDeliverySlow, SpanwireLatencyBudget*Burn)
    SlowListener,
    /// Listeners of the page throw (no alert: see page errors)
    FailingPage,
    /// More is sent than waits for the page (SpanwireMessagesDropped, SpanwireDeliveryBudget*Burn)
    FullQueue,
    /// The importer hangs, and imports wait for it (SpanwireQueueNearlyFull)
    StuckImporter,
    /// More imports come than may wait (SpanwireQueueMessagesDropped)
    ImportFlood,
    /// A handler keeps the UI thread again and again (SpanwireMainThreadBlocked)
    BlockedUi,
    /// The UI thread waits for something that does not come (SpanwireMainThreadHung)
    HungUi,
    /// The page's process stands still (SpanwirePageUnresponsive)
    FrozenPage,
    /// The page's process is killed; it is loaded anew at the end (SpanwirePageGone)
    DeadPage,
    /// The page is taken to an empty document, and brought back at the end (SpanwirePageInert)
    EmptyPage,
    /// An operation fails, and is tried again (SpanwireOperationErrorRateHigh)
    FailingOperation,
    /// The app keeps 256 MiB that it does not need (SpanwireMemoryGrowth)
    Leak,
}

impl Fault {
    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::from_str(name, false).ok()
    }

    /// What `--help` says about it.
    pub(crate) fn about(self) -> String {
        let help = self
            .to_possible_value()
            .and_then(|value| value.get_help().map(ToString::to_string));
        help.unwrap_or_default()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value();
        // `pad` and not `write_str`, so that a width in a format is kept to.
        f.pad(value.as_ref().map_or("", |value| value.get_name()))
    }
}
