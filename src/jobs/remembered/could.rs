//! The objects that an app with a failing render might contain: those whose names appear in its files.

use crate::manifest::ObjectId;

/// A longer name may have been cut to its length.
const LONGEST: usize = 50;

/// The length of the hash at the end of a generated name.
const HASH: usize = 10;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::jobs) enum Could {
    /// There is too much to look through, or something that has no text.
    Anything,
    /// All text that it is made from, in small letters.
    Of(String),
}

impl Could {
    pub fn render(&self, id: &ObjectId) -> bool {
        let Self::Of(text) = self else { return true };
        text.contains(&id.kind.to_lowercase())
            && (id.name.len() > LONGEST || words(id).iter().all(|word| text.contains(word)))
    }

    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Of(one), Self::Of(other)) => Self::Of(format!("{one}\n{other}")),
            _ => Self::Anything,
        }
    }

    /// How much of a memory for object ids it takes.
    pub fn weight(&self) -> usize {
        match self {
            Self::Anything => 1,
            Self::Of(text) => text.len() / 100 + 1,
        }
    }
}

/// The parts of a name that a template can put together: numbers may be counted, and the hash of a generated name
/// stands nowhere.
fn words(id: &ObjectId) -> Vec<String> {
    let name = id.name.to_lowercase();
    let generated = id.group.is_empty() && matches!(id.kind.as_str(), "ConfigMap" | "Secret");
    let name = match name.rsplit_once('-') {
        Some((name, hash)) if generated && hash.len() == HASH => name,
        _ => &name,
    };
    name.split(|char: char| !char.is_ascii_alphabetic()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn could(text: &str, kind: &str, name: &str) -> bool {
        let id =
            ObjectId { group: String::new(), kind: kind.into(), namespace: Some("shop".into()), name: name.into() };
        Could::Of(text.to_lowercase()).render(&id)
    }

    /// A3+: an object is held for an app only if its name can come from there.
    #[test]
    fn what_is_named_nowhere_cannot_be_rendered() {
        let chart = "kind: ConfigMap\nname: {{ .Release.Name }}-settings{{ .Values.number }}\nrelease: Web";
        assert!(could(chart, "ConfigMap", "web-settings"));
        assert!(could(chart, "ConfigMap", "web-settings2"));
        assert!(could(chart, "ConfigMap", "web-settings-7g2k9tt5fh"), "a generated name");
        assert!(could(chart, "ConfigMap", &"x".repeat(51)), "a name that may be cut");
        assert!(!could(chart, "CronJob", "web-settings"), "no such kind");
        assert!(!could(chart, "ConfigMap", "billing"));
        assert!(!could(chart, "ConfigMap", "web-billing"));
        assert!(Could::Anything.render(&ObjectId {
            group: String::new(),
            kind: "Any".into(),
            namespace: None,
            name: "thing".into()
        }));
        assert_eq!(Could::Of("a".into()).or(Could::Of("b".into())), Could::Of("a\nb".into()));
        assert_eq!(Could::Of("a".into()).or(Could::Anything), Could::Anything);
    }
}
