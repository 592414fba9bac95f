//! Writes SVG elements.

use std::fmt::{Display, Write};

/// An SVG that is being written. Places are in units of its `viewBox`; y grows downwards.
#[derive(Debug)]
pub(crate) struct Svg {
    width: f64,
    body: String,
}

/// The side of a text that stands at its place.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

impl Svg {
    pub(crate) fn new(width: f64) -> Self {
        Self { width, body: String::new() }
    }

    pub(crate) fn text(&mut self, class: &str, anchor: Anchor, (x, y): (f64, f64), text: &str) {
        self.rich_text(class, anchor, (x, y), &escape(text));
    }

    /// A text of which a part, at its end, is less important.
    pub(crate) fn text_with_note(
        &mut self,
        class: &str,
        anchor: Anchor,
        at: (f64, f64),
        text: &str,
        note: &str,
    ) {
        let note = if note.is_empty() {
            String::new()
        } else {
            format!(" <tspan class=\"soft\">{}</tspan>", escape(note))
        };
        self.rich_text(class, anchor, at, &(escape(text) + &note));
    }

    fn rich_text(&mut self, class: &str, anchor: Anchor, (x, y): (f64, f64), content: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        self.raw(format!(
            "<text class=\"{class}\" text-anchor=\"{anchor}\" x=\"{x:.1}\" y=\"{y:.1}\">{content}</text>"
        ));
    }

    pub(crate) fn path(&mut self, class: &str, outline: &str) {
        self.raw(format!("<path class=\"{class}\" d=\"{outline}\"/>"));
    }

    /// A shape that shows a text under the pointer.
    pub(crate) fn mark(&mut self, class: &str, outline: &str, tip: &str) {
        self.raw(format!(
            "<path class=\"mark {class}\" d=\"{outline}\"><title>{}</title></path>",
            escape(tip)
        ));
    }

    /// Begins the marks of one participant, in its colour. Ends with [`end`](Self::end).
    pub(crate) fn series(&mut self, colour: &str, participant: &str) {
        self.raw(format!("<g class=\"series {colour}\" data-participant=\"{}\">", escape(participant)));
    }

    pub(crate) fn end(&mut self) {
        self.raw("</g>");
    }

    pub(crate) fn raw(&mut self, element: impl Display) {
        writeln!(self.body, "{element}").expect("a String takes all that is written to it");
    }

    /// All of it, as an image with a name.
    pub(crate) fn finish(self, height: f64, attributes: &str, label: &str) -> String {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {height:.0}\" {attributes} role=\"img\" \
             aria-label=\"{}\">\n{}</svg>\n",
            self.width,
            escape(label),
            self.body
        )
    }
}

/// A horizontal bar between two places, whichever is the left one.
pub(crate) fn bar(from: f64, to: f64, y: f64, height: f64) -> String {
    let (left, right) = (from.min(to), from.max(to).max(from.min(to) + 0.5));
    format!("M{left:.1} {y:.1}H{right:.1}V{:.1}H{left:.1}Z", y + height)
}

/// A line from the lowest to the highest round, with ends.
pub(crate) fn whisker(low: f64, high: f64, y: f64) -> String {
    let (top, bottom) = (y - 3.0, y + 3.0);
    format!("M{low:.1} {y:.1}H{high:.1}M{low:.1} {top:.1}V{bottom:.1}M{high:.1} {top:.1}V{bottom:.1}")
}

/// About how wide a text is, rather too wide: fonts differ.
pub(crate) fn text_width(text: &str, font_size: f64) -> f64 {
    let width = |letter: char| match letter {
        'i' | 'j' | 'l' | '.' | ',' | '\'' | ' ' | '(' | ')' | '-' => 0.38,
        'm' | 'w' | 'M' | 'W' => 0.98,
        letter if letter.is_uppercase() => 0.75,
        _ => 0.64,
    };
    text.chars().map(width).sum::<f64>() * font_size
}

/// A text as the content of an element or an attribute of it, in HTML and in SVG.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
