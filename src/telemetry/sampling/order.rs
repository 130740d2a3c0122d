//! Slots in the order in which they came, each of which can leave at any time.

/// A linked list over slots. It takes eight bytes for each slot that there ever was at once, and
/// nothing for those that come and go.
#[derive(Debug)]
pub(super) struct Order {
    links: Vec<Link>,
    first: u32,
    last: u32,
}

#[derive(Clone, Copy, Debug)]
struct Link {
    before: u32,
    after: u32,
}

// Half the room of an `Option<u32>`; slots stay below `SLOTS_MAX`.
const NONE: u32 = u32::MAX;

impl Order {
    pub(super) const fn new() -> Self {
        Self {
            links: Vec::new(),
            first: NONE,
            last: NONE,
        }
    }

    pub(super) fn first(&self) -> Option<u32> {
        (self.first != NONE).then_some(self.first)
    }

    /// Adds a slot that is not in it.
    pub(super) fn push(&mut self, slot: u32) {
        let place = slot as usize;
        if self.links.len() <= place {
            let none = Link {
                before: NONE,
                after: NONE,
            };
            // By slot and not by entry: slots are reused, so this grows no longer than the traces
            // held at once.
            self.links.resize(place + 1, none);
        }
        self.links[place] = Link {
            before: self.last,
            after: NONE,
        };
        // `NONE` is no place of the list, so an empty list or an end falls into the other arm.
        match self.links.get_mut(self.last as usize) {
            Some(last) => last.after = slot,
            None => self.first = slot,
        }
        self.last = slot;
    }

    /// Takes out a slot that is in it.
    pub(super) fn remove(&mut self, slot: u32) {
        // The slot's own links are left as they are: they are written again by the next `push`.
        let Link { before, after } = self.links[slot as usize];
        match self.links.get_mut(before as usize) {
            Some(before) => before.after = after,
            None => self.first = after,
        }
        match self.links.get_mut(after as usize) {
            Some(after) => after.before = before,
            None => self.last = before,
        }
    }

    #[cfg(test)]
    pub(super) fn slots(&self) -> Vec<u32> {
        let mut slots = Vec::new();
        let mut next = self.first;
        while next != NONE {
            slots.push(next);
            next = self.links[next as usize].after;
        }
        slots
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_leave_from_anywhere_and_the_rest_stays_in_order() {
        let mut order = Order::new();
        assert_eq!(order.first(), None);
        for slot in [4, 0, 2, 1] {
            order.push(slot);
        }
        assert_eq!((order.first(), order.slots()), (Some(4), vec![4, 0, 2, 1]));
        order.remove(2);
        assert_eq!(order.slots(), [4, 0, 1]);
        order.remove(4);
        order.remove(1);
        assert_eq!(order.slots(), [0]);
        order.push(4);
        assert_eq!(order.slots(), [0, 4]);
        order.remove(0);
        order.remove(4);
        assert_eq!((order.first(), order.slots()), (None, vec![]));
    }
}
