//! The JSON that the server's socket speaks: shared by the side that answers (`http`) and the side that asks (`cli`).
//!
//! Keys are in camelCase, times RFC 3339, durations milliseconds. Fields are only ever added; the path's `v1` changes
//! when one has to go.

use serde::{Deserialize, Serialize};

/// The header in which a command says who uses it.
pub const USER: &str = "x-driftless-user";

/// The longest name of a person.
const LONGEST_NAME: usize = 64;

/// A person's name as it is written down: one word, whatever somebody put there.
pub fn user_name(said: &str) -> Option<String> {
    let plain = |c: char| if c.is_alphanumeric() || "-_.@+".contains(c) { c } else { '-' };
    let name: String = said.chars().take(LONGEST_NAME).map(plain).collect();
    (!name.is_empty()).then_some(name)
}

/// One app with where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AppView {
    /// `repo/name`.
    pub app: String,
    pub cluster: String,
    pub namespace: String,
    /// `repo ref path`, as one reads it.
    pub source: String,
    /// `synced`, `out-of-sync`, `pending`, `failed`, `waiting`, `missing`, `invalid`, `removed`, `paused`, `pinned`,
    /// `never`.
    pub state: String,
    pub message: Option<String>,
    pub health: Option<String>,
    pub applied_revision: Option<String>,
    pub applied_at: Option<String>,
    pub objects: u64,
    pub paused_since: Option<String>,
    pub paused_by: Option<String>,
    /// When the pause ends by itself.
    #[serde(default)]
    pub paused_until: Option<String>,
    #[serde(default)]
    pub pause_reason: Option<String>,
    pub pinned_revision: Option<String>,
    pub pinned_by: Option<String>,
    #[serde(default)]
    pub pinned_since: Option<String>,
    /// Whether that revision is not in the history of the ref that the app follows.
    #[serde(default)]
    pub pinned_off_branch: bool,
    /// How the cluster differs from what was applied, and who made it so; what is healed again and again as well.
    pub drift: Option<String>,
    /// Why nobody has looked whether they do.
    #[serde(default)]
    pub drift_unknown: Option<String>,
    pub drift_since: Option<String>,
}

/// One run of an app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunView {
    pub run: String,
    pub app: String,
    pub kind: String,
    pub cause: String,
    /// Who asked for it, where people did, and who of them confirmed deletions.
    pub by: Option<String>,
    pub confirmed_by: Option<String>,
    /// What was applied before; for a preview the base that it was compared with.
    pub from_revision: Option<String>,
    pub revision: Option<String>,
    pub author: Option<String>,
    pub state: String,
    pub error: Option<String>,
    pub started_at: String,
    pub finished_at: Option<String>,
    /// What changed, such as "2 created, 1 updated".
    pub summary: String,
    pub steps: Vec<StepView>,
    /// How many runs in a row failed the same way, of which this is the last, and when the first of them began.
    #[serde(default = "once")]
    pub times: i64,
    #[serde(default)]
    pub since: Option<String>,
}

fn once() -> i64 {
    1
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepView {
    pub step: String,
    pub millis: u64,
}

/// A wish to sync an app now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SyncRequest {
    /// Pins the app to this commit until `resume`.
    pub revision: Option<String>,
    /// The deletes that were shown may be done.
    pub allow_destructive: bool,
    /// Objects without an owner may be taken over.
    pub adopt: bool,
    /// The commit may be one that is not in the history of the ref that the app follows.
    pub not_on_branch: bool,
}

/// What is said of a pause; an empty one lasts until `resume`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PauseRequest {
    /// How long it lasts, in seconds.
    pub seconds: Option<u64>,
    pub reason: Option<String>,
}

/// What the server says to a wish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    pub message: String,
}

/// The full text of a preview: what the comment shows, without its limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PreviewView {
    pub pull_request: String,
    pub markdown: String,
    #[serde(default)]
    pub shows: Shows,
}

/// What a preview comes to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shows {
    /// Merging changes nothing.
    Nothing,
    Changes,
    /// It could not be made, or it shows what would go wrong; or what was merged has failed.
    Wrong,
    /// A server of an earlier release does not say.
    #[default]
    Unknown,
}

#[cfg(test)]
pub(crate) mod tests {
    use serde::Serialize;
    use serde_json::Value;

    use super::*;

    fn keys(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(map) => map.iter().for_each(|(key, value)| {
                found.push(key.clone());
                keys(value, found);
            }),
            Value::Array(list) => list.iter().for_each(|value| keys(value, found)),
            _ => {}
        }
    }

    /// Every key that a program can meet, in one spelling.
    pub(crate) fn assert_camel_case(value: &impl Serialize) {
        let mut found = Vec::new();
        keys(&serde_json::to_value(value).expect("serialises"), &mut found);
        assert!(!found.is_empty());
        for key in found {
            let plain =
                key.chars().all(|c| c.is_ascii_alphanumeric()) && key.starts_with(|c: char| c.is_ascii_lowercase());
            assert!(plain, "{key:?} is not in camelCase");
        }
    }

    /// L6: what the server says, field by field.
    #[test]
    fn all_keys_are_in_camel_case() {
        assert_camel_case(&AppView {
            app: String::new(),
            cluster: String::new(),
            namespace: String::new(),
            source: String::new(),
            state: String::new(),
            message: None,
            health: None,
            applied_revision: None,
            applied_at: None,
            objects: 0,
            paused_since: None,
            paused_by: None,
            paused_until: None,
            pause_reason: None,
            pinned_revision: None,
            pinned_by: None,
            pinned_since: None,
            pinned_off_branch: false,
            drift: None,
            drift_unknown: None,
            drift_since: None,
        });
        assert_camel_case(&RunView {
            run: String::new(),
            app: String::new(),
            kind: String::new(),
            cause: String::new(),
            by: None,
            confirmed_by: None,
            from_revision: None,
            revision: None,
            author: None,
            state: String::new(),
            error: None,
            started_at: String::new(),
            finished_at: None,
            summary: String::new(),
            steps: vec![StepView { step: String::new(), millis: 0 }],
            times: 1,
            since: None,
        });
        assert_camel_case(&SyncRequest::default());
        assert_camel_case(&PauseRequest::default());
        assert_camel_case(&Answer { message: String::new() });
        assert_camel_case(&PreviewView { pull_request: String::new(), markdown: String::new(), shows: Shows::Nothing });
    }
}
