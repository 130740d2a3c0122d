//! The plugin in real Tauri apps with real windows, driven by their pages.
//!
//! Each scenario is a child process: there is one event loop for each, and it wants the main thread.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test may panic and print"
)]

mod app;
mod consent;
mod own;
mod public_way;
mod reports;
mod security;
mod settings;
mod telemetry;

use std::panic::catch_unwind;
use std::process::ExitCode;

use spanwire_testkit::virtual_display;

/// Tells the process that has a display from the one that gives it one.
const HAS_DISPLAY: &str = "SPANWIRE_SCENARIOS_HAVE_DISPLAY";

const TESTS: &[(&str, fn())] = &[
    (
        "a_thousand_mixed_commands_are_as_many_in_metrics_and_traces",
        telemetry::mixed,
    ),
    (
        "the_main_thread_is_woken_when_metrics_are_read_and_its_delay_is_measured",
        telemetry::main_thread,
    ),
    (
        "ten_thousand_unknown_commands_have_fifty_names_and_other",
        telemetry::names,
    ),
    ("events_and_windows_are_counted", telemetry::events),
    (
        "a_span_in_an_async_command_is_its_child_within_the_commands_span_and_else_linked",
        telemetry::async_span,
    ),
    ("a_page_whose_process_ends_is_gone", telemetry::crashed),
    ("a_reload_ends_what_is_open", telemetry::reloaded),
    (
        "a_command_without_permission_is_refused_as_without_the_plugin",
        security::without_permission,
    ),
    (
        "a_forged_invoke_key_is_refused_as_without_the_plugin",
        security::forged_key,
    ),
    (
        "malformed_requests_get_the_answers_of_tauri_itself",
        security::malformed,
    ),
    (
        "a_remote_page_may_do_what_it_may_without_the_plugin",
        security::remote,
    ),
    (
        "a_panic_on_the_main_thread_ends_the_app_as_without_the_plugin",
        security::sync_panic,
    ),
    (
        "a_page_that_posts_messages_is_seen_by_the_public_way_once",
        public_way::posted,
    ),
    (
        "the_public_way_beside_the_seam_counts_nothing_twice",
        public_way::beside_the_seam,
    ),
    (
        "without_the_seam_the_public_way_sees_commands_and_says_so",
        public_way::alone,
    ),
    (
        "an_app_with_the_isolation_pattern_works_and_the_public_way_counts_its_commands",
        public_way::isolated,
    ),
    (
        "a_window_that_was_made_before_the_plugin_is_named_and_the_public_way_serves_it",
        public_way::made_before,
    ),
    (
        "an_app_that_has_set_spanwire_up_keeps_its_telemetry",
        own::spanwire,
    ),
    (
        "asking_first_is_a_warning_where_the_app_has_set_telemetry_up",
        own::asks_nobody,
    ),
    (
        "a_warning_reaches_stderr_where_spanwire_has_the_only_subscriber",
        own::warned,
    ),
    (
        "an_app_with_a_subscriber_of_its_own_has_the_warnings_there_and_the_metrics",
        own::subscriber,
    ),
    (
        "nothing_is_recorded_before_the_person_says_yes",
        consent::asked,
    ),
    (
        "a_page_without_permission_cannot_give_consent",
        consent::without_permission,
    ),
    (
        "a_page_has_a_report_written_to_where_the_app_says",
        reports::saved,
    ),
    (
        "two_reports_at_once_are_one_report_and_one_refusal",
        reports::two_at_once,
    ),
    (
        "a_page_without_permission_has_no_report_written",
        reports::without_permission,
    ),
    (
        "an_app_that_names_no_file_writes_no_report",
        reports::without_a_file,
    ),
    (
        "settings_that_cannot_be_used_are_warnings_and_the_app_runs",
        settings::unusable,
    ),
    (
        "settings_hold_and_the_environment_beats_them",
        settings::precedence,
    ),
];

/// With `--untested`, which `scripts/tauri-contract` gives: a Tauri that the plugin does not know.
const UNTESTED: &[(&str, fn())] = &[(
    "a_tauri_that_was_not_tested_is_left_alone_and_the_public_way_serves",
    public_way::untested,
)];

fn main() -> ExitCode {
    if app::is_child() {
        app::run_child();
        return ExitCode::SUCCESS;
    }
    let mut filters = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with("--"));
    let is_list = std::env::args().any(|arg| arg == "--list");
    let filter = filters.next().unwrap_or_default();
    let is_untested = std::env::args().any(|arg| arg == "--untested");
    let all = if is_untested { UNTESTED } else { TESTS };
    let tests = || all.iter().filter(|(name, _)| name.contains(&filter));
    if is_list {
        tests().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    if std::env::var_os(HAS_DISPLAY).is_none() {
        return virtual_display::run(virtual_display::command().env(HAS_DISPLAY, "1"));
    }
    println!("running {} tests", tests().count());
    let mut failed = 0;
    for (name, test) in tests() {
        let passed = catch_unwind(test).is_ok();
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        failed += usize::from(!passed);
    }
    let passed = tests().count() - failed;
    let result = if failed == 0 { "ok" } else { "FAILED" };
    println!("test result: {result}. {passed} passed; {failed} failed; 0 ignored");
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
