//! Whether a trace is kept: the rule, and the words for what was decided and why.

use super::failures::Failure;

/// What one span says about its trace. The greater one rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SpanClass {
    Fine,
    SlowerThanUsual,
    /// It is of the app's start, of which there is one a process.
    Startup,
    Slow,
    Failed(Failure),
}

/// Why a trace was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeepReason {
    /// A span of it failed.
    Error,
    /// A span of it took as long as its threshold, or longer.
    Slow,
    /// A span of it took many times as long as those of its name usually do.
    SlowerThanUsual,
    /// It is the app's start.
    Startup,
    /// It is one of so many a second.
    Rate,
}

impl KeepReason {
    pub(super) const ALL: [Self; 5] = [
        Self::Error,
        Self::Slow,
        Self::SlowerThanUsual,
        Self::Startup,
        Self::Rate,
    ];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Slow => "slow",
            Self::SlowerThanUsual => "slower_than_usual",
            Self::Startup => "startup",
            Self::Rate => "rate",
        }
    }
}

/// What becomes of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Kept(KeepReason),
    Dropped,
}

impl Fate {
    /// A trace in which something was slow is kept, that of the app's start, and one in which something
    /// failed as far as `is_within_budget` admits its failure; one that was slower than usual as far
    /// as `is_within_minute` admits it, and of the rest, as many as `is_within_rate` admits. Each is
    /// asked only then.
    pub(super) fn decide(
        class: SpanClass,
        is_open_too_long: bool,
        is_within_budget: impl FnOnce(Failure) -> bool,
        is_within_minute: impl FnOnce() -> bool,
        is_within_rate: impl FnOnce() -> bool,
    ) -> Self {
        match class {
            SpanClass::Failed(failure) if is_within_budget(failure) => {
                Self::Kept(KeepReason::Error)
            }
            // Not given to the rate: a flood of one failure would use it up.
            SpanClass::Failed(_) => Self::Dropped,
            SpanClass::Slow => Self::Kept(KeepReason::Slow),
            SpanClass::Startup => Self::Kept(KeepReason::Startup),
            // This case precedes the budgets, since a person looks for an open span that hangs.
            SpanClass::Fine | SpanClass::SlowerThanUsual if is_open_too_long => {
                Self::Kept(KeepReason::Slow)
            }
            // Each question takes from its budget, hence closures that are called only where they
            // decide.
            SpanClass::SlowerThanUsual if is_within_minute() => {
                Self::Kept(KeepReason::SlowerThanUsual)
            }
            _ if is_within_rate() => Self::Kept(KeepReason::Rate),
            SpanClass::Fine | SpanClass::SlowerThanUsual => Self::Dropped,
        }
    }
}

/// Why a trace was decided while a span of it was still open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EarlyReason {
    /// As many traces were held as may be.
    TracesFull,
    /// As many spans were held as may be.
    SpansFull,
    /// It was held as long as it may be.
    HoldTime,
    Shutdown,
}

impl EarlyReason {
    pub(super) const ALL: [Self; 4] = [
        Self::TracesFull,
        Self::SpansFull,
        Self::HoldTime,
        Self::Shutdown,
    ];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::TracesFull => "traces_full",
            Self::SpansFull => "spans_full",
            Self::HoldTime => "hold_time",
            Self::Shutdown => "shutdown",
        }
    }
}

/// Why a recorded span was not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DropReason {
    /// Its trace was dropped.
    OverRate,
    /// Its trace was dropped since too many failed in the same way.
    RepeatedError,
    /// Its trace was slower than usual and dropped, since too many were in this minute.
    SlowerThanUsual,
    /// Its trace held as many spans as it may.
    TraceFull,
    /// Its trace had been dropped before the span ended, or is no longer known.
    Late,
}

impl DropReason {
    pub(super) const ALL: [Self; 5] = [
        Self::OverRate,
        Self::RepeatedError,
        Self::SlowerThanUsual,
        Self::TraceFull,
        Self::Late,
    ];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::OverRate => "over_rate",
            Self::RepeatedError => "repeated_error",
            Self::SlowerThanUsual => "slower_than_usual",
            Self::TraceFull => "trace_full",
            Self::Late => "late",
        }
    }
}
