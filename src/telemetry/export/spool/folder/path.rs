//! The way to the folder: whoever may write a folder on it can exchange what is below.

use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{self as sys, CWD, FileType, Mode, Stat};
use rustix::process::geteuid;

use super::permissions::{make_private, others_may_write};
use super::refused;

/// The folder's path without links. What is missing of it is made, for this user alone.
///
/// Each step is taken in a folder in which no other user can exchange anything, so what was looked
/// at is what is there. Links on the way are followed, since systems have them (`/var/run`), but
/// the folder itself must not be one.
///
/// # Errors
///
/// When another user could exchange a part of the path, when the last part is a link, or when a
/// folder cannot be made.
pub(super) fn resolve(named: &Path) -> io::Result<PathBuf> {
    let mut at = PathBuf::new();
    // The next part is the last of them.
    let mut rest = Vec::new();
    put_before(&mut rest, &std::path::absolute(named)?);
    let mut links = 0;
    while let Some(part) = rest.pop() {
        match part.to_str() {
            Some("/") => at = PathBuf::from("/"),
            Some("..") => {
                // By the text alone, which is right here, since `at` has no links.
                at.pop();
            }
            _ => {
                // The check precedes the look at the next part: a folder's content can be trusted
                // only if no other user can exchange the folder.
                judge_step(&at)?;
                let next = at.join(&part);
                match sys::lstat(&next) {
                    Ok(stat) if is_link(&stat) => {
                        if rest.is_empty() {
                            return Err(refused(format!(
                                "{next:?} is a symbolic link: name the folder that it leads to"
                            )));
                        }
                        links += 1;
                        judge_link(&next, &stat, links)?;
                        // The link's parts take the place of its name, and each of them is judged
                        // like any other.
                        put_before(&mut rest, &fs::read_link(&next)?);
                    }
                    Ok(_) => at = next,
                    Err(rustix::io::Errno::NOENT) => {
                        match make_private(CWD, &next) {
                            Ok(()) => at = next,
                            // Another process was quicker: look again at what it is.
                            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                                rest.push(part);
                            }
                            Err(error) => return Err(not_made(&next, &error)),
                        }
                    }
                    Err(error) => return Err(not_made(&next, &error.into())),
                }
            }
        }
    }
    Ok(at)
}

fn put_before(rest: &mut Vec<OsString>, path: &Path) {
    let parts = path
        .components()
        .filter(|part| *part != Component::CurDir)
        .map(|part| part.as_os_str().to_owned());
    rest.extend(parts.rev());
}

fn is_link(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Symlink
}

fn not_made(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{path:?} cannot be made: {error}"))
}

/// Whether no other user can exchange what is in this folder. In one with the sticky bit, as
/// `/tmp`, only its own owner and an entry's can, so each entry is judged by its owner.
fn judge_step(path: &Path) -> io::Result<()> {
    let stat = sys::lstat(path)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        return Err(refused(format!("{path:?} is no folder")));
    }
    judge_owner(path, &stat)?;
    if others_may_write(&stat) && !Mode::from_raw_mode(stat.st_mode).contains(Mode::SVTX) {
        return Err(refused(format!(
            "other users may write to {path:?}, so they could exchange what is in it: \
             run `chmod go-w {path:?}`, or choose another folder"
        )));
    }
    Ok(())
}

fn judge_link(path: &Path, stat: &Stat, links: u32) -> io::Result<()> {
    if links > LINKS_MAX {
        return Err(refused(format!(
            "{path:?} is one of too many symbolic links"
        )));
    }
    judge_owner(path, stat)
}

fn judge_owner(path: &Path, stat: &Stat) -> io::Result<()> {
    let (owner, user) = (stat.st_uid, geteuid().as_raw());
    if owner == user || owner == ROOT || is_outside(owner) {
        return Ok(());
    }
    Err(refused(format!(
        "{path:?} is on the way and belongs to user {owner}, who could exchange it, and the app \
         runs as user {user}: choose another folder"
    )))
}

/// Whether it stands for the users outside of a sandbox with a user namespace, among them root,
/// who owns `/` and `/home` there: within they all look like one user that the sandbox has not.
fn is_outside(uid: u32) -> bool {
    let read = |path: &str| fs::read_to_string(path).ok();
    // Linux shows this id, usually 65534, for each user that has none inside the namespace.
    let Some(overflow) = read("/proc/sys/kernel/overflowuid") else {
        return false;
    };
    overflow.trim().parse() == Ok(uid)
        && read("/proc/self/uid_map").is_some_and(|map| !maps(&map, uid))
}

/// Whether a map of users, as the kernel shows it, has that one inside.
fn maps(map: &str, uid: u32) -> bool {
    map.lines().any(|line| {
        let mut numbers = line.split_whitespace().map(str::parse::<u64>);
        let (Some(Ok(first)), _, Some(Ok(len))) = (numbers.next(), numbers.next(), numbers.next())
        else {
            // A line in another form counts as a map that has the user, so the owner is not trusted.
            return true;
        };
        (first..first.saturating_add(len)).contains(&u64::from(uid))
    })
}

const ROOT: u32 = 0;
/// As many as Linux follows.
const LINKS_MAX: u32 = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_outside_of_a_namespace_that_has_no_such_user() {
        for (map, uid, mapped) in [
            ("         0          0 4294967295\n", 65_534, true),
            ("      1000          0          1\n", 65_534, false),
            (
                "         0       1000          1\n         1     100000      65536\n",
                65_534,
                true,
            ),
            (
                "         0       1000          1\n         1     100000      65533\n",
                65_534,
                false,
            ),
            ("noise", 65_534, true),
        ] {
            assert_eq!(maps(map, uid), mapped, "{map:?}");
        }
    }
}
