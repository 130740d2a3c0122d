//! Pictures of places that do not exist, drawn from an asset's number: no file, no network.

use std::fmt::{self, Write};

use crate::scene::Scene;

/// A picture as SVG, by its `Display`. The same asset always looks the same.
#[derive(Debug)]
pub(crate) struct Picture {
    seed: u32,
    scene: Scene,
    palette: &'static Palette,
}

#[derive(Debug)]
struct Palette {
    light: &'static str,
    /// From the top down to the horizon.
    sky: [Rgb; 3],
    sun: Rgb,
    /// The land: far away, and near.
    far: Rgb,
    near: Rgb,
    /// Lit windows and their like.
    lamp: Rgb,
}

#[derive(Clone, Copy, Debug)]
struct Rgb(u8, u8, u8);

const WIDTH: f64 = 320.0;
const HEIGHT: f64 = 180.0;
const HORIZON: f64 = 108.0;
const LAYERS: u32 = 4;

impl Picture {
    pub(crate) fn new(seed: u32, scene: Scene, light: &str) -> Self {
        let palette = PALETTES.iter().find(|palette| palette.light == light);
        Self {
            seed,
            scene,
            palette: palette.unwrap_or(&PALETTES[0]),
        }
    }

    fn sky(&self, svg: &mut impl Write, dice: &mut Dice) -> fmt::Result {
        let [top, middle, low] = self.palette.sky;
        write!(
            svg,
            "<defs><linearGradient id='s' x1='0' y1='0' x2='0' y2='1'>\
             <stop offset='0' stop-color='{top}'/><stop offset='.4' stop-color='{middle}'/>\
             <stop offset='.66' stop-color='{low}'/></linearGradient>\
             <radialGradient id='g'><stop offset='0' stop-color='{sun}' stop-opacity='.75'/>\
             <stop offset='1' stop-color='{sun}' stop-opacity='0'/></radialGradient>\
             <linearGradient id='h' x1='0' y1='0' x2='0' y2='1'>\
             <stop offset='0' stop-color='{low}' stop-opacity='0'/>\
             <stop offset='1' stop-color='{low}'/></linearGradient></defs>\
             <rect width='100%' height='100%' fill='url(#s)'/>",
            sun = self.palette.sun,
        )?;
        if self.palette.light == "night" {
            for _ in 0..46 {
                let (x, y) = (dice.roll(0.0, WIDTH), dice.roll(0.0, HORIZON));
                let (r, a) = (dice.roll(0.3, 0.9), dice.roll(0.3, 0.9));
                write!(
                    svg,
                    "<circle cx='{x:.0}' cy='{y:.0}' r='{r:.1}' fill='#fff' opacity='{a:.1}'/>"
                )?;
            }
        }
        if self.palette.light != "storm" {
            let (x, y) = (
                dice.roll(50.0, WIDTH - 50.0),
                dice.roll(34.0, HORIZON - 8.0),
            );
            let sun = self.palette.sun;
            write!(
                svg,
                "<circle cx='{x:.0}' cy='{y:.0}' r='74' fill='url(#g)'/>\
                 <circle cx='{x:.0}' cy='{y:.0}' r='{r:.0}' fill='{sun}'/>",
                r = dice.roll(9.0, 15.0),
            )?;
            if self.scene == Scene::Water {
                self.water(svg, dice, x)?;
            }
        } else if self.scene == Scene::Water {
            self.water(svg, dice, WIDTH / 2.0)?;
        }
        if matches!(self.palette.light, "noon" | "storm" | "fog" | "dusk") {
            self.clouds(svg, dice)?;
        }
        Ok(())
    }

    fn clouds(&self, svg: &mut impl Write, dice: &mut Dice) -> fmt::Result {
        let storm = self.palette.light == "storm";
        let (colour, opacity) = if storm {
            (self.palette.near, 0.34)
        } else {
            (Rgb(255, 255, 255), 0.16)
        };
        for _ in 0..if storm { 9 } else { 4 } {
            let (x, y) = (dice.roll(0.0, WIDTH), dice.roll(8.0, 62.0));
            for puff in 0..3 {
                let (dx, rx) = (f64::from(puff) * 18.0 - 18.0, dice.roll(18.0, 44.0));
                write!(
                    svg,
                    "<ellipse cx='{:.0}' cy='{y:.0}' rx='{rx:.0}' ry='{:.0}' fill='{colour}' opacity='{opacity}'/>",
                    x + dx,
                    rx / 5.0,
                )?;
            }
        }
        Ok(())
    }

    fn water(&self, svg: &mut impl Write, dice: &mut Dice, sun: f64) -> fmt::Result {
        let [top, _, low] = self.palette.sky;
        let (shallow, deep) = (
            low.mix(self.palette.far, 0.45),
            top.mix(self.palette.near, 0.6),
        );
        write!(
            svg,
            "<linearGradient id='w' x1='0' y1='0' x2='0' y2='1'><stop offset='0' stop-color='{shallow}'/>\
             <stop offset='1' stop-color='{deep}'/></linearGradient>\
             <rect y='{HORIZON}' width='100%' height='{}' fill='url(#w)'/>",
            HEIGHT - HORIZON,
        )?;
        for wave in 0..26 {
            let y = HORIZON + 2.0 + f64::from(wave) * 2.6;
            // The sun's path is broad and broken near the viewer.
            let spread = 6.0 + f64::from(wave) * 1.9;
            let (x, long) = (
                sun + dice.roll(-spread, spread),
                dice.roll(4.0, 10.0 + spread / 2.0),
            );
            write!(
                svg,
                "<rect x='{:.0}' y='{y:.0}' width='{long:.0}' height='1.4' rx='.7' fill='{}' opacity='.5'/>",
                x - long / 2.0,
                self.palette.sun,
            )?;
        }
        Ok(())
    }

    fn land(&self, svg: &mut impl Write, dice: &mut Dice) -> fmt::Result {
        let layers = if self.scene == Scene::Water {
            2
        } else {
            LAYERS
        };
        for layer in 0..layers {
            let depth = f64::from(layer) / f64::from(LAYERS - 1);
            let colour = self.palette.far.mix(self.palette.near, depth);
            let base = HORIZON - 14.0 + depth * 62.0;
            match self.scene {
                Scene::City => self.houses(svg, dice, base - 6.0, depth, colour)?,
                Scene::Water => {
                    // A shore far away, and one that reaches in from a side.
                    let points = Profile::new(dice, 13.0, 0.5).points(HORIZON - 2.0);
                    let clip = if layer == 0 { HORIZON } else { HORIZON + 9.0 };
                    let shift = dice.roll(0.45, 0.8) * WIDTH * if layer == 0 { 0.0 } else { 1.0 };
                    write!(
                        svg,
                        "<path fill='{colour}' transform='translate({shift:.0} 0)' d='M0 {clip}"
                    )?;
                    for (x, y) in points {
                        write!(svg, "L{x:.0} {y:.1}")?;
                    }
                    write!(svg, "V{clip}Z'/>")?;
                }
                Scene::Peaks | Scene::Hills | Scene::Mesas => {
                    let (height, rough) = match self.scene {
                        Scene::Peaks => (64.0 - depth * 22.0, 0.62),
                        Scene::Mesas => (52.0 - depth * 14.0, 0.5),
                        _ => (30.0, 0.3),
                    };
                    let mut points = Profile::new(dice, height, rough).points(base);
                    if self.scene == Scene::Mesas {
                        terrace(&mut points, 13.0);
                    }
                    write!(svg, "<path fill='{colour}' d='M0 {HEIGHT}")?;
                    for (x, y) in points {
                        write!(svg, "L{x:.0} {y:.1}")?;
                    }
                    write!(svg, "V{HEIGHT}Z'/>")?;
                }
            }
            self.haze(svg, base, depth)?;
        }
        Ok(())
    }

    /// What lies between two layers takes the colour of the sky.
    fn haze(&self, svg: &mut impl Write, base: f64, depth: f64) -> fmt::Result {
        let share = if self.palette.light == "fog" {
            0.75
        } else {
            0.3
        };
        let opacity = share * (1.0 - depth);
        if opacity < 0.05 || self.scene == Scene::Water {
            return Ok(());
        }
        let top = base - 44.0;
        write!(
            svg,
            "<rect y='{top:.0}' width='100%' height='{:.0}' fill='url(#h)' opacity='{opacity:.2}'/>",
            HEIGHT - top,
        )
    }

    fn houses(
        &self,
        svg: &mut impl Write,
        dice: &mut Dice,
        base: f64,
        depth: f64,
        colour: Rgb,
    ) -> fmt::Result {
        // Collected apart: all windows are one group, which is drawn over the houses.
        let mut windows = String::new();
        write!(svg, "<path fill='{colour}' d='M0 {HEIGHT}")?;
        let mut x = -dice.roll(0.0, 12.0);
        while x < WIDTH {
            let wide = dice.roll(11.0, 19.0) + depth * 14.0;
            let top = base - dice.roll(4.0, 50.0) * (1.2 - depth * 0.6);
            write!(svg, "V{top:.0}H{:.0}", x + wide)?;
            for _ in 0..7 {
                let (wx, wy) = (
                    dice.roll(x + 2.0, x + wide - 4.0),
                    dice.roll(top + 4.0, HEIGHT),
                );
                if dice.roll(0.0, 1.0) < 0.3 + depth * 0.3 {
                    write!(
                        windows,
                        "<rect x='{wx:.0}' y='{wy:.0}' width='2' height='2.6'/>"
                    )?;
                }
            }
            x += wide;
        }
        write!(
            svg,
            "V{HEIGHT}Z'/><g fill='{}' opacity='.8'>{windows}</g>",
            self.palette.lamp
        )
    }
}

impl fmt::Display for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // New for each drawing, so a picture is the same each time.
        let mut dice = Dice::new(self.seed);
        write!(
            f,
            "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {HEIGHT}' \
             preserveAspectRatio='xMidYMid slice'>"
        )?;
        self.sky(f, &mut dice)?;
        self.land(f, &mut dice)?;
        f.write_str("</svg>")
    }
}

/// A line of hills, by halving: each half moves by a share of what the whole did.
struct Profile([f64; 65]);

impl Profile {
    fn new(dice: &mut Dice, height: f64, rough: f64) -> Self {
        let mut line = [0.0; 65];
        line[0] = dice.roll(-0.4, 0.5) * height;
        line[64] = dice.roll(-0.4, 0.5) * height;
        let (mut step, mut reach) = (64, height);
        // 65 points are 64 steps, which can be halved six times.
        while step > 1 {
            let half = step / 2;
            for at in (half..64).step_by(step) {
                let middle = f64::midpoint(line[at - half], line[at + half]);
                line[at] = middle + dice.roll(-0.5, 0.8) * reach;
            }
            (step, reach) = (half, reach * rough);
        }
        Self(line)
    }

    /// The line above `base`, from the left to the right.
    fn points(&self, base: f64) -> Vec<(f64, f64)> {
        let x = |at: usize| at as f64 * WIDTH / 64.0;
        let points = self.0.iter().enumerate();
        points.map(|(at, y)| (x(at), base - y)).collect()
    }
}

/// Makes flat tops and walls of what was a slope.
fn terrace(points: &mut [(f64, f64)], step: f64) {
    for (_, y) in points {
        let level = (*y / step).floor() * step;
        let rest = (*y - level) / step;
        *y = level + step * rest.powi(5);
    }
}

/// Numbers that look random and are the same in every run (xorshift).
struct Dice(u32);

impl Dice {
    fn new(seed: u32) -> Self {
        // Neighbouring seeds shall not look alike, and zero would stay zero.
        Self(seed.wrapping_add(1).wrapping_mul(2_654_435_761) | 1)
    }

    fn roll(&mut self, from: f64, to: f64) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        from + (to - from) * f64::from(self.0) / f64::from(u32::MAX)
    }
}

impl Rgb {
    fn mix(self, other: Self, share: f64) -> Self {
        let mix = |a: u8, b: u8| (f64::from(a) + (f64::from(b) - f64::from(a)) * share) as u8;
        Self(
            mix(self.0, other.0),
            mix(self.1, other.1),
            mix(self.2, other.2),
        )
    }
}

impl fmt::Display for Rgb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }
}

const PALETTES: [Palette; 6] = [
    Palette {
        light: "dawn",
        sky: [Rgb(46, 62, 112), Rgb(222, 142, 122), Rgb(255, 218, 166)],
        sun: Rgb(255, 242, 212),
        far: Rgb(172, 124, 142),
        near: Rgb(40, 32, 54),
        lamp: Rgb(255, 214, 140),
    },
    Palette {
        light: "noon",
        sky: [Rgb(44, 118, 196), Rgb(122, 184, 232), Rgb(218, 239, 251)],
        sun: Rgb(255, 255, 250),
        far: Rgb(136, 172, 190),
        near: Rgb(34, 66, 58),
        lamp: Rgb(226, 240, 248),
    },
    Palette {
        light: "dusk",
        sky: [Rgb(38, 26, 76), Rgb(160, 66, 122), Rgb(255, 156, 108)],
        sun: Rgb(255, 222, 174),
        far: Rgb(122, 72, 128),
        near: Rgb(24, 16, 44),
        lamp: Rgb(255, 200, 120),
    },
    Palette {
        light: "night",
        sky: [Rgb(7, 11, 28), Rgb(20, 34, 76), Rgb(52, 72, 124)],
        sun: Rgb(232, 238, 252),
        far: Rgb(38, 52, 94),
        near: Rgb(7, 10, 22),
        lamp: Rgb(255, 206, 116),
    },
    Palette {
        light: "fog",
        sky: [Rgb(140, 160, 166), Rgb(186, 200, 200), Rgb(226, 232, 228)],
        sun: Rgb(250, 250, 244),
        far: Rgb(166, 182, 184),
        near: Rgb(66, 84, 88),
        lamp: Rgb(250, 232, 190),
    },
    Palette {
        light: "storm",
        sky: [Rgb(28, 36, 46), Rgb(72, 84, 98), Rgb(140, 154, 166)],
        sun: Rgb(188, 198, 208),
        far: Rgb(80, 94, 108),
        near: Rgb(17, 22, 30),
        lamp: Rgb(255, 220, 160),
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::LIGHTS;

    #[test]
    fn every_light_has_a_palette() {
        for (palette, light) in PALETTES.iter().zip(LIGHTS) {
            assert_eq!(palette.light, light);
        }
    }

    #[test]
    fn a_picture_is_small_and_always_the_same() {
        for (seed, scene) in [
            (0, Scene::Peaks),
            (1, Scene::Hills),
            (2, Scene::Mesas),
            (3, Scene::Water),
            (4, Scene::City),
        ] {
            for light in LIGHTS {
                let svg = Picture::new(seed, scene, light).to_string();
                assert_eq!(svg, Picture::new(seed, scene, light).to_string());
                assert!(svg.len() < 32_000, "{scene:?} {light}: {}", svg.len());
                assert!(svg.ends_with("</svg>") && !svg.contains("NaN"));
            }
        }
    }
}
