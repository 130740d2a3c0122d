//! A port that another program has.

use std::io::ErrorKind;
use std::net::{TcpListener, ToSocketAddrs};

use super::Refusal;
use crate::doctor;
use crate::text::shown;

/// What to say when `port` is taken; `None` when it is not.
pub(super) fn taken(host: &str, port: u16) -> Option<Refusal> {
    // A name may have several addresses. `bind` takes the first that is free, as the endpoint does.
    let addrs: Vec<_> = (host, port).to_socket_addrs().ok()?.collect();
    // Nothing is kept: the listener is closed at once.
    let error = TcpListener::bind(&addrs[..]).err()?;
    // A port below 1024 is refused for another reason, which the endpoint's own warning names.
    if error.kind() != ErrorKind::AddrInUse {
        return None;
    }
    let who = match holder(host, port) {
        Some(service) => format!("{service} serves its metrics there"),
        None => "another program listens there".to_owned(),
    };
    let error = format!("port {port} of {host} is taken: {who}");
    // Port 65535 has no next one.
    let other = port.checked_add(1).unwrap_or(9464);
    let remedy = format!("end that program, or take another port: --port {other}, or --port 0");
    Some(Refusal::new(error).remedy(remedy))
}

/// The name of the app that serves its metrics there, as its target info has it.
fn holder(host: &str, port: u16) -> Option<String> {
    let host = match host {
        // Windows cannot connect to an unspecified address.
        "0.0.0.0" | "::" => "127.0.0.1",
        host => host,
    };
    let url = format!("http://{host}:{port}/metrics").parse().ok()?;
    service_name(&doctor::text_at(&url)?)
}

fn service_name(exposition: &str) -> Option<String> {
    let info = exposition
        .lines()
        .find(|line| line.starts_with("target_info{"))?;
    let (_, rest) = info.split_once("service_name=\"")?;
    let (name, _) = rest.split_once('"')?;
    // Whatever listens there chose this text.
    Some(shown(name)).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_is_named_as_its_target_info_has_it() {
        let text = "up 1\ntarget_info{host=\"x\",service_name=\"paint-tool\"} 1\n";
        assert_eq!(service_name(text).as_deref(), Some("paint-tool"));
        for none in [
            "",
            "up 1",
            "target_info{} 1",
            "target_info{service_name=\"\"} 1",
        ] {
            assert_eq!(service_name(none), None, "{none}");
        }
    }

    #[test]
    fn a_free_port_is_not_taken() {
        assert!(taken("127.0.0.1", 0).is_none());
    }
}
