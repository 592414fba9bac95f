//! Holds the README's table of lines against the sources that it speaks of, by the rule that stands there.

use std::path::Path;

/// Where the lines of each are, from the folder of the shop.
const SOURCES: [(&str, &[&str]); 3] = [
    (
        "cmd-stream",
        &[
            "api/src/lib.rs",
            "server/src/commands.rs",
            "server/src/lib.rs",
        ],
    ),
    (
        "tonic",
        &[
            "peers/tonic/proto/shop.proto",
            "peers/tonic/build.rs",
            "peers/tonic/src/main.rs",
        ],
    ),
    ("tarpc", &["peers/tarpc/src/main.rs"]),
];

/// What stands between the marks in each: five unary Commands.
const COMMANDS: f64 = 5.0;

#[test]
fn the_readme_says_how_many_lines_a_unary_command_takes() {
    let readme = read("README.md");
    for (name, files) in SOURCES {
        let lines: usize = files.iter().map(|file| counted(&read(file)).len()).sum();
        let row = format!("| {name} | {lines} | {:.1} |", lines as f64 / COMMANDS);
        assert!(readme.contains(&row), "the README lacks the row\n{row}");
    }
}

/// With calls that take `Item` itself, tonic takes fewer: the README says so.
#[test]
fn a_unary_command_takes_fewer_lines_than_in_tonic_with_a_request_message_for_each_call() {
    let [ours, tonics, _] = SOURCES.map(|(_, files)| {
        files
            .iter()
            .map(|file| counted(&read(file)).len())
            .sum::<usize>()
    });
    assert!(ours < tonics, "{ours} lines, and in tonic {tonics}");
}

#[test]
fn blank_lines_comments_and_bodies_are_not_counted_and_signatures_are() {
    let source = "\
use nothing;
// begin unary

/// A type.
#[derive(Clone)]
struct Add {
    /// A field.
    a: i64,
}

impl Answer<Calc> for Add {
    async fn answer(
        self,
    ) -> Sum {
        if true {
        }
        Sum(0)
    }
}

trait Adds {
    fn add(&self);
}

fn main() {
    registration();
}
// end unary
not counted
// begin unary
counted
// end unary";
    assert_eq!(
        counted(source),
        [
            "#[derive(Clone)]",
            "struct Add {",
            "    a: i64,",
            "}",
            "impl Answer<Calc> for Add {",
            "    async fn answer(",
            "        self,",
            "    ) -> Sum {",
            "    }",
            "}",
            "trait Adds {",
            "    fn add(&self);",
            "}",
            "fn main() {",
            "    registration();",
            "}",
            "counted",
        ]
    );
}

/// The lines between the marks, without blank ones, comments, and the bodies of functions. As rustfmt leaves it, a body
/// ends where a closing brace stands below the beginning of its function.
fn counted(source: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut marked = false;
    let mut signature = None; // the indentation of the function whose signature this is
    let mut body: Option<String> = None; // the line that closes the body
    for line in source.lines() {
        let text = line.trim();
        if text == "// begin unary" || text == "// end unary" {
            let begins = text == "// begin unary";
            assert!(
                begins != marked && body.is_none(),
                "{text} stands in a wrong place"
            );
            marked = begins;
        }
        let closes = body.as_deref() == Some(line);
        if closes {
            body = None;
        }
        if !marked || body.is_some() || text.is_empty() || text.starts_with("//") {
            continue;
        }
        found.push(line);
        if is_function(text) {
            signature = Some(line.len() - line.trim_start().len());
        }
        if let Some(indentation) = signature {
            if text.ends_with('{') {
                body = Some(format!("{}}}", " ".repeat(indentation)));
            }
            if text.ends_with(['{', ';']) {
                signature = None;
            }
        }
    }
    assert!(!marked, "the last mark is not an end");
    assert!(!found.is_empty(), "there is nothing between marks");
    found
}

/// `main` is that of tonic's build script: what it does is registration.
fn is_function(text: &str) -> bool {
    let text = text.strip_prefix("pub ").unwrap_or(text);
    let text = text.strip_prefix("async ").unwrap_or(text);
    text.starts_with("fn ") && !text.starts_with("fn main(")
}

fn read(file: &str) -> String {
    let shop = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("it is in the shop's folder");
    let path = shop.join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}
