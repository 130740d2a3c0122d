//! What is on disk when telemetry is paused: kept or deleted.

use std::path::PathBuf;

use spanwire::telemetry::{MetricsExporter, Pending, TelemetryBuilder};
use spanwire_testkit::folder::Folder;
use spanwire_testkit::receiver::{Answer, Receiver};

use crate::app::{App, SECOND, builder};

fn spooling(receiver: &Receiver, folder: &Folder) -> TelemetryBuilder {
    builder(&receiver.url())
        .metrics(MetricsExporter::Prometheus)
        .spool_dir(folder.path())
}

/// An app with one span on disk, since its collector is away.
fn with_spooled_span(receiver: &Receiver, folder: &Folder) -> App {
    receiver.answer(Answer::Close);
    let app = App::start(spooling(receiver, folder));
    app.span("spooled");
    app.telemetry.flush(20 * SECOND).unwrap();
    assert_eq!(folder.segments().len(), 1);
    app
}

fn names(receiver: &Receiver) -> Vec<String> {
    receiver.spans().into_iter().map(|span| span.name).collect()
}

const NO_FILE: Vec<PathBuf> = Vec::new();

#[test]
fn what_is_kept_on_disk_waits_there_and_leaves_after_the_resume() {
    let (folder, receiver) = (Folder::new("spool"), Receiver::start());
    let app = with_spooled_span(&receiver, &folder);
    let before = std::fs::read(&folder.segments()[0]).unwrap();
    let report = app.telemetry.pause(Pending::Keep);
    assert_eq!((report.spans.kept, report.spans.discarded), (1, 0));
    // The collector is back, and what it gets next comes from another app.
    receiver.answer(Answer::Ok);
    app.span("paused");
    let other = App::start(builder(&receiver.url()).metrics(MetricsExporter::Prometheus));
    other.span("of another app");
    other.telemetry.flush(20 * SECOND).unwrap();
    assert_eq!(names(&receiver), ["of another app"]);
    assert_eq!(std::fs::read(&folder.segments()[0]).unwrap(), before);

    app.telemetry.resume().unwrap();
    receiver.wait_for(|received| received.iter().flat_map(|one| one.spans()).count() == 2);
    assert_eq!(names(&receiver), ["of another app", "spooled"]);
    let report = app.telemetry.shutdown(20 * SECOND).spans;
    assert_eq!(report.to_string(), "1 exported, 0 dropped, 0 lost");
}

#[test]
fn what_is_discarded_is_gone_from_the_disk_at_once() {
    let (folder, receiver) = (Folder::new("spool"), Receiver::start());
    let app = with_spooled_span(&receiver, &folder);
    let report = app.telemetry.pause(Pending::Discard);
    assert_eq!((report.spans.kept, report.spans.discarded), (0, 1));
    // Neither data nor a lock.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    receiver.answer(Answer::Ok);
    app.telemetry.resume().unwrap();
    app.span("resumed");
    app.telemetry.flush(20 * SECOND).unwrap();
    assert_eq!(names(&receiver), ["resumed"]);
    // The spool is at work again.
    receiver.answer(Answer::Close);
    app.span("spooled again");
    app.telemetry.flush(20 * SECOND).unwrap();
    assert_eq!(folder.segments().len(), 1);
    let report = app.telemetry.shutdown(SECOND).spans;
    assert!(
        report
            .to_string()
            .starts_with("1 exported, 1 spooled, 1 discarded, 0 dropped, 0 lost"),
        "{report}"
    );
}

#[test]
fn a_shutdown_in_the_pause_leaves_on_disk_what_was_kept_and_reports_it() {
    let (folder, receiver) = (Folder::new("spool"), Receiver::start());
    let app = with_spooled_span(&receiver, &folder);
    app.span("queued");
    app.telemetry.pause(Pending::Keep);
    receiver.answer(Answer::Ok);
    let report = app.telemetry.shutdown(20 * SECOND).spans;
    // The second may have come to the disk before the pause.
    assert!(report.spooled >= 1, "{report}");
    assert_eq!(report.spooled + report.discarded, 2, "{report}");
    assert_eq!((report.exported, report.dropped, report.lost), (0, 0, 0));
    assert_eq!((folder.segments().len(), receiver.received().len()), (1, 0));
    drop(app);
    // The next process may send it.
    let app = App::start(spooling(&receiver, &folder));
    receiver.wait_for(|received| !received.is_empty());
    assert_eq!(names(&receiver), ["spooled"]);
    drop(app);
}

#[test]
fn a_process_that_starts_paused_leaves_what_others_left_until_it_is_told() {
    for (pending, arrived) in [(None, vec!["spooled"]), (Some(Pending::Discard), vec![])] {
        let (folder, receiver) = (Folder::new("spool"), Receiver::start());
        drop(with_spooled_span(&receiver, &folder));
        let left = folder.files();
        receiver.answer(Answer::Ok);
        let app = App::start(spooling(&receiver, &folder).start_paused());
        assert_eq!(folder.files(), left);
        if let Some(pending) = pending {
            let report = app.telemetry.pause(pending);
            assert_eq!(report.spans.discarded, 1);
            assert_eq!(folder.files(), NO_FILE);
        }
        app.telemetry.resume().unwrap();
        app.span("resumed");
        receiver.wait_for(|received| {
            let spans = received.iter().flat_map(|one| one.spans());
            spans.count() == arrived.len() + usize::from(arrived.is_empty())
        });
        app.telemetry.shutdown(20 * SECOND);
        let mut names = names(&receiver);
        names.retain(|name| name != "resumed");
        assert_eq!(names, arrived);
        drop(app);
        assert_eq!(folder.files(), NO_FILE);
    }
}

/// A person may say no when the window closes already, or while nothing is sent.
#[test]
fn what_is_on_disk_is_deleted_too_where_no_spool_is_at_work() {
    let (folder, receiver) = (Folder::new("spool"), Receiver::start());
    let app = with_spooled_span(&receiver, &folder);
    app.telemetry.shutdown(SECOND);
    assert_eq!(folder.segments().len(), 1);
    assert_eq!(app.telemetry.pause(Pending::Discard).spans.discarded, 1);
    assert_eq!(folder.files(), NO_FILE);

    drop(with_spooled_span(&receiver, &folder));
    let off = |name: &str| (name == "SPANWIRE_ENABLED").then(|| "false".to_owned());
    let app = App::start(spooling(&receiver, &folder).environment(off));
    assert_eq!(app.telemetry.pause(Pending::Discard).spans.discarded, 1);
    assert_eq!(folder.files(), NO_FILE);
}
