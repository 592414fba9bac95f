//! A chart with all that belongs to it: its title, its legend, its figures as a table, and what is missing.

use std::fmt::Write;

use crate::palette::Palette;
use crate::spread::Spread;
use crate::svg::escape;

/// A chart, and what stands around it.
#[derive(Debug, Default)]
pub(crate) struct Figure {
    /// Unique on the page.
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) text: String,
    /// `None` if there is nothing to draw.
    pub(crate) svg: Option<String>,
    /// Participants and their formats, in the order in which the chart shows them.
    pub(crate) legend: Vec<(String, String)>,
    /// What a reader could look for here, in whole sentences.
    pub(crate) missing: Vec<String>,
    pub(crate) table: Table,
    /// Where cmd-stream was behind another library in every round.
    pub(crate) behind: Vec<String>,
    /// Whether the table can be seen at once.
    pub(crate) is_open: bool,
}

/// Figures with their spreads.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) head: Vec<String>,
    /// The participant, what stands in the first column, and the cells of the others.
    pub(crate) rows: Vec<(String, String, Vec<Cell>)>,
    /// Whether the range of a figure is beside it, not below.
    pub(crate) is_narrow: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    Text(String),
    /// A figure, and its range.
    Figure(String, String),
    Nothing,
}

impl Cell {
    pub(crate) fn of(spread: Option<Spread>, unit: impl Fn(f64) -> String) -> Self {
        match spread {
            None => Self::Nothing,
            Some(spread) => Self::Figure(unit(spread.median), spread.range(unit)),
        }
    }

    fn html(&self) -> String {
        match self {
            Self::Text(text) => format!("<td class=\"text\">{}</td>", escape(text)),
            Self::Figure(figure, range) if range.is_empty() => format!("<td>{}</td>", escape(figure)),
            Self::Figure(figure, range) => {
                format!("<td>{}<small>{}</small></td>", escape(figure), escape(range))
            }
            Self::Nothing => "<td class=\"nothing\">–</td>".to_owned(),
        }
    }
}

impl Figure {
    pub(crate) fn html(&self, palette: &Palette) -> String {
        let mut html =
            format!("<figure id=\"{}\"><figcaption><h4>{}</h4>", escape(&self.id), escape(&self.title));
        if !self.text.is_empty() {
            write!(html, "<p>{}</p>", escape(&self.text)).expect(INFALLIBLE);
        }
        html += "</figcaption>\n<div class=\"drawing\">\n";
        match &self.svg {
            Some(svg) => html += svg,
            None if self.missing.is_empty() => {
                html += "<p class=\"empty\">Nothing was measured for this chart in this run.</p>";
            }
            None => html += "<p class=\"empty\">There is nothing to draw.</p>",
        }
        if !self.legend.is_empty() {
            html += "<ul class=\"legend\">";
            for (participant, format) in &self.legend {
                write!(html, "<li>{}</li>", name(palette, participant, format)).expect(INFALLIBLE);
            }
            html += "</ul>\n";
        }
        for sentence in &self.missing {
            writeln!(html, "<p class=\"missing\">{}</p>", escape(sentence)).expect(INFALLIBLE);
        }
        html += "</div>\n";
        if !self.table.rows.is_empty() {
            let open = if self.is_open { " open" } else { "" };
            let table = self.table.html(palette);
            writeln!(html, "<details{open}><summary>Figures</summary>{table}</details>").expect(INFALLIBLE);
        }
        html + "</figure>\n"
    }
}

impl Table {
    /// With the range of each figure beside it.
    pub(crate) fn in_one_line(mut self) -> Self {
        self.is_narrow = true;
        self
    }

    pub(crate) fn html(&self, palette: &Palette) -> String {
        // A region that scrolls can be reached by the keyboard.
        let class = if self.is_narrow { " class=\"one-line\"" } else { "" };
        let mut html = format!("<div class=\"scroll\" tabindex=\"0\"><table{class}><thead><tr>");
        for (at, head) in self.head.iter().enumerate() {
            let first = self.rows.first().and_then(|(_, _, cells)| cells.get(at.checked_sub(1)?));
            let class = if matches!(first, Some(Cell::Text(_))) { " class=\"text\"" } else { "" };
            write!(html, "<th scope=\"col\"{class}>{}</th>", escape(head)).expect(INFALLIBLE);
        }
        html += "</tr></thead><tbody>\n";
        for (participant, note, cells) in &self.rows {
            let cells: String = cells.iter().map(Cell::html).collect();
            let name = name(palette, participant, note);
            writeln!(html, "<tr><th scope=\"row\">{name}</th>{cells}</tr>").expect(INFALLIBLE);
        }
        html + "</tbody></table></div>"
    }
}

/// A participant's marker and name, and what else identifies the figure.
fn name(palette: &Palette, participant: &str, note: &str) -> String {
    let note = if note.is_empty() {
        String::new()
    } else {
        format!(" <span class=\"soft\">{}</span>", escape(note))
    };
    // Names have hyphens, at which no line should end, nor should one end behind the marker.
    format!("<span class=\"name\">{}{}</span>{note}", key(palette, participant), escape(participant))
}

/// A participant's marker, to stand in a text.
pub(crate) fn key(palette: &Palette, participant: &str) -> String {
    format!(
        "<svg class=\"key {}\" viewBox=\"0 0 16 16\" aria-hidden=\"true\"><path class=\"full\" d=\"{}\"/></svg>",
        palette.class(participant),
        palette.marker(participant, 8.0, 8.0, 5.0)
    )
}

const INFALLIBLE: &str = "a String takes all that is written to it";
