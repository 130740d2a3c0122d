//! By which way commands are seen, and why.

use std::fmt;

use tauri::Config;
use tauri::utils::config::PatternKind;

/// By which way commands are seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Way {
    /// The plugin answers Tauri's `ipc` scheme: it sees every command, and how it was answered.
    Seam,
    /// The app wraps its handler in [`traced`](crate::traced): that sees the app's own commands when
    /// they are called.
    Handler(Because),
}

/// Why the seam is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Because {
    /// The crate was built without its feature `seam`.
    FeatureOff,
    /// The app turned it off.
    TurnedOff,
    /// This version of Tauri was not tested with it.
    Untested,
    /// The app uses the isolation pattern, whose keys Tauri keeps to itself.
    Isolation,
    /// Android hands no bodies of requests over, so Tauri does not use the scheme there.
    Android,
}

/// Minor versions of Tauri 2 with which the seam was tested.
// A list and no lower bound: `on_message`, `InvokeRequest` and the text of the protocol are not in
// Tauri's stable API, and may change with any minor version.
const TESTED_MINORS: [u64; 1] = [12];

impl Way {
    /// The way for this app.
    pub(crate) fn choose(config: &Config, seam: Seam) -> Self {
        let because = if !cfg!(feature = "seam") {
            Because::FeatureOff
        } else if seam == Seam::Off {
            Because::TurnedOff
        } else if cfg!(target_os = "android") {
            Because::Android
        // At run time, since the app's lock file chooses Tauri's version and not the plugin's.
        } else if !is_tested(tauri::VERSION) {
            Because::Untested
        } else if matches!(config.app.security.pattern, PatternKind::Isolation { .. }) {
            Because::Isolation
        } else {
            return Self::Seam;
        };
        Self::Handler(because)
    }

    /// What the resource says of it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Seam => "seam",
            Self::Handler(Because::FeatureOff) => "feature_off",
            Self::Handler(Because::TurnedOff) => "turned_off",
            Self::Handler(Because::Untested) => "untested",
            Self::Handler(Because::Isolation) => "isolation",
            Self::Handler(Because::Android) => "android",
        }
    }
}

/// Whether the app lets the plugin use the seam.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Seam {
    #[default]
    On,
    Off,
}

fn is_tested(version: &str) -> bool {
    let mut numbers = version.split('.').map(str::parse::<u64>);
    matches!(
        (numbers.next(), numbers.next()),
        (Some(Ok(2)), Some(Ok(minor))) if TESTED_MINORS.contains(&minor)
    )
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let because = match self {
            Self::Seam => {
                return f.write_str("every command is seen, through Tauri's `ipc` scheme");
            }
            Self::Handler(because) => because,
        };
        write!(
            f,
            "only commands in a handler wrapped in tauri_plugin_spanwire::traced(…) are seen, since {because}"
        )
    }
}

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FeatureOff => f.write_str("the crate's feature `seam` is off"),
            Self::TurnedOff => f.write_str("the app turned the `ipc` scheme off"),
            Self::Untested => write!(
                f,
                "Tauri {} was not tested with this version of the plugin: raise the plugin",
                tauri::VERSION
            ),
            Self::Isolation => f.write_str("the app uses the isolation pattern"),
            Self::Android => f.write_str("Android has no `ipc` scheme"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tested_minors_of_tauri_2_use_the_seam() {
        for (version, tested) in [
            ("2.12.0", true),
            ("2.12.5-rc.1", true),
            ("2.11.9", false),
            ("2.13.0", false),
            ("2.1.12", false),
            ("3.12.0", false),
            ("2", false),
            ("", false),
        ] {
            assert_eq!(is_tested(version), tested, "{version}");
        }
    }

    #[test]
    fn the_tauri_that_is_built_with_is_tested() {
        assert!(is_tested(tauri::VERSION), "{}", tauri::VERSION);
    }
}
