//! Memory that grows.

/// By how much memory grew, to how much, and in what time; `None` where it is steady. The first fifth
/// is the app's start.
pub(super) fn growth(points: &[(i64, f64)]) -> Option<(f64, f64, u64)> {
    slow_growth(points).or_else(|| fast_growth(points))
}

/// From fifth to fifth of a long time.
fn slow_growth(points: &[(i64, f64)]) -> Option<(f64, f64, u64)> {
    let (medians, over) = medians(points, 5)?;
    let medians = medians.get(1..)?;
    // A leak rises from part to part. What rises once is a cache, or a document that was opened.
    let rises = medians.windows(2).all(|pair| pair.first() < pair.last());
    let (first, last) = (*medians.first()?, *medians.last()?);
    let grew = last - first;
    let is_growth = rises && grew > MEMORY_GREW && grew > first * 0.2 && over >= MEMORY_TIME;
    is_growth.then(|| (grew, last, u64::try_from(over).unwrap_or(0)))
}

/// Much in a short time, in several steps, of which nothing is given back: one step is a document
/// that was opened.
fn fast_growth(points: &[(i64, f64)]) -> Option<(f64, f64, u64)> {
    let (medians, over) = medians(points, 20)?;
    let medians = medians.get(4..)?;
    let (first, last) = (*medians.first()?, *medians.last()?);
    let grew = last - first;
    let step = |pair: &[f64]| Some(pair.last()? - pair.first()?);
    let steps = medians.windows(2).filter_map(step);
    let rises = steps.clone().filter(|step| *step > grew / 20.0).count();
    let falls = steps.filter(|step| *step < -grew / 20.0).count();
    let is_growth = grew > MEMORY_GREW_FAST && grew > first * 0.2 && rises >= 4 && falls == 0;
    is_growth.then(|| (grew, last, u64::try_from(over).unwrap_or(0)))
}

/// The medians of so many parts of equal length, and the time from the end of the first fifth on.
fn medians(points: &[(i64, f64)], parts: usize) -> Option<(Vec<f64>, i64)> {
    let size = points.len() / parts;
    // The median of fewer than three is decided by one outlier.
    if size < 3 {
        return None;
    }
    let medians = points.chunks(size).take(parts).map(|chunk| {
        let mut values: Vec<f64> = chunk.iter().map(|(_, value)| *value).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(0.0)
    });
    let over = points.last()?.0 - points.get(points.len() / 5)?.0;
    Some((medians.collect(), over))
}

const MEMORY_GREW: f64 = 67_108_864.0;
/// In less time than that.
const MEMORY_GREW_FAST: f64 = 134_217_728.0;
const MEMORY_TIME: i64 = 300_000_000_000;
