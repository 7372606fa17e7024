//! The parts of a value between separators: a password in a connection string, what `replacements` cut out. Pure.

use std::collections::{BTreeSet, HashSet};

use super::forms::{assigned, counts, is_structure, leaves};

/// What a text is cut at.
pub(super) const SEPARATORS: [char; 16] =
    ['-', '_', '.', ':', '/', '@', ',', ';', '=', '&', '?', '|', '#', '+', ' ', '\t'];
/// These also join the words of one name, or of one password.
pub(super) const JOINS: [char; 3] = ['-', '_', '.'];
/// A shorter part that looks like a code is found by chance, unless it stands where a password does.
const CODE: usize = 6;
/// A shorter word is found by chance, and so is a shorter name of several words.
const WORD: usize = 10;
const WORDS: usize = 16;
/// A longer line of base64 is found in parts of its own.
const PACKED: usize = 40;

/// Words of addresses, settings and kinds that stand in every other text.
const PLAIN: [&str; 48] = [
    "amazonaws",
    "application",
    "authentication",
    "certificate",
    "cluster",
    "configuration",
    "connection",
    "controller",
    "credentials",
    "database",
    "deployment",
    "development",
    "disable",
    "disabled",
    "elasticsearch",
    "enabled",
    "enterprise",
    "environment",
    "example",
    "external",
    "frontend",
    "googleapis",
    "information",
    "infrastructure",
    "integration",
    "internal",
    "kubernetes",
    "latest",
    "management",
    "monitoring",
    "namespace",
    "observability",
    "organization",
    "permission",
    "production",
    "prometheus",
    "require",
    "required",
    "secret",
    "secrets",
    "service",
    "serviceaccount",
    "statefulset",
    "sha256",
    "sha512",
    "unlimited",
    "verify-ca",
    "verify-full",
];

/// What may be cut out of a value and says something about it, each once. `is_shown` tells what names an object, or a
/// part of its name: that is shown anyway.
///
/// Of a file that is what its lines assign, and those lines that assign nothing; the words of its own language are not
/// the value's.
pub(super) fn of(value: &str, is_shown: &dyn Fn(&str) -> bool) -> Vec<String> {
    let mut found = HashSet::new();
    for whole in wholes(value).iter().filter(|whole| !is_packed(whole)) {
        parts(whole, &mut |part| {
            if part.len() < whole.len() && !found.contains(part) && !is_shown(part) {
                found.insert(part.to_owned());
            }
        });
    }
    let mut found: Vec<String> = found.into_iter().collect();
    found.sort_unstable();
    found
}

/// The values that a value consists of: itself, or of a file what its lines assign and those that assign nothing.
pub(super) fn wholes(value: &str) -> Vec<String> {
    let value = value.trim();
    let mut wholes = leaves(value);
    if value.contains('\n') {
        wholes.extend(value.lines().map(str::trim).filter(|line| is_value(line)).map(str::to_owned));
    } else {
        wholes.push(value.to_owned());
    }
    wholes
}

/// Whether a line is one value rather than a line of a language.
fn is_value(line: &str) -> bool {
    line.contains("://") || assigned(line).is_none() && !is_structure(line) && !line.contains(char::is_whitespace)
}

pub(super) fn is_packed(text: &str) -> bool {
    let is_packed = |char: char| char.is_ascii_alphanumeric() || "+/=".contains(char);
    text.len() >= PACKED && text.chars().all(is_packed)
}

fn parts<'a>(whole: &'a str, take: &mut dyn FnMut(&'a str)) {
    // As one separator cuts it, as all do, and with the names in it whole.
    let signs: BTreeSet<char> = whole.chars().filter(|char| char.is_ascii() && !char.is_alphanumeric()).collect();
    for separator in signs {
        whole.split(separator).map(bare).filter(|part| says_something(part)).for_each(&mut *take);
    }
    whole.split(SEPARATORS).map(bare).filter(|part| says_something(part)).for_each(&mut *take);
    let is_end = |char: char| SEPARATORS.contains(&char) && !JOINS.contains(&char);
    let mut start = 0;
    for (at, char) in whole.char_indices().filter(|(_, char)| is_end(*char)).chain([(whole.len(), ' ')]) {
        let part = bare(&whole[start..at]);
        let is_password = whole[..start].ends_with([':', '=']) && counts(part) && !is_plain(part) && !is_address(part);
        if is_password || says_something(part) {
            take(part);
        }
        start = at + char.len_utf8();
        if at == whole.len() {
            break;
        }
    }
    // `user:password@host`, where the password has separators of its own.
    let authority = whole.split_once("://").map_or(whole, |(_, rest)| rest);
    if let Some((user, _)) = authority.rsplit_once('@')
        && let Some((_, password)) = user.split_once(':')
        && counts(password)
    {
        take(password);
    }
}

fn bare(part: &str) -> &str {
    part.trim_matches(|char: char| char.is_whitespace() || "\"'`()[]{}<>".contains(char))
}

/// Whether a part of a value is not found in other texts by chance, wherever in the value it stands.
fn says_something(part: &str) -> bool {
    if !counts(part) || is_plain(part) {
        return false;
    }
    let mut runs = part.split(|char: char| !char.is_alphanumeric()).filter(|run| !run.is_empty());
    if runs.clone().any(is_code) {
        return part.len() >= CODE;
    }
    match (runs.next(), runs.next()) {
        (Some(_), None) => part.len() >= WORD,
        _ => part.len() >= WORDS && part.chars().all(|char| char.is_alphanumeric() || "-_".contains(char)),
    }
}

/// Letters and digits as no word has them.
pub(super) fn is_code(run: &str) -> bool {
    let word = run.trim_end_matches(|char: char| char.is_ascii_digit());
    if word.is_empty() {
        return run.len() >= CODE;
    }
    let is_upper = |char: char| char.is_uppercase();
    let mut rises = 0;
    for (one, next) in word.chars().zip(word.chars().skip(1)) {
        rises += usize::from(!is_upper(one) && is_upper(next));
    }
    word.contains(|char: char| char.is_ascii_digit()) || run.len() - word.len() > 2 || rises > 2
}

/// A host, a file or a version: names with dots between them, none of which is a code.
pub(super) fn is_address(part: &str) -> bool {
    let is_of_one = |char: char| char.is_alphanumeric() || "-_.".contains(char);
    part.contains('.') && part.chars().all(is_of_one) && !part.split(|char: char| !char.is_alphanumeric()).any(is_code)
}

pub(super) fn is_plain(part: &str) -> bool {
    PLAIN.iter().any(|plain| plain.eq_ignore_ascii_case(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(value: &str) -> Vec<String> {
        of(value, &|_| false)
    }

    /// S1+: what counts of the values that Secrets mostly hold.
    #[test]
    fn what_is_cut_out_of_a_value_counts() {
        for (value, part) in [
            ("prefix-mIdDlEpArT77-suffix", "mIdDlEpArT77"),
            ("prefix-topsecretvalue-suffix", "topsecretvalue"),
            ("x-aB3:q9Z-y", "aB3:q9Z"),
            ("postgres://shop:hunter7@db.shop.svc:5432/shop?sslmode=require", "hunter7"),
            ("postgres://shop:my-own/pass:word@db:5432/shop", "my-own/pass:word"),
            ("Server=tcp:db.example.com;User Id=shop;Password=sunshine;", "sunshine"),
            ("admin:sunshine", "sunshine"),
            ("url: https://ada:tk-8765@example.com\nname: x\n", "tk-8765"),
            ("db:5432:shop:ada:pgpass99\ndb:5432:shop:bob:pgpass88\n", "pgpass88"),
            (r#"{"dsn": "redis://:r3dis-pw@cache:6379"}"#, "r3dis-pw"),
        ] {
            assert!(found(value).iter().any(|found| found == part), "{value}: {:?}", found(value));
        }
    }

    /// S1+: what every other text has is not taken for a part of a Secret.
    #[test]
    fn what_addresses_and_files_are_made_of_does_not_count() {
        for value in [
            "postgres://shop@db.shop.svc.cluster.local:5432/shop?sslmode=require",
            "https://registry.example.com/acme/web:latest",
            "shop.eu-west-1.rds.amazonaws.com",
            "smtp.internal.example.com:587",
            "server:\n  port: 8080\n  maxPoolSize: 10\nlogging:\n  level: info\n",
            "192.168.100.200:6379",
            "2026-11-30",
        ] {
            assert_eq!(found(value), Vec::<String>::new(), "{value}");
        }
    }
}
