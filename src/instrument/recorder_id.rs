//! Which recorder of the `metrics` facade is in force.

/// Tells recorders apart, by their address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecorderId(pub(crate) usize);

/// The recorder in force on this thread, told apart by its address; `None` when there is none.
#[inline]
pub(crate) fn recorder() -> Option<RecorderId> {
    metrics::with_recorder(|recorder| {
        // The facade's no-op recorder has no size, and a real one has state. There is no other way
        // to ask whether a recorder is installed.
        (size_of_val(recorder) != 0)
            // The address alone, without the vtable: the compiler may emit one type's vtable twice,
            // and the two would look like two recorders. No other recorder gets the address of the
            // global one, which the facade leaks.
            .then(|| RecorderId(std::ptr::from_ref(recorder).cast::<()>().addr()))
    })
}
