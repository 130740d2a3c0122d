//! What the doctor says of the variables of older systems.

use expect_test::expect;

use crate::doctor::{Stack, of};
use crate::process::said;

#[test]
fn a_former_name_is_a_warning_that_says_what_replaces_it() {
    let stack = Stack::closed();
    let mut command = stack.command();
    command
        .env("SLOW_REQUEST_THRESHOLD_MS", "500")
        .env("PERFORMANCE_RETENTION", "60")
        .env("ERROR_RATE_THRESHOLD", "0.2")
        .env("SPANWIRE_ERROR_RATE_THRESHOLD", "0.2");
    expect![[r#"
        warn  environment    SLOW_REQUEST_THRESHOLD_MS is not read by telemetry: SPANWIRE_SLOW_THRESHOLD_MS does its job, in the same unit
              remedy: set SPANWIRE_SLOW_THRESHOLD_MS in its place; SLOW_REQUEST_THRESHOLD_MS may be another program's
        warn  environment    PERFORMANCE_RETENTION is not read by telemetry: SPANWIRE_RETENTION_SECONDS does its job, in the same unit
              remedy: set SPANWIRE_RETENTION_SECONDS in its place; PERFORMANCE_RETENTION may be another program's
    "#]]
    .assert_eq(&of(&said(&mut command), "environment"));
}
