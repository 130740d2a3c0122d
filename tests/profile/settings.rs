//! How the builder and the environment switch the profiler on, and the warnings where it is not available.

use spanwire::Telemetry;
use spanwire::telemetry::{MetricsExporter, TelemetryBuilder};

fn builder(environment: &'static [(&str, &str)]) -> TelemetryBuilder {
    Telemetry::builder("paint-tool")
        .environment(|name| {
            let set = environment.iter().find(|(known, _)| *known == name);
            set.map(|(_, value)| (*value).to_owned())
        })
        .metrics(MetricsExporter::None)
        .without_system()
}

fn warnings(builder: &TelemetryBuilder) -> Vec<String> {
    let config = builder.resolve();
    config.warnings().iter().map(ToString::to_string).collect()
}

#[test]
fn profile_without_a_history_is_a_warning_that_says_what_to_do() {
    for (builder, setting) in [
        (builder(&[("SPANWIRE_PROFILE", "99")]), "SPANWIRE_PROFILE"),
        (builder(&[]).profile(99), "profile"),
    ] {
        assert_eq!(
            warnings(&builder),
            [format!(
                "{setting} is not used: there is no history that would keep it; accepted is a \
                 history beside it: set SPANWIRE_HISTORY, or TelemetryBuilder::history; there is no \
                 profile"
            )]
        );
        assert_eq!(warnings(&builder.history("history.db")), [""; 0]);
    }
    assert_eq!(warnings(&builder(&[("SPANWIRE_PROFILE", "0")])), [""; 0]);
}

#[test]
fn rate_that_cannot_be_used_is_a_warning() {
    const PROFILE: &str = "SPANWIRE_PROFILE";
    for (builder, said) in [
        (
            builder(&[(PROFILE, "often")]).history("history.db"),
            "SPANWIRE_PROFILE=\"often\" is not used: accepted is a whole number of samples a second \
             from 1 to 1000, or 0 for off; the default 0 is used",
        ),
        (
            builder(&[]).profile(1_001).history("history.db"),
            "profile=\"1001\" is not used: accepted is a whole number of samples a second from 1 to \
             1000, or 0 for off; it counts as unset",
        ),
    ] {
        assert_eq!(warnings(&builder), [said]);
    }
}
