//! Files that cannot be opened: which error, and what it says to do.

use std::path::Path;

use rusqlite::Connection;
use spanwire::history::query::{Filter, HistoryReader, OpenError};

use crate::fixture::{Folder, Row, history};

fn error(path: &Path) -> OpenError {
    HistoryReader::open(path).unwrap_err()
}

#[test]
fn missing_file_is_said_and_not_made() {
    let folder = Folder::new();
    let path = folder.file("none.db");
    let error = error(&path);
    assert!(matches!(error, OpenError::Missing(_)), "{error:?}");
    assert!(error.to_string().contains("does not exist: check the path"));
    assert!(!path.exists());
}

#[test]
fn text_file_and_folder_are_no_database() {
    let folder = Folder::new();
    let path = folder.file("notes.db");
    let text = "not a database, but a text that is long enough to be looked at".repeat(20);
    std::fs::write(&path, &text).unwrap();
    for path in [path.clone(), folder.file("")] {
        let error = error(&path);
        assert!(matches!(error, OpenError::NotADatabase(_)), "{error:?}");
        assert!(error.to_string().contains("is not a SQLite database"));
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), text);
}

#[test]
fn database_of_another_program_is_foreign() {
    let folder = Folder::new();
    let path = folder.file("other.db");
    let other = Connection::open(&path).unwrap();
    other
        .execute_batch("CREATE TABLE bookmark (url TEXT)")
        .unwrap();
    let error = error(&path);
    assert!(matches!(error, OpenError::Foreign(_)), "{error:?}");
    assert!(error.to_string().contains("without a history"));
}

#[test]
fn newer_schema_is_refused_with_both_versions() {
    let folder = Folder::new();
    let path = folder.file("h.db");
    let file = history(&path, &[Row::ok("save", 0, 1)]);
    file.pragma_update(None, "user_version", 7).unwrap();
    let newer = error(&path);
    assert!(
        matches!(
            newer,
            OpenError::NewerSchema {
                found: 7,
                known: 3,
                ..
            }
        ),
        "{newer:?}"
    );
    assert!(
        newer
            .to_string()
            .contains("with the version that wrote it, or a newer one")
    );
    // A later version may have other tables; its mark tells whose it is.
    file.pragma_update(None, "application_id", 0x5350_5752)
        .unwrap();
    file.execute_batch("DROP VIEW metrics; ALTER TABLE rollup RENAME TO summary")
        .unwrap();
    let newer = error(&path);
    assert!(matches!(newer, OpenError::NewerSchema { .. }), "{newer:?}");
}

#[test]
fn locked_file_is_said_to_be_locked() {
    let folder = Folder::new();
    let path = folder.file("h.db");
    let holder = history(&path, &[Row::ok("save", 0, 1)]);
    holder
        .pragma_update(None, "journal_mode", "delete")
        .unwrap();
    holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let error = error(&path);
    assert!(matches!(error, OpenError::Locked(_)), "{error:?}");
    assert!(
        error
            .to_string()
            .contains("is locked by another process: try again")
    );
    holder.execute_batch("COMMIT").unwrap();
    HistoryReader::open(&path).unwrap();
}

#[cfg(unix)]
#[test]
fn file_in_a_read_only_folder_is_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    let inner = folder.file("50%?#");
    std::fs::create_dir(&inner).unwrap();
    let path = inner.join("h.db");
    drop(history(&path, &[Row::ok("save", 0, 1)]));
    let set = |mode| {
        std::fs::set_permissions(&inner, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    // Root may write here all the same; then this shows less.
    set(0o555);
    let count =
        HistoryReader::open(&path).map(|reader| reader.stats(&Filter::new()).unwrap()[0].count);
    set(0o755);
    assert_eq!(count.unwrap(), 1);
}
