//! Names that become attribute values: a bounded set, so that no input can make series without end.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use crate::semconv::{OTHER, OTHER_NAMES_MAX, REGISTERED_NAMES_MAX};

/// Who brought a name in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NameSource {
    /// The app named it in its code.
    Registered,
    /// It came from outside, perhaps from a hostile page.
    External,
}

/// A value `V` for each name, up to a cap; the names beyond it share the value of `_OTHER`.
///
/// A look-up takes no lock and allocates nothing. A new name copies the map, which is rare and
/// bounded by the caps.
pub(crate) struct CappedNames<V> {
    known: ArcSwap<Map<V>>,
    other: Arc<V>,
    /// No further name from outside fits: a miss is answered without the lock.
    others_full: AtomicBool,
    taken: Mutex<Taken>,
}

type Map<V> = HashMap<Arc<str>, Arc<V>, foldhash::quality::RandomState>;

#[derive(Default)]
struct Taken {
    registered: usize,
    others: usize,
}

impl<V> CappedNames<V> {
    pub(crate) fn new(make: impl FnOnce(&Arc<str>) -> V) -> Self {
        Self {
            known: ArcSwap::from_pointee(Map::default()),
            other: Arc::new(make(&Arc::from(OTHER))),
            others_full: AtomicBool::new(false),
            taken: Mutex::new(Taken::default()),
        }
    }

    /// The value of `name`, made when the name is new and there is room.
    #[inline]
    pub(crate) fn get(
        &self,
        name: &str,
        source: NameSource,
        make: impl FnOnce(&Arc<str>) -> V,
    ) -> Arc<V> {
        if let Some(value) = self.known.load().get(name) {
            return Arc::clone(value);
        }
        // Relaxed: a thread that reads an old `false` takes the lock and finds the bound there.
        if source == NameSource::External && self.others_full.load(Ordering::Relaxed) {
            return Arc::clone(&self.other);
        }
        self.insert(name, source, make)
    }

    /// The value of `name`, if it has one of its own: to ask takes no place.
    pub(crate) fn existing(&self, name: &str) -> Option<Arc<V>> {
        self.known.load().get(name).map(Arc::clone)
    }

    /// The value that names beyond the cap share.
    pub(crate) fn other(&self) -> &Arc<V> {
        &self.other
    }

    /// Calls `f` with each value, that of `_OTHER` last.
    pub(crate) fn for_each(&self, mut f: impl FnMut(&Arc<V>)) {
        self.known.load().values().for_each(&mut f);
        f(&self.other);
    }

    #[cold]
    fn insert(&self, name: &str, source: NameSource, make: impl FnOnce(&Arc<str>) -> V) -> Arc<V> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        // Only holders of the lock store, so this map stays the newest until the store below.
        let known = self.known.load();
        // Another thread may have inserted the name between our look-up and the lock.
        if let Some(value) = known.get(name) {
            return Arc::clone(value);
        }
        // Two counts, so that a page which floods names takes no room from those of the app.
        let (count, max) = match source {
            NameSource::Registered => (&mut taken.registered, REGISTERED_NAMES_MAX),
            NameSource::External => (&mut taken.others, OTHER_NAMES_MAX),
        };
        if *count >= max {
            return Arc::clone(&self.other);
        }
        *count += 1;
        if taken.others >= OTHER_NAMES_MAX {
            self.others_full.store(true, Ordering::Relaxed);
        }
        let name: Arc<str> = Arc::from(name);
        let value = Arc::new(make(&name));
        // A reader keeps the map that it loaded, so the map is replaced and never changed in place.
        let mut next = Map::clone(&known);
        next.insert(name, Arc::clone(&value));
        self.known.store(Arc::new(next));
        value
    }
}

/// The type's name without path and parameters: `LoadError`, but `io::Error` for an `Error`.
pub(crate) fn short_type_name(full: &str) -> String {
    let path = full.trim_start_matches('&').trim_start_matches("mut ");
    // Parameters would make one value of `error.type` for each type that a generic error wraps.
    let path = path.split('<').next().unwrap_or(path);
    let is_path = path
        .chars()
        .all(|c| c.is_alphanumeric() || c == '_' || c == ':' || c == '#');
    if !is_path || path.is_empty() {
        // `dyn Error`, a tuple: such a name says nothing.
        return OTHER.to_owned();
    }
    let mut segments = path.rsplit("::");
    let name = segments.next().unwrap_or(path);
    if name != "Error" {
        return name.to_owned();
    }
    // Every crate has an `Error`, mostly in a module `error`: what is in front tells them apart.
    match segments.find(|segment| !matches!(*segment, "error" | "errors" | "err")) {
        Some(module) => format!("{module}::{name}"),
        None => name.to_owned(),
    }
}

impl<V> std::fmt::Debug for CappedNames<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.known.load().keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> CappedNames<String> {
        CappedNames::new(|name| name.to_string())
    }

    fn get(names: &CappedNames<String>, name: &str, source: NameSource) -> String {
        names.get(name, source, |name| name.to_string()).to_string()
    }

    #[test]
    fn names_beyond_the_cap_are_other() {
        let names = names();
        let distinct: std::collections::HashSet<_> = (0..100_000)
            .map(|n| get(&names, &format!("n{n}"), NameSource::External))
            .collect();
        assert_eq!(distinct.len(), OTHER_NAMES_MAX + 1);
        assert!(distinct.contains(OTHER));
        assert_eq!(**names.other(), OTHER);
    }

    #[test]
    fn outside_names_do_not_use_up_the_room_of_registered_ones() {
        let names = names();
        for n in 0..1_000 {
            get(&names, &format!("page{n}"), NameSource::External);
        }
        for n in 0..REGISTERED_NAMES_MAX {
            let name = format!("app{n}");
            assert_eq!(get(&names, &name, NameSource::Registered), name);
        }
        assert_eq!(get(&names, "one_more", NameSource::Registered), OTHER);
    }

    #[test]
    fn a_known_name_keeps_its_value() {
        let names = names();
        let first = names.get("a", NameSource::Registered, |_| "first".into());
        let again = names.get("a", NameSource::External, |_| unreachable!());
        assert!(Arc::ptr_eq(&first, &again));
    }

    #[test]
    fn a_types_short_name_is_its_own_unless_that_says_nothing() {
        for (full, short) in [
            ("my_app::load::LoadError", "LoadError"),
            ("&my_app::load::LoadError", "LoadError"),
            ("my_app::Wrapped<alloc::string::String>", "Wrapped"),
            ("std::io::error::Error", "io::Error"),
            ("core::fmt::Error", "fmt::Error"),
            ("serde_json::error::Error", "serde_json::Error"),
            ("error::Error", "Error"),
            ("dyn core::error::Error + core::marker::Send", "_OTHER"),
            ("(a::B, c::D)", "_OTHER"),
            ("", "_OTHER"),
        ] {
            assert_eq!(short_type_name(full), short, "{full}");
        }
    }
}
