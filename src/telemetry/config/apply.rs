//! Putting options into settings, and refusing those that cannot be used.

use super::routing::{Instead, Refusal, Routing};
use crate::telemetry::diagnostics::flaw::Flaw;

pub(super) fn put<T: Clone>(option: &Option<T>, setting: &mut T) {
    if let Some(value) = option {
        setting.clone_from(value);
    }
}

pub(super) fn put_routing<T: Clone>(
    option: &Option<T>,
    name: &'static str,
    setting: &mut Routing<T>,
) {
    if let Some(value) = option {
        // This replaces a refused variable as well. The variable's warning then says that no signal
        // needs it.
        *setting = Routing::Usable(value.clone(), name);
    }
}

/// Whether an option is a number from 0.0 to 1.0; another counts as unset.
pub(super) fn is_share(name: &'static str, value: f64, refusals: &mut Vec<Refusal>) -> bool {
    // The range has no NaN, so NaN is refused too.
    let good = (0.0..=1.0).contains(&value);
    if !good {
        refusals.push(unset(name, value.to_string(), "a number from 0.0 to 1.0"));
    }
    good
}

/// An option that counts as unset, since its value is not one of those accepted.
pub(super) fn unset(name: &'static str, value: String, accepted: &'static str) -> Refusal {
    Refusal {
        variable: name,
        value,
        flaw: Flaw::Shown,
        accepted: accepted.into(),
        instead: Instead::Holds("it counts as unset".into()),
    }
}
