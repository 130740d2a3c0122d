//! What is not in place, as a gauge: `spanwire doctor` reads it.

use crate::instrument::handles::{self, GaugeSums, Publish};
use crate::semconv::{ERROR_TYPE, TELEMETRY_PROBLEMS};
use crate::telemetry::diagnostics::local_recorder::LocalRecorder;
use crate::telemetry::diagnostics::problems::Problem;

/// Tells the problems that were found whenever somebody looks. Where all is well there is no series.
#[derive(Debug)]
pub(crate) struct ProblemGauges(pub(crate) LocalRecorder);

impl Publish for ProblemGauges {
    fn publish(&self, _: &mut GaugeSums) {
        self.0.run(|| {
            // Registered at each look and not kept: in nearly every process nothing is found.
            for problem in Problem::ALL.iter().filter(|problem| problem.is_found()) {
                handles::gauge(&TELEMETRY_PROBLEMS, &[(ERROR_TYPE, problem.as_str())]).set(1.0);
            }
        });
    }
}
