use super::*;

const RULES: ThresholdRules = ThresholdRules {
    error_rate: 0.1,
    slow_rate: 0.5,
    window: Duration::from_secs(60),
};

fn at(second: u64) -> Stamp {
    Stamp::NONE.plus(Duration::from_secs(1_000 + second))
}

fn counted(subject: Subject, total: u64, failed: u64, slow: u64) -> Counted {
    let ended = Ended {
        total,
        failed,
        slow,
        ..Ended::default()
    };
    vec![(subject, Arc::from("load"), ended)]
}

/// Looks each second at counters that grow by this much, and gives what was told, and when.
fn script(subject: Subject, seconds: &[(u64, u64, u64)]) -> Vec<(u64, ThresholdEvent)> {
    let mut watched = Watched::new(RULES, at(0), Counted::new());
    let (mut total, mut failed, mut slow) = (0, 0, 0);
    let mut told = Vec::new();
    for (second, (more, of_them_failed, of_them_slow)) in (1..).zip(seconds) {
        total += more;
        failed += of_them_failed;
        slow += of_them_slow;
        let events = watched.look(at(second), counted(subject, total, failed, slow));
        told.extend(events.into_iter().map(|event| (second, event)));
    }
    told
}

fn summary(told: &[(u64, ThresholdEvent)]) -> Vec<(u64, ThresholdKind, ThresholdState)> {
    let told = told.iter();
    told.map(|(second, event)| (*second, event.kind, event.state))
        .collect()
}

#[test]
fn a_share_above_the_threshold_is_told_once_and_again_when_it_is_over() {
    let mut seconds = vec![(10, 0, 0); 30];
    seconds.extend([(10, 5, 0); 60]);
    seconds.extend([(10, 0, 0); 120]);
    let told = script(Subject::Operation, &seconds);
    use ThresholdKind::OperationErrorRate as Errors;
    use ThresholdState::{Crossed, Recovered};
    // At 38 s 40 of 380 have failed. At 141 s 45 of 600 are left, the third look is at 143 s.
    assert_eq!(
        summary(&told),
        [(38, Errors, Crossed), (143, Errors, Recovered)]
    );
    let (_, crossed) = &told[0];
    assert_eq!((crossed.exceeding, crossed.count), (40, 380));
    assert!(crossed.rate > crossed.threshold);
    let (_, recovered) = &told[1];
    assert!(recovered.rate <= recovered.threshold * CALM_SHARE);
}

#[test]
fn a_share_that_wavers_around_its_threshold_is_told_once() {
    let mut seconds = vec![(10, 2, 0); 60];
    for _ in 0..20 {
        seconds.extend([(10, 2, 0), (10, 0, 0), (10, 0, 0), (10, 2, 0)]);
    }
    let told = script(Subject::Operation, &seconds);
    assert_eq!(told.len(), 1, "{told:?}");
}

#[test]
fn too_few_say_nothing() {
    // All of them fail, and fewer than twenty end within a minute.
    let seconds: Vec<_> = (0..300_u64)
        .map(|second| match second % 4 {
            0 => (1, 1, 1),
            _ => (0, 0, 0),
        })
        .collect();
    assert_eq!(script(Subject::Operation, &seconds), []);
}

#[test]
fn slow_runs_have_a_threshold_of_their_own() {
    let told = script(Subject::Operation, &[(10, 0, 4), (10, 0, 4), (10, 0, 9)]);
    use ThresholdKind::OperationSlowRate as Slow;
    assert_eq!(summary(&told), [(3, Slow, ThresholdState::Crossed)]);
}

#[test]
fn an_event_is_watched_for_errors_alone() {
    let told = script(Subject::Event, &[(30, 10, 30)]);
    use ThresholdKind::EventErrorRate as Errors;
    assert_eq!(summary(&told), [(1, Errors, ThresholdState::Crossed)]);
}

#[test]
fn what_was_counted_before_is_left_out() {
    let before = counted(Subject::Operation, 100, 100, 0);
    let mut watched = Watched::new(RULES, at(0), before);
    let after = counted(Subject::Operation, 140, 101, 0);
    assert_eq!(watched.look(at(1), after), []);
}

#[test]
fn names_above_a_threshold_are_counted_by_kind() {
    let mut watched = Watched::new(RULES, at(0), Counted::new());
    let mut all = counted(Subject::Operation, 20, 20, 20);
    all.extend(counted(Subject::Event, 20, 20, 0));
    assert_eq!(watched.look(at(1), all).len(), 3);
    assert_eq!(watched.exceeded(), [1, 1, 1]);
}

#[test]
fn looks_are_a_sixtieth_of_the_window_apart_and_ten_seconds_at_most() {
    for (window, interval) in [(60, 1), (3_600, 10)] {
        let rules = ThresholdRules {
            window: Duration::from_secs(window),
            ..RULES
        };
        let watched = Watched::new(rules, at(0), Counted::new());
        assert!(!watched.is_due(at(interval - 1)));
        assert!(watched.is_due(at(interval)));
    }
}
