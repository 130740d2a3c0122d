//! What is known of one page's life: its age, whether it can be seen, and whether its own script
//! does anything.

use std::time::Duration;

use crate::clock::Stamp;

/// From when a page whose script does nothing is taken for one that never will.
// In a younger page the script that will do something may still be loading.
const INERT_AFTER: Duration = Duration::from_secs(10);

/// The life of the page that is there. Pure: time comes in.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PageLife {
    /// `None` while there is no page.
    ready_at: Option<Stamp>,
    /// Whether its own script sent anything.
    has_acted: bool,
    /// Whether anything listens to what the host emits; `None` for a page that does not say.
    listens: Option<bool>,
    is_visible: Option<bool>,
    /// When its document's scripts had run.
    loaded_at: Option<Stamp>,
}

/// Until when what is sent to a page waits for it to be loaded; `None` while it is being loaded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Startup(Option<Stamp>);

impl Startup {
    /// Whether a message was sent before the page was loaded, which waited for so long by `now`.
    pub(super) fn had(self, now: Stamp, waited: Duration) -> bool {
        // While the page still loads, each message has waited for it.
        self.0.is_none_or(|until| now.since(until) < waited)
    }
}

/// The same as it is reported: an unknown value is `None`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct PageVitals {
    pub(super) age: Duration,
    pub(super) is_visible: Option<bool>,
    pub(super) is_inert: Option<bool>,
}

impl PageLife {
    /// A page is there.
    pub(super) fn began(now: Stamp, is_loading: bool) -> Self {
        Self {
            ready_at: Some(now),
            // A page that is ready with its document loaded makes nothing wait any more.
            loaded_at: (!is_loading).then_some(now),
            ..Self::default()
        }
    }

    /// Its document's scripts have run.
    pub(super) fn loaded(&mut self, now: Stamp) {
        self.loaded_at.get_or_insert(now);
    }

    /// When it was loaded.
    pub(super) fn loaded_at(&self) -> Option<Stamp> {
        self.loaded_at
    }

    pub(super) fn startup(&self) -> Startup {
        Startup(self.loaded_at)
    }

    /// Its own script called, emitted or measured something.
    pub(super) fn acted(&mut self) {
        self.has_acted = true;
    }

    /// It says whether anything listens, and whether it can be seen.
    pub(super) fn told(&mut self, listens: bool, is_visible: bool) {
        self.listens = Some(listens);
        self.is_visible = Some(is_visible);
    }

    /// The transport knows whether it can be seen.
    pub(super) fn set_visible(&mut self, is_visible: bool) {
        self.is_visible = Some(is_visible);
    }

    pub(super) fn vitals(&self, now: Stamp) -> PageVitals {
        let age = self.ready_at.map_or(Duration::ZERO, |at| now.since(at));
        PageVitals {
            age,
            is_visible: self.is_visible,
            // A transport's own page does not say whether anything listens, so nothing follows from
            // its silence.
            is_inert: self
                .listens
                .map(|listens| !listens && !self.has_acted && age >= INERT_AFTER),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Stamp {
        Stamp::NONE.plus(Duration::from_secs(100 + seconds))
    }

    fn inert(life: &PageLife, seconds: u64) -> Option<bool> {
        life.vitals(at(seconds)).is_inert
    }

    #[test]
    fn a_page_whose_script_does_nothing_is_inert_and_a_quiet_one_is_not() {
        let mut dead = PageLife::began(at(0), false);
        assert_eq!(inert(&dead, 60), None, "it does not say");
        dead.told(false, true);
        assert_eq!(
            (inert(&dead, 9), inert(&dead, 10)),
            (Some(false), Some(true))
        );
        let mut listening = dead;
        listening.told(true, true);
        assert_eq!(inert(&listening, 60), Some(false));
        let mut acting = dead;
        acting.acted();
        assert_eq!(inert(&acting, 60), Some(false));
        assert_eq!(PageLife::default().vitals(at(60)).age, Duration::ZERO);
        assert_eq!(dead.vitals(at(60)).age, Duration::from_secs(60));
    }
}
