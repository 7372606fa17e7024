//! All that is wrong with one definition, told at once: each mistake with its line, its key, and what is allowed there.
//! Of values only words are repeated that stand where one of a few words is expected: anything else may be a secret.
//! Pure.

use super::checks::{check_name, check_namespace, check_path};
use crate::nearest::unknown;
use crate::yaml::{Node, Spanned};

/// A longer word is not repeated.
const LONGEST_WORD: usize = 20;

enum Form {
    Text,
    Checked(fn(&str) -> Result<(), String>),
    Flag,
    OneOf(&'static [&'static str]),
    Texts,
    Anything,
    Map(&'static [Key]),
    Maps(&'static [Key]),
}

struct Key {
    name: &'static str,
    form: Form,
    is_required: bool,
}

const fn may(name: &'static str, form: Form) -> Key {
    Key { name, form, is_required: false }
}

const fn must(name: &'static str, form: Form) -> Key {
    Key { name, form, is_required: true }
}

const DOCUMENT: &[Key] = &[
    must("apiVersion", Form::Text),
    must("kind", Form::Text),
    must("metadata", Form::Map(&[must("name", Form::Checked(check_name))])),
    must("spec", Form::Map(SPEC)),
];

const SPEC: &[Key] = &[
    must(
        "source",
        Form::Map(&[may("repo", Form::Text), may("ref", Form::Text), must("path", Form::Checked(check_path))]),
    ),
    must("destination", Form::Map(&[must("cluster", Form::Text), must("namespace", Form::Checked(check_namespace))])),
    may("renderer", Form::OneOf(&["auto", "yaml", "kustomize", "helm"])),
    may("kustomize", Form::Map(&[may("loadRestriction", Form::OneOf(&["rootOnly", "none"]))])),
    may(
        "helm",
        Form::Map(&[
            may("valuesFiles", Form::Texts),
            may("values", Form::Anything),
            may("allowLookup", Form::Flag),
            may("nondeterministic", Form::OneOf(&["refuse", "keep"])),
        ]),
    ),
    may("sync", Form::OneOf(&["auto", "manual", "never"])),
    may("drift", Form::OneOf(&["heal", "report", "ignore"])),
    may("onDelete", Form::OneOf(&["keep", "prune"])),
    may("adopt", Form::Flag),
    may(
        "ignoreDifferences",
        Form::Maps(&[
            may("group", Form::Text),
            must("kind", Form::Text),
            may("name", Form::Text),
            may("namespace", Form::Text),
            must("jsonPointers", Form::Texts),
        ]),
    ),
];

/// A mistake, and the line of the document that it is on, from 1; 0 where that is not known.
pub(super) type Mistake = (u32, String);

/// What is wrong with the form of a definition, as the types would refuse it; what they say themselves is the first of
/// it alone.
pub(super) fn all(document: &Spanned<Node>) -> Vec<Mistake> {
    let mut mistakes = Mistakes(Vec::new());
    mistakes.map("", DOCUMENT, document);
    mistakes.0.sort();
    mistakes.0
}

struct Mistakes(Vec<Mistake>);

impl Mistakes {
    fn tell(&mut self, at: &Spanned<Node>, message: String) {
        self.0.push((u32::try_from(at.referenced.line()).unwrap_or(0), message));
    }

    /// `path`: of the map, empty for the document.
    fn map(&mut self, path: &str, keys: &[Key], node: &Spanned<Node>) {
        let what = if path.is_empty() { "the definition" } else { path };
        let Node::Map(pairs) = &node.value else {
            return self.tell(node, format!("{what} should be a map, but is {}", node.value.sort()));
        };
        for (name, value) in pairs {
            match keys.iter().find(|key| key.name == name) {
                Some(key) => self.value(&within(path, name), &key.form, value),
                None => self.tell(value, unknown(what, name, keys.iter().map(|key| key.name))),
            }
        }
        for key in keys.iter().filter(|key| key.is_required) {
            if !pairs.iter().any(|(name, _)| name == key.name) {
                self.tell(node, format!("{} is missing: {}", within(path, key.name), allowed(&key.form)));
            }
        }
    }

    fn value(&mut self, path: &str, form: &Form, node: &Spanned<Node>) {
        match (form, &node.value) {
            (Form::Map(keys), Node::Map(_)) => self.map(path, keys, node),
            (Form::Maps(keys), Node::List(list)) => {
                for (index, entry) in list.iter().enumerate() {
                    self.map(&format!("{path}[{index}]"), keys, entry);
                }
            }
            (Form::Texts, Node::List(list)) => {
                for (index, entry) in list.iter().enumerate() {
                    self.value(&format!("{path}[{index}]"), &Form::Text, entry);
                }
            }
            (Form::Checked(check), Node::Text(text)) => {
                if let Err(message) = check(text) {
                    self.tell(node, message);
                }
            }
            (Form::OneOf(words), Node::Text(word)) if words.contains(&word.as_str()) => {}
            (Form::Text | Form::Checked(_), value) if value.is_scalar() => {}
            // What is empty is left out.
            (Form::Anything, _) | (Form::Flag, Node::Flag) | (Form::Text | Form::Maps(_), Node::Null) => {}
            (form, value) => {
                let found = match (form, value) {
                    (Form::OneOf(_) | Form::Flag, Node::Text(word)) if is_word(word) => format!("`{word}`"),
                    (_, value) => value.sort().to_owned(),
                };
                self.tell(node, format!("{path} is {found}: {}", allowed(form)));
            }
        }
    }
}

fn is_word(text: &str) -> bool {
    let is_part = |char: char| char.is_ascii_alphabetic() || char == '-' || char == '_';
    !text.is_empty() && text.len() <= LONGEST_WORD && text.chars().all(is_part)
}

fn within(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn allowed(form: &Form) -> String {
    match form {
        Form::Text | Form::Checked(_) => "a string is expected".to_owned(),
        Form::Flag => "use true or false".to_owned(),
        Form::OneOf(words) => {
            let (last, others) = words.split_last().map_or(("", &[][..]), |(last, others)| (*last, others));
            format!("use {} or {last}", others.join(", "))
        }
        Form::Texts => "a list of strings is expected".to_owned(),
        Form::Anything => "a value is expected".to_owned(),
        Form::Map(keys) => format!("a map is expected, with {}", names(keys)),
        Form::Maps(_) => "a list of maps is expected".to_owned(),
    }
}

/// What a map has to have, or else may have.
fn names(keys: &[Key]) -> String {
    let required: Vec<&str> = keys.iter().filter(|key| key.is_required).map(|key| key.name).collect();
    let all = || keys.iter().map(|key| key.name).collect();
    let names: Vec<&str> = if required.is_empty() { all() } else { required };
    names.join(", ")
}
