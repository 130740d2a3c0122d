//! The phases of a start.

/// How far the app is with its start.
///
/// They are in the order in which most apps reach them; an app may reach them in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Telemetry is installed. Marked by Spanwire.
    Telemetry,
    /// The event loop is made. For the app to mark.
    EventLoop,
    /// The window is made. For the app to mark.
    Window,
    /// The webview is made. For the app to mark; with wry, the first
    /// [`pump`](crate::Ipc::pump) marks it when the app has not.
    Webview,
    /// The page's document began. Marked by Spanwire, by the page's clock.
    Navigation,
    /// The page script ran, before any code of the page. Marked by Spanwire.
    Script,
    /// The page's document is parsed: `DOMContentLoaded`. Marked by Spanwire.
    DomReady,
    /// The page showed content for the first time, where the engine tells of it. Marked by Spanwire.
    FirstPaint,
    /// The answer to a call of the page's reached it for the first time. Marked by Spanwire.
    FirstCall,
}

impl Phase {
    /// Every phase.
    pub const ALL: &[Phase] = &[
        Self::Telemetry,
        Self::EventLoop,
        Self::Window,
        Self::Webview,
        Self::Navigation,
        Self::Script,
        Self::DomReady,
        Self::FirstPaint,
        Self::FirstCall,
    ];

    /// The value of `spanwire.startup.phase`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Telemetry => "telemetry",
            Self::EventLoop => "event_loop",
            Self::Window => "window",
            Self::Webview => "webview",
            Self::Navigation => "navigation",
            Self::Script => "script",
            Self::DomReady => "dom_ready",
            Self::FirstPaint => "first_paint",
            Self::FirstCall => "first_call",
        }
    }

    /// The name of the span that ends when it is reached.
    // Spelled out: a span's name that is static is not copied.
    pub(super) const fn span_name(self) -> &'static str {
        match self {
            Self::Telemetry => "startup telemetry",
            Self::EventLoop => "startup event_loop",
            Self::Window => "startup window",
            Self::Webview => "startup webview",
            Self::Navigation => "startup navigation",
            Self::Script => "startup script",
            Self::DomReady => "startup dom_ready",
            Self::FirstPaint => "startup first_paint",
            Self::FirstCall => "startup first_call",
        }
    }

    /// How many there are.
    pub(super) const COUNT: usize = Self::ALL.len();

    /// All of them as bits.
    // `1 << COUNT` has to fit, so there are fifteen phases at most.
    pub(super) const ALL_BITS: u16 = (1 << Self::COUNT) - 1;

    pub(super) const fn bit(self) -> u16 {
        1 << self as u16
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::semconv;

    #[test]
    fn a_phases_names_are_those_of_its_attribute_in_the_same_order() {
        let info = semconv::ATTRIBUTE_INFO
            .iter()
            .find(|info| info.name == semconv::STARTUP_PHASE)
            .unwrap();
        let phases: Vec<_> = Phase::ALL.iter().map(|phase| phase.as_str()).collect();
        assert_eq!(phases, info.values);
        for (place, phase) in Phase::ALL.iter().enumerate() {
            assert_eq!(*phase as usize, place);
            assert_eq!(phase.span_name(), format!("startup {}", phase.as_str()));
        }
    }
}
