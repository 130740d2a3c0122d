//! What the environment sets, and the warnings about the rest.

use super::*;
use crate::telemetry::Warning;
use crate::telemetry::config::routing::Off;
use std::time::Duration;

fn read(pairs: &[(&str, &str)]) -> (Settings, Vec<Warning>) {
    let (settings, refusals) = Settings::read(&|name| {
        let found = pairs.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| (*value).to_owned())
    });
    let refusals = refusals.into_iter();
    let warnings = refusals.map(|refusal| refusal.warning(&Off::default()));
    (settings, warnings.collect())
}

#[test]
fn an_empty_environment_gives_the_defaults() {
    for environment in [&[][..], &[("OTEL_BSP_SCHEDULE_DELAY", " ")]] {
        let (settings, warnings) = read(environment);
        assert_eq!(warnings, []);
        assert!(settings.enabled && !settings.sdk_disabled);
        assert_eq!(settings.otlp.span_batch.delay, Duration::from_secs(5));
        assert_eq!(settings.otlp.log_batch.delay, Duration::from_secs(1));
        assert_eq!(settings.prometheus_port.usable().unwrap().0, &9464);
        assert_eq!(settings.otlp.span_attribute_count(), 128);
    }
}

#[test]
fn a_bad_value_leaves_the_default_and_warns() {
    let (settings, warnings) = read(&[("OTEL_BSP_SCHEDULE_DELAY", "soon")]);
    assert_eq!(settings.otlp.span_batch.delay, Duration::from_secs(5));
    assert_eq!(
        warnings[0].to_string(),
        "OTEL_BSP_SCHEDULE_DELAY=\"soon\" is not used: accepted is \
         a whole number of milliseconds from 1 to 4294967295; the default 5000 is used"
    );
}

#[test]
fn a_batch_larger_than_its_queue_warns_only_when_asked_for() {
    let queue = ("OTEL_BSP_MAX_QUEUE_SIZE", "100");
    let (settings, warnings) = read(&[queue]);
    assert_eq!(
        (settings.otlp.span_batch.batch_max, warnings.len()),
        (100, 0)
    );
    let (settings, warnings) = read(&[queue, (BSP_BATCH, "101")]);
    assert_eq!(
        (settings.otlp.span_batch.batch_max, warnings.len()),
        (100, 1)
    );
    assert!(warnings[0].to_string().contains(BSP_BATCH));
}

#[test]
fn special_limits_beat_general_ones() {
    let (settings, _) = read(&[
        ("OTEL_ATTRIBUTE_COUNT_LIMIT", "7"),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "9"),
    ]);
    assert_eq!(settings.otlp.span_attribute_count(), 9);
    assert_eq!(settings.otlp.event_attribute_count(), 7);
    assert_eq!(settings.otlp.link_attribute_count(), 7);
}

#[test]
fn names_are_unique_and_say_what_they_accept() {
    let mut names: Vec<_> = VARIABLES.iter().map(|variable| variable.name).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
    assert!(
        VARIABLES
            .iter()
            .all(|variable| !variable.accepted.is_empty())
    );
}

#[cfg(not(feature = "profile"))]
#[test]
fn a_profile_without_its_feature_is_a_warning_that_names_it() {
    let (settings, warnings) = read(&[("SPANWIRE_PROFILE", "99")]);
    assert_eq!(settings.profile, 0);
    assert_eq!(
        warnings[0].to_string(),
        "SPANWIRE_PROFILE is not used: the app was built without the feature `profile` of spanwire; \
         accepted is a whole number of samples a second from 1 to 1000, or 0 for off; the default 0 is \
         used"
    );
}
