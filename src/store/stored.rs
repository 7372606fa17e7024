//! The form in which values are kept as JSON: `{"format": 1, "data": …}`, the same for each column that has any.
//!
//! What is stored outlives the version that wrote it, in both directions: a newer version reads what an older one has
//! written, and after a downgrade an older one what a newer one has. So a stored form says its format, keys that are
//! not known are passed over, and what cannot be read is an error about one row of one column.

use std::fmt::Display;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

use super::error::StoreError;

/// What one column keeps.
///
/// The format is raised when what is written means something else to an older version, which then refuses to read it.
/// A key that is only added leaves it as it is. Rows of early releases have the value alone; they count as format 0.
#[derive(Debug)]
pub struct Stored<T> {
    /// `table.column`.
    column: &'static str,
    format: u32,
    /// What becomes of a row that cannot be read, or what to do about it.
    remedy: &'static str,
    of: PhantomData<fn() -> T>,
}

#[derive(Serialize, Deserialize)]
struct Envelope<T> {
    format: u32,
    data: T,
}

/// Tells an envelope from a value that stands alone.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    format: u32,
    #[serde(rename = "data")]
    _data: IgnoredAny,
}

impl<T> Stored<T> {
    pub const fn new(column: &'static str, format: u32, remedy: &'static str) -> Self {
        Self { column, format, remedy, of: PhantomData }
    }

    /// The text of the column.
    pub fn write(&self, value: &T) -> Result<String, StoreError>
    where
        T: Serialize,
    {
        let envelope = Envelope { format: self.format, data: value };
        serde_json::to_string(&envelope)
            .map_err(|error| StoreError::corrupt(format!("value for {}", self.column), error))
    }

    /// What the column of a row says; `row` is its name in an error.
    pub fn read(&self, row: impl Display, text: &str) -> Result<T, StoreError>
    where
        T: DeserializeOwned,
    {
        let problem = match serde_json::from_str::<Head>(text) {
            Ok(head) if head.format > self.format => {
                format!(
                    "it has format {}, and this version of Driftless reads formats up to {}",
                    head.format, self.format
                )
            }
            Ok(_) => match serde_json::from_str::<Envelope<T>>(text) {
                Ok(envelope) => return Ok(envelope.data),
                Err(error) => error.to_string(),
            },
            Err(_) => match serde_json::from_str(text) {
                Ok(value) => return Ok(value),
                Err(error) => error.to_string(),
            },
        };
        Err(StoreError::Unreadable { column: self.column, row: row.to_string(), problem, remedy: self.remedy })
    }

    /// The same where the row means something without it: what cannot be read is named in the log.
    pub fn read_if_known(&self, row: impl Display, text: &str) -> Option<T>
    where
        T: DeserializeOwned,
    {
        self.read(row, text).inspect_err(|error| tracing::warn!(%error, "a stored value is skipped")).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Kept {
        name: String,
    }

    const KEPT: Stored<Kept> = Stored::new("things.kept", 2, "It is written again at the next look");
    const LIST: Stored<Vec<String>> = Stored::new("things.list", 1, "Delete the row");

    /// S1: what is written is read, with its format; so is what an early release wrote, and what has keys of a newer
    /// one.
    #[test]
    fn s1_formats_are_read_in_both_directions() {
        let web = || Kept { name: "web".into() };
        assert_eq!(KEPT.write(&web()).expect("written"), r#"{"format":2,"data":{"name":"web"}}"#);
        for text in [
            r#"{"format":2,"data":{"name":"web"}}"#,
            r#"{"data":{"name":"web"},"format":1}"#,
            r#"{"name":"web"}"#,
            r#"{"format":2,"data":{"name":"web","fromTheFuture":{"a":1}}}"#,
            // A value of its own with a key of that name.
            r#"{"format":9,"name":"web"}"#,
        ] {
            assert_eq!(KEPT.read("row", text).expect(text), web());
        }
        let list = vec!["a".to_owned()];
        assert_eq!(LIST.read("row", r#"["a"]"#).expect("bare"), list);
        assert_eq!(LIST.read("row", &LIST.write(&list).expect("written")).expect("read"), list);
    }

    /// S1: an error names the column and the row, and says what is wrong and what comes next.
    #[test]
    fn s1_what_cannot_be_read_is_named() {
        let error = |text: &str| KEPT.read("shop/web", text).expect_err("unreadable").to_string();
        insta::assert_snapshot!(
            error(r#"{"format":3,"data":{"name":"web"}}"#),
            @"things.kept of shop/web cannot be read from the store: it has format 3, and this version of Driftless reads formats up to 2. It is written again at the next look"
        );
        let torn = [r#"{"format":2,"data":{}}"#, "{", ""].map(error);
        for (text, problem) in torn.iter().zip(["missing field `name`", "EOF while parsing", "EOF while parsing"]) {
            assert!(text.starts_with("things.kept of shop/web") && text.contains(problem), "{text}");
        }
        assert_eq!(KEPT.read_if_known("shop/web", "{"), None);
    }
}
