//! The one place that reads YAML in Rust: our own configuration and definitions. Manifests are read by the renderer,
//! with kubectl's own library.

use std::fmt;

use serde::de::{DeserializeOwned, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_saphyr::{DuplicateKeyPolicy, Error, Options};

pub use serde_saphyr::Spanned;

/// What is wrong, and where: line and column count from 1, and are 0 where the parser cannot tell.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct YamlError {
    pub line: u32,
    pub message: String,
}

/// One document of a file, with the line on which it begins, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Document<'a> {
    pub text: &'a str,
    pub first_line: u32,
}

/// Splits a file at its `---` lines. A line that begins so ends a document wherever it stands, even within a block of
/// text (YAML 1.2.2, 9.1.2).
pub fn documents(text: &str) -> Vec<Document<'_>> {
    let mut found = Vec::new();
    let (mut start, mut first_line, mut offset) = (0, 0, 0);
    for (number, line) in (0u32..).zip(text.split_inclusive('\n')) {
        if is_separator(line) {
            found.push(Document { text: &text[start..offset], first_line });
            (start, first_line) = (offset + line.len(), number + 1);
        }
        offset += line.len();
    }
    found.push(Document { text: &text[start..], first_line });
    found.retain(|document| document.text.lines().any(|line| !is_blank(line)));
    found
}

fn is_separator(line: &str) -> bool {
    line.strip_prefix("---").is_some_and(|rest| rest.trim().is_empty() || rest.trim_start().starts_with('#'))
}

fn is_blank(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

/// Reads one document. Unknown keys are refused by the types, keys given twice here.
pub fn parse<T: DeserializeOwned>(document: Document<'_>) -> Result<T, YamlError> {
    serde_saphyr::from_str_with_options(document.text, options())
        .map_err(|error| described(&error, document.first_line))
}

/// Any value, as far as it matters where a value of a certain form is expected.
#[derive(Debug, PartialEq)]
pub enum Node {
    Null,
    Flag,
    Whole { negative: bool },
    Fraction,
    Text(String),
    List(Vec<Spanned<Node>>),
    Map(Vec<(String, Spanned<Node>)>),
}

impl Node {
    /// Whether it can be read as a text.
    pub fn is_scalar(&self) -> bool {
        matches!(self, Self::Flag | Self::Whole { .. } | Self::Fraction | Self::Text(_))
    }

    /// What it is, for people.
    pub fn sort(&self) -> &'static str {
        match self {
            Self::Null => "empty",
            Self::Flag => "true or false",
            Self::Whole { negative: true } => "a negative number",
            Self::Whole { .. } | Self::Fraction => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
        Ok(Node::Flag)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Node, E> {
        Ok(Node::Whole { negative: false })
    }

    fn visit_i64<E>(self, number: i64) -> Result<Node, E> {
        Ok(Node::Whole { negative: number < 0 })
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
        Ok(Node::Fraction)
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let mut found = Vec::new();
        while let Some(entry) = list.next_element()? {
            found.push(entry);
        }
        Ok(Node::List(found))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut found = Vec::new();
        while let Some(pair) = map.next_entry()? {
            found.push(pair);
        }
        Ok(Node::Map(found))
    }
}

fn options() -> Options {
    serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::Error,
        legacy_octal_numbers: true,
        // A snippet would quote lines around the error, and they may hold what nobody should read.
        with_snippet: false,
    }
}

fn described(error: &Error, first_line: u32) -> YamlError {
    let line = error.location().map_or(0, |at| u32::try_from(at.line()).unwrap_or(u32::MAX).saturating_add(first_line));
    let text = told(error).unwrap_or_else(|| without_position(&error.without_snippet().to_string()).to_owned());
    YamlError { line, message: text }
}

/// What is wrong in words of ours, where the parser's repeat a value: any of them may be a secret. Names of fields are
/// repeated.
fn told(error: &Error) -> Option<String> {
    match error {
        Error::WithSnippet { error, .. } | Error::AliasError { error, .. } => told(error),
        Error::SerdeInvalidType { unexpected, expected, .. } => {
            Some(format!("invalid type: {}, expected {expected}", sort_of(unexpected)))
        }
        Error::SerdeInvalidValue { unexpected, expected, .. } => {
            Some(format!("invalid value: {}, expected {expected}", sort_of(unexpected)))
        }
        Error::SerdeUnknownVariant { expected, .. } => {
            Some(format!("unknown value, expected one of {}", expected.join(", ")))
        }
        Error::NonFiniteFloat { .. } => Some("non-finite float".to_owned()),
        Error::UnsupportedTag { .. } | Error::TaggedEnumMismatch { .. } | Error::TaggedStructFieldName { .. } => {
            Some("a tag that is not expected here".to_owned())
        }
        Error::QuotingRequired { .. } => Some("a value that has to be in quotes".to_owned()),
        Error::Message { msg, .. }
        | Error::ExternalMessage { msg, .. }
        | Error::HookError { msg, .. }
        | Error::SerdeVariantId { msg, .. } => Some(without_quotes(without_position(msg))),
        _ => None,
    }
}

/// Of serde's `string "abc"` or ``integer `7` `` what it is.
fn sort_of(unexpected: &str) -> &str {
    unexpected.split(['"', '`', '\'']).next().unwrap_or_default().trim()
}

/// A text with what it quotes left out, but for signs of the language, such as `','`, and names of fields.
fn without_quotes(text: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find(['"', '`', '\'']) {
        let quote = &rest[at..=at];
        let Some(end) = rest[at + 1..].rfind(quote).map(|end| at + 1 + end) else { break };
        // Two signs in one text are two quotes.
        let end = rest[at + 1..].find(quote).map_or(end, |first| if first <= 3 { at + 1 + first } else { end });
        let is_sign = end - at <= 4 && !rest[at..end].contains(char::is_alphanumeric);
        out.push_str(&rest[..at]);
        out.push_str(if is_sign || rest[..at].ends_with("field ") { &rest[at..=end] } else { "(hidden)" });
        rest = &rest[end + 1..];
    }
    out + rest
}

/// The parser's text ends or begins with its own line and column; ours stands before the message.
fn without_position(text: &str) -> &str {
    // Where an alias is involved both places are told.
    let text = text.split_once(" (defined at line ").map_or(text, |(head, _)| head);
    let text = text
        .rsplit_once(" at line ")
        .filter(|(_, tail)| tail.starts_with(|c: char| c.is_ascii_digit()))
        .map_or(text, |(head, _)| head);
    text.strip_prefix("error: ").unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[allow(dead_code)]
        name: String,
        #[serde(default)]
        mode: u32,
    }

    #[test]
    fn documents_know_where_they_begin() {
        let text = "# head\n---\na: 1\n---  # next\n\n---\nb: 2\n";
        let found: Vec<_> = documents(text).into_iter().map(|d| (d.text, d.first_line)).collect();
        assert_eq!(found, [("a: 1\n", 2), ("b: 2\n", 6)]);
    }

    #[test]
    fn errors_count_lines_of_the_file() {
        let text = "name: a\n---\nname: b\nnmae: c\n";
        let error = parse::<Sample>(documents(text)[1]).expect_err("an unknown key");
        assert_eq!(error.line, 4);
        assert!(error.message.contains("nmae"), "{error}");
        let error = parse::<Sample>(documents("name: a\nname: b\n")[0]).expect_err("a key given twice");
        assert_eq!(error.line, 2, "{error}");
    }

    /// X11+: whatever the parser and the types say of a value, they say it without the value.
    #[test]
    fn no_error_tells_a_value() {
        #[derive(Debug, Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum Mode {
            Auto,
            Manual,
        }
        #[derive(Debug, Deserialize)]
        #[serde(try_from = "String")]
        #[allow(dead_code)]
        struct Name(String);
        impl TryFrom<String> for Name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                text.contains('/').then(|| Self(text.clone())).ok_or_else(|| format!("{text:?} is not REPO/NAME"))
            }
        }
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[allow(dead_code)]
        struct All {
            text: Option<String>,
            number: Option<u32>,
            mode: Option<Mode>,
            list: Option<Vec<String>>,
            app: Option<Name>,
            any: Option<serde_json::Value>,
        }
        let texts = [
            "text: *hunter2",
            "text: &a hunter2\nnumber: *a",
            "number: hunter2",
            "number: 'hunter2'",
            "number: -471147114711",
            "mode: hunter2",
            "mode: {hunter2: 1}",
            "mode: !hunter2 auto",
            "list: hunter2",
            "list: {a: hunter2}",
            "text: [hunter2]",
            "text: !!int hunter2",
            "text: !hunter2 a",
            "text: !!binary hunter2",
            "text: \"hunter2\\q\"",
            "text: 'hunter2",
            "text: \"hunter2",
            "text: hunter2: hunter2",
            "text: {hunter2",
            "text: [hunter2, }",
            "text: %hunter2",
            "text: @hunter2",
            "text: `hunter2`",
            "text:\thunter2\n\t- x",
            "app: hunter2",
            "any: {a: *hunter2}",
            "any: .inf",
            "hunter2",
            "- hunter2",
            "%TAG ! hunter2\n---\na: !x!hunter2 b",
        ];
        let told: Vec<String> = texts
            .iter()
            .filter_map(|text| parse::<All>(documents(text)[0]).err())
            .map(|error| error.to_string())
            .collect();
        assert!(told.len() > 20, "{told:#?}");
        assert!(!told.iter().any(|text| text.contains("hunter2") || text.contains("4711")), "{told:#?}");
        insta::assert_snapshot!(told.join("\n"));
    }

    #[test]
    fn octal_numbers_read_as_kubectl_reads_them() {
        let sample: Sample = parse(documents("name: a\nmode: 0644\n")[0]).expect("valid");
        assert_eq!(sample.mode, 0o644);
    }
}
