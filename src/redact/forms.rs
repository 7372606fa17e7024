//! The forms in which a value may stand in a text: as it is, escaped, or encoded.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::Value;

/// A shorter value would be found in many texts by chance.
const SHORTEST: usize = 4;
/// A value up to this length counts only where it stands alone: `shop` says nothing in `workshops`.
const ALONE: usize = 7;
/// A shorter encoded form is found by chance.
const SHORTEST_ENCODED: usize = 6;
/// Of a longer value, parts of this length are searched for as well: texts are cut, and encoded ones are broken into lines.
const WINDOW: usize = 20;
const LONG: usize = 2 * WINDOW;
/// So much of the beginning and of the end of a value is searched for in parts.
const IN_PARTS: usize = 2048;
/// A line of a value that is searched for by itself.
const LINE: usize = 12;
const MOST_LINES: usize = 400;
/// Part of a structured value.
const LEAF: usize = 8;

/// Values that name things everywhere, and so say nothing about a Secret.
const COMMON: [&str; 27] = [
    "true",
    "false",
    "null",
    "none",
    "yes",
    "admin",
    "administrator",
    "root",
    "user",
    "username",
    "password",
    "default",
    "localhost",
    "127.0.0.1",
    "0.0.0.0",
    "postgres",
    "postgresql",
    "mysql",
    "mariadb",
    "mongodb",
    "redis",
    "rabbitmq",
    "kafka",
    "production",
    "staging",
    "development",
    "application/json",
];

/// One form of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Form {
    pub text: String,
    pub how: How,
}

/// How far a match reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// It counts where no letter or digit is beside it.
    Alone,
    Anywhere,
    /// It stands for the whole run of characters that an encoded or cut value consists of.
    Run,
}

/// The forms of one value of a Secret, as bytes.
pub(super) fn of(value: &[u8], forms: &mut Vec<Form>) {
    let Ok(text) = std::str::from_utf8(value) else { return encoded(value, forms) };
    let trimmed = text.trim();
    if trimmed.len() < SHORTEST || is_common(trimmed) {
        return;
    }
    atom(text, trimmed, forms);
    let mut parts = Vec::new();
    if trimmed.contains('\n') {
        parts.extend(
            trimmed.lines().take(MOST_LINES).map(str::trim).filter(|line| line.len() >= LINE && !is_frame(line)).map(str::to_owned),
        );
    }
    parts.extend(leaves(trimmed));
    for part in parts.iter().filter(|part| *part != trimmed && !is_common(part)) {
        atom(part, part, forms);
    }
}

/// `-----BEGIN CERTIFICATE-----`.
fn is_frame(line: &str) -> bool {
    line.starts_with("-----") || line.chars().all(|char| !char.is_alphanumeric())
}

fn is_common(text: &str) -> bool {
    COMMON.iter().any(|common| common.eq_ignore_ascii_case(text))
}

/// What a value in JSON, in `.env` form or in YAML's simplest form holds.
fn leaves(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    if text.starts_with(['{', '['])
        && let Ok(value) = serde_json::from_str::<Value>(text)
    {
        strings(&value, &mut found);
    } else {
        for line in text.lines().take(MOST_LINES) {
            let value = line.split_once('=').or_else(|| line.split_once(": ")).map(|(_, value)| value.trim().trim_matches(['"', '\'']));
            found.extend(value.map(str::to_owned));
        }
    }
    found.retain(|leaf| leaf.len() >= LEAF);
    found
}

fn strings(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.trim().to_owned()),
        Value::Array(items) => items.iter().for_each(|item| strings(item, found)),
        Value::Object(fields) => fields.values().for_each(|value| strings(value, found)),
        _ => {}
    }
}

/// One piece of text, as it is and in every encoding. `exact` may have spaces and line ends around it.
fn atom(exact: &str, trimmed: &str, forms: &mut Vec<Form>) {
    let how = if trimmed.chars().count() <= ALONE { How::Alone } else { How::Anywhere };
    let mut push = |text: String| forms.push(Form { text, how });
    let json = escaped(trimmed);
    push(trimmed.to_owned());
    push(go_escaped(&json));
    push(escaped(&json));
    push(trimmed.replace('\'', "''"));
    push(trimmed.lines().map(str::trim).collect::<Vec<_>>().join(" "));
    if !trimmed.is_ascii() {
        push(trimmed.to_uppercase());
        push(trimmed.to_lowercase());
    }
    for kept in ["", "-_.~", "-_.~!$&'()*+,;=:@/", "-_.*", "-_.!~*'();/?:@&=+$,#"] {
        push(percent(trimmed, kept));
    }
    push(percent(trimmed, "-_.* ").replace(' ', "+"));
    push(json);
    if trimmed.len() >= LONG {
        windows(trimmed, forms);
    }
    encoded(exact.as_bytes(), forms);
    // What `data` holds, encoded once more.
    encoded(base64::engine::general_purpose::STANDARD.encode(exact).as_bytes(), forms);
}

/// As it stands between the quotes of a JSON string.
fn escaped(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// Go's encoder escapes what HTML would read.
fn go_escaped(json: &str) -> String {
    json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

fn percent(text: &str, kept: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || (byte.is_ascii() && kept.contains(char::from(byte))) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Base64 and hex. In base64 a value looks otherwise at each of three places of a longer text; its ends depend on what is beside it.
fn encoded(bytes: &[u8], forms: &mut Vec<Form>) {
    if bytes.len() < SHORTEST {
        return;
    }
    let mut push = |text: &str| {
        if text.len() >= LONG {
            windows(text, forms);
        } else if text.len() >= SHORTEST_ENCODED {
            forms.push(Form { text: text.to_owned(), how: How::Run });
        }
    };
    for before in 0..3 {
        let mut shifted = vec![0; before];
        shifted.extend_from_slice(bytes);
        let from = (before * 8).div_ceil(6);
        let to = shifted.len() * 8 / 6;
        push(&STANDARD_NO_PAD.encode(&shifted)[from..to]);
        push(&URL_SAFE_NO_PAD.encode(&shifted)[from..to]);
    }
    push(&hex::encode(bytes));
}

/// Parts of a long text, so that some part of it is found where it is cut or broken.
fn windows(text: &str, forms: &mut Vec<Form>) {
    let chars: Vec<char> = text.chars().collect();
    let is_near = |at: usize| at < IN_PARTS || at + WINDOW + IN_PARTS > chars.len();
    for at in (0..chars.len()).step_by(WINDOW).filter(|at| is_near(*at)) {
        let end = (at + WINDOW).min(chars.len());
        // The last part overlaps the one before it.
        let window: String = chars[end.saturating_sub(WINDOW)..end].iter().collect();
        if window.chars().any(char::is_alphanumeric) {
            forms.push(Form { text: window, how: How::Run });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(value: &str) -> Vec<String> {
        let mut forms = Vec::new();
        of(value.as_bytes(), &mut forms);
        forms.into_iter().map(|form| form.text).collect()
    }

    #[test]
    fn what_names_things_everywhere_is_not_searched_for() {
        for common in ["", "abc", "true", " postgres\n", "localhost"] {
            assert!(found(common).is_empty(), "{common:?}");
        }
    }

    #[test]
    fn the_values_within_a_value_count() {
        let docker = found(r#"{"auths": {"r.io": {"password": "hunter2hunter2"}}}"#);
        assert!(docker.contains(&"hunter2hunter2".to_owned()));
        let env = found("A=1\nTOKEN=hunter2hunter2\n");
        assert!(env.contains(&"hunter2hunter2".to_owned()));
    }
}
