//! Processes with a spool that are killed at random moments, under collectors that refuse, hang,
//! are slow or answer each request differently; and what a failing disk adds to that.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use spanwire_testkit::faulty_collector::{Answer, FaultyCollector, refused_url};
use spanwire_testkit::folder::{Folder, files};
use spanwire_testkit::reliability::{Chance, Plan, Table};
use spanwire_testkit::spooling_process::{Made, Spans, SpoolingProcess, next_process, wall_clock};

use crate::child;
use crate::verdict::{Arrivals, Life};

/// What happens to the disk beside the kill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Disk {
    Healthy,
    /// A file ends at a random place.
    Truncated,
    /// A random bit of a file flips.
    BitFlip,
    /// It has room for 1 MiB, which the spans fill.
    Small,
    /// It is read-only: for a second process from its start on, and for the first from a random
    /// moment on, unless it has a file open to write then.
    ReadOnly,
    /// The folder is deleted at a random moment.
    Deleted,
    /// Two processes have the folder at the same time.
    Shared,
}

const DISKS: [Disk; 7] = [
    Disk::Healthy,
    Disk::Truncated,
    Disk::BitFlip,
    Disk::Small,
    Disk::ReadOnly,
    Disk::Deleted,
    Disk::Shared,
];

/// The last one makes it likely that a process dies while it sends what an earlier one left.
const COLLECTORS: [Option<Answer>; 4] = [
    None,
    Some(Answer::Hangs),
    Some(Answer::Flaky),
    Some(Answer::TakenAfter(Duration::from_millis(60))),
];

/// So many processes one after the other have one folder, before what is left is looked at.
const LIVES: u64 = 4;
/// From the end of its first span on, which comes before the spool has looked around.
const LIFE_MAX: Duration = Duration::from_millis(2_500);
/// They sleep most of the time.
const AT_ONCE: usize = 8;
const SECOND: Duration = Duration::from_secs(1);

/// What came of one folder.
#[derive(Debug, Default)]
struct Outcome {
    kills: u32,
    made: usize,
    lost: usize,
    resent: usize,
    corrupt: u64,
    /// The oldest span that was lost without the disk's fault, by its age at the kill.
    oldest: Duration,
    failures: Vec<String>,
}

pub(crate) fn run(plan: &Plan) -> Table {
    let mut table = Table::new(
        &format!("`kill -9`, seed {}", plan.seed),
        &[
            "the disk",
            "kills",
            "spans",
            "lost",
            "oldest of them at the kill",
            "requests sent again",
            "given up as damaged",
        ],
    );
    for disk in DISKS {
        let kills = match disk {
            Disk::Healthy => plan.kills,
            _ => plan.kills.div_ceil(10),
        };
        if disk.is_tmpfs() && Mount::new(Folder::new("mount").path()).is_none() {
            table.failed(format!("{disk:?} did not run: mounting a tmpfs needs root"));
            continue;
        }
        let began = Instant::now();
        let outcome = rounds(disk, kills, plan.seed);
        println!("  {disk:?}: {outcome:?} in {:.0?}", began.elapsed());
        for why in &outcome.failures {
            table.failed(format!("{disk:?}: {why}"));
        }
        table.row(vec![
            disk.name().to_owned(),
            outcome.kills.to_string(),
            outcome.made.to_string(),
            outcome.lost.to_string(),
            format!("{:.2} s", outcome.oldest.as_secs_f64()),
            outcome.resent.to_string(),
            outcome.corrupt.to_string(),
        ]);
    }
    table
}

/// Rounds until so many processes were killed, several at a time.
fn rounds(disk: Disk, kills: u32, seed: u64) -> Outcome {
    let (begun, sum) = (AtomicU32::new(0), Mutex::new(Outcome::default()));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let round = begun.fetch_add(1, Ordering::SeqCst);
                    if sum.lock().unwrap().kills >= kills {
                        return;
                    }
                    let mut chance = Chance::new(seed + 1_000_003 * u64::from(round));
                    let outcome = Round::new(disk).run(&mut chance);
                    let mut sum = sum.lock().unwrap();
                    let before = sum.kills;
                    sum.add(round, outcome);
                    if before / 100 != sum.kills / 100 {
                        println!("  {disk:?}: {} of {kills} killed", sum.kills);
                    }
                }
            });
        }
    });
    sum.into_inner().unwrap()
}

impl Outcome {
    fn add(&mut self, round: u32, other: Self) {
        self.kills += other.kills;
        self.made += other.made;
        self.lost += other.lost;
        self.resent += other.resent;
        self.corrupt += other.corrupt;
        self.oldest = self.oldest.max(other.oldest);
        let failures = other.failures.into_iter();
        self.failures
            .extend(failures.map(|why| format!("round {round}: {why}")));
    }
}

impl Disk {
    fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Truncated => "a file is cut after the kill",
            Self::BitFlip => "a bit flips after the kill",
            Self::Small => "1 MiB tmpfs, full",
            Self::ReadOnly => "read-only",
            Self::Deleted => "folder deleted before the kill",
            Self::Shared => "two processes in one folder",
        }
    }

    fn lives(self) -> u64 {
        match self {
            Self::Healthy => LIVES,
            Self::Shared | Self::ReadOnly => 2,
            _ => 1,
        }
    }

    fn is_tmpfs(self) -> bool {
        matches!(self, Self::Small | Self::ReadOnly)
    }

    /// Long enough to fill a small one.
    fn life_max(self) -> Duration {
        match self {
            Self::Small => 2 * LIFE_MAX,
            _ => LIFE_MAX,
        }
    }

    fn span_bytes(self) -> usize {
        match self {
            Self::Small => 2_000,
            _ => 0,
        }
    }
}

/// One folder, and the processes that have it.
struct Round {
    disk: Disk,
    // Before the folder, which cannot be removed while something is mounted there.
    mount: Option<Mount>,
    folder: Folder,
    lives: Vec<Life>,
    servers: Vec<FaultyCollector>,
    /// Each process that has a collector at all may die with one request on its way.
    may_resend: usize,
    /// When the disk failed, if it did.
    failed_at: Option<SystemTime>,
    outcome: Outcome,
}

impl Round {
    fn new(disk: Disk) -> Self {
        let folder = Folder::new("kills");
        let mount = disk
            .is_tmpfs()
            .then(|| Mount::new(folder.path()).expect("one could be mounted before"));
        Self {
            disk,
            folder,
            mount,
            lives: Vec::new(),
            servers: Vec::new(),
            may_resend: 0,
            failed_at: None,
            outcome: Outcome::default(),
        }
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("spool")
    }

    fn run(mut self, chance: &mut Chance) -> Outcome {
        match self.disk {
            Disk::Shared => {
                let first = self.start(0, chance);
                thread::sleep(chance.between(Duration::ZERO, SECOND));
                let second = self.start(1, chance);
                thread::sleep(chance.between(Duration::ZERO, LIFE_MAX));
                self.kill(first);
                thread::sleep(chance.between(Duration::ZERO, SECOND));
                self.kill(second);
            }
            disk => {
                for n in 0..disk.lives() {
                    let process = self.start(n, chance);
                    let life = chance.between(Duration::ZERO, disk.life_max());
                    let fails_after = chance.between(Duration::ZERO, life);
                    thread::sleep(fails_after);
                    self.fail_while_running();
                    thread::sleep(life - fails_after);
                    self.kill(process);
                }
            }
        }
        self.fail_afterwards(chance);
        self.judge();
        self.outcome
    }

    /// A process of which a span has ended.
    fn start(&mut self, n: u64, chance: &mut Chance) -> (String, SpoolingProcess) {
        let answer = COLLECTORS[chance.below(4) as usize];
        self.may_resend += usize::from(!matches!(answer, None | Some(Answer::Hangs)));
        let server = answer.map(FaultyCollector::start);
        let url = server
            .as_ref()
            .map_or_else(refused_url, FaultyCollector::url);
        self.servers.extend(server);
        let prefix = format!("life{n}-");
        let spans = Spans {
            prefix: &prefix,
            count: u64::MAX,
            bytes: self.disk.span_bytes(),
        };
        let process = SpoolingProcess::start(child("spooling"), &url, &self.root(), spans);
        process.wait_for_spans(1);
        (prefix, process)
    }

    fn kill(&mut self, (prefix, process): (String, SpoolingProcess)) {
        let (made, killed) = process.kill();
        self.outcome.kills += 1;
        self.lives.push(Life {
            prefix,
            made,
            killed,
            disk_failed: self.failed_at,
        });
        if self.disk == Disk::ReadOnly && self.failed_at.is_none() {
            assert!(self.mount.as_ref().unwrap().remount("ro"));
            self.failed_at = Some(wall_clock());
        }
    }

    fn fail_while_running(&mut self) {
        match self.disk {
            Disk::ReadOnly => {
                let began = wall_clock();
                if self.failed_at.is_none() && self.mount.as_ref().unwrap().remount("ro") {
                    self.failed_at = Some(began);
                }
            }
            Disk::Deleted => {
                // The process writes meanwhile, so a folder may not be empty at the first try.
                while self.root().exists() && fs::remove_dir_all(self.root()).is_err() {}
                self.failed_at = Some(wall_clock());
            }
            _ => {}
        }
    }

    fn fail_afterwards(&mut self, chance: &mut Chance) {
        if self.disk == Disk::ReadOnly {
            assert!(self.mount.as_ref().unwrap().remount("rw"));
        }
        let segments = files(&self.root());
        let segments = segments.iter().filter(|file| {
            file.extension().is_some_and(|ending| ending == "traces")
                && file.metadata().unwrap().len() > 0
        });
        let segments: Vec<_> = segments.collect();
        if !matches!(self.disk, Disk::Truncated | Disk::BitFlip) || segments.is_empty() {
            return;
        }
        let file = segments[chance.below(segments.len() as u64) as usize];
        let mut bytes = fs::read(file).unwrap();
        let at = chance.below(bytes.len() as u64) as usize;
        match self.disk {
            Disk::Truncated => bytes.truncate(at),
            _ => bytes[at] ^= 1 << chance.below(8),
        }
        fs::write(file, bytes).unwrap();
    }

    /// Has the next process send what is left, and compares.
    fn judge(&mut self) {
        let next = next_process(&self.root());
        let mut requests: Vec<_> = self
            .servers
            .iter()
            .flat_map(FaultyCollector::taken_requests)
            .collect();
        let sent: usize = next.requests.iter().map(Vec::len).sum();
        requests.extend(next.requests);
        let arrivals = Arrivals(requests);
        let mut failures = Vec::new();

        if next.report.exported != sent as u64 || next.report.spooled > 0 {
            failures.push(format!("{sent} were sent: {:?}", next.report));
        }
        if next.corrupt != next.report.lost {
            failures.push(format!("{} are damaged: {:?}", next.corrupt, next.report));
        }
        match arrivals.resent() {
            Ok(resent) => {
                self.outcome.resent = resent;
                // What a read-only disk cannot mark as delivered is sent again.
                if resent > self.may_resend && self.disk != Disk::ReadOnly {
                    failures.push(format!("{resent} requests were sent again"));
                }
            }
            Err(why) => failures.push(format!("sent again in another request: {why}")),
        }
        let arrived = arrivals.names();
        for life in &self.lives {
            // What a disk does not take is sent ahead of what is on it.
            let keeps_order = !matches!(self.disk, Disk::Small | Disk::ReadOnly);
            if let Err(why) = arrivals.in_order(life)
                && keeps_order
            {
                failures.push(why);
            }
            let lost = life.lost(&arrived);
            self.outcome.made += life.made.len();
            self.outcome.lost += lost.len();
            let old: Vec<_> = lost
                .iter()
                .copied()
                .filter(|made| life.age(made) >= SECOND)
                .collect();
            let unexplained = self.unexplained(life, &old, &arrived, next.corrupt);
            let by_the_disk = unexplained.len() < old.len();
            let oldest = match by_the_disk {
                true => &unexplained,
                false => &lost,
            };
            let oldest = oldest.iter().map(|made| life.age(made)).max();
            self.outcome.oldest = self.outcome.oldest.max(oldest.unwrap_or_default());
            if let Some(made) = unexplained.first() {
                failures.push(format!(
                    "{} of {} lost, {} unexplained, from {} on, {:?} before the kill; the disk failed \
                     {:?} before",
                    lost.len(),
                    life.made.len(),
                    unexplained.len(),
                    made.name,
                    life.age(made),
                    life.disk_failed.map(|at| life.killed.duration_since(at)),
                ));
            }
        }
        self.outcome.corrupt = next.corrupt;
        self.outcome.failures = failures;
    }

    /// Those of the lost ones, older than a second, that the disk did not cost.
    fn unexplained<'a>(
        &self,
        life: &Life,
        old: &[&'a Made],
        arrived: &BTreeSet<&str>,
        corrupt: u64,
    ) -> Vec<&'a Made> {
        let position = |made: &Made| {
            let mut all = life.made.iter();
            all.position(|other| other.name == made.name).unwrap()
        };
        match self.disk {
            Disk::Healthy | Disk::Shared => old.to_vec(),
            // One record, or everything behind it: in one piece, and none of it arrived.
            Disk::Truncated | Disk::BitFlip => {
                let (Some(first), Some(last)) = (old.first(), old.last()) else {
                    return Vec::new();
                };
                let in_one_piece = position(last) - position(first) + 1 == old.len();
                let behind = life.made.get(position(last) + 1);
                let is_one_record = behind.is_some_and(|made| arrived.contains(&*made.name));
                let is_counted = !is_one_record || corrupt == old.len() as u64;
                match in_one_piece && is_counted {
                    true => Vec::new(),
                    false => old.to_vec(),
                }
            }
            // A batch fits or not, so from when on it is full is not known; there is room for 600 kB.
            Disk::Small => {
                let fit = 600_000 / self.disk.span_bytes();
                let fits = |made: &&&Made| position(made) < fit;
                old.iter().filter(fits).copied().collect()
            }
            Disk::ReadOnly => {
                let Some(at) = life.disk_failed else {
                    return old.to_vec();
                };
                let safe = |made: &&&Made| made.at + SECOND < at;
                old.iter().filter(safe).copied().collect()
            }
            Disk::Deleted => {
                let at = life.disk_failed.unwrap();
                let later = |made: &&&Made| made.at > at;
                old.iter().filter(later).copied().collect()
            }
        }
    }
}

/// A tmpfs of 1 MiB, until it is dropped.
struct Mount(PathBuf);

impl Mount {
    /// `None` where this user may not mount one.
    fn new(folder: &Path) -> Option<Self> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs"])
            .arg(folder)
            .status();
        let mounted = mounted.is_ok_and(|status| status.success());
        mounted.then(|| Self(folder.to_owned()))
    }

    /// False when a file is open to be written, with which it cannot become read-only.
    fn remount(&self, mode: &str) -> bool {
        let options = format!("remount,{mode},size=1m");
        let mut command = Command::new("mount");
        command.args(["-o", &options]).arg(&self.0);
        command.output().unwrap().status.success()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
