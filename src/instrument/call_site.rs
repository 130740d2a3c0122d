//! Where in the app's code something was asked for.

use std::borrow::Cow;
use std::panic::Location;

/// A place in the code of the app.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallSite(&'static Location<'static>);

impl CallSite {
    /// The caller of the function that calls this, if that function is `#[track_caller]` too.
    #[track_caller]
    pub(crate) fn of_caller() -> Self {
        Self(Location::caller())
    }

    /// The file as Cargo tells it within a workspace; of an absolute path only what lies within the
    /// crate, since the folders above it name the machine's user.
    pub(crate) fn file(self) -> Cow<'static, str> {
        within_crate(self.0.file())
    }

    pub(crate) fn line(self) -> i64 {
        i64::from(self.0.line())
    }
}

fn within_crate(path: &str) -> Cow<'_, str> {
    let is_absolute = path.starts_with(['/', '\\']) || path.as_bytes().get(1) == Some(&b':');
    let kept = if is_absolute { below_crate(path) } else { path };
    if kept.contains('\\') {
        Cow::Owned(kept.replace('\\', "/"))
    } else {
        Cow::Borrowed(kept)
    }
}

/// From the last folder on that Cargo takes code from; the file's name alone where there is none.
fn below_crate(path: &str) -> &str {
    let mut end = path.len();
    let mut name = path;
    let mut is_file = true;
    while let Some(separator) = path[..end].rfind(['/', '\\']) {
        let folder = &path[separator + 1..end];
        if is_file {
            name = folder;
            is_file = false;
        } else if ["src", "tests", "examples", "benches"].contains(&folder) {
            return &path[separator + 1..];
        }
        end = separator;
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_within_a_workspace_is_kept() {
        assert_eq!(within_crate("demo/src/main.rs"), "demo/src/main.rs");
        assert_eq!(within_crate("demo\\src\\main.rs"), "demo/src/main.rs");
    }

    #[test]
    fn absolute_path_loses_the_folders_above_its_crate() {
        for (path, kept) in [
            ("/home/ann/app/src/ui/tools.rs", "src/ui/tools.rs"),
            ("/home/ann/src/app/src/main.rs", "src/main.rs"),
            ("C:\\Users\\ann\\app\\src\\main.rs", "src/main.rs"),
            ("\\\\share\\ann\\app\\tests\\all.rs", "tests/all.rs"),
            ("/home/ann/app/target/build/app-1f/out/made.rs", "made.rs"),
            ("/made.rs", "made.rs"),
        ] {
            assert_eq!(within_crate(path), kept, "{path}");
        }
    }

    #[test]
    fn place_is_that_of_the_caller() {
        #[track_caller]
        fn asked() -> CallSite {
            CallSite::of_caller()
        }
        let (site, line) = (asked(), i64::from(line!()));
        assert_eq!(site.line(), line);
        assert_eq!(site.file(), within_crate(file!()));
    }
}
