//! A spool's folder that another user owns, may write or has put something into.
//!
//! Each app is a process of its own, with a deadline: one that blocks fails its test.

use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::sync_channel;
use std::time::Duration;
use std::{fs, thread};

use spanwire::telemetry::{MetricsExporter, Sampler, Telemetry};

use crate::app::{App, SECOND, builder, span_names};
use spanwire_testkit::child_process;
use spanwire_testkit::folder::Folder;
use spanwire_testkit::receiver::{Answer, Receiver};

const URL: &str = "SPANWIRE_TEST_URL";
const BE_AN_APP: &str = "shared_machine::be_an_app";
const FOLDER: &str = "SPANWIRE_TEST_SHARED_FOLDER";
/// Not `nobody`, who may run this.
const STRANGER: u32 = 65_533;

/// What an app said that had this folder.
struct AppOutput {
    stdout: String,
    stderr: String,
}

/// An app with a span `new` that ends in an orderly way, within a deadline.
fn run(receiver: &Receiver, folder: &Path) -> AppOutput {
    run_command(child_process::command(BE_AN_APP), receiver, folder)
}

fn run_command(mut command: Command, receiver: &Receiver, folder: &Path) -> AppOutput {
    let mut child = command
        .env(URL, receiver.url())
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipes = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let (done, output) = sync_channel(1);
    thread::spawn(move || {
        let (mut stdout, mut stderr) = (String::new(), String::new());
        pipes.0.read_to_string(&mut stdout).unwrap();
        pipes.1.read_to_string(&mut stderr).unwrap();
        let _ = done.send(AppOutput { stdout, stderr });
    });
    let said = output.recv_timeout(DEADLINE);
    if said.is_err() {
        child.kill().unwrap();
    }
    let status = child.wait().unwrap();
    let said = said.expect("the app is blocked");
    assert!(status.success(), "{}{}", said.stdout, said.stderr);
    said
}

/// Generous: the app has 10 s to end.
const DEADLINE: Duration = Duration::from_secs(60);

#[test]
fn be_an_app() {
    let Ok(url) = std::env::var(URL) else {
        return;
    };
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let telemetry = Telemetry::builder("test")
        .environment(|_| None)
        .metrics(MetricsExporter::None)
        .otlp_endpoint(url)
        .otlp_timeout(2 * SECOND)
        .sampler(Sampler::ParentBasedAlwaysOn)
        .spool_dir(folder)
        .without_system()
        .install()
        .unwrap();
    tracing::info_span!("new").in_scope(|| ());
    println!("report: {}", telemetry.shutdown(10 * SECOND).spans);
}

/// Everything in a folder: paths, kinds, owners, sizes, times and contents.
fn snapshot(folder: &Path) -> Vec<String> {
    let mut seen = Vec::new();
    let mut paths = vec![folder.to_owned()];
    while let Some(path) = paths.pop() {
        let data = path.symlink_metadata().unwrap();
        let content = data.is_file().then(|| fs::read(&path).unwrap());
        seen.push(format!(
            "{path:?} {:o} {} {} {} {content:?}",
            data.mode(),
            data.uid(),
            data.mtime_nsec(),
            data.ino(),
        ));
        if data.is_dir() {
            paths.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        }
    }
    seen.sort();
    seen
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().mode() & 0o7777
}

/// Gives a thing, and not what a link leads to, to another user, where this one may do that.
fn give_away(path: &Path) -> bool {
    let given = lchown(path, Some(STRANGER), None);
    if let Err(error) = &given {
        not_tested(&format!("giving {path:?} to another user: {error}"));
    }
    given.is_ok()
}

/// Straight to stderr, since a test that passes shows nothing of what it prints.
fn not_tested(what: &str) {
    let _ = writeln!(std::io::stderr(), "\nNOT TESTED, it needs root: {what}");
}

/// Leaves a span of that name in the folder, as a process does that ended; its segment.
fn leave(folder: &Path, name: &str) -> PathBuf {
    let receiver = Receiver::start();
    receiver.answer(Answer::Close);
    let app = App::start(builder(&receiver.url(), folder));
    app.span(name);
    drop(app);
    let mut homes = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let home = homes.find(|path| path.is_dir()).unwrap();
    fs::read_dir(home).unwrap().next().unwrap().unwrap().path()
}

/// The folder is refused: a warning says so and what to do, what is in it stays as it is, and the
/// span is sent or counted as lost.
fn check_refused(root: &Path, watched: &Path, reason: &str) {
    let before = snapshot(watched);
    let receiver = Receiver::start();
    for (answer, report) in [
        (Answer::Ok, "report: 1 exported, 0 dropped, 0 lost"),
        (Answer::Close, "report: 0 exported, 0 dropped, 1 lost"),
    ] {
        receiver.answer(answer);
        let AppOutput { stdout, stderr } = run(&receiver, root);
        assert!(stdout.contains(report), "{root:?}: {stdout}{stderr}");
        let warning = stderr.lines().find(|line| line.starts_with("spanwire: "));
        let warning = warning.unwrap_or_else(|| panic!("no warning of {root:?}: {stderr}"));
        assert!(
            warning.contains("spool_dir") && warning.contains(reason),
            "{warning}"
        );
        assert!(warning.contains("choose") || warning.contains("name the folder"));
    }
    assert_eq!(span_names(&receiver), ["new"], "{root:?}");
    assert_eq!(snapshot(watched), before, "{root:?}");
}

#[test]
fn a_folder_of_another_user_is_refused() {
    let folder = Folder::new("foreign");
    let root = folder.path().join("spool");
    fs::create_dir(&root).unwrap();
    leave(&root, "theirs");
    if give_away(&root) {
        check_refused(&root, folder.path(), &format!("belongs to user {STRANGER}"));
    } else {
        let usr = Path::new("/usr");
        assert_ne!(
            usr.metadata().unwrap().uid(),
            folder.path().metadata().unwrap().uid()
        );
        check_refused(usr, folder.path(), "belongs to user 0");
    }
}

#[test]
fn a_folder_that_others_may_write_is_refused_and_taken_once_they_may_not() {
    for bits in [0o770, 0o707, 0o777, 0o1777] {
        let folder = Folder::new("writable");
        let root = folder.path().join("spool");
        fs::create_dir(&root).unwrap();
        leave(&root, "left");
        set_mode(&root, bits);
        check_refused(&root, folder.path(), "other users may write");
        set_mode(&root, 0o755);
        check_sent(&root, &["left"]);
    }
}

#[test]
fn a_path_on_which_others_could_replace_the_folder_is_refused() {
    for bits in [0o770, 0o777] {
        let folder = Folder::new("way");
        let way = folder.path().join("way");
        let root = way.join("inner/spool");
        fs::create_dir_all(&root).unwrap();
        set_mode(&way, bits);
        check_refused(&root, folder.path(), "exchange");
        // As in `/tmp`: only a folder's owner can exchange it.
        set_mode(&way, bits | 0o1000);
        check_sent(&root, &[]);
        if give_away(&way.join("inner")) {
            check_refused(&root, folder.path(), "who could exchange it");
        }
    }
}

#[test]
fn a_link_in_place_of_the_folder_is_refused_and_one_above_it_is_followed() {
    let (folder, outside) = (Folder::new("link"), Folder::new("outside"));
    leave(outside.path(), "elsewhere");
    let link = folder.path().join("link");
    symlink(outside.path(), &link).unwrap();
    check_refused(&link, outside.path(), "symbolic link");
    check_refused(&link.join("."), outside.path(), "symbolic link");
    let dangling = folder.path().join("dangling");
    symlink(outside.path().join("new"), &dangling).unwrap();
    check_refused(&dangling, outside.path(), "symbolic link");

    if give_away(&link) {
        check_refused(&link.join("spool"), outside.path(), "who could exchange it");
    }
    let own = folder.path().join("own");
    symlink(outside.path(), &own).unwrap();
    check_sent(&own.join("spool"), &[]);
    assert!(outside.path().join("spool").is_dir());
}

#[test]
fn a_file_or_fifo_in_place_of_the_folder_is_refused() {
    let folder = Folder::new("no-folder");
    let path = folder.path().join("spool");
    fs::write(&path, "").unwrap();
    let run = |path: &Path| run(&Receiver::start(), path).stderr;
    assert!(run(&path).contains("is no folder"));
    assert!(run(&path.join("below")).contains("is no folder"));
    fs::remove_file(&path).unwrap();
    fifo(&path);
    assert!(run(&path).contains("is no folder"));
}

/// Runs apps until nothing waits: the span of an app may come in behind what is being sent, and be
/// left for the next one. What each said; all of their spans and `earlier` ones have arrived.
fn run_until_sent(receiver: &Receiver, root: &Path, earlier: &[&str]) -> Vec<AppOutput> {
    let mut all = Vec::new();
    loop {
        let said = run(receiver, root);
        assert!(
            said.stdout.contains(" 0 dropped, 0 lost"),
            "{}",
            said.stdout
        );
        let waits = said.stdout.contains("spooled");
        all.push(said);
        if !waits {
            break;
        }
        assert!(all.len() < 10, "it is never sent");
    }
    let mut names = [earlier, &vec!["new"; all.len()]].concat();
    names.sort_unstable();
    let mut sent = span_names(receiver);
    sent.sort();
    assert_eq!(sent, names, "{root:?}");
    all
}

/// The folder is used, and there is no warning.
fn check_sent(root: &Path, earlier: &[&str]) {
    for AppOutput { stdout, stderr } in run_until_sent(&Receiver::start(), root, earlier) {
        for warning in ["spool_dir", "left alone", "given up"] {
            assert!(!stderr.contains(warning), "{stdout}{stderr}");
        }
    }
}

#[test]
fn folders_and_files_are_private_whatever_the_umask() {
    for umask in ["0000", "0777"] {
        let (folder, receiver) = (Folder::new("umask"), Receiver::start());
        receiver.answer(Answer::Close);
        let root = folder.path().join("a/b/spool");
        let command = child_process::command_after(&format!("umask {umask}"), BE_AN_APP);
        let said = run_command(command, &receiver, &root);
        assert!(
            said.stdout.contains("1 spooled"),
            "{}{}",
            said.stdout,
            said.stderr
        );
        let files = folder.files();
        assert_eq!(files.len(), 2, "a segment and a lock");
        for file in files {
            assert_eq!(mode(&file), 0o600, "{file:?}");
            let above = file.ancestors().skip(1);
            for path in above.take_while(|path| *path != folder.path()) {
                assert_eq!(mode(path), 0o700, "{path:?}");
            }
        }
    }
}

/// A folder in which a process left a span `left`, and another folder, where a segment with a span
/// `secret` lies that is no part of the spool.
struct Planted {
    folder: Folder,
    outside: Folder,
    /// Of the process that ended.
    home: PathBuf,
    secret: PathBuf,
}

impl Planted {
    fn new() -> Self {
        let (folder, outside) = (Folder::new("planted"), Folder::new("outside"));
        let home = outside.path().join("00000000000000aa");
        let segment = leave(outside.path(), "secret");
        fs::rename(segment.parent().unwrap(), &home).unwrap();
        let secret = home.join(segment.file_name().unwrap());
        let home = leave(folder.path(), "left").parent().unwrap().to_owned();
        Self {
            folder,
            outside,
            home,
            secret,
        }
    }

    /// The name of a segment that was begun before all others.
    fn segment(&self) -> PathBuf {
        self.home.join("00000000000000000001.traces")
    }

    /// The app sends what is its own, says what is not, and leaves that as it is.
    fn check(self, what: &Path, reason: &str) {
        self.check_with(what, reason, &["left"]);
    }

    fn check_with(self, what: &Path, reason: &str, earlier: &[&str]) {
        let state = || {
            let data = what.symlink_metadata().unwrap();
            (data.ino(), data.mode(), snapshot(self.outside.path()))
        };
        let before = state();
        let receiver = Receiver::start();
        for AppOutput { stdout, stderr } in run_until_sent(&receiver, self.folder.path(), earlier) {
            let warning = stderr.lines().find(|line| line.contains("left alone"));
            let warning = warning.unwrap_or_else(|| panic!("no warning: {stdout}{stderr}"));
            assert!(warning.contains(reason), "{warning}");
        }
        assert_eq!(state(), before);
    }
}

fn fifo(path: &Path) {
    make(Command::new("mkfifo").args(["-m", "600"]).arg(path)).unwrap();
}

/// Runs a command that makes something.
fn make(command: &mut Command) -> Result<(), String> {
    let Output { status, stderr, .. } = command.output().unwrap();
    match status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&stderr).into_owned()),
    }
}

#[test]
fn a_link_in_place_of_a_segment_is_left_alone() {
    let planted = Planted::new();
    symlink(&planted.secret, planted.segment()).unwrap();
    let what = planted.segment();
    planted.check(&what, "symbolic link");
}

#[test]
fn a_hard_link_to_a_file_elsewhere_is_left_alone() {
    let planted = Planted::new();
    fs::hard_link(&planted.secret, planted.segment()).unwrap();
    let what = planted.segment();
    planted.check(&what, "more than one name");
}

#[test]
fn a_fifo_in_place_of_a_segment_is_left_alone_and_blocks_nothing() {
    let planted = Planted::new();
    fifo(&planted.segment());
    let what = planted.segment();
    planted.check(&what, "is no regular file");
}

#[test]
fn a_socket_in_place_of_a_segment_is_left_alone() {
    let planted = Planted::new();
    // The path of a socket has about a hundred bytes.
    let _listener = UnixListener::bind(planted.segment()).unwrap();
    set_mode(&planted.segment(), 0o600);
    let what = planted.segment();
    planted.check(&what, "is no regular file");
}

#[test]
fn a_folder_in_place_of_a_segment_is_left_alone() {
    let planted = Planted::new();
    fs::create_dir(planted.segment()).unwrap();
    let what = planted.segment();
    planted.check(&what, "is no regular file");
}

#[test]
fn a_device_in_place_of_a_segment_is_left_alone() {
    let planted = Planted::new();
    let what = planted.segment();
    // The one that is always full of zeros.
    let made = make(Command::new("mknod").arg(&what).args(["c", "1", "5"]));
    if let Err(error) = made {
        not_tested(&format!("making a device: {error}"));
        symlink("/dev/zero", &what).unwrap();
        return planted.check(&what, "symbolic link");
    }
    set_mode(&what, 0o600);
    planted.check(&what, "is no regular file");
}

#[test]
fn a_file_that_others_may_write_or_own_is_left_alone() {
    let planted = Planted::new();
    let what = planted.segment();
    fs::copy(&planted.secret, &what).unwrap();
    set_mode(&what, 0o666);
    planted.check(&what, "other users may write");

    let planted = Planted::new();
    let what = planted.segment();
    fs::copy(&planted.secret, &what).unwrap();
    if give_away(&what) {
        planted.check(&what, &format!("belongs to user {STRANGER}"));
    }
}

#[test]
fn a_link_in_place_of_a_folder_that_a_process_left_is_left_alone() {
    let planted = Planted::new();
    let what = planted.folder.path().join("00000000000000bb");
    symlink(planted.secret.parent().unwrap(), &what).unwrap();
    planted.check(&what, "symbolic link");
}

#[test]
fn a_folder_that_another_user_left_or_may_write_is_left_alone() {
    for bits in [None, Some(0o770), Some(0o777)] {
        let planted = Planted::new();
        let what = planted.folder.path().join("00000000000000bb");
        fs::create_dir(&what).unwrap();
        fs::copy(&planted.secret, what.join("00000000000000000001.traces")).unwrap();
        set_mode(&what, bits.unwrap_or(0o700));
        match bits {
            Some(_) => planted.check(&what, "other users may write"),
            None if give_away(&what) => {
                planted.check(&what, &format!("belongs to user {STRANGER}"))
            }
            None => {}
        }
    }
}

#[test]
fn a_link_in_place_of_a_lock_makes_no_file_elsewhere() {
    for target in ["new", "00000000000000aa.lock"] {
        let planted = Planted::new();
        let what = planted.home.with_extension("lock");
        fs::remove_file(&what).unwrap();
        symlink(planted.outside.path().join(target), &what).unwrap();
        // Without its lock nothing can be said about the folder.
        planted.check_with(&what, "symbolic link", &[]);
    }
}

#[test]
fn a_fifo_in_place_of_a_lock_blocks_nothing() {
    let planted = Planted::new();
    let what = planted.home.with_extension("lock");
    fs::remove_file(&what).unwrap();
    fifo(&what);
    planted.check_with(&what, "is no regular file", &[]);
}

#[test]
fn a_segment_with_a_huge_number_does_not_keep_later_ones_from_replay() {
    for number in ["04611686018427387903", "18446744073709551615"] {
        let planted = Planted::new();
        let folder = &planted.folder;
        let what = planted.home.join(format!("{number}.traces"));
        fs::copy(&planted.secret, &what).unwrap();
        set_mode(&what, 0o600);
        // What comes after it waits for the next process, and the next but one.
        let receiver = Receiver::start();
        receiver.answer(Answer::Close);
        for waiting in ["report: 0 exported, 1 spooled, 0 dropped, 0 lost"; 2] {
            let said = run(&receiver, folder.path());
            assert!(said.stdout.contains(waiting), "{}", said.stdout);
        }
        check_sent(folder.path(), &["left", "new", "new", "secret"]);
        assert_eq!(folder.files(), Vec::<PathBuf>::new());
    }
}

#[test]
fn a_sparse_segment_takes_no_memory_and_no_room_of_others() {
    let Planted { folder, home, .. } = Planted::new();
    for number in ["00000000000000000001", "04611686018427387903"] {
        let what = home.join(format!("{number}.traces"));
        let file = fs::File::create(&what).unwrap();
        file.set_len(10 << 30).unwrap();
        set_mode(&what, 0o600);
    }
    // Ten GiB would not be read before the deadline, nor find room in this much memory.
    let command = child_process::command_after("ulimit -v 4000000", BE_AN_APP);
    let receiver = Receiver::start();
    let AppOutput { stdout, stderr } = run_command(command, &receiver, folder.path());
    assert!(stdout.contains(" 0 dropped, 2 lost"), "{stdout}");
    assert!(
        stderr.contains("on disk were given up: the spool was full"),
        "{stderr}"
    );
    let mut sent = span_names(&receiver);
    sent.sort();
    assert!(sent == ["left", "new"] || (sent == ["left"] && stdout.contains("1 spooled")));
}
