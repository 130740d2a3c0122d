//! What the demo's app is about: a library of assets, made up the same way in every run.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use tracing::instrument;

/// One asset as the page shows it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Asset {
    name: String,
    kind: &'static str,
    /// Where the picture's sun stands, its colour and how light it is: the page paints a thumbnail.
    sun: u8,
    hue: u16,
    light: u8,
}

/// The answer to a search.
#[derive(Debug, Serialize)]
pub(crate) struct Found {
    matches: usize,
    assets: Vec<Asset>,
}

/// What came of a render.
#[derive(Debug, Serialize)]
pub(crate) struct Rendered {
    millis: u128,
    samples: u32,
}

/// Why an asset cannot be published.
#[derive(Debug)]
pub(crate) struct PublishError {
    asset: String,
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is locked by another user", self.asset)
    }
}

impl std::error::Error for PublishError {}

/// Every asset there is.
#[derive(Debug)]
pub(crate) struct Library {
    assets: Vec<Asset>,
}

impl Library {
    pub(crate) fn new() -> Self {
        let mut assets = Vec::new();
        let lights = |take: u16| LIGHTS.iter().map(move |light| (take, light));
        for (take, (time, hue, light)) in (1..=60).flat_map(lights) {
            for (place, kind) in PLACES {
                let seed = assets.len();
                assets.push(Asset {
                    name: format!("{place}_{time}_{take:03}"),
                    kind,
                    sun: u8::try_from(18 + seed * 37 % 64).unwrap_or(50),
                    hue: hue + take * 7 % 24,
                    light: *light,
                });
            }
        }
        Self { assets }
    }

    /// The assets whose name has `query` in it, the best matches first.
    #[instrument(skip_all, fields(limit))]
    pub(crate) fn search(&self, query: &str, limit: usize) -> Found {
        let query = query.trim().to_lowercase();
        let mut found = self.matching(&query);
        rank(&mut found, &query);
        Found {
            matches: found.len(),
            assets: found.into_iter().take(limit).cloned().collect(),
        }
    }

    #[instrument(skip_all)]
    fn matching(&self, query: &str) -> Vec<&Asset> {
        let matches = |asset: &&Asset| asset.name.contains(query);
        self.assets.iter().filter(matches).collect()
    }

    /// Fails: somebody else always has the asset.
    #[instrument(skip_all)]
    pub(crate) fn publish(&self, asset: &str) -> Result<(), PublishError> {
        tracing::warn!("the asset is locked");
        Err(PublishError {
            asset: asset.chars().take(64).collect(),
        })
    }
}

#[instrument(skip_all, fields(candidates = found.len()))]
fn rank(found: &mut [&Asset], query: &str) {
    found.sort_by_key(|asset| asset.name.find(query));
}

/// Renders with so much patience; waits where a real one would compute on other threads.
#[instrument(skip_all, fields(samples))]
pub(crate) async fn render(samples: u32) -> Rendered {
    let load = load_textures();
    load.await;
    let millis = 10 + u64::from(samples) * 2;
    shade(Duration::from_millis(millis)).await;
    Rendered {
        millis: u128::from(millis) + LOAD.as_millis(),
        samples,
    }
}

#[instrument]
async fn load_textures() {
    tokio::time::sleep(LOAD).await;
}

#[instrument(skip_all)]
async fn shade(time: Duration) {
    tokio::time::sleep(time).await;
}

const LOAD: Duration = Duration::from_millis(6);

/// The time of day, its hue and how light it is, in percent.
const LIGHTS: [(&str, u16, u8); 6] = [
    ("dawn", 12, 52),
    ("noon", 200, 54),
    ("dusk", 280, 42),
    ("night", 225, 20),
    ("fog", 170, 46),
    ("storm", 205, 30),
];

const PLACES: [(&str, &str); 10] = [
    ("harbour", "EXR 4096 × 2160"),
    ("ridge", "EXR 4096 × 2160"),
    ("studio", "HDR 8192 × 4096"),
    ("canyon", "EXR 4096 × 1716"),
    ("meadow", "TIFF 6000 × 4000"),
    ("glacier", "EXR 4096 × 2160"),
    ("rooftop", "HDR 8192 × 4096"),
    ("quarry", "TIFF 6000 × 4000"),
    ("lagoon", "EXR 4096 × 1716"),
    ("orchard", "TIFF 6000 × 4000"),
];
