use super::*;

use std::fs;
use std::path::PathBuf;

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let mut id = [0; 8];
        getrandom::fill(&mut id).unwrap();
        let name = format!("spanwire-store-{:016x}", u64::from_le_bytes(id));
        Self(std::env::temp_dir().join(name))
    }

    fn store(&self, bytes_max: u64) -> Store {
        Store::new(SpoolDirectory::open(&self.0).unwrap(), bytes_max)
    }

    fn segments(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for directory in fs::read_dir(&self.0).unwrap().flatten() {
            for file in fs::read_dir(directory.path())
                .into_iter()
                .flatten()
                .flatten()
            {
                found.push(file.path());
            }
        }
        found.sort_by_key(|path| path.file_name().map(ToOwned::to_owned));
        found
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn append(store: &mut Store, lane: SpooledSignal, items: u64, body: &[u8]) {
    store.append(lane, Encoding::Identity, items, body).unwrap();
}

/// Sends everything of that lane, and says what it was.
fn drain(store: &mut Store, lane: SpooledSignal) -> Vec<String> {
    let mut bodies = Vec::new();
    while let Some(taken) = store.take(lane).unwrap() {
        bodies.push(String::from_utf8(taken.body.to_vec()).unwrap());
        store.done(&taken.place);
    }
    bodies
}

fn drops(store: &mut Store) -> Vec<(u64, SpoolErrorType)> {
    let drops = store.take_drops();
    let why = |drop: &Dropped| match drop.why {
        GoneBy::Error(why) => why,
        GoneBy::Pause => unreachable!("nothing pauses"),
    };
    drops.iter().map(|drop| (drop.items, why(drop))).collect()
}

const ROOM: u64 = 1 << 30;
const FRAME: u64 = HEADER_LEN as u64 + 1;

#[test]
fn each_lane_is_read_in_its_order_and_nothing_is_left() {
    let folder = Folder::new();
    let mut store = folder.store(ROOM);
    for body in ["1", "2", "3"] {
        append(&mut store, SpooledSignal::Traces, 1, body.as_bytes());
        append(&mut store, SpooledSignal::Logs, 1, b"l");
    }
    assert_eq!(store.bytes(), 6 * FRAME);
    assert_eq!(drain(&mut store, SpooledSignal::Traces), ["1", "2", "3"]);
    assert!(!store.waits(SpooledSignal::Traces) && store.waits(SpooledSignal::Logs));
    assert_eq!(drain(&mut store, SpooledSignal::Logs), ["l", "l", "l"]);
    assert_eq!(store.bytes(), 0);
    assert_eq!(folder.segments(), Vec::<PathBuf>::new());
    drop(store);
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 0);
}

#[test]
fn what_was_sent_is_not_sent_by_the_next_process() {
    let folder = Folder::new();
    let mut store = folder.store(ROOM);
    for body in ["1", "2", "3"] {
        append(&mut store, SpooledSignal::Traces, 1, body.as_bytes());
    }
    let first = store.take(SpooledSignal::Traces).unwrap().unwrap();
    store.done(&first.place);
    let second = store.take(SpooledSignal::Traces).unwrap().unwrap();
    store.give_back(&second.place);
    drop(store);
    let mut next = folder.store(ROOM);
    next.adopt(&SpooledSignal::ALL);
    append(&mut next, SpooledSignal::Traces, 1, b"4");
    assert_eq!(drain(&mut next, SpooledSignal::Traces), ["2", "3", "4"]);
    assert_eq!(drops(&mut next), []);
}

#[test]
fn a_process_that_lives_keeps_what_is_its_own() {
    let folder = Folder::new();
    let (mut a, mut b) = (folder.store(ROOM), folder.store(ROOM));
    append(&mut a, SpooledSignal::Traces, 1, b"a");
    b.adopt(&SpooledSignal::ALL);
    assert!(!b.waits(SpooledSignal::Traces));
    drop(a);
    b.adopt(&[SpooledSignal::Logs]);
    assert!(!b.waits(SpooledSignal::Traces), "nobody asked for traces");
    b.adopt(&SpooledSignal::ALL);
    assert_eq!(drain(&mut b, SpooledSignal::Traces), ["a"]);
}

#[test]
fn the_bound_holds_and_the_oldest_makes_room() {
    let folder = Folder::new();
    // A segment has room for two records, the spool for sixteen.
    let mut store = folder.store(16 * FRAME);
    for n in 0..50u8 {
        append(&mut store, SpooledSignal::Traces, 10, &[b'a' + n % 26]);
        assert!(store.bytes() <= 16 * FRAME);
        let on_disk: u64 = folder
            .segments()
            .iter()
            .map(|file| file.metadata().unwrap().len())
            .sum();
        assert_eq!(on_disk, store.bytes());
    }
    let dropped: u64 = drops(&mut store)
        .iter()
        .map(|(items, why)| {
            assert_eq!(*why, SpoolErrorType::SpoolFull);
            items
        })
        .sum();
    let left = drain(&mut store, SpooledSignal::Traces);
    assert_eq!(dropped + 10 * left.len() as u64, 500);
    assert!(left.len() >= 15, "{left:?}");
    assert_eq!(left.last().unwrap().as_bytes(), [b'a' + 49 % 26]);
}

#[test]
fn what_is_larger_than_the_spool_makes_nothing_else_go() {
    let folder = Folder::new();
    let mut store = folder.store(3 * FRAME);
    append(&mut store, SpooledSignal::Traces, 1, b"1");
    let large = vec![0; 3 * FRAME as usize];
    let outcome = store.append(SpooledSignal::Logs, Encoding::Gzip, 1, &large);
    assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    assert_eq!(drain(&mut store, SpooledSignal::Traces), ["1"]);
}

#[test]
fn what_had_to_make_room_while_it_was_sent_is_counted_once() {
    for arrives in [true, false] {
        let folder = Folder::new();
        let mut store = folder.store(2 * FRAME);
        append(&mut store, SpooledSignal::Traces, 7, b"1");
        let taken = store.take(SpooledSignal::Traces).unwrap().unwrap();
        append(&mut store, SpooledSignal::Traces, 1, b"2");
        append(&mut store, SpooledSignal::Traces, 1, b"3");
        match arrives {
            true => store.done(&taken.place),
            false => store.give_back(&taken.place),
        }
        let lost: u64 = drops(&mut store).iter().map(|(items, _)| items).sum();
        assert_eq!(lost, if arrives { 0 } else { 7 });
        assert_eq!(drain(&mut store, SpooledSignal::Traces), ["2", "3"]);
    }
}

/// Three records of ten items each, damaged before the next process reads them: what it sends, and
/// what it gives up.
fn damaged(damage: impl Fn(&mut Vec<u8>)) -> (Vec<String>, Vec<(u64, SpoolErrorType)>) {
    let folder = Folder::new();
    let mut store = folder.store(ROOM);
    for body in ["1", "2", "3"] {
        append(&mut store, SpooledSignal::Traces, 10, body.as_bytes());
    }
    drop(store);
    let segment = &folder.segments()[0];
    let mut bytes = fs::read(segment).unwrap();
    damage(&mut bytes);
    fs::write(segment, bytes).unwrap();
    let mut next = folder.store(ROOM);
    next.adopt(&SpooledSignal::ALL);
    let sent = drain(&mut next, SpooledSignal::Traces);
    assert_eq!(next.bytes(), 0);
    (sent, drops(&mut next))
}

#[test]
fn damage_of_a_body_costs_its_record_and_of_a_header_the_rest_of_the_segment() {
    use SpoolErrorType::Corrupt;
    let record = FRAME as usize;
    type Case<'a> = (&'a str, &'a dyn Fn(&mut Vec<u8>), &'a [&'a str], u64);
    let cases: [Case<'_>; 7] = [
        (
            "a torn body",
            &|b| b.truncate(3 * record - 1),
            &["1", "2"],
            10,
        ),
        (
            "a torn header",
            &|b| b.truncate(2 * record + 9),
            &["1", "2"],
            1,
        ),
        (
            "a body in the middle",
            &|b| b[2 * record - 1] ^= 1,
            &["1", "3"],
            10,
        ),
        // Behind it nobody knows what there is.
        ("a header in the middle", &|b| b[record + 9] ^= 1, &["1"], 1),
        ("an enormous length", &|b| b[record + 15] = 0xff, &["1"], 1),
        ("the first byte", &|b| b[0] = 0, &[], 1),
        (
            "noise at the end",
            &|b| b.extend([7; 100]),
            &["1", "2", "3"],
            1,
        ),
    ];
    for (what, damage, sent, lost) in cases {
        assert_eq!(
            damaged(damage),
            (
                sent.iter().map(|s| s.to_string()).collect(),
                vec![(lost, Corrupt)]
            ),
            "{what}"
        );
    }
}

#[test]
fn a_length_that_the_file_does_not_have_is_not_allocated() {
    let folder = Folder::new();
    fs::create_dir_all(&folder.0).unwrap();
    let mut header = Header::of(SpooledSignal::Traces, Encoding::Identity, 5, 0, b"x").unwrap();
    header.body_len = 1 << 20;
    let path = folder.0.join("segment");
    fs::write(&path, header.encode()).unwrap();
    let mut file = File::open(&path).unwrap();
    let outcome = read(&mut file, 0, SpooledSignal::Traces);
    assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::InvalidData);
    let extent = Extent {
        len: HEADER_LEN as u64,
        next: 0,
        items: 5,
    };
    assert_eq!(
        scan(&mut file, SpooledSignal::Traces).unwrap(),
        Some(extent)
    );
}

#[test]
fn a_length_that_no_frame_of_ours_has_is_damage_even_where_the_file_has_it() {
    let folder = Folder::new();
    fs::create_dir_all(&folder.0).unwrap();
    let mut header = Header::of(SpooledSignal::Traces, Encoding::Identity, 5, 0, b"x").unwrap();
    header.body_len = u32::MAX;
    let path = folder.0.join("segment");
    fs::write(&path, header.encode()).unwrap();
    let mut file = File::options().read(true).write(true).open(&path).unwrap();
    // Sparse: it takes no room on the disk.
    file.set_len(10 << 30).unwrap();
    let outcome = read(&mut file, 0, SpooledSignal::Traces);
    assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::InvalidData);
    assert_eq!(
        scan(&mut file, SpooledSignal::Traces)
            .unwrap()
            .unwrap()
            .items,
        1
    );
}

#[test]
fn a_request_that_could_not_be_marked_is_sent_again_and_those_marked_behind_it_are_not() {
    let unmarked = |b: &mut Vec<u8>| b[FRAME as usize] = b'd';
    assert_eq!(damaged(unmarked), (vec!["1".into(), "3".into()], vec![]));
    let last = |b: &mut Vec<u8>| {
        b[FRAME as usize] = b'd';
        b[2 * FRAME as usize] = b'd';
    };
    assert_eq!(damaged(last), (vec!["1".into()], vec![]));
}

/// The folder of a process that died, with segments of these names and bodies.
fn left_behind(folder: &Folder, segments: &[(&str, &str)]) {
    let directory = folder.0.join("00000000000000ff");
    fs::create_dir_all(&directory).unwrap();
    for (name, body) in segments {
        let header = Header::of(
            SpooledSignal::Traces,
            Encoding::Identity,
            1,
            0,
            body.as_bytes(),
        )
        .unwrap();
        let record = [&header.encode()[..], body.as_bytes()].concat();
        fs::write(directory.join(name), record).unwrap();
    }
    #[cfg(unix)]
    for path in folder.segments().iter().chain([&directory]) {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        fs::set_permissions(path, mode).unwrap();
    }
}

#[test]
fn a_key_from_the_future_is_as_good_as_now() {
    let folder = Folder::new();
    left_behind(
        &folder,
        &[
            ("00000000000000000007.traces", "old"),
            ("04611686018427387903.traces", "a"),
            ("04611686018427387904.traces", "b"),
            ("18446744073709551614.traces", "c"),
            ("18446744073709551615.traces", "d"),
        ],
    );
    let mut store = folder.store(ROOM);
    store.adopt(&SpooledSignal::ALL);
    append(&mut store, SpooledSignal::Traces, 1, b"new");
    let tomorrow = micros() + 86_400_000_000;
    assert!(store.last_key < tomorrow, "{}", store.last_key);
    // None is stranded: the next process finds all of them, in the same order.
    drop(store);
    let mut next = folder.store(ROOM);
    next.adopt(&SpooledSignal::ALL);
    assert_eq!(
        drain(&mut next, SpooledSignal::Traces),
        ["old", "a", "b", "c", "d", "new"]
    );
    assert_eq!(drops(&mut next), []);
    drop(next);
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 0);
}

#[test]
fn two_segments_with_the_same_key_are_both_kept() {
    let folder = Folder::new();
    left_behind(&folder, &[("00000000000000000007.traces", "a")]);
    let mut store = folder.store(ROOM);
    store.adopt(&SpooledSignal::ALL);
    left_behind(&folder, &[("00000000000000000007.traces", "b")]);
    store.adopt(&SpooledSignal::ALL);
    assert_eq!(drain(&mut store, SpooledSignal::Traces), ["a", "b"]);
}

#[test]
fn a_segment_that_is_larger_than_the_spool_goes_alone() {
    let folder = Folder::new();
    let late = "04611686018427387903.traces";
    left_behind(
        &folder,
        &[("00000000000000000007.traces", "old"), (late, "x")],
    );
    let large = folder.segments().pop().unwrap();
    assert!(large.ends_with(late));
    let file = File::options().write(true).open(&large).unwrap();
    file.set_len(10 << 30).unwrap();
    let mut store = folder.store(100 * FRAME);
    store.adopt(&SpooledSignal::ALL);
    // One for the request whose header was read, and one for the unread rest.
    assert_eq!(drops(&mut store), [(2, SpoolErrorType::SpoolFull)]);
    assert!(!large.exists());
    assert_eq!(drain(&mut store, SpooledSignal::Traces), ["old"]);
    assert_eq!(store.bytes(), 0);
}

#[test]
fn files_that_vanish_end_nothing_else() {
    let folder = Folder::new();
    let mut store = folder.store(ROOM);
    append(&mut store, SpooledSignal::Traces, 3, b"1");
    fs::remove_file(&folder.segments()[0]).unwrap();
    assert_eq!(
        drain(&mut store, SpooledSignal::Traces),
        Vec::<String>::new()
    );
    assert_eq!(drops(&mut store), [(3, SpoolErrorType::Deleted)]);
    append(&mut store, SpooledSignal::Traces, 3, b"2");
    assert_eq!(drain(&mut store, SpooledSignal::Traces), ["2"]);
}

#[cfg(unix)]
#[test]
fn a_folder_that_was_deleted_is_made_again_and_what_was_in_it_is_counted() {
    let folder = Folder::new();
    let mut store = folder.store(ROOM);
    append(&mut store, SpooledSignal::Traces, 3, b"1");
    append(&mut store, SpooledSignal::Logs, 4, b"l");
    fs::remove_dir_all(&folder.0).unwrap();
    append(&mut store, SpooledSignal::Traces, 1, b"2");
    let mut lost = drops(&mut store);
    lost.sort_unstable_by_key(|(items, _)| *items);
    assert_eq!(
        lost,
        [(3, SpoolErrorType::Deleted), (4, SpoolErrorType::Deleted)]
    );
    assert_eq!(store.bytes(), FRAME);
    // A process that comes later finds it, and nothing is left in the end.
    drop(store);
    let mut next = folder.store(ROOM);
    next.adopt(&SpooledSignal::ALL);
    assert_eq!(drain(&mut next, SpooledSignal::Traces), ["2"]);
    drop(next);
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 0);
}

#[cfg(unix)]
#[test]
fn what_was_deleted_while_it_was_sent_is_counted_by_what_became_of_it() {
    for arrives in [true, false] {
        let folder = Folder::new();
        let mut store = folder.store(ROOM);
        append(&mut store, SpooledSignal::Traces, 7, b"1");
        let taken = store.take(SpooledSignal::Traces).unwrap().unwrap();
        fs::remove_dir_all(&folder.0).unwrap();
        append(&mut store, SpooledSignal::Traces, 1, b"2");
        match arrives {
            true => store.done(&taken.place),
            false => store.give_back(&taken.place),
        }
        let mut lost = drops(&mut store);
        lost.retain(|(items, _)| *items > 0);
        match arrives {
            true => assert_eq!(lost, []),
            false => assert_eq!(lost, [(7, SpoolErrorType::Deleted)]),
        }
        assert_eq!(store.gone_in_flight.len(), 0);
        assert_eq!(drain(&mut store, SpooledSignal::Traces), ["2"]);
    }
}

#[cfg(unix)]
#[test]
fn a_deleted_folder_whose_place_is_a_link_now_is_refused() {
    let (folder, elsewhere) = (Folder::new(), Folder::new());
    let mut store = folder.store(ROOM);
    append(&mut store, SpooledSignal::Traces, 3, b"1");
    fs::remove_dir_all(&folder.0).unwrap();
    fs::create_dir(&elsewhere.0).unwrap();
    std::os::unix::fs::symlink(&elsewhere.0, &folder.0).unwrap();
    let outcome = store.append(SpooledSignal::Traces, Encoding::Identity, 1, b"2");
    assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::InvalidData);
    assert_eq!(fs::read_dir(&elsewhere.0).unwrap().count(), 0);
    fs::remove_file(&folder.0).unwrap();
    append(&mut store, SpooledSignal::Traces, 1, b"3");
    assert_eq!(drain(&mut store, SpooledSignal::Traces), ["3"]);
}
