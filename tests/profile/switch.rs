//! The profiler runs only where the app or the environment asked for it.
#![cfg(target_os = "linux")]

use spanwire::telemetry::Pending;
use spanwire_testkit::child_process::run_alone;
use spanwire_testkit::sqlite::sql;

use crate::busy::{DEADLINE, builder, catches_sigprof, compute, compute_until, folder, wait_until};

fn has_thread(name: &str) -> bool {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    tasks.flatten().any(|task| {
        let comm = std::fs::read_to_string(task.path().join("comm"));
        comm.is_ok_and(|comm| name.starts_with(comm.trim()))
    })
}

#[test]
fn off_means_no_signal_handler_no_thread_and_no_row() {
    run_alone(
        "switch::off_means_no_signal_handler_no_thread_and_no_row",
        &[],
        || {
            let folder = folder("off");
            let path = folder.path().join("history.db");
            let telemetry = builder(&path).install().unwrap();
            compute();
            telemetry.history().unwrap().flush(DEADLINE).unwrap();
            assert!(!catches_sigprof());
            assert!(!has_thread("spanwire-profile"));
            assert!(has_thread("spanwire-history"));
            assert_eq!(sql(&path, "SELECT count(*) FROM profile"), "0");
        },
    );
}

#[test]
fn builder_overrides_the_environment() {
    run_alone("switch::builder_overrides_the_environment", &[], || {
        let folder = folder("builder");
        let asked = |name: &str| (name == "SPANWIRE_PROFILE").then(|| "250".to_owned());
        let off = builder(&folder.path().join("off.db"))
            .environment(asked)
            .profile(0)
            .install()
            .unwrap();
        // What it starts has begun by then.
        off.history().unwrap().flush(DEADLINE).unwrap();
        assert!(!has_thread("spanwire-profile"));
        off.shutdown(DEADLINE);
    });
}

#[test]
fn environment_switches_it_on_and_the_end_switches_it_off() {
    run_alone(
        "switch::environment_switches_it_on_and_the_end_switches_it_off",
        &[],
        || {
            let folder = folder("environment");
            let path = folder.path().join("history.db");
            let asked = |name: &str| (name == "SPANWIRE_PROFILE").then(|| "250".to_owned());
            let telemetry = builder(&path).environment(asked).install().unwrap();
            assert!(wait_until(catches_sigprof));
            compute();
            telemetry.shutdown(DEADLINE);
            assert!(!catches_sigprof());
            // What was sampled last is written at the end, and the run ended well.
            let rows = "SELECT count(*) > 0 FROM profile WHERE stacks LIKE '%renders_much%'";
            assert_eq!(sql(&path, rows), "1");
            assert_eq!(sql(&path, "SELECT ended_at IS NOT NULL FROM session"), "1");
            let sums = "SELECT count(*) FROM profile WHERE samples <> left_out + \
                        (SELECT sum(json_extract(value, '$[0]')) FROM json_each(stacks, '$.stacks'))";
            assert_eq!(
                sql(&path, sums),
                "0",
                "each sample is in a stack, or left out"
            );
        },
    );
}

#[test]
fn pause_stops_it_and_leaves_nothing_of_what_was_sampled() {
    run_alone(
        "switch::pause_stops_it_and_leaves_nothing_of_what_was_sampled",
        &[],
        || {
            let folder = folder("pause");
            let path = folder.path().join("history.db");
            let telemetry = builder(&path).profile(250).install().unwrap();
            let history = telemetry.history().unwrap();
            assert!(wait_until(catches_sigprof));
            compute();
            history.flush(DEADLINE).unwrap();
            assert_ne!(sql(&path, "SELECT count(*) FROM profile"), "0");
            compute();
            telemetry.pause(Pending::Discard);
            assert!(!catches_sigprof());
            assert_eq!(sql(&path, "SELECT count(*) FROM profile"), "0");
            compute();
            telemetry.resume().unwrap();
            assert!(wait_until(catches_sigprof));
            history.flush(DEADLINE).unwrap();
            let rows = "SELECT count(*) FROM profile WHERE stacks LIKE '%renders%'";
            assert_eq!(sql(&path, rows), "0", "of before and of the pause");
            compute();
            history.flush(DEADLINE).unwrap();
            assert_ne!(sql(&path, rows), "0", "of after");
        },
    );
}

#[test]
fn start_without_consent_samples_nothing_until_it_is_given() {
    run_alone(
        "switch::start_without_consent_samples_nothing_until_it_is_given",
        &[],
        || {
            let folder = folder("consent");
            let path = folder.path().join("history.db");
            let telemetry = builder(&path)
                .profile(250)
                .start_paused()
                .install()
                .unwrap();
            compute();
            assert!(!catches_sigprof());
            telemetry.resume().unwrap();
            assert!(wait_until(catches_sigprof));
            let history = telemetry.history().unwrap();
            compute_until(|| {
                history.flush(DEADLINE).unwrap();
                sql(&path, "SELECT count(*) FROM profile") != "0"
            });
        },
    );
}
