//! What the demo's app is about: a library of assets, made up the same way in every run.

use std::fmt;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use serde::Serialize;
use spanwire::timer::monitor;
use tracing::instrument;

use crate::picture::Picture;
use crate::scene::{LIGHTS, Scene};

/// One asset as the page's list shows it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Asset {
    id: u32,
    name: String,
    light: &'static str,
    format: &'static str,
    /// Another workstation works on it.
    locked: bool,
    /// It came in since the app was started.
    new: bool,
}

/// The answer to a search.
#[derive(Debug, Serialize)]
pub(crate) struct Found {
    matches: usize,
    assets: Vec<Asset>,
}

/// One asset as the page's detail pane shows it.
#[derive(Debug, Serialize)]
pub(crate) struct Details {
    #[serde(flatten)]
    asset: Asset,
    place: &'static str,
    pixels: &'static str,
    megabytes: f64,
    taken: String,
    /// How much of the picture is how light, from black to white, each 0 to 1.
    histogram: Vec<f64>,
}

/// What came of a render.
#[derive(Debug, Serialize)]
pub(crate) struct Rendered {
    samples: u32,
    tiles: u32,
}

/// Why an asset cannot be opened or published.
#[derive(Debug)]
pub(crate) enum AssetError {
    /// Nothing has this id.
    Unknown(u32),
    /// Another workstation works on it.
    Locked(String),
}

impl fmt::Display for AssetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(id) => write!(f, "there is no asset {id}"),
            Self::Locked(name) => write!(f, "another workstation has {name} open"),
        }
    }
}

impl std::error::Error for AssetError {}

/// Every asset there is.
#[derive(Debug)]
pub(crate) struct Library {
    assets: RwLock<Vec<Asset>>,
}

impl Library {
    pub(crate) fn new() -> Self {
        let assets = (0..AT_FIRST).map(|id| asset(id, false)).collect();
        Self {
            assets: RwLock::new(assets),
        }
    }

    /// The assets whose name has `query` in it and that were taken in this light: what came in
    /// since the start first, and then the best matches.
    #[instrument(skip_all, fields(limit))]
    pub(crate) fn search(&self, query: &str, light: &str, limit: usize) -> Found {
        let query = query.trim().to_lowercase();
        // A panic while the list is held leaves it as it was before or after one push.
        let assets = self.assets.read().unwrap_or_else(PoisonError::into_inner);
        let mut found = matching(&assets, &query, light);
        rank(&mut found, &query);
        Found {
            matches: found.len(),
            assets: found.into_iter().take(limit).cloned().collect(),
        }
    }

    /// Takes one more asset in, and returns its name.
    ///
    /// A demo that runs for days imports what it has already.
    #[instrument(skip_all)]
    pub(crate) fn add(&self) -> String {
        let mut assets = self.assets.write().unwrap_or_else(PoisonError::into_inner);
        // An asset's id is its place in the list, which only grows.
        let id = u32::try_from(assets.len()).unwrap_or(AT_MOST);
        if id >= AT_MOST {
            return asset(AT_FIRST, true).name;
        }
        let asset = asset(id, true);
        let name = asset.name.clone();
        assets.push(asset);
        name
    }

    pub(crate) fn get(&self, id: u32) -> Result<Asset, AssetError> {
        let assets = self.assets.read().unwrap_or_else(PoisonError::into_inner);
        let found = usize::try_from(id).ok().and_then(|at| assets.get(at));
        found.cloned().ok_or(AssetError::Unknown(id))
    }

    /// Everything about one asset.
    #[instrument(skip_all)]
    pub(crate) async fn open(&self, id: u32) -> Result<Details, AssetError> {
        let asset = self.get(id)?;
        read_metadata().await;
        let histogram = histogram(id);
        let (pixels, megabytes) = pixels(asset.format);
        Ok(Details {
            place: place(id).0,
            pixels,
            megabytes: megabytes * (0.8 + f64::from(id % 40) / 100.0),
            taken: format!("2026-{:02}-{:02}", 1 + id / 28 % 10, 1 + id % 28),
            histogram,
            asset,
        })
    }

    /// Fails for what is locked.
    #[instrument(skip_all)]
    pub(crate) async fn publish(&self, id: u32) -> Result<(), AssetError> {
        let asset = self.get(id)?;
        if asset.locked {
            tracing::warn!("the asset is locked");
            return Err(AssetError::Locked(asset.name));
        }
        upload().await;
        Ok(())
    }

    /// The picture of an asset, for its thumbnail and its detail pane.
    pub(crate) fn picture(&self, id: u32) -> Option<Picture> {
        let asset = self.get(id).ok()?;
        Some(Picture::new(id, place(id).1, asset.light))
    }
}

fn asset(id: u32, new: bool) -> Asset {
    let places = PLACES.len() as u32;
    let lights = LIGHTS.len() as u32;
    // Neighbours in the list look different, and each combination comes once for each take.
    let light = LIGHTS[((id / places + id) % lights) as usize];
    let take = 1 + id / (places * lights);
    Asset {
        id,
        name: format!("{}_{light}_{take:03}", place(id).0),
        light,
        format: ["EXR", "EXR", "HDR", "TIFF", "EXR"][id as usize % 5],
        locked: !new && id % 7 == 3,
        new,
    }
}

fn place(id: u32) -> (&'static str, Scene) {
    PLACES[(id as usize).wrapping_mul(3) % PLACES.len()]
}

fn pixels(format: &str) -> (&'static str, f64) {
    match format {
        "HDR" => ("8192 × 4096", 134.0),
        "TIFF" => ("6000 × 4000", 72.0),
        _ => ("4096 × 2160", 53.0),
    }
}

#[instrument(skip_all)]
fn matching<'a>(assets: &'a [Asset], query: &str, light: &str) -> Vec<&'a Asset> {
    let matches =
        |asset: &&Asset| (light.is_empty() || asset.light == light) && asset.name.contains(query);
    assets.iter().filter(matches).collect()
}

#[instrument(skip_all, fields(candidates = found.len()))]
fn rank(found: &mut [&Asset], query: &str) {
    found.sort_by_key(|asset| {
        let newest = if asset.new {
            // The newest first: ids rise, and the sort is ascending.
            u32::MAX - asset.id
        } else {
            u32::MAX
        };
        (newest, asset.name.find(query))
    });
}

/// Where a real one would read a file.
#[instrument]
async fn read_metadata() {
    tokio::time::sleep(Duration::from_millis(6)).await;
}

#[instrument(skip_all)]
fn histogram(id: u32) -> Vec<f64> {
    let middle = 12.0 + f64::from(id * 7 % 24);
    let hump = |at: f64, middle: f64, width: f64| (-((at - middle) / width).powi(2)).exp();
    (0..48_u32)
        .map(|bucket| {
            let at = f64::from(bucket);
            let grain = f64::from((bucket * 2_654_435 + id * 97) % 100) / 900.0;
            0.06 + 0.8 * hump(at, middle, 7.0) + 0.45 * hump(at, 47.0 - middle, 4.0) + grain
        })
        .map(|share: f64| (share * 100.0).round() / 100.0)
        .collect()
}

#[instrument]
async fn upload() {
    tokio::time::sleep(Duration::from_millis(140)).await;
}

/// Renders with so much patience; waits where a real one would compute on other threads.
pub(crate) async fn render(samples: u32) -> Rendered {
    monitor("render").time_async(trace_rays(samples)).await
}

#[instrument]
async fn trace_rays(samples: u32) -> Rendered {
    load_textures().await;
    let tiles = samples.div_ceil(16);
    for tile in 0..tiles {
        shade(tile).await;
    }
    Rendered { samples, tiles }
}

#[instrument]
async fn load_textures() {
    tokio::time::sleep(Duration::from_millis(6)).await;
}

#[instrument]
async fn shade(tile: u32) {
    tokio::time::sleep(Duration::from_millis(24 + u64::from(tile % 3))).await;
}

const AT_FIRST: u32 = 3_600;
const AT_MOST: u32 = 20_000;

const PLACES: [(&str, Scene); 10] = [
    ("harbour", Scene::Water),
    ("ridge", Scene::Peaks),
    ("rooftop", Scene::City),
    ("canyon", Scene::Mesas),
    ("meadow", Scene::Hills),
    ("glacier", Scene::Peaks),
    ("lagoon", Scene::Water),
    ("quarry", Scene::Mesas),
    ("downtown", Scene::City),
    ("orchard", Scene::Hills),
];
