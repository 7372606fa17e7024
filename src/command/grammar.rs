//! From the words of a line to a command.

use jiff::SignedDuration;

use super::given::{Command, Known, LONGEST_PAUSE, NAME, Pause, REASON};
use super::verb::Verb;
use crate::ids::AppId;
use crate::nearest;

/// Why a line is no command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    #[error("a command is missing after {NAME}")]
    NoVerb,
    #[error("there is no command `{word}`{}", meant(.near.map(Verb::word)))]
    NoSuchVerb { word: String, near: Option<Verb> },
    #[error("this repo has no app `{word}`{}", meant(.near.as_deref()))]
    NoSuchApp { word: String, near: Option<String> },
    #[error("`{word}` is not needed: `{verb}` is for the whole pull request", verb = .verb.word())]
    NoArguments { word: String, verb: Verb },
    #[error("`{word}` is too long: a pause ends after at most 30 days. Without a time it lasts until `resume`")]
    TooLong { word: String },
}

fn meant(near: Option<&str>) -> String {
    near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}

/// Reads what follows [`NAME`].
pub fn parse(line: &str, known: Known<'_>) -> Result<Command, Mistake> {
    let mut words = line.split(' ').filter(|word| !word.is_empty());
    let word = words.next().ok_or(Mistake::NoVerb)?;
    let verb = verb(word)?;
    let words: Vec<&str> = words.collect();
    let (mut apps, mut pause) = (Vec::new(), Pause::default());
    match (verb, words.first()) {
        (_, None) | (Verb::Help, _) => {}
        (Verb::Preview, Some(word)) => return Err(Mistake::NoArguments { word: quoted(word), verb }),
        (Verb::Pause, _) => (apps, pause) = paused(&words, known)?,
        _ => apps = words.iter().map(|word| app(word, known)).collect::<Result<_, _>>()?,
    }
    apps.sort();
    apps.dedup();
    Ok(Command { verb, apps, pause })
}

fn verb(word: &str) -> Result<Verb, Mistake> {
    let lower = word.to_lowercase();
    // What the whole change looks like is what the preview shows.
    let lower = if lower == "diff" { "preview" } else { lower.as_str() };
    Verb::ALL.into_iter().find(|verb| verb.word() == lower).ok_or_else(|| {
        let near = nearest::nearest(lower, Verb::ALL.into_iter().map(Verb::word));
        let near = near.and_then(|near| Verb::ALL.into_iter().find(|verb| verb.word() == near));
        Mistake::NoSuchVerb { word: quoted(word), near }
    })
}

/// Apps come first, then how long, and all that follows is the reason.
fn paused(words: &[&str], known: Known<'_>) -> Result<(Vec<AppId>, Pause), Mistake> {
    let apps: Vec<AppId> = words.iter().map_while(|word| app(word, known).ok()).collect();
    let rest = &words[apps.len()..];
    let (lasts, rest) = match rest.split_first() {
        Some((word, others)) => match duration(word) {
            Some(lasts) if lasts > LONGEST_PAUSE => return Err(Mistake::TooLong { word: quoted(word) }),
            Some(lasts) => (Some(lasts), others),
            None => (None, rest),
        },
        None => (None, rest),
    };
    // One word alone is a name that somebody has mistyped.
    if let ([word], true, None) = (rest, apps.is_empty(), lasts) {
        return Err(app(word, known).err().unwrap_or(Mistake::NoVerb));
    }
    let reason: String = rest.join(" ").trim_matches('"').chars().take(REASON).collect();
    Ok((apps, Pause { lasts, reason: (!reason.is_empty()).then_some(reason) }))
}

/// `2h`, `90m`, `1d`, `1h30m`. None of what is none, and of nothing at all.
pub fn duration(word: &str) -> Option<SignedDuration> {
    if !word.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let days = word.strip_suffix('d').and_then(|days| days.parse::<i64>().ok());
    let lasts = match days {
        Some(days) => SignedDuration::from_hours(days.checked_mul(24)?),
        None => word.parse().ok()?,
    };
    (lasts > SignedDuration::ZERO).then_some(lasts)
}

/// By its name, or by `REPO/NAME`.
fn app(word: &str, known: Known<'_>) -> Result<AppId, Mistake> {
    let name = word.strip_prefix(known.repo.as_str()).and_then(|rest| rest.strip_prefix('/')).unwrap_or(word);
    let name = name.trim_end_matches(',');
    known.apps.iter().find(|app| app.name == name).cloned().ok_or_else(|| {
        let near = nearest::nearest(name, known.apps.iter().map(|app| app.name.as_str()));
        Mistake::NoSuchApp { word: quoted(word), near: near.map(str::to_owned) }
    })
}

/// A stranger's word as it may be repeated.
fn quoted(word: &str) -> String {
    let mut kept: String = word.chars().filter(|c| *c != '`').take(60).collect();
    if word.chars().count() > 60 {
        kept.push('…');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::RepoName;

    fn read(line: &str) -> Result<Command, String> {
        let repo = RepoName::new("shop");
        let apps = ["web", "web-eu", "db"].map(|name| AppId::new(&repo, name));
        parse(line, Known { repo: &repo, apps: &apps }).map_err(|mistake| mistake.to_string())
    }

    fn said(line: &str) -> String {
        match read(line) {
            Ok(Command { verb, apps, pause }) => {
                let apps: Vec<&str> = apps.iter().map(|app| app.name.as_str()).collect();
                let lasts = pause.lasts.map(|lasts| format!("{lasts:#}"));
                format!("{} {apps:?} {} {}", verb.word(), lasts.unwrap_or_default(), pause.reason.unwrap_or_default())
            }
            Err(mistake) => mistake,
        }
    }

    #[test]
    fn each_line_is_a_command_or_a_named_mistake() {
        let lines = [
            "approve",
            "Approve web, db",
            "approve shop/web web",
            "approve wbe",
            "approve nothing-like-it",
            "approve --all",
            "unapprove db",
            "diff",
            "preview",
            "preview web",
            "sync web-eu",
            "resume",
            "pause",
            "pause 2h",
            "pause web db 1h30m migration of the database",
            "pause 3d \"we are on holiday\"",
            "pause web until the fix is in",
            "pause wbe",
            "pause 0h",
            "pause 31d",
            "pause 99999999999999999999d",
            "help me",
            "",
            "aprove",
            "apply",
            "rm -rf",
            "plan`ner",
        ];
        let table: Vec<String> = lines.iter().map(|line| format!("{line:<45} → {}", said(line).trim_end())).collect();
        insta::assert_snapshot!(table.join("\n"));
    }

    #[test]
    fn a_word_that_is_repeated_ends_no_code_and_no_line() {
        assert_eq!(quoted("a`b"), "ab");
        assert_eq!(quoted(&"x".repeat(70)).chars().count(), 61);
        assert_eq!(quoted(&"x".repeat(60)), "x".repeat(60));
    }
}
