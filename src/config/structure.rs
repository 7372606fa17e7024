//! Whether a file has the form that it should have: every fault at once, each with its line. Values are never repeated,
//! as one may be a secret.

use std::collections::BTreeSet;

use super::form::{FILE, Form, Key, Preset};
use super::types::Problem;
use crate::nearest::unknown;
use crate::yaml::{Node, Spanned};

pub(super) fn faults(file: &Spanned<Node>) -> Vec<Problem> {
    let mut faults = Faults(Vec::new());
    faults.map("the file", FILE, file);
    faults.0.sort();
    faults.0.dedup();
    faults.0
}

struct Faults(Vec<Problem>);

fn line(node: &Spanned<Node>) -> u32 {
    u32::try_from(node.referenced.line()).unwrap_or(0)
}

impl Faults {
    fn tell(&mut self, at: &Spanned<Node>, message: String) {
        self.0.push(Problem { line: line(at), message });
    }

    /// `what`: how the map is called, as in "repo shop".
    fn map(&mut self, what: &str, keys: &[Key], node: &Spanned<Node>) {
        let Node::Map(pairs) = &node.value else {
            return self.tell(node, format!("{what} should be a map, but is {}", node.value.sort()));
        };
        for (name, value) in pairs {
            match keys.iter().find(|key| key.name == name) {
                Some(key) => self.value(what, key, value),
                None => self.tell(value, unknown(what, name, keys.iter().map(|key| key.name))),
            }
        }
        for key in keys.iter().filter(|key| key.default == Preset::Required) {
            if !pairs.iter().any(|(name, _)| name == key.name) {
                self.tell(
                    node,
                    format!("{what} has no `{}`: {} is expected. {}", key.name, key.form.words(), key.about),
                );
            }
        }
    }

    fn value(&mut self, what: &str, key: &Key, node: &Spanned<Node>) {
        let Key { name, form, .. } = *key;
        match (form, &node.value) {
            (Form::Map(keys), Node::Map(_)) => self.map(&within(what, name), keys, node),
            (Form::Secret, Node::Map(_)) => self.map(&within(what, name), form.keys(), node),
            (Form::List(item, keys), Node::List(list)) => {
                for (index, entry) in list.iter().enumerate() {
                    let called =
                        called(entry).map_or_else(|| format!("{name}[{index}]"), |called| format!("{item} {called}"));
                    let called = if what == "the file" { called } else { within(what, &called) };
                    self.map(&called, keys, entry);
                }
            }
            (Form::Secrets, Node::List(list)) => {
                for (index, entry) in list.iter().enumerate() {
                    let at = within(what, &format!("{name}[{index}]"));
                    match &entry.value {
                        Node::Map(_) => self.map(&at, form.keys(), entry),
                        other => self
                            .tell(entry, format!("{at} should be {}, but is {}", Form::Secret.words(), other.sort())),
                    }
                }
            }
            (Form::Texts, Node::List(list)) => {
                for (index, entry) in list.iter().enumerate().filter(|(_, entry)| !entry.value.is_scalar()) {
                    self.tell(
                        entry,
                        format!("{}[{index}] should be a string, but is {}", within(what, name), entry.value.sort()),
                    );
                }
            }
            (form, value) if is(form, value) => {}
            (form, value) => {
                self.tell(node, format!("{} should be {}, but is {}", within(what, name), form.words(), value.sort()));
            }
        }
    }
}

fn is(form: Form, value: &Node) -> bool {
    match form {
        Form::Text | Form::Span(_) => value.is_scalar(),
        Form::Flag => matches!(value, Node::Flag),
        Form::Number(_) => matches!(value, Node::Whole { negative: false }),
        Form::Share => matches!(value, Node::Whole { .. } | Node::Fraction),
        Form::Texts | Form::Secret | Form::Secrets | Form::Map(_) | Form::List(..) => false,
    }
}

fn within(what: &str, name: &str) -> String {
    if what == "the file" { name.to_owned() } else { format!("{what}: {name}") }
}

/// The names that entries of the file's lists give themselves.
pub(super) fn names(file: &Spanned<Node>) -> BTreeSet<String> {
    let Node::Map(pairs) = &file.value else { return BTreeSet::new() };
    let lists =
        pairs.iter().filter_map(|(_, value)| if let Node::List(list) = &value.value { Some(list) } else { None });
    lists.flatten().filter_map(called).map(str::to_owned).collect()
}

/// The name that an entry of a list gives itself, if it is one.
fn called(entry: &Spanned<Node>) -> Option<&str> {
    let Node::Map(pairs) = &entry.value else { return None };
    pairs.iter().find(|(key, _)| key == "name").and_then(|(_, name)| match &name.value {
        Node::Text(name) if !name.is_empty() => Some(name.as_str()),
        _ => None,
    })
}
