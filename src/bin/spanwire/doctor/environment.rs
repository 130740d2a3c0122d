//! The variables of this environment, as an app that starts here would read them.

use std::collections::BTreeSet;

use spanwire::telemetry::{OffReason, Output, ResolvedConfig, VARIABLES, Warning};

use super::finding::{Finding, Status};
use crate::bundle::STACK;
use crate::text::{count, few};

pub(super) fn evaluate(config: &ResolvedConfig) -> Vec<Finding> {
    // `vars` would panic at a variable that is not Unicode.
    let mut set: Vec<String> = std::env::vars_os()
        // OpenTelemetry's specification takes an empty variable for one that is not set.
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, _)| name.to_string_lossy().into_owned())
        .filter(|name| name.starts_with("SPANWIRE_") || name.starts_with("OTEL_") || is_read(name))
        .collect();
    // The system gives them in any order, and two runs are to print the same.
    set.sort_unstable();
    let mut findings: Vec<Finding> = config
        .warnings()
        .iter()
        .map(|warning| refused(config, warning))
        .collect();
    findings.extend(set.iter().filter_map(|name| misspelt(name)));
    if config.off_reason(Output::Traces) == Some(OffReason::Disabled) {
        findings.push(Finding::warn(
            WHAT,
            "telemetry is off: OTEL_SDK_DISABLED=true or SPANWIRE_ENABLED=false",
            "unset it where the app is started",
        ));
    }
    if findings.is_empty() {
        let read: Vec<&String> = set.iter().filter(|name| is_read(name)).collect();
        let detail = match read.len() {
            0 => "no variable that Spanwire reads is set here, so the defaults hold".to_owned(),
            many => format!(
                "{} set here, and good: {}",
                count(many, "variable"),
                few(&read)
            ),
        };
        findings.push(Finding::ok(WHAT, detail));
    }
    findings
}

/// A setting that turns an output off is a problem; a default instead of the value misleads.
fn refused(config: &ResolvedConfig, warning: &Warning) -> Finding {
    let (status, remedy) = match warning {
        Warning::Value { variable, .. } => {
            let status = match turns_off(config, variable) {
                true => Status::Fail,
                false => Status::Warn,
            };
            (status, format!("correct {variable}, or unset it"))
        }
        Warning::FormerVariable {
            variable,
            replacement,
            ..
        } => (
            Status::Warn,
            format!("set {replacement} in its place; {variable} may be another program's"),
        ),
        _ => (Status::Warn, String::new()),
    };
    Finding::new(status, WHAT, warning.to_string(), remedy)
}

fn turns_off(config: &ResolvedConfig, variable: &str) -> bool {
    Output::ALL.iter().any(|output| {
        let reason = config.off_reason(*output);
        matches!(reason, Some(OffReason::UnusableSettings(settings)) if settings.contains(&variable))
    })
}

/// Every `SPANWIRE_` variable that nothing reads is a mistake. There are more `OTEL_` variables than
/// Spanwire reads, so one of those is a mistake only when its name is almost one that it reads.
fn misspelt(name: &str) -> Option<Finding> {
    let stack = stack_variables();
    if is_read(name) || stack.contains(name) {
        return None;
    }
    let known = VARIABLES.iter().map(|variable| variable.name);
    let nearest = known
        .chain(stack.iter().map(String::as_str))
        .map(|known| (strsim::osa_distance(name, known), known))
        .min();
    let near = nearest.filter(|(distance, _)| *distance <= NEAR);
    let remedy = match near {
        Some((_, known)) => format!("did you mean {known}?"),
        // Another library of the process may read it.
        None if name.starts_with("OTEL_") => return None,
        None => "docs/reference/environment.md in the sources of spanwire lists every variable"
            .to_owned(),
    };
    // Never the value: it may be a token.
    let detail = format!("nothing reads {}", few(&[name]));
    Some(Finding::warn(WHAT, detail, remedy))
}

fn is_read(name: &str) -> bool {
    VARIABLES.iter().any(|variable| variable.name == name)
}

/// Those that the servers' files and what starts them read.
fn stack_variables() -> BTreeSet<String> {
    // A guide reads no variable, so a name that stands only there is read by nothing.
    let files = STACK.files().filter(|file| !file.path.ends_with(".md"));
    let mut found: BTreeSet<String> = files
        .flat_map(|file| names(file.text()).map(str::to_owned).collect::<Vec<_>>())
        // These are for a stack without Docker, whose scripts are not in the bundle.
        .chain(["SPANWIRE_STACK_DIR", "SPANWIRE_STACK_PROMETHEUS_YML"].map(str::to_owned))
        .collect();
    // What only begins like one, in a comment.
    found.remove("SPANWIRE_");
    found
}

fn names(text: &str) -> impl Iterator<Item = &str> {
    let is_of_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    text.match_indices("SPANWIRE_").filter_map(move |(at, _)| {
        let rest = text.get(at..)?;
        let end = rest.find(|c: char| !is_of_name(c));
        rest.get(..end.unwrap_or(rest.len()))
    })
}

const WHAT: &str = "environment";
/// So many letters off is a slip.
const NEAR: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_found_and_what_is_meant_for_others_left_alone() {
        let remedy = |name| misspelt(name).map(|found| found.remedy.unwrap_or_default());
        let meant = |name| Some(format!("did you mean {name}?"));
        assert_eq!(
            remedy("SPANWIRE_SLOW_TRESHOLD_MS"),
            meant("SPANWIRE_SLOW_THRESHOLD_MS")
        );
        assert_eq!(
            remedy("OTEL_EXPORTER_OTLP_ENDPONIT"),
            meant("OTEL_EXPORTER_OTLP_ENDPOINT")
        );
        assert!(remedy("SPANWIRE_COLOUR").unwrap().contains("docs/"));
        for good in [
            "OTEL_LOG_LEVEL",
            "OTEL_SERVICE_NAME",
            "SPANWIRE_DASHBOARDS",
            "SPANWIRE_LISTEN",
        ] {
            assert_eq!(remedy(good), None, "{good}");
        }
    }
}
