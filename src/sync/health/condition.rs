//! The texts of controllers: conditions and messages in a status.

use serde_json::Value;

/// Status, reason and message of a condition.
pub(super) struct Condition<'a> {
    pub status: &'a str,
    pub reason: &'a str,
    message: &'a str,
}

impl<'a> Condition<'a> {
    pub(super) fn of(condition: &'a Value) -> Self {
        let text = |field: &str| condition[field].as_str().unwrap_or_default();
        let status = match &condition["status"] {
            Value::Bool(true) => "True",
            Value::Bool(false) => "False",
            _ => text("status"),
        };
        Self { status, reason: text("reason"), message: text("message") }
    }

    pub(super) fn text(&self) -> String {
        match (self.reason, self.message) {
            ("", "") => "without a reason".to_owned(),
            (reason, "") => reason.to_owned(),
            ("", message) => shorten(message),
            (reason, message) => format!("{reason}: {}", shorten(message)),
        }
    }
}

pub(super) fn condition<'a>(object: &'a Value, name: &str) -> Option<Condition<'a>> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    conditions.iter().find(|condition| condition["type"] == name).map(Condition::of)
}

/// How many characters of a controller's own words a message quotes.
const QUOTED: usize = 300;

pub(super) fn shorten(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

/// What a status says in a text of its own, in brackets.
pub(super) fn own_words(status: &Value) -> String {
    let text = |field: &str| status.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
    text("message").or_else(|| text("reason")).map(|text| format!(" ({})", shorten(text))).unwrap_or_default()
}
