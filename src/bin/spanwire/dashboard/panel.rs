//! What is printed at the start: where the metrics are, who reads them, and where they are drawn.

use std::io::{self, IsTerminal, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::thread;

use http::Uri;
use serde_json::Value;

use super::args::Dashboard;
use crate::address::origin;
use crate::doctor;
use crate::listing::every_dashboard;
use crate::text::shown;

pub(super) fn show(out: &mut impl Write, options: &Dashboard, addr: SocketAddr) -> io::Result<()> {
    let here = reachable(addr);
    let seconds = options.interval.as_secs_f64();
    let with = match options.simulate {
        true => ", and a simulated app",
        false => "",
    };
    writeln!(
        out,
        "spanwire dashboard: this machine, sampled every {seconds} s{with}\n"
    )?;
    writeln!(out, "  metrics     http://{here}/metrics")?;
    // The address is of use at once. What follows may take seconds.
    out.flush()?;
    // A server that does not answer takes two seconds.
    let is_terminal = io::stderr().is_terminal();
    if is_terminal {
        write!(io::stderr(), "  looking for Prometheus and Grafana …")?;
    }
    let (prometheus, grafana) = thread::scope(|scope| {
        // Side by side, so that two servers that do not answer take the time of one.
        let prometheus = scope.spawn(|| prometheus(&options.prometheus, here));
        let grafana = grafana(&options.grafana);
        // A panic there is a bug, and costs a line of this panel alone.
        (prometheus.join().unwrap_or_default(), grafana)
    });
    if is_terminal {
        // To the line's begin, and what was on it away.
        write!(io::stderr(), "\r\x1b[K")?;
    }
    let prometheus_url = origin(&options.prometheus);
    let grafana_url = origin(&options.grafana);
    writeln!(out, "  Prometheus  {prometheus_url}: {}", prometheus.said)?;
    writeln!(out, "  Grafana     {grafana_url}: {}", grafana.said)?;
    if !prometheus.scrapes {
        let interval = scrape_interval(options);
        writeln!(
            out,
            "
Prometheus scrapes it with this below scrape_configs in its prometheus.yml; in the stack of
`spanwire stack export`, add the target to targets/spanwire.yml:

  - job_name: spanwire
    scrape_interval: {interval}
    static_configs:
      - targets: ['{here}']"
        )?;
    }
    writeln!(out, "\nGrafana shows it here:\n")?;
    for dashboard in every_dashboard() {
        let title = dashboard.title;
        writeln!(out, "  {title:<28}  {grafana_url}/d/{}", dashboard.uid)?;
    }
    if !grafana.is_there && options.stack.is_none() {
        writeln!(
            out,
            "\n`spanwire dashboard --stack` starts Prometheus and Grafana with Docker, and
`spanwire dashboards export DIR` writes these dashboards for a Grafana that you have."
        )?;
    }
    writeln!(out, "\nCtrl-C ends it.")
}

/// An address that can be connected to: one that stands for all is no place.
fn reachable(addr: SocketAddr) -> SocketAddr {
    let ip = match addr.ip() {
        // What listens on all addresses listens on loopback too, and this is printed on the same
        // machine.
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, addr.port())
}

/// Scraping more often than there are samples shows nothing more.
fn scrape_interval(options: &Dashboard) -> String {
    // An interval below a second would be `0s` here.
    let seconds = options.interval.as_secs().max(1);
    format!("{seconds}s")
}

#[derive(Debug, Default)]
struct Prometheus {
    said: String,
    scrapes: bool,
}

fn prometheus(url: &Uri, here: SocketAddr) -> Prometheus {
    match doctor::ask(url, "/api/v1/targets?state=active") {
        Ok(targets) => match scraped(&targets, here.port()) {
            Some(true) => Prometheus {
                said: "scrapes it".into(),
                scrapes: true,
            },
            // A target that has come just now is `unknown` until its first scrape.
            Some(false) => Prometheus {
                said: "has it as a target, and has not scraped it yet".into(),
                scrapes: true,
            },
            None => Prometheus {
                said: "answers, and does not scrape it".into(),
                scrapes: false,
            },
        },
        Err(error) => Prometheus {
            said: shown(&error),
            scrapes: false,
        },
    }
}

/// Whether a target with this port is up; `None` when there is none.
///
/// By its port alone: in a container the machine has another name.
fn scraped(targets: &Value, port: u16) -> Option<bool> {
    let targets = targets["data"]["activeTargets"].as_array()?;
    let ours = targets.iter().filter(|target| {
        let url = target["scrapeUrl"].as_str().unwrap_or_default();
        url.parse::<Uri>()
            .is_ok_and(|url| url.port_u16() == Some(port))
    });
    let up = ours.map(|target| target["health"] == "up");
    // `any` would give false where there is no target at all, which is another case.
    up.reduce(|one, other| one || other)
}

#[derive(Debug)]
struct Grafana {
    said: String,
    is_there: bool,
}

fn grafana(url: &Uri) -> Grafana {
    match doctor::ask(url, "/api/health") {
        // Many programs have a path `/api/health`. This field is Grafana's.
        Ok(health) if health["database"].is_string() => {
            let version = shown(health["version"].as_str().unwrap_or_default());
            Grafana {
                said: format!("answers {version}").trim_end().to_owned(),
                is_there: true,
            }
        }
        Ok(_) => Grafana {
            said: "something else answers there".into(),
            is_there: false,
        },
        Err(error) => Grafana {
            said: shown(&error),
            is_there: false,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_target_is_known_by_its_port() {
        let target = |url: &str, health: &str| json!({"scrapeUrl": url, "health": health});
        let targets = |list: &[Value]| json!({"data": {"activeTargets": list}});
        let other = target("http://127.0.0.1:9090/metrics", "up");
        let down = target("http://host.docker.internal:9464/metrics", "down");
        let up = target("http://127.0.0.1:9464/metrics", "up");
        assert_eq!(scraped(&targets(std::slice::from_ref(&other)), 9464), None);
        assert_eq!(scraped(&targets(&[other, down.clone()]), 9464), Some(false));
        assert_eq!(scraped(&targets(&[down, up]), 9464), Some(true));
        assert_eq!(scraped(&json!({}), 9464), None);
    }

    #[test]
    fn an_address_that_stands_for_all_is_shown_as_loopback() {
        let shown = |addr: &str| reachable(addr.parse().unwrap()).to_string();
        assert_eq!(shown("0.0.0.0:1"), "127.0.0.1:1");
        assert_eq!(shown("[::]:1"), "[::1]:1");
        assert_eq!(shown("10.0.0.1:1"), "10.0.0.1:1");
    }
}
