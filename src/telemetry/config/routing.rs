//! The one rule for settings that decide where data goes, how, or with which trust.
//!
//! Such a setting is a [`Routing`]. One that is set and cannot be used is neither unset nor its
//! default: it turns off the signals that need it. Otherwise data would go to another place than
//! the one that was asked for, or go there without TLS, without the token or by another way.
//! Nothing but [`Needs`] gives a setting's value away, and [`Needs`] remembers what was refused.

use std::borrow::Cow;

use super::warning::Warning;
use crate::telemetry::diagnostics::flaw::Flaw;

/// What a value that cannot be used does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fallback {
    /// The default holds, as if the setting were unset.
    Default,
    /// The signals that need the setting are off: it decides where their data goes, how, or with
    /// which trust.
    SignalOff,
    /// All telemetry is paused, and stays so: the setting is about consent, which is not guessed.
    Paused,
}

/// A setting that decides where data goes, how, or with which trust.
#[derive(Clone, Debug, Default)]
#[cfg_attr(
    not(feature = "otlp"),
    expect(dead_code, reason = "only OTLP asks which setting decided")
)]
pub(crate) enum Routing<T> {
    #[default]
    Unset,
    /// Beside the value stands the variable or option that set it.
    Usable(T, &'static str),
    /// By the variable or option of that name, which cannot be used.
    Refused(&'static str),
}

impl<T> Routing<T> {
    /// The value of `name` as it was parsed.
    pub(crate) fn parsed(name: &'static str, value: Result<T, Flaw>) -> (Self, Result<(), Flaw>) {
        match value {
            Ok(value) => (Self::Usable(value, name), Ok(())),
            Err(flaw) => (Self::Refused(name), Err(flaw)),
        }
    }

    /// This, or the wider setting when this one is unset. One that is refused is set: a signal's
    /// bad variable never falls back to the general one.
    #[cfg(feature = "otlp")]
    pub(crate) fn or<'a>(&'a self, wider: &'a Self) -> &'a Self {
        match self {
            Self::Unset => wider,
            Self::Usable(..) | Self::Refused(_) => self,
        }
    }

    /// Whether a setting of that name decided.
    #[cfg(feature = "otlp")]
    pub(crate) fn is_by(&self, name: &str) -> bool {
        match self {
            Self::Unset => false,
            Self::Usable(_, by) | Self::Refused(by) => *by == name,
        }
    }

    /// This with `added` put into it; what cannot be used stays so.
    #[cfg(feature = "otlp")]
    pub(crate) fn joined(&self, added: &Self, join: impl FnOnce(&T, &T) -> T) -> Self
    where
        T: Clone,
    {
        match (self, added) {
            (Self::Unset, other) | (other, Self::Unset) => other.clone(),
            // A request that is sent without the unusable part could lack its token.
            (Self::Refused(by), _) | (_, Self::Refused(by)) => Self::Refused(by),
            (Self::Usable(ours, _), Self::Usable(theirs, by)) => {
                Self::Usable(join(ours, theirs), by)
            }
        }
    }

    #[cfg(feature = "otlp")]
    pub(crate) fn is_set(&self) -> bool {
        !matches!(self, Self::Unset)
    }

    /// The value and who set it, for a look that decides nothing.
    #[cfg(feature = "otlp")]
    pub(crate) fn usable(&self) -> Option<(&T, &'static str)> {
        match self {
            Self::Usable(value, by) => Some((value, *by)),
            Self::Unset | Self::Refused(_) => None,
        }
    }
}

/// Which signals are off, and by which settings.
#[derive(Debug, Default)]
pub(crate) struct Off(Vec<(&'static str, &'static str)>);

impl Off {
    /// Collects what that signal needs.
    pub(crate) fn needs_of(&mut self, signal: &'static str) -> Needs<'_> {
        // A signal that an earlier look turned off stays off, also when this look finds nothing
        // wrong.
        let refused = self.0.iter().any(|(name, _)| *name == signal);
        Needs {
            off: self,
            signal,
            refused,
        }
    }

    /// The signals that this variable or option turned off.
    pub(crate) fn by(&self, variable: &str) -> Vec<&'static str> {
        let off = self.0.iter().filter(|(_, by)| *by == variable);
        off.map(|(signal, _)| *signal).collect()
    }

    /// The variables and options that turned this signal off.
    pub(crate) fn reasons(&self, signal: &str) -> Vec<&'static str> {
        let off = self.0.iter().filter(|(name, _)| *name == signal);
        off.map(|(_, by)| *by).collect()
    }
}

/// Gives a signal the values of its settings, until one is refused.
#[derive(Debug)]
pub(crate) struct Needs<'a> {
    off: &'a mut Off,
    signal: &'static str,
    refused: bool,
}

impl Needs<'_> {
    /// The setting's value, if it has one.
    pub(crate) fn get<T: Clone>(&mut self, setting: &Routing<T>) -> Option<T> {
        match setting {
            Routing::Unset => None,
            Routing::Usable(value, _) => Some(value.clone()),
            Routing::Refused(by) => {
                self.refuse(by);
                None
            }
        }
    }

    /// Turns the signal off.
    pub(crate) fn refuse(&mut self, by: &'static str) {
        self.refused = true;
        if !self.off.0.contains(&(self.signal, by)) {
            self.off.0.push((self.signal, by));
        }
    }

    #[cfg(feature = "otlp")]
    pub(crate) fn is_refused(&self) -> bool {
        self.refused
    }

    /// What was built of the values, unless one of them was refused.
    pub(crate) fn grant<T>(self, built: T) -> Option<T> {
        (!self.refused).then_some(built)
    }
}

/// A setting that cannot be used as it is, before it is known which signals need it.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) variable: &'static str,
    /// What may be quoted of it is decided by the flaw.
    pub(crate) value: String,
    pub(crate) flaw: Flaw,
    pub(crate) accepted: Cow<'static, str>,
    pub(crate) instead: Instead,
}

/// What holds in the place of a setting that is not used.
#[derive(Debug)]
pub(crate) enum Instead {
    /// This.
    Holds(Cow<'static, str>),
    /// Nothing: the signals that need it are off.
    SignalsOff,
}

impl Refusal {
    /// Of a setting that decides where data goes: its signals are off.
    pub(crate) fn signals_off(
        variable: &'static str,
        value: &str,
        flaw: Flaw,
        accepted: &'static str,
    ) -> Self {
        Self {
            variable,
            value: value.to_owned(),
            flaw,
            accepted: accepted.into(),
            instead: Instead::SignalsOff,
        }
    }

    pub(crate) fn warning(self, off: &Off) -> Warning {
        let instead = match self.instead {
            Instead::Holds(what) => what,
            Instead::SignalsOff => consequence(&off.by(self.variable)),
        };
        Warning::flawed(
            self.variable,
            &self.value,
            self.flaw,
            self.accepted,
            instead,
        )
    }
}

fn consequence(off: &[&str]) -> Cow<'static, str> {
    match off {
        // For example a bad header of logs while logs are off.
        [] => "no signal that is on needs it".into(),
        [one @ (ENDPOINT | SPOOL | HISTORY)] => format!("{one} is off").into(),
        [one] => format!("{one} are off").into(),
        [rest @ .., last] => format!("{} and {last} are off", rest.join(", ")).into(),
    }
}

/// What the Prometheus endpoint serves, as warnings call it.
pub(crate) const ENDPOINT: &str = "/metrics";
/// As warnings call it.
pub(crate) const SPOOL: &str = "the spool";
/// The history, as warnings call it.
pub(crate) const HISTORY: &str = "the history";

#[cfg(all(test, feature = "otlp"))]
mod tests {
    use super::*;

    #[test]
    fn a_refused_setting_never_falls_back_to_a_wider_one() {
        let general = Routing::Usable(1, "GENERAL");
        let mut off = Off::default();
        let mut needs = off.needs_of("traces");
        assert_eq!(needs.get(Routing::Unset.or(&general)), Some(1));
        assert_eq!(needs.get(Routing::Usable(2, "OWN").or(&general)), Some(2));
        assert!(!needs.is_refused());
        assert_eq!(needs.get(Routing::Refused("OWN").or(&general)), None);
        assert_eq!(needs.grant("a route"), None);
        assert_eq!(off.by("OWN"), ["traces"]);
        // Off stays off, whatever else is asked for.
        assert_eq!(off.needs_of("traces").grant("a route"), None);
        assert_eq!(off.needs_of("logs").grant("a route"), Some("a route"));
    }

    #[test]
    fn the_warning_names_the_signals_that_are_off() {
        let mut off = Off::default();
        off.needs_of("traces").refuse("A");
        off.needs_of("logs").refuse("A");
        off.needs_of("metrics").refuse("A");
        off.needs_of(ENDPOINT).refuse("B");
        off.needs_of("logs").refuse("C");
        for (variable, said) in [
            ("A", "traces, logs and metrics are off"),
            ("B", "/metrics is off"),
            ("C", "logs are off"),
            ("D", "no signal that is on needs it"),
        ] {
            assert_eq!(consequence(&off.by(variable)), said);
        }
    }
}
