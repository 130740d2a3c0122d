//! "Why is it laggy?" as one file: what was written, and the advice in it.

use std::error::Error;
use std::path::{Path, PathBuf};

use pyo3::prelude::*;
use spanwire::history::report::{Advice as CoreAdvice, Report as CoreReport};
use spanwire::telemetry::Telemetry;

use crate::error::SpanwireError;
use crate::fork::is_child;

/// Writes it. The interpreter's lock is free meanwhile.
pub(crate) fn write(py: Python<'_>, telemetry: &Telemetry, path: &Path) -> PyResult<Report> {
    if is_child() {
        return Err(SpanwireError::new_err(
            "this process was forked, and has no history of its own: report in the process that \
             called install()",
        ));
    }
    let written = py.detach(|| telemetry.report(path));
    written.map(Report).map_err(|error| {
        let mut text = error.to_string();
        // Python has one text for both: the reason is often an error of the file system.
        if let Some(source) = error.source() {
            text = format!("{text}: {source}");
        }
        SpanwireError::new_err(text)
    })
}

/// A report that was written.
#[pyclass(frozen, module = "spanwire")]
pub(crate) struct Report(CoreReport);

#[pymethods]
impl Report {
    /// The file that was written.
    #[getter]
    fn path(&self) -> PathBuf {
        self.0.path.clone()
    }

    /// In bytes.
    #[getter]
    fn size(&self) -> u64 {
        self.0.bytes
    }

    /// What is wrong, in a line.
    #[getter]
    fn verdict(&self) -> &str {
        &self.0.verdict
    }

    /// What to change, the worst first.
    #[getter]
    fn advice(&self) -> Vec<Advice> {
        self.0.advice.iter().cloned().map(Advice).collect()
    }

    /// What the history could not tell, and why.
    #[getter]
    fn missing(&self) -> Vec<String> {
        self.0.missing.clone()
    }

    fn __str__(&self) -> &str {
        &self.0.verdict
    }

    fn __repr__(&self) -> String {
        format!("<Report {}: {}>", self.0.path.display(), self.0.verdict)
    }
}

/// One thing that is wrong, with its evidence.
#[pyclass(frozen, module = "spanwire")]
pub(crate) struct Advice(CoreAdvice);

#[pymethods]
impl Advice {
    /// The id of the finding, such as `operation-failing`, or the name of a rule of the app's own.
    #[getter]
    fn id(&self) -> &str {
        &self.0.id
    }

    /// "critical" or "warning".
    #[getter]
    fn severity(&self) -> &str {
        &self.0.severity
    }

    /// Where in the app the time or the message is lost.
    #[getter]
    fn stage(&self) -> &str {
        &self.0.stage
    }

    /// The operation, event, phase or process that it is about; empty where it is none.
    #[getter]
    fn subject(&self) -> &str {
        &self.0.subject
    }

    /// What was measured.
    #[getter]
    fn evidence(&self) -> &str {
        &self.0.evidence
    }

    /// What to do.
    #[getter]
    fn remedy(&self) -> &str {
        &self.0.remedy
    }

    /// The runbook, among those that `spanwire alerts export` writes; None where there is none.
    #[getter]
    fn runbook(&self) -> Option<&str> {
        self.0.runbook.as_deref()
    }

    /// An example's trace, as 32 hexadecimal digits; None where there is none.
    #[getter]
    fn trace_id(&self) -> Option<&str> {
        self.0.trace_id.as_deref()
    }

    fn __repr__(&self) -> String {
        format!("<Advice {}: {}>", self.0.id, self.0.subject)
    }
}

/// Adds what this file has to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Report>()?;
    module.add_class::<Advice>()
}
