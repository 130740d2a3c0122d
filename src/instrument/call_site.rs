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
    // By hand: `Path::is_absolute` follows the rules of the platform that the app runs on, and this
    // path is from the machine that compiled it.
    let is_absolute = path.starts_with(['/', '\\']) || path.as_bytes().get(1) == Some(&b':');
    let kept = if is_absolute { below_crate(path) } else { path };
    // One form on every platform, so that a line of code has the same attribute wherever the app
    // was compiled.
    if kept.contains('\\') {
        Cow::Owned(kept.replace('\\', "/"))
    } else {
        Cow::Borrowed(kept)
    }
}

/// From the last folder on that Cargo takes code from; the file's name alone where there is none.
fn below_crate(path: &str) -> &str {
    // From the right, since a folder above the crate may be called `src` too.
    let from_folder = path
        .rmatch_indices(['/', '\\'])
        .filter_map(|(separator, _)| path.get(separator + 1..));
    let is_taken = |rest: &&str| {
        let folder = rest.split_once(['/', '\\']).map(|(folder, _)| folder);
        folder.is_some_and(|folder| ["src", "tests", "examples", "benches"].contains(&folder))
    };
    from_folder
        .clone()
        .find(is_taken)
        // Generated code, such as a build script's output, lies in none of these folders.
        .or_else(|| from_folder.clone().next())
        .unwrap_or(path)
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
