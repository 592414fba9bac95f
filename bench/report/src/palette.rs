//! The looks of each participant: one colour and one marker, the same in all charts.

use std::fmt::Write;

/// A colour for light pages, one for dark pages, and a marker.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Look {
    light: &'static str,
    dark: &'static str,
    marker: Marker,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Marker {
    Circle,
    Square,
    Up,
    Down,
    Diamond,
    Plus,
    Cross,
    Star,
    Hexagon,
    Bar,
}

/// Participants that are known have their looks for good, so that two reports can be laid side by side.
const KNOWN: [&str; 9] =
    ["cmd-stream", "cmd-stream-go", "raw", "tonic", "tarpc", "volo", "capnp-rpc", "jsonrpsee", "grpc-go"];

const LOOKS: [Look; 13] = [
    Look { light: "#c8420a", dark: "#ff8a50", marker: Marker::Circle },
    Look { light: "#0b66c2", dark: "#62aaff", marker: Marker::Square },
    Look { light: "#5f6b7a", dark: "#a3afbd", marker: Marker::Plus },
    Look { light: "#7a3cc2", dark: "#c39bff", marker: Marker::Up },
    Look { light: "#0a7d4f", dark: "#3fd08f", marker: Marker::Down },
    Look { light: "#b8247c", dark: "#ff86c4", marker: Marker::Diamond },
    Look { light: "#857000", dark: "#e2bf3c", marker: Marker::Hexagon },
    Look { light: "#007c91", dark: "#4fd6e0", marker: Marker::Star },
    Look { light: "#7c4a1e", dark: "#d8ac7c", marker: Marker::Cross },
    Look { light: "#334e9e", dark: "#9db4ff", marker: Marker::Bar },
    Look { light: "#a11d1d", dark: "#ff9c9c", marker: Marker::Square },
    Look { light: "#4b7310", dark: "#b3d86a", marker: Marker::Diamond },
    Look { light: "#3d3d3d", dark: "#d6d6d6", marker: Marker::Circle },
];

/// Which looks the participants of a run have.
#[derive(Debug)]
pub(crate) struct Palette {
    names: Vec<(String, usize)>,
}

impl Palette {
    pub(crate) fn new(participants: &[&str]) -> Self {
        let mut free = (KNOWN.len()..LOOKS.len()).cycle();
        let mut slot = |name: &str| {
            // Until lately the raw floor had the name of its transport.
            let name = if name == "raw-tcp" { "raw" } else { name };
            KNOWN.iter().position(|known| *known == name).unwrap_or_else(|| free.next().expect("a cycle"))
        };
        Self { names: participants.iter().map(|name| ((*name).to_owned(), slot(name))).collect() }
    }

    /// The class that gives an element the participant's colour as its `color`.
    pub(crate) fn class(&self, participant: &str) -> String {
        format!("p{}", self.slot(participant))
    }

    /// The outline of the participant's marker.
    pub(crate) fn marker(&self, participant: &str, x: f64, y: f64, radius: f64) -> String {
        outline(LOOKS[self.slot(participant)].marker, x, y, radius)
    }

    fn slot(&self, participant: &str) -> usize {
        self.names.iter().find(|(name, _)| name == participant).map_or(LOOKS.len() - 1, |(_, slot)| *slot)
    }
}

/// The style sheet of the classes.
pub(crate) fn css() -> String {
    let mut css = String::new();
    for (slot, look) in LOOKS.iter().enumerate() {
        writeln!(css, ".p{slot} {{ color: {} }}", look.light).expect("a String takes all");
    }
    css += "@media (prefers-color-scheme: dark) {\n";
    for (slot, look) in LOOKS.iter().enumerate() {
        writeln!(css, ".p{slot} {{ color: {} }}", look.dark).expect("a String takes all");
    }
    css + "}\n"
}

fn outline(marker: Marker, x: f64, y: f64, r: f64) -> String {
    let corners = |corners: &[(f64, f64)]| {
        let at = |(dx, dy): &(f64, f64)| format!("{:.1} {:.1}", x + dx * r, y + dy * r);
        format!("M{}Z", corners.iter().map(at).collect::<Vec<_>>().join("L"))
    };
    let around = |radii: &[f64]| {
        let angle = |at: usize| (at as f64 / radii.len() as f64 - 0.25) * std::f64::consts::TAU;
        let corner = |(at, radius): (usize, &f64)| (angle(at).cos() * radius, angle(at).sin() * radius);
        corners(&radii.iter().enumerate().map(corner).collect::<Vec<_>>())
    };
    // Arms that are turned by an eighth make the cross.
    let arms = |turn: f64| {
        let plus = [(0.3, -1.1), (0.3, -0.3), (1.1, -0.3), (1.1, 0.3), (0.3, 0.3), (0.3, 1.1)];
        let plus: Vec<_> = plus.iter().copied().chain(plus.iter().map(|(x, y)| (-x, -y))).collect();
        let (sin, cos) = turn.sin_cos();
        corners(&plus.iter().map(|(x, y)| (x * cos - y * sin, x * sin + y * cos)).collect::<Vec<_>>())
    };
    match marker {
        Marker::Circle => format!(
            "M{:.1} {y:.1}a{r:.1} {r:.1} 0 1 0 {d:.1} 0a{r:.1} {r:.1} 0 1 0 -{d:.1} 0Z",
            x - r,
            d = 2.0 * r
        ),
        Marker::Square => corners(&[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)]),
        Marker::Up => corners(&[(0.0, -1.2), (1.1, 0.8), (-1.1, 0.8)]),
        Marker::Down => corners(&[(0.0, 1.2), (1.1, -0.8), (-1.1, -0.8)]),
        Marker::Diamond => corners(&[(0.0, -1.3), (1.1, 0.0), (0.0, 1.3), (-1.1, 0.0)]),
        Marker::Plus => arms(0.0),
        Marker::Cross => arms(std::f64::consts::FRAC_PI_4),
        Marker::Star => around(&[1.4, 0.55, 1.4, 0.55, 1.4, 0.55, 1.4, 0.55, 1.4, 0.55]),
        Marker::Hexagon => around(&[1.1; 6]),
        Marker::Bar => corners(&[(-0.45, -1.3), (0.45, -1.3), (0.45, 1.3), (-0.45, 1.3)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As WCAG 2.2 defines it.
    fn contrast(one: &str, other: &str) -> f64 {
        let luminance = |colour: &str| {
            let channel = |at: usize| {
                let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
                if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
            };
            0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
        };
        let (one, other) = (luminance(one) + 0.05, luminance(other) + 0.05);
        one.max(other) / one.min(other)
    }

    #[test]
    fn colours_stand_out_from_the_page() {
        assert!((contrast("#ffffff", "#000000") - 21.0).abs() < 1e-9);
        for look in LOOKS {
            assert!(contrast(look.light, "#ffffff") >= 4.5, "{look:?}: {}", contrast(look.light, "#ffffff"));
            assert!(contrast(look.dark, "#161b22") >= 4.5, "{look:?}: {}", contrast(look.dark, "#161b22"));
        }
    }

    #[test]
    fn no_two_looks_are_the_same() {
        for (at, look) in LOOKS.iter().enumerate() {
            for other in &LOOKS[..at] {
                assert_ne!((look.light, look.dark), (other.light, other.dark));
            }
        }
        let markers: Vec<_> = LOOKS[..KNOWN.len()].iter().map(|look| look.marker).collect();
        let repeated = |at: usize| markers[..at].contains(&markers[at]);
        assert!((0..markers.len()).all(|at| !repeated(at)), "{markers:?}");
    }

    #[test]
    fn participant_keeps_its_looks_whoever_else_is_there() {
        let (few, many) = (Palette::new(&["x", "tarpc"]), Palette::new(&["tonic", "y", "tarpc", "x"]));
        assert_eq!(few.class("tarpc"), many.class("tarpc"));
        assert_ne!(many.class("x"), many.class("y"));
    }
}
