//! Prometheus' text format, as far as the doctor needs it.

use std::collections::{BTreeMap, BTreeSet};

/// A sample with its labels.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sample {
    pub(super) name: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) value: f64,
}

/// What an endpoint exposes.
#[derive(Debug, Default)]
pub(super) struct Exposition {
    /// The names of which it gives the type.
    pub(super) families: BTreeSet<String>,
    pub(super) series: usize,
    /// The samples that were asked for.
    pub(super) samples: Vec<Sample>,
}

impl Exposition {
    /// Reads it all, and keeps the samples of these names.
    pub(super) fn read(text: &str, keep: &[String]) -> Self {
        let mut read = Self::default();
        for line in text.lines() {
            // Families are read from their types: a histogram's samples have names with suffixes.
            if let Some(about) = line.strip_prefix("# TYPE ") {
                let family = about.split(' ').next().unwrap_or_default();
                read.families.insert(family.to_owned());
            }
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            read.series += 1;
            // Labels are read only where they are needed: most lines end here.
            let name = line.split(['{', ' ']).next().unwrap_or_default();
            if keep.iter().any(|kept| kept == name) {
                read.samples.extend(sample(line));
            }
        }
        read
    }

    pub(super) fn named(&self, name: &str) -> impl Iterator<Item = &Sample> {
        self.samples
            .iter()
            .filter(move |sample| sample.name == name)
    }
}

fn sample(line: &str) -> Option<Sample> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = BTreeMap::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            // The format allows a comma after the last label.
            rest = rest.trim_start_matches([',', ' ']);
            if let Some(after) = rest.strip_prefix('}') {
                rest = after;
                break;
            }
            let (label, after) = rest.split_once("=\"")?;
            let (value, after) = unquoted(after)?;
            labels.insert(label.to_owned(), value);
            rest = after;
        }
    }
    Some(Sample {
        name: name.to_owned(),
        labels,
        // A timestamp or an exemplar may follow the value. Rust's parser takes `NaN` and `+Inf`.
        value: rest.split_whitespace().next()?.parse().ok()?,
    })
}

/// Up to the quote that ends it, and what is behind that.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    // A value may hold braces and commas, so only its own quote ends it.
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_read_with_their_labels() {
        let text = "# TYPE a gauge\na{x=\"}\\\"\\n\",y=\"2\"} 1.5\na 2 1234\n\nb{} 3\nc{x=\"";
        let read = Exposition::read(text, &["a".into(), "c".into()]);
        assert_eq!((read.series, read.families.len()), (4, 1));
        let samples: Vec<_> = read.named("a").collect();
        assert_eq!(samples[0].labels["x"], "}\"\n");
        assert_eq!((samples[0].value, samples[1].value), (1.5, 2.0));
        assert_eq!(read.named("c").count(), 0);
    }
}
