//! `docs/faults.md` names a test for each fault that was mended: the tests it names are there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The functions of a tree of sources.
fn functions(folder: &str) -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let (mut folders, mut found) = (vec![root], BTreeSet::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs" || extension == "go") {
                let text = fs::read_to_string(&path).expect("a source file");
                found.extend(text.split("fn ").skip(1).map(name).chain(text.split("func ").skip(1).map(name)));
            }
        }
    }
    found
}

fn name(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// The cells of the rows of all tables in a page; the rows that a table begins with are none.
fn rows(page: &str) -> Vec<Vec<String>> {
    let lines = page.lines().map(str::trim).filter(|line| line.starts_with('|'));
    // A bar within a cell is escaped.
    let cells = |line: &str| -> Vec<String> {
        let line = line.replace("\\|", "\u{1}");
        line.trim_matches('|').split('|').map(|cell| cell.trim().replace('\u{1}', "|")).collect()
    };
    let is_row =
        |cells: &Vec<String>| cells.len() >= 4 && cells[0] != "id" && !cells[0].chars().all(|c| matches!(c, '-' | ':'));
    lines.map(cells).filter(is_row).collect()
}

/// The tests in the last cell: `story::gates::a_fork`, in backticks or not, several with commas.
fn tests(row: &[String]) -> Vec<String> {
    let cell = row.last().map(String::as_str).unwrap_or_default();
    cell.split(',').map(|test| test.trim().trim_matches('`').to_owned()).filter(|test| !test.is_empty()).collect()
}

#[test]
fn every_test_that_the_page_of_faults_names_is_there() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/faults.md");
    let page = fs::read_to_string(&page).unwrap_or_else(|error| panic!("{}: {error}", page.display()));
    let known: BTreeSet<String> = ["src", "base", "dev", "tests", "renderer", "webhooks"]
        .iter()
        .filter(|folder| Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).is_dir())
        .flat_map(|folder| functions(folder))
        .collect();
    let rows = rows(&page);
    assert!(!rows.is_empty(), "no table was found");
    let mut wrong = Vec::new();
    for row in &rows {
        let tests = tests(row);
        if tests.is_empty() {
            wrong.push(format!("{}: names no test", row[0]));
        }
        for test in tests {
            let function = test.rsplit("::").next().unwrap_or_default().trim_end_matches("()");
            if !known.contains(function) {
                wrong.push(format!("{}: there is no test {test}", row[0]));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn tables_are_read_with_whatever_marks_their_cells_have() {
    let page = "# Faults\n\n| id | kind | rule | test |\n|---|:--|---|---|\n| X1 | a \\| b | r (`f.rs`) | `a::one`, \
                b::two |\n| X2 | k | r | |\n";
    let rows = rows(page);
    assert_eq!(rows.iter().map(|row| row[0].as_str()).collect::<Vec<_>>(), ["X1", "X2"]);
    assert_eq!(rows[0][1], "a | b");
    assert_eq!(tests(&rows[0]), ["a::one", "b::two"]);
    assert!(tests(&rows[1]).is_empty());
}
