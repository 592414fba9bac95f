use super::*;

const ABOUT: &str = r#"{"date":"May 2026","system":"Linux","processors":2,"rust":"1.95.0","go":"1.26","seconds_per_round":1}"#;

/// Rates and latencies of two rounds, for each participant.
fn setting(in_flight: u32, ours: [f64; 2], go: [f64; 2], raw_p50s: &[f64]) -> String {
    let row = |name: &str, rates: [f64; 2], p50s: &[f64]| {
        let rate = f64::midpoint(rates[0], rates[1]);
        format!(
            "{{\"participant\":\"{name}\",\"format\":\"mus\",\"in_flight\":{in_flight},\"rate\":{rate},\"rates\":{rates:?},\
             \"p50s_us\":{p50s:?},\"verified\":7}}\n"
        )
    };
    row("cmd-stream", ours, &[10.0, 30.0])
        + &row("cmd-stream-go", go, &[20.0, 40.0])
        + &row("raw-tcp", [4000.0, 3200.0], raw_p50s)
}

fn data() -> String {
    let one = setting(1, [2000.0, 1600.0], [200.0, 100.0], &[8.0, 20.0]);
    let some = setting(64, [2000.0, 1600.0], [100.0, 100.0], &[]);
    let many = setting(1024, [2100.0, 1600.0], [100.0, 100.0], &[]);
    format!("{ABOUT}\n{one}{some}{many}")
}

#[test]
fn figures_are_medians_of_ratios_of_the_same_round() {
    let figures = Run::parse(&data()).unwrap().figures().unwrap();
    assert!(
        figures.contains("**18.5 times** its throughput with 1024 Commands in flight\n(16.0 to 21.0)"),
        "{figures}"
    );
    assert!(figures.contains("**18.0 times** with 64 (16.0 to 20.0)"), "{figures}");
    assert!(figures.contains("**0.62 times** its median latency with one (0.50 to 0.75)"), "{figures}");
}

#[test]
fn table_has_a_row_per_setting_and_says_how_it_was_measured() {
    let table = Run::parse(&data()).unwrap().table().unwrap();
    assert!(
        table.starts_with("May 2026, Linux on 2 processors, Rust 1.95.0, Go 1.26; 2 rounds of 1 s.\n"),
        "{table}"
    );
    assert!(
        table.contains("| mus | 1 | 1,800 | 13.00x (10.00 to 16.00) |  | 0.625x (0.500 to 0.750) | 1.38x"),
        "{table}"
    );
    assert!(
        table.contains("| mus | 64 | 1,800 | 18.00x (16.00 to 20.00) | 0.500x (0.500 to 0.500) |"),
        "{table}"
    );
}

#[test]
fn chart_has_a_bar_per_setting() {
    let svg = chart(&Run::parse(&data()).unwrap()).unwrap();
    assert_eq!(svg.matches("class=\"bar\"").count(), 3, "{svg}");
    assert!(svg.contains(">18.5x<") && svg.contains(">1,024 in flight<"), "{svg}");
}

#[test]
fn data_that_lacks_a_participant_or_a_round_is_refused() {
    let without_go: String =
        data().lines().filter(|line| !line.contains("-go")).map(|line| line.to_owned() + "\n").collect();
    assert!(Run::parse(&without_go).unwrap_err().contains("no figures of cmd-stream-go"));
    let a_round_less = data().replacen("[200.0, 100.0]", "[200.0]", 1);
    assert!(Run::parse(&a_round_less).unwrap_err().contains("differ in number"));
    assert!(Run::parse("").is_err());
    assert!(Run::parse(ABOUT).is_err());
}

#[test]
fn part_between_the_marks_is_replaced() {
    let text = "a\n<!-- x: made by a program -->\nold\n<!-- end of x -->\nb";
    let new = replace(text, "x", "new\n").unwrap();
    assert_eq!(new, "a\n<!-- x: made by a program -->\nnew\n<!-- end of x -->\nb");
    assert!(replace(text, "y", "new\n").is_err());
}

#[test]
fn note_of_the_run_stands_beside_its_figures() {
    let data = data().replacen("\"go\"", "\"note\":\"measured in a storm\",\"go\"", 1);
    let run = Run::parse(&data).unwrap();
    for text in [run.figures().unwrap(), run.table().unwrap()] {
        assert!(text.contains("\n*measured in a storm*\n"), "{text}");
    }
}
