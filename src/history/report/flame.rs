//! A flame graph without a script: boxes whose widths are shares, the outermost on top.

use std::collections::HashMap;

use super::text::{escaped, put, share};

/// A tree of what takes how much, each part with all that is within it.
#[derive(Debug)]
pub(super) struct Flame {
    nodes: Vec<Node>,
}

#[derive(Debug, Default)]
struct Node {
    name: String,
    total: u64,
    depth: usize,
    within: HashMap<String, usize>,
}

impl Flame {
    /// It has no name and is not drawn.
    pub(super) const ROOT: usize = 0;

    pub(super) fn new() -> Self {
        Self {
            nodes: vec![Node::default()],
        }
    }

    /// The part of that name within another; that one itself where the graph is too deep.
    pub(super) fn within(&mut self, outer: usize, name: &str) -> usize {
        let next = self.nodes.len();
        let Some(node) = self.nodes.get_mut(outer) else {
            return outer;
        };
        if let Some(known) = node.within.get(name) {
            return *known;
        }
        let depth = node.depth + 1;
        // Deep recursion: what is deeper counts for the last box that is drawn.
        if depth > DEPTH_MAX {
            return outer;
        }
        node.within.insert(name.to_owned(), next);
        self.nodes.push(Node {
            name: name.to_owned(),
            depth,
            ..Node::default()
        });
        next
    }

    pub(super) fn add(&mut self, at: usize, much: u64) {
        if let Some(node) = self.nodes.get_mut(at) {
            node.total = node.total.saturating_add(much);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.nodes.len() == 1
    }

    fn node(&self, at: usize) -> Option<&Node> {
        self.nodes.get(at)
    }

    /// What is within it, the most first, and how much that is in all.
    fn parts(&self, node: &Node) -> (Vec<(usize, u64)>, u64) {
        let parts = node.within.values();
        let mut parts: Vec<(usize, u64)> = parts
            .filter_map(|at| Some((*at, self.node(*at)?.total)))
            .collect();
        // Numbers of nodes are in the order in which they came.
        parts.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        let sum = parts
            .iter()
            .fold(0_u64, |sum, (_, much)| sum.saturating_add(*much));
        (parts, sum)
    }
}

/// Where a box is, in shares of the whole.
#[derive(Clone, Copy)]
struct Place {
    left: f64,
    width: f64,
    level: usize,
}

struct Drawing<'a> {
    flame: &'a Flame,
    told: &'a dyn Fn(u64) -> String,
    narrowest: f64,
    all: u64,
    boxes: String,
    count: usize,
    levels: usize,
}

/// Draws it; `told` says how much a box is of.
///
/// What is narrower than some pixels is drawn as one box with its like. The more boxes there would
/// be, the wider is the narrowest.
pub(super) fn draw(out: &mut String, flame: &Flame, told: &dyn Fn(u64) -> String) {
    let Some(root) = flame.node(Flame::ROOT) else {
        return;
    };
    let (_, all) = flame.parts(root);
    if all == 0 {
        return;
    }
    let mut drawn = None;
    // The number of boxes is known only when they are drawn. The last limit is taken as it is.
    for narrowest in NARROWEST {
        let mut drawing = Drawing {
            flame,
            told,
            narrowest,
            all,
            boxes: String::new(),
            count: 0,
            levels: 0,
        };
        let whole = Place {
            left: 0.0,
            width: 1.0,
            level: 0,
        };
        drawing.within(root, whole);
        let is_enough = drawing.count <= BOXES_MAX;
        drawn = Some(drawing);
        if is_enough {
            break;
        }
    }
    if let Some(drawing) = drawn {
        put!(
            out,
            "<div class=\"scroll\"><div class=\"flame\" style=\"height:{}px\">{}</div></div>",
            drawing.levels * LEVEL_PX,
            drawing.boxes
        );
    }
}

impl Drawing<'_> {
    fn within(&mut self, outer: &Node, place: Place) {
        let (parts, sum) = self.flame.parts(outer);
        // Parts that ran at the same time may be more than the whole.
        // The root has no total of its own.
        let whole = match place.level {
            0 => sum,
            _ => outer.total.max(sum),
        };
        if whole == 0 {
            return;
        }
        let (mut left, mut merged, mut rest) = (place.left, 0_usize, 0_u64);
        // Parts are scaled to the box around them, so that they never stick out of it.
        let width = |much: u64| much as f64 / whole as f64 * place.width;
        for (at, much) in parts {
            let Some(node) = self.flame.node(at) else {
                continue;
            };
            let here = Place {
                left,
                width: width(much),
                level: place.level,
            };
            if here.width < self.narrowest {
                merged += 1;
                rest = rest.saturating_add(much);
                continue;
            }
            self.put_box(here, &node.name, much);
            left += here.width;
            self.within(
                node,
                Place {
                    level: place.level + 1,
                    ..here
                },
            );
        }
        let here = Place {
            left,
            width: width(rest),
            ..place
        };
        // What is merged may be too narrow to draw, too; it then shows as a gap.
        if here.width >= self.narrowest {
            self.put_box(here, &format!("other ({merged})"), rest);
        }
    }

    fn put_box(&mut self, place: Place, name: &str, much: u64) {
        self.count += 1;
        self.levels = self.levels.max(place.level + 1);
        let name = escaped(name);
        let colour = colour(&name);
        put!(
            self.boxes,
            "<div class=\"f{colour}\" style=\"left:{:.2}%;width:{:.2}%;top:{}px\" \
             title=\"{name}: {}, {}\">",
            place.left * 100.0,
            place.width * 100.0,
            place.level * LEVEL_PX,
            escaped(&(self.told)(much)),
            share(much as f64 / self.all as f64),
        );
        // A letter would not fit.
        if place.width >= NAMED_FROM {
            self.boxes += &name;
        }
        self.boxes += "</div>";
    }
}

/// The same for each name.
// Not by chance: two reports of one app are to look alike.
fn colour(name: &str) -> u32 {
    name.bytes().fold(0_u32, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(byte.into())
    }) % 5
}

/// Shares of the whole width, which is some 1,000 pixels.
const NARROWEST: [f64; 4] = [0.003, 0.01, 0.02, 0.05];
const NAMED_FROM: f64 = 0.02;
const BOXES_MAX: usize = 2_500;
const LEVEL_PX: usize = 18;
const DEPTH_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(flame: &Flame) -> String {
        let mut out = String::new();
        draw(&mut out, flame, &|much| format!("{much} x"));
        out
    }

    #[test]
    fn boxes_have_their_shares_and_lie_within_their_outer_ones() {
        let mut flame = Flame::new();
        let main = flame.within(Flame::ROOT, "main");
        flame.add(main, 100);
        let draw = flame.within(main, "draw<T>");
        flame.add(draw, 75);
        let load = flame.within(main, "load");
        flame.add(load, 20);
        let out = drawn(&flame);
        assert!(
            out.contains("left:0.00%;width:100.00%;top:0px\" title=\"main: 100 x, 100 %\">main<")
        );
        assert!(
            out.contains("left:0.00%;width:75.00%;top:18px\" title=\"draw&lt;T&gt;: 75 x, 75 %\"")
        );
        assert!(out.contains("left:75.00%;width:20.00%;top:18px\" title=\"load: 20 x, 20 %\""));
        assert!(out.contains("height:36px"));
    }

    #[test]
    fn narrow_boxes_are_one() {
        let mut flame = Flame::new();
        let wide = flame.within(Flame::ROOT, "wide");
        flame.add(wide, 9_900);
        for n in 0..100 {
            let narrow = flame.within(Flame::ROOT, &format!("n{n}"));
            flame.add(narrow, 1);
        }
        let out = drawn(&flame);
        assert!(out.contains("title=\"other (100): 100 x, 1 %\""), "{out}");
        assert_eq!(out.matches("title=").count(), 2);
    }

    #[test]
    fn number_of_boxes_and_levels_is_bounded() {
        let mut flame = Flame::new();
        for a in 0..200 {
            let mut at = Flame::ROOT;
            for level in 0..500 {
                at = flame.within(at, &format!("f{a} {level}"));
                flame.add(at, 1);
            }
        }
        let out = drawn(&flame);
        assert!(out.matches("title=").count() <= BOXES_MAX);
        let mut deep = Flame::new();
        let mut at = Flame::ROOT;
        for level in 0..500 {
            at = deep.within(at, &format!("{level}"));
            deep.add(at, 1);
        }
        assert_eq!(drawn(&deep).matches("title=").count(), DEPTH_MAX);
    }

    #[test]
    fn parts_that_overlap_stay_within_their_outer_one() {
        let mut flame = Flame::new();
        let call = flame.within(Flame::ROOT, "call");
        flame.add(call, 100);
        for name in ["a", "b"] {
            let part = flame.within(call, name);
            flame.add(part, 100);
        }
        let out = drawn(&flame);
        assert!(out.contains("left:50.00%;width:50.00%;top:18px"), "{out}");
    }
}
