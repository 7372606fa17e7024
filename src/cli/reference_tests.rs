//! `docs/commands.md` is written from the command line's own description.

use clap::{Arg, ArgAction, Command, CommandFactory};

use super::Arguments;

const HEAD: &str = "\
# Commands

Every command has `-o, --output text|json` and `-h, --help`. `driftless preview` exits 0 for no change, 2 for changes \
                    and 1 for an error. Every other
command exits 0 or 1. Results go to standard output; progress and errors go to standard error.

This page is generated from the program. A test compares them.
";

fn page() -> String {
    let mut text = HEAD.to_owned();
    for command in
        Arguments::command().get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help")
    {
        text.push_str(&section(command));
    }
    text
}

fn section(command: &Command) -> String {
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    let mut text = format!("\n## `driftless {}`\n\n{about}\n", command.get_name());
    let shown: Vec<&Arg> = command.get_arguments().filter(|arg| !arg.is_hide_set()).collect();
    if !shown.is_empty() {
        text.push_str("\n| argument | description |\n|---|---|\n");
    }
    for arg in shown {
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default().replace('|', "\\|");
        text.push_str(&format!("| `{}` | {help}{} |\n", name(arg), beside(arg)));
    }
    text
}

fn name(arg: &Arg) -> String {
    let value = || {
        arg.get_value_names()
            .and_then(|names| names.first())
            .map_or_else(|| arg.get_id().as_str().to_uppercase(), ToString::to_string)
    };
    let Some(long) = arg.get_long() else { return value() };
    let short = arg.get_short().map(|short| format!("-{short}, ")).unwrap_or_default();
    let takes = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
    format!("{short}--{long}{}", if takes { format!(" {}", value()) } else { String::new() })
}

/// The variable that stands for it, and what it is where it is left out.
fn beside(arg: &Arg) -> String {
    let takes = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
    let default = arg
        .get_default_values()
        .first()
        .filter(|_| takes)
        .map(|value| format!("default `{}`", value.to_string_lossy()));
    let variable = arg.get_env().map(|name| format!("or `{}`", name.to_string_lossy()));
    let parts: Vec<String> = variable.into_iter().chain(default).collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

/// L5+: every command and every flag is documented.
#[test]
fn the_page_of_commands_is_written_from_the_program() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/commands.md");
    let expected = page();
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        std::fs::write(&path, &expected).expect("written");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "docs/commands.md is not what the program says: INSTA_UPDATE=always cargo test --lib cli:: writes it"
    );
}
