//! What the README and BENCHMARKS.md show of a run: a chart, three figures and a table. All of it is made from the file
//! that `bench/publish.sh` writes, so that no figure is copied by hand.

mod chart;

use serde::Deserialize;

use crate::spread::{Spread, thousands};

pub use chart::chart;

/// One run: how it was made, and its figures.
#[derive(Debug)]
pub struct Run {
    about: About,
    rows: Vec<Row>,
}

/// How the figures were made: the first line of the file.
#[derive(Debug, Deserialize)]
struct About {
    /// Year and month.
    date: String,
    /// The operating system.
    system: String,
    /// How many processors it has.
    processors: u32,
    rust: String,
    go: String,
    seconds_per_round: f64,
    /// What a reader must know about this run, if anything.
    #[serde(default)]
    note: String,
}

/// One participant in one setting: a line of `bench --json`.
#[derive(Debug, Deserialize)]
struct Row {
    participant: String,
    format: String,
    in_flight: u32,
    rate: f64,
    rates: Vec<f64>,
    p50s_us: Vec<f64>,
}

/// One setting, and how cmd-stream did in it.
struct Setting<'a> {
    format: &'a str,
    in_flight: u32,
    /// Commands per second.
    rate: f64,
    /// Throughput, over that of cmd-stream-go.
    against_go: Spread,
    /// Throughput, over that of the raw pump; none with one in flight, where raw TCP does not pump.
    against_pump: Option<Spread>,
    /// Median latency, over that of cmd-stream-go.
    p50_against_go: Spread,
    /// Median latency, over that of a raw ping-pong; only with one in flight.
    p50_against_raw: Option<Spread>,
}

impl Run {
    /// Reads a file of data.
    ///
    /// # Errors
    ///
    /// If a line is not what it should be, or a participant is missing in a setting.
    pub fn parse(data: &str) -> Result<Self, String> {
        let mut lines = data.lines();
        let about = lines.next().ok_or("the data is empty")?;
        let about = serde_json::from_str(about).map_err(|error| format!("first line: {error}"))?;
        let row = |line| serde_json::from_str(line).map_err(|error| format!("{line}: {error}"));
        let run = Self { about, rows: lines.map(row).collect::<Result<_, _>>()? };
        match run.settings()?.is_empty() {
            true => Err("the data has no figures of cmd-stream".to_owned()),
            false => Ok(run),
        }
    }

    /// Three figures in a sentence, for the README.
    ///
    /// # Errors
    ///
    /// If MUS was not measured with 1, 64 and 1024 commands in flight.
    pub fn figures(&self) -> Result<String, String> {
        let settings = self.settings()?;
        let of = |in_flight| {
            let found = settings.iter().find(|s| s.format == "mus" && s.in_flight == in_flight);
            found.ok_or_else(|| format!("no figures of MUS with {in_flight} in flight"))
        };
        let spread =
            |Spread { min, max, .. }: Spread, digits: usize| format!("{min:.digits$} to {max:.digits$}");
        let (many, some, one) = (of(1024)?.against_go, of(64)?.against_go, of(1)?.p50_against_go);
        let figures = format!(
            "Against cmd-stream-go v0.6.2 in the same run, with MUS: **{:.1} times** its throughput with 1024 Commands in \
             flight\n({}), **{:.1} times** with 64 ({}), and **{:.2} times** its median latency with one ({}).\n",
            many.median,
            spread(many, 1),
            some.median,
            spread(some, 1),
            one.median,
            spread(one, 2),
        );
        Ok(figures + &self.note())
    }

    /// All settings as a table in Markdown, with what they were measured with above it, for BENCHMARKS.md.
    ///
    /// # Errors
    ///
    /// If a participant is missing in a setting.
    pub fn table(&self) -> Result<String, String> {
        let About { date, system, processors, rust, go, seconds_per_round, .. } = &self.about;
        let rounds = self.rows.first().map_or(0, |row| row.rates.len());
        let mut text = format!(
            "{date}, {system} on {processors} processors, Rust {rust}, Go {go}; {rounds} rounds of {seconds_per_round} s.\n{}\n\
             | Format | in flight | commands/s | against cmd-stream-go | against the raw pump | p50 against cmd-stream-go \
             | p50 against a raw ping-pong |\n| --- | --- | --- | --- | --- | --- | --- |\n",
            self.note()
        );
        let or_blank = |spread: Option<Spread>| spread.map_or_else(String::new, Spread::times);
        for setting in self.settings()? {
            let cells = [
                setting.format.to_owned(),
                setting.in_flight.to_string(),
                thousands(setting.rate),
                setting.against_go.times(),
                or_blank(setting.against_pump),
                setting.p50_against_go.times(),
                or_blank(setting.p50_against_raw),
            ];
            text += &format!("| {} |\n", cells.join(" | "));
        }
        Ok(text)
    }

    /// A line of its own, or nothing.
    fn note(&self) -> String {
        match self.about.note.is_empty() {
            true => String::new(),
            false => format!("*{}*\n", self.about.note),
        }
    }

    fn settings(&self) -> Result<Vec<Setting<'_>>, String> {
        let ours = self.rows.iter().filter(|row| row.participant == "cmd-stream");
        ours.map(|ours| self.setting(ours)).collect()
    }

    fn setting<'a>(&self, ours: &'a Row) -> Result<Setting<'a>, String> {
        let Row { format, in_flight, .. } = ours;
        let of = |participant: &str| {
            let same = |row: &&Row| row.format == *format && row.in_flight == *in_flight;
            let found = self.rows.iter().filter(same).find(|row| row.participant == participant);
            found.ok_or_else(|| format!("{format}, {in_flight} in flight: no figures of {participant}"))
        };
        let (go, raw) = (of("cmd-stream-go")?, of("raw-tcp")?);
        let ratios = |ours: &[f64], theirs: &[f64]| match ours.len() == theirs.len() {
            true => Spread::of_ratios(ours, theirs).ok_or_else(|| "there are no rounds".to_owned()),
            false => Err(format!("{format}, {in_flight} in flight: the rounds differ in number")),
        };
        let pumps = raw.p50s_us.is_empty();
        let pump = pumps.then(|| ratios(&ours.rates, &raw.rates)).transpose()?;
        let ping_pong = (!pumps).then(|| ratios(&ours.p50s_us, &raw.p50s_us)).transpose()?;
        Ok(Setting {
            format,
            in_flight: *in_flight,
            rate: ours.rate,
            against_go: ratios(&ours.rates, &go.rates)?,
            against_pump: pump,
            p50_against_go: ratios(&ours.p50s_us, &go.p50s_us)?,
            p50_against_raw: ping_pong,
        })
    }
}

/// Replaces what stands between `<!-- NAME: ... -->` and `<!-- end of NAME -->`.
///
/// # Errors
///
/// If the text does not have both marks, once each and in this order.
pub fn replace(text: &str, name: &str, content: &str) -> Result<String, String> {
    let missing = || format!("there is no part {name:?} with a begin and an end");
    let (before, rest) = text.split_once(&format!("<!-- {name}:")).ok_or_else(missing)?;
    let (mark, rest) = rest.split_once("-->\n").ok_or_else(missing)?;
    let (_, after) = rest.split_once(&format!("<!-- end of {name} -->")).ok_or_else(missing)?;
    Ok(format!("{before}<!-- {name}:{mark}-->\n{content}<!-- end of {name} -->{after}"))
}

#[cfg(test)]
mod tests;
