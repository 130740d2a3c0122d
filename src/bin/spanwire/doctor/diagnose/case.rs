//! A finding that holds: where, by how much, and through what.

use std::collections::BTreeMap;

use super::catalogue::{CatalogueEntry, Unit};
use crate::doctor::prometheus::Series;
use crate::text::shown;

pub(super) type Labels = BTreeMap<String, String>;

/// A case in which a finding of the catalogue holds.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) of: CatalogueEntry,
    pub(super) labels: Labels,
    pub(super) value: f64,
    /// What takes the most of it, the most first.
    pub(super) culprits: Vec<Series>,
}

impl Case {
    pub(super) fn says(&self) -> String {
        filled_in(&self.of.says, &self.labels, self.of.unit, self.value)
    }

    pub(super) fn culprits_say(&self) -> Vec<String> {
        let Some(culprit) = &self.of.culprit else {
            return Vec::new();
        };
        let each = self.culprits.iter();
        each.map(|series| filled_in(&culprit.says, &series.labels, culprit.unit, series.value))
            .collect()
    }

    /// Keeps the largest of the series that are about this case.
    pub(super) fn blame(&mut self, series: &[Series]) {
        let ours = |one: &&Series| agree(&one.labels, &self.labels);
        let mut culprits: Vec<Series> = series.iter().filter(ours).cloned().collect();
        // Prometheus gives the series of an instant query in no order.
        culprits.sort_by(|one, other| other.value.total_cmp(&one.value));
        culprits.truncate(CULPRITS_MAX);
        self.culprits = culprits;
    }

    pub(super) fn instance(&self) -> &str {
        self.labels.get("instance").map_or("", String::as_str)
    }

    /// A label of its own, or of what takes the most.
    pub(super) fn label(&self, name: &str) -> Option<&str> {
        let culprits = self.culprits.iter().map(|one| &one.labels);
        // Its own labels first: those of a culprit can have the same name and mean another series.
        let mut all = std::iter::once(&self.labels).chain(culprits);
        all.find_map(|labels| labels.get(name)).map(String::as_str)
    }

    /// Whether this one brings the other about.
    pub(super) fn explains(&self, other: &Self) -> bool {
        // A hang of one app explains nothing in another.
        let is_here = ["job", "instance"]
            .iter()
            .all(|name| self.labels.get(*name) == other.labels.get(*name));
        is_here
            && self.of.explains.iter().any(|explanation| {
                explanation.ids.contains(&other.of.id)
                    && (other.culprits.is_empty() || !explanation.if_unblamed)
                    && explanation.below.is_none_or(|below| other.value < below)
                    && explanation.same.iter().all(|name| {
                        let called = explanation.called.get(name).unwrap_or(name);
                        let theirs = other.label(called);
                        // Any of the culprits counts: three events may block the thread in turn.
                        self.values(name).any(|value| theirs == Some(value))
                    })
            })
    }

    /// What a label is, here and of each culprit.
    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let culprits = self.culprits.iter().map(|one| &one.labels);
        std::iter::once(&self.labels)
            .chain(culprits)
            .filter_map(move |labels| labels.get(name).map(String::as_str))
    }
}

/// Whether two sets of labels say the same where both say something.
fn agree(one: &Labels, other: &Labels) -> bool {
    one.iter()
        // A culprit's query may group by more labels, or fewer, than the case's.
        .all(|(name, value)| other.get(name).is_none_or(|other| other == value))
}

/// A text with labels in place of their names in braces.
pub(super) fn with_labels(text: &str, label: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            // A brace that is never closed is text.
            out.push('{');
            rest = after;
            continue;
        };
        // What a label brings is not read again, so a page cannot put a placeholder into the name
        // of an event.
        out.push_str(&label(name).unwrap_or_default());
        rest = after;
    }
    out + rest
}

fn filled_in(text: &str, labels: &Labels, unit: Unit, value: f64) -> String {
    with_labels(text, |name| match name {
        "value" => Some(unit.text(value)),
        // A page may have chosen the name of an event.
        name => labels.get(name).map(|value| shown(value)),
    })
}

/// Each with what it brings about: roots in order, the worst first.
pub(super) fn by_cause(mut cases: Vec<Case>) -> Vec<(Case, Vec<Case>)> {
    // Stable: causes come before what they bring about, as in the catalogue.
    // A busy machine is seldom the app's fault, so it comes after what is.
    cases.sort_by_key(|case| (case.of.severity, case.of.id == "host-cpu-saturated"));
    let cause = |index: usize| {
        cases
            .iter()
            .position(|other| cases.get(index).is_some_and(|case| other.explains(case)))
    };
    let roots: Vec<usize> = (0..cases.len())
        .map(|index| {
            // Up to the first cause: a consequence of a consequence is told once, with that.
            let mut root = index;
            // No finding explains itself by way of others, which a test of the catalogue holds.
            for _ in 0..cases.len() {
                match cause(root) {
                    Some(next) => root = next,
                    None => break,
                }
            }
            root
        })
        .collect();
    let of = |root: usize| {
        let others = cases.iter().zip(&roots).enumerate();
        let brought = others.filter(|(index, (_, its))| **its == root && *index != root);
        brought.map(|(_, (case, _))| case.clone()).collect()
    };
    cases
        .iter()
        .enumerate()
        .filter(|(index, _)| roots.get(*index) == Some(index))
        .map(|(index, case)| (case.clone(), of(index)))
        .collect()
}

// More than a few names hide the one that takes the most.
const CULPRITS_MAX: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::diagnose::catalogue::every_finding;
    use expect_test::expect;

    const EVENT: &str = "spanwire_ipc_event";
    const WEBVIEW: &str = "spanwire_webview_name";

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        let all = [("job", "spanwire"), ("instance", "app")];
        let pairs = all.iter().chain(pairs);
        pairs
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn case(id: &str, pairs: &[(&str, &str)], culprits: &[&[(&str, &str)]]) -> Case {
        let findings = every_finding().unwrap();
        let of = findings.into_iter().find(|one| one.id == id).unwrap();
        let culprits = culprits.iter().map(|pairs| Series {
            labels: labels(pairs),
            value: 0.5,
        });
        Case {
            of,
            labels: labels(pairs),
            value: 0.5,
            culprits: culprits.collect(),
        }
    }

    fn tree(cases: Vec<Case>) -> String {
        let mut text = String::new();
        for (root, brought) in by_cause(cases) {
            text += &format!("{}\n", root.of.id);
            for one in brought {
                text += &format!("  {}\n", one.of.id);
            }
        }
        text
    }

    #[test]
    fn blocked_ui_thread_explains_what_is_late_and_its_own_handler() {
        let blocking = [(WEBVIEW, "main"), (EVENT, "save")];
        let other = [(WEBVIEW, "main"), (EVENT, "load")];
        let text = tree(vec![
            case("delivery-slow", &[(WEBVIEW, "main")], &[]),
            case("handler-slow", &blocking, &[]),
            case("handler-slow", &other, &[]),
            case("queue-waits", &[], &[]),
            case("ui-thread-blocked", &[], &[&blocking]),
        ]);
        expect![[r#"
            handler-slow
            ui-thread-blocked
              delivery-slow
              handler-slow
              queue-waits
        "#]]
        .assert_eq(&text);
    }

    #[test]
    fn busy_page_explains_nothing_of_another_webview_or_instance() {
        let busy = [(WEBVIEW, "main")];
        let mut elsewhere = case("delivery-slow", &busy, &[]);
        elsewhere.labels.insert("instance".into(), "other".into());
        let text = tree(vec![
            case("page-thread-saturated", &busy, &[]),
            case("delivery-slow", &busy, &[]),
            case("delivery-slow", &[(WEBVIEW, "tools")], &[]),
            elsewhere,
        ]);
        expect![[r#"
            page-thread-saturated
              delivery-slow
            delivery-slow
            delivery-slow
        "#]]
        .assert_eq(&text);
    }

    #[test]
    fn page_that_takes_nothing_explains_its_own_queue_and_no_other() {
        const QUEUE: &str = "spanwire_queue_name";
        for cause in ["page-gone", "page-reloading", "page-unresponsive"] {
            let text = tree(vec![
                case(cause, &[(WEBVIEW, "main")], &[]),
                case("queue-nearly-full", &[(QUEUE, "main")], &[]),
                case("queue-nearly-full", &[(QUEUE, "jobs")], &[]),
            ]);
            let expected = format!("{cause}\n  queue-nearly-full\nqueue-nearly-full\n");
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn cause_of_a_cause_is_the_root_and_the_worst_comes_first() {
        let main = [(WEBVIEW, "main"), (EVENT, "tick")];
        let text = tree(vec![
            case("listener-slow", &main, &[]),
            case(
                "handler-failing",
                &[(WEBVIEW, "main"), (EVENT, "save")],
                &[],
            ),
            case("page-thread-saturated", &main[..1], &[&main]),
            case("event-flood", &main, &[]),
        ]);
        expect![[r#"
            handler-failing
            event-flood
              listener-slow
              page-thread-saturated
        "#]]
        .assert_eq(&text);
    }

    #[test]
    fn flood_explains_a_blocked_ui_thread_that_no_other_handler_is_blamed_for() {
        let flood = || case("event-flood", &[(WEBVIEW, "main"), (EVENT, "moved")], &[]);
        let save = [(WEBVIEW, "main"), (EVENT, "save")];
        let both = tree(vec![case("ui-thread-blocked", &[], &[&save]), flood()]);
        let one = tree(vec![case("ui-thread-blocked", &[], &[]), flood()]);
        expect![[r#"
            ui-thread-blocked
            event-flood
            --
            event-flood
              ui-thread-blocked
        "#]]
        .assert_eq(&format!("{both}--\n{one}"));
    }

    #[test]
    fn busy_machine_explains_a_ui_thread_that_is_a_little_late_and_not_one_that_is_blocked() {
        let at = |value| Case {
            value,
            ..case("ui-thread-blocked", &[], &[])
        };
        let machine = || case("host-cpu-saturated", &[], &[]);
        let late = tree(vec![machine(), at(0.14)]);
        let blocked = tree(vec![machine(), at(0.41)]);
        expect![[r#"
            host-cpu-saturated
              ui-thread-blocked
            --
            ui-thread-blocked
            host-cpu-saturated
        "#]]
        .assert_eq(&format!("{late}--\n{blocked}"));
    }

    #[test]
    fn culprits_are_those_of_the_case_and_the_largest() {
        let mut of_main = case("page-thread-saturated", &[(WEBVIEW, "main")], &[]);
        let series = |webview: &str, event: &str, value: f64| Series {
            labels: labels(&[(WEBVIEW, webview), (EVENT, event)]),
            value,
        };
        of_main.blame(&[
            series("main", "a\u{1b}[31m", 0.2),
            series("tools", "b", 0.9),
            series("main", "c", 0.4),
        ]);
        expect![[r#"
            listeners of c take 40 %
            listeners of a [31m take 20 %"#]]
        .assert_eq(&of_main.culprits_say().join("\n"));
    }
}
