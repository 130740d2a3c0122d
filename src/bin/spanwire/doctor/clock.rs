//! Whether the clocks agree: spans and samples are put where their sender's clock says.

use super::client::ClockSkew;
use super::finding::{Finding, Status};

/// Takes by how much each server's clock differs from this machine's.
pub(super) fn evaluate(clocks: &[(&'static str, ClockSkew)]) -> Vec<Finding> {
    if clocks.is_empty() {
        return vec![Finding::skip(WHAT, "no server told the time", "")];
    }
    let mut findings = Vec::new();
    for (name, skew) in clocks {
        // Only what is certain: a slow network makes the interval wide, and must not look like a
        // wrong clock.
        let off = skew.certain();
        let status = match off.abs() {
            off if off > FAIL_S => Status::Fail,
            off if off > WARN_S => Status::Warn,
            _ => continue,
        };
        let side = if off > 0.0 { "ahead of" } else { "behind" };
        findings.push(Finding::new(
            status,
            WHAT,
            format!("that of {name} is {:.0} s {side} this machine's", off.abs()),
            "set both by NTP (timedatectl set-ntp true): spans and samples are shown when their \
             sender's clock says, and are refused when that is too far off",
        ));
    }
    if findings.is_empty() {
        let names: Vec<&str> = clocks.iter().map(|(name, _)| *name).collect();
        let detail = format!(
            "within {WARN_S:.0} s of this machine's: {}",
            names.join(", ")
        );
        findings.push(Finding::ok(WHAT, detail));
    }
    findings
}

const WHAT: &str = "clock";
/// A scrape interval or two: exemplars and traces stand beside the wrong point.
const WARN_S: f64 = 2.0;
/// Prometheus and Jaeger show it at another time altogether.
const FAIL_S: f64 = 60.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_off_by_more_is_worse() {
        let status = |least| {
            let skew = ClockSkew {
                least,
                most: least + 1.0,
            };
            evaluate(&[("it", skew)])[0].status
        };
        assert_eq!(status(-0.5), Status::Ok);
        assert_eq!(status(1.9), Status::Ok);
        assert_eq!(status(2.5), Status::Warn);
        assert_eq!(status(-4.0), Status::Warn);
        assert_eq!(status(61.0), Status::Fail);
        assert_eq!(status(-3600.0), Status::Fail);
    }
}
