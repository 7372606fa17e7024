//! The forms in which a value may appear in a text: as it is, escaped, or encoded.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::Value;

use super::search::{How, Texts};

/// A shorter value would be found in many texts by chance.
const SHORTEST: usize = 4;
/// A value up to this length counts only where it stands alone: `shop` says nothing in `workshops`.
const ALONE: usize = 7;
/// A shorter encoded form is found by chance.
const SHORTEST_ENCODED: usize = 6;
/// Of a longer value, parts of this length are searched for as well: texts are cut, and encoded ones are broken into
/// lines.
const WINDOW: usize = 20;
const LONG: usize = 2 * WINDOW;
/// Up to this length a value is searched for as templates escape it.
const SHORT: usize = 256;
/// So much of the beginning and of the end of a value is searched for in parts.
const IN_PARTS: usize = 2048;
/// A shorter part of a value is found by chance, unless it is like a code.
const PART: usize = 6;
/// More in base64 is no user and password.
const LONGEST_PACKED: usize = 16 * 1024;
/// So many parts of a value are searched for in every form; the others as they are and encoded once.
const IN_ALL_FORMS: usize = 400;

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

/// The forms of one value of a Secret, as bytes.
///
/// A value of several lines is a file: its lines and what they assign are searched for as well, by [`counts`], and what
/// a document in JSON holds. What names an object is shown anyway.
pub(super) fn of(value: &[u8], is_name: &dyn Fn(&str) -> bool, forms: &mut Texts) {
    let Ok(text) = std::str::from_utf8(value) else { return encoded(value, forms) };
    let trimmed = text.trim();
    if trimmed.len() < SHORTEST || is_common(trimmed) || is_name(trimmed) {
        return;
    }
    atom(text, trimmed, true, forms);
    let mut parts = leaves(trimmed);
    if trimmed.contains('\n') {
        parts.extend(
            trimmed.lines().map(str::trim).filter(|line| counts(line) && !is_structure(line)).map(str::to_owned),
        );
    }
    parts.retain(|part| part != trimmed && !is_name(part));
    parts.sort_unstable();
    parts.dedup();
    for (place, part) in parts.iter().enumerate() {
        atom(part, part, place < IN_ALL_FORMS, forms);
    }
}

/// A part of a value, as it is, and encoded where there is room for that.
pub(super) fn of_part(part: &str, is_encoded: bool, forms: &mut Texts) {
    let how = if part.chars().count() <= ALONE { How::Alone } else { How::Anywhere };
    if is_encoded {
        encoded(part.as_bytes(), forms);
    } else {
        forms.push(part, how);
    }
}

/// Whether a part of a value says something about it where it stands in another text: from six characters on, or from
/// four if there are letters and digits. What is shorter, and what names things everywhere, is found in many texts by
/// chance.
pub(super) fn counts(part: &str) -> bool {
    let is_code = part.contains(|char: char| char.is_ascii_digit()) && part.contains(char::is_alphabetic);
    !is_common(part) && part.len() >= if is_code { SHORTEST } else { PART }
}

/// Whether a line says only what form the file has: `-----BEGIN CERTIFICATE-----`, `});`, `server {`, `[mysqld]`,
/// `username:`, a comment's frame, or `enabled: true`, whose value says nothing.
pub(super) fn is_structure(line: &str) -> bool {
    if line.starts_with("-----") || !line.contains(char::is_alphanumeric) {
        return true;
    }
    let is_word =
        |text: &str| !text.is_empty() && text.chars().all(|char| char.is_alphabetic() || " -_./".contains(char));
    if let Some((key, value)) = assigned(line) {
        let is_plain = value.is_empty()
            || is_common(value)
            || value.chars().all(|char| char.is_ascii_digit()) && value.len() < PART;
        return is_plain
            && key.trim_start_matches("- ").chars().all(|char| char.is_alphanumeric() || "-_./".contains(char));
    }
    let bare = line.trim_matches(|char: char| " {}[]()<>:;,#*/-".contains(char));
    bare.len() < line.len() && is_word(bare)
}

/// `key=value`, or `key: value`, without the value's quotes.
pub(super) fn assigned(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line
        .split_once('=')
        .or_else(|| line.split_once(": "))
        .or_else(|| line.strip_suffix(':').map(|key| (key, "")))?;
    Some((key.trim(), value.trim().trim_matches(['"', '\''])))
}

pub(super) fn is_common(text: &str) -> bool {
    COMMON.iter().any(|common| common.eq_ignore_ascii_case(text))
}

/// What a value in JSON, in `.env` form or in YAML's simplest form holds.
pub(super) fn leaves(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    if text.starts_with(['{', '['])
        && let Ok(value) = serde_json::from_str::<Value>(text)
    {
        strings(&value, &mut found);
    } else {
        found.extend(text.lines().filter_map(assigned).map(|(_, value)| value.to_owned()));
    }
    let packed: Vec<String> = found.iter().map(String::as_str).chain([text]).filter_map(packed).flatten().collect();
    found.extend(packed);
    found.retain(|leaf| counts(leaf));
    found
}

/// What a user and a password in base64 are: `auth` of `.dockerconfigjson`, `_auth` of `.npmrc`, `Basic …`.
fn packed(text: &str) -> Option<[String; 2]> {
    let word = text.split_whitespace().next_back().filter(|word| word.len() <= LONGEST_PACKED)?;
    let bytes = STANDARD_NO_PAD.decode(word.trim_end_matches('=')).ok()?;
    let whole = String::from_utf8(bytes).ok().filter(|whole| !whole.contains(char::is_control))?;
    let password = whole.split_once(':')?.1.to_owned();
    Some([password, whole])
}

fn strings(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.trim().to_owned()),
        Value::Number(number) => found.push(number.to_string()),
        Value::Array(items) => items.iter().for_each(|item| strings(item, found)),
        Value::Object(fields) => fields.values().for_each(|value| strings(value, found)),
        _ => {}
    }
}

/// One piece of text, as it is and in every encoding. `exact` may have spaces and line ends around it.
fn atom(exact: &str, trimmed: &str, in_all_forms: bool, forms: &mut Texts) {
    let how = if trimmed.chars().count() <= ALONE { How::Alone } else { How::Anywhere };
    let mut all: Vec<String> = Vec::new();
    let mut push = |text: String| {
        if !all.contains(&text) {
            forms.push(&text, how);
            all.push(text);
        }
    };
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
    if trimmed.len() <= SHORT {
        templated(trimmed).into_iter().for_each(&mut push);
    }
    if trimmed.len() >= LONG {
        windows(trimmed, forms);
    }
    // Who reads a value from a file often drops the line end before encoding it.
    let both = [exact, trimmed];
    let texts = if exact == trimmed { &both[..1] } else { &both };
    for text in texts {
        encoded(text.as_bytes(), forms);
        if in_all_forms {
            // What `data` holds, encoded once more.
            encoded(base64::engine::general_purpose::STANDARD.encode(text).as_bytes(), forms);
        }
    }
}

/// As templates write it where markup, shells, regular expressions and Compose read it. A longer value is found there
/// by its letters and digits.
fn templated(text: &str) -> Vec<String> {
    if text.chars().all(char::is_alphanumeric) {
        return Vec::new();
    }
    let markup = |quote: &str, apostrophe: &str| {
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        text.replace('"', quote).replace('\'', apostrophe)
    };
    let escaped = |is_special: &dyn Fn(char) -> bool| {
        let escape = |char: char| if is_special(char) { format!("\\{char}") } else { char.to_string() };
        text.chars().map(escape).collect::<String>()
    };
    let mut found: Vec<String> =
        [("&#34;", "&#39;"), ("&quot;", "&apos;"), ("&quot;", "&#39;"), ("&quot;", "&#x27;"), ("\"", "'")]
            .map(|(quote, apostrophe)| markup(quote, apostrophe))
            .into();
    found.push(text.replace('$', "$$"));
    found.push(escaped(&|char| "\\.+*?()|[]{}^$".contains(char)));
    found.push(escaped(&|char| char.is_ascii() && !char.is_alphanumeric()));
    found
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

/// Base64 and hex. In base64 a value looks otherwise at each of three places of a longer text; its ends depend on what
/// is beside it.
fn encoded(bytes: &[u8], forms: &mut Texts) {
    if bytes.len() < SHORTEST {
        return;
    }
    let mut push = |text: &str| {
        if text.len() >= LONG {
            windows(text, forms);
        } else if text.len() >= SHORTEST_ENCODED {
            forms.push(text, How::Run);
        }
    };
    for before in 0..3 {
        let mut shifted = vec![0; before];
        shifted.extend_from_slice(bytes);
        let from = (before * 8).div_ceil(6);
        let to = shifted.len() * 8 / 6;
        let standard = STANDARD_NO_PAD.encode(&shifted);
        push(&standard[from..to]);
        if standard.contains(['+', '/']) {
            push(&URL_SAFE_NO_PAD.encode(&shifted)[from..to]);
        }
    }
    push(&hex::encode(bytes));
}

/// Parts of a long text, so that some part of it is found where it is cut or broken.
fn windows(text: &str, forms: &mut Texts) {
    let chars: Vec<char> = text.chars().collect();
    let is_near = |at: usize| at < IN_PARTS || at + WINDOW + IN_PARTS > chars.len();
    for at in (0..chars.len()).step_by(WINDOW).filter(|at| is_near(*at)) {
        let end = (at + WINDOW).min(chars.len());
        // The last part overlaps the one before it.
        let window: String = chars[end.saturating_sub(WINDOW)..end].iter().collect();
        if window.chars().any(char::is_alphanumeric) {
            forms.push(&window, How::Run);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(value: &str) -> Vec<String> {
        let mut forms = Texts::default();
        of(value.as_bytes(), &|_| false, &mut forms);
        forms.strings()
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

    /// S1+: which lines of a file in a Secret are searched for by themselves.
    #[test]
    fn lines_count_unless_they_are_structure() {
        let file = "[client]\nserver {\n-----BEGIN X-----\nusername:\nenabled: true\nport: 5432\nsunshine\nab12\nhunter7\npin = 471123\n});\nabc\n";
        let found = found(file);
        for line in ["sunshine", "ab12", "hunter7", "471123"] {
            assert!(found.contains(&line.to_owned()), "{line}");
        }
        for line in [
            "[client]",
            "client",
            "server {",
            "-----begin x-----",
            "username:",
            "enabled: true",
            "5432",
            "port: 5432",
            "});",
            "abc",
        ] {
            assert!(!found.contains(&line.to_owned()), "{line}");
        }
    }
}
