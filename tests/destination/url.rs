//! What of an endpoint's URL reaches the collector, and how.

use crate::fixture::{Fixture, SIGNALS, arrived, builder, run, with};
use spanwire_testkit::environment::{Variables, variables};
use spanwire_testkit::receiver::Receiver;

fn own_endpoints(url: &str, rest: &str) -> Variables {
    let own = SIGNALS.map(|signal| {
        let name = format!("OTEL_EXPORTER_OTLP_{}_ENDPOINT", signal.to_uppercase());
        (name, format!("{url}/v1/{signal}{rest}"))
    });
    own.into()
}

#[test]
fn a_signals_own_endpoint_keeps_its_query_and_its_fragment_is_not_sent() {
    for (rest, query) in [
        ("?team=1&zone=a%20b", Some("team=1&zone=a%20b")),
        ("?team=1#part", Some("team=1")),
        ("#part?team=1", None),
    ] {
        let receiver = Receiver::start();
        let own = own_endpoints(&receiver.url(), rest);
        let warnings = run(builder(with(Fixture::base(&receiver), own)));
        assert_eq!(warnings, [""; 0], "{rest}");
        assert_eq!(arrived(&receiver), SIGNALS, "{rest}");
        for request in receiver.received() {
            assert_eq!(request.query.as_deref(), query, "{rest}");
        }
    }
}

#[test]
fn the_path_of_a_signal_is_added_in_front_of_a_fragment() {
    let receiver = Receiver::start();
    let general = format!("{}/#part?not=a%20query", receiver.url());
    let general = variables(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &general)]);
    let warnings = run(builder(with(Fixture::base(&receiver), general)));
    assert_eq!(warnings, [""; 0]);
    assert_eq!(arrived(&receiver), SIGNALS);
}

#[test]
fn user_and_password_of_an_endpoint_are_sent_decoded_unless_a_header_says_otherwise() {
    for (user, headers, sent) in [
        ("me:word", "", "Basic bWU6d29yZA=="),
        ("me%40box:p%40ss:%25", "", "Basic bWVAYm94OnBAc3M6JQ=="),
        ("token", "", "Basic dG9rZW46"),
        ("me:word", "Authorization=Bearer%20other", "Bearer other"),
    ] {
        let receiver = Receiver::start();
        let place = format!("http://{user}@{}", receiver.addr());
        let named = ("OTEL_EXPORTER_OTLP_HEADERS", headers);
        let general = [("OTEL_EXPORTER_OTLP_ENDPOINT", place.as_str()), named];
        let own = with(own_endpoints(&place, ""), variables(&[named]));
        for endpoint in [variables(&general), own] {
            run(builder(with(Fixture::base(&receiver), endpoint)));
        }
        assert_eq!(arrived(&receiver), SIGNALS);
        for request in receiver.received() {
            let values = request.headers.get_all("authorization").iter();
            let values: Vec<_> = values.map(|value| value.to_str().unwrap()).collect();
            assert_eq!(values, [sent], "{user}");
        }
    }
}
