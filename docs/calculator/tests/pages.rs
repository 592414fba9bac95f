//! No block of Rust in the pages is left out.

use std::fs;
use std::path::Path;

#[test]
fn every_block_of_rust_in_the_pages_is_a_test() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let listed = fs::read_to_string(here.join("src/lib.rs")).expect("the list of pages");
    let mut pages = vec![here.join("../../README.md")];
    pages.extend(
        fs::read_dir(here.join(".."))
            .expect("the folder of pages")
            .map(|entry| entry.expect("an entry").path()),
    );
    pages.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    assert!(pages.len() > 5, "the pages are not where this test looks for them");

    for path in pages {
        let text = fs::read_to_string(&path).expect("a page");
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
        for (number, line) in (1..).zip(text.lines()) {
            let Some(language) = line.trim_start().strip_prefix("```rust") else { continue };
            assert!(
                language.is_empty(),
                "{name}, line {number}: every block is compiled and run, as plain `rust`"
            );
            let is_listed = listed.contains(&format!("\"{name}\"")) || listed.contains(&format!("/{name}\""));
            assert!(
                is_listed,
                "{name}, line {number}: add the page to `pages!` in docs/calculator/src/lib.rs"
            );
        }
    }
}
