//! Reads the few fields that are used out of a payload, and skips the rest unread.
//!
//! A field may have any type until it is asked for: a forge that changes a field which this event does not use breaks
//! nothing. What is wrong is told by the path of the field and the sort of value found there, never by the value.
//! Depth can't overflow the stack: what is read has a few levels of its own, and `serde_json` skips without recursion.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::rejection::Rejection;

/// A text, number or truth value, or what stands in its place.
#[derive(Debug, Default, PartialEq)]
pub(crate) enum Scalar {
    #[default]
    Missing,
    Null,
    Bool(bool),
    Number(u64),
    OddNumber,
    Text(String),
    List,
    Object,
}

/// An object with the fields of `T`, or what stands in its place.
#[derive(Debug, Default)]
pub(crate) enum Object<T> {
    #[default]
    Missing,
    Is(T),
    Other(Scalar),
}

/// An object of which nothing is used.
#[derive(Debug, Deserialize)]
pub(crate) struct Anything {}

/// Reads a body as one JSON object.
pub(crate) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Rejection> {
    if body.starts_with(&[0x1f, 0x8b]) {
        return Err(Rejection::unsupported("the body is compressed with gzip: send it uncompressed"));
    }
    let text = std::str::from_utf8(body).map_err(|error| {
        Rejection::malformed(format!("the body is not UTF-8, from byte {} on", error.valid_up_to()))
    })?;
    let payload: Object<T> = serde_json::from_str(text).map_err(|error| unreadable(&error, text))?;
    match payload {
        Object::Is(payload) => Ok(payload),
        Object::Other(found) => {
            Err(Rejection::malformed(format!("the body should be a JSON object, but is {}", found.sort())))
        }
        Object::Missing => Err(Rejection::malformed("the body is empty: a JSON object was expected")),
    }
}

fn unreadable(error: &serde_json::Error, text: &str) -> Rejection {
    if text.trim_ascii().is_empty() {
        return Rejection::malformed("the body is empty: a JSON object was expected");
    }
    // As every type is taken, the text of the error can't hold any of the payload.
    Rejection::malformed(format!("the body is not readable as JSON: {error}"))
}

impl Scalar {
    /// A text that has to be there.
    pub(crate) fn text(self, at: &str) -> Result<String, Rejection> {
        match self {
            Self::Text(text) => Ok(text),
            other => Err(other.unexpected(at, "a string")),
        }
    }

    /// A text, or nothing where the field is missing or null.
    pub(crate) fn optional_text(self, at: &str) -> Result<Option<String>, Rejection> {
        match self {
            Self::Missing | Self::Null => Ok(None),
            other => other.text(at).map(Some),
        }
    }

    /// A number that counts things from 1, such as the number of a pull request.
    pub(crate) fn number(&self, at: &str) -> Result<u64, Rejection> {
        match self {
            Self::Number(number) if *number > 0 => Ok(*number),
            other => Err(other.unexpected(at, "a whole number above 0")),
        }
    }

    /// True or false; false where the field is missing or null.
    pub(crate) fn flag(&self, at: &str) -> Result<bool, Rejection> {
        match self {
            Self::Bool(flag) => Ok(*flag),
            Self::Missing | Self::Null => Ok(false),
            other => Err(other.unexpected(at, "true or false")),
        }
    }

    /// Whether there is anything but null.
    pub(crate) fn is_given(&self) -> bool {
        !matches!(self, Self::Missing | Self::Null)
    }

    fn unexpected(&self, at: &str, expected: &str) -> Rejection {
        Rejection::malformed(match self {
            Self::Missing => format!("the payload has no `{at}`: {expected} was expected"),
            found => format!("`{at}` in the payload should be {expected}, but is {}", found.sort()),
        })
    }

    fn sort(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Null => "null",
            Self::Bool(_) => "true or false",
            Self::Number(0) => "zero",
            Self::Number(_) => "a number",
            Self::OddNumber => "a number that is negative, fractional or too large",
            Self::Text(_) => "a string",
            Self::List => "a list",
            Self::Object => "an object",
        }
    }
}

impl<T> Object<T> {
    /// The object, which has to be there.
    pub(crate) fn required(self, at: &str) -> Result<T, Rejection> {
        match self {
            Self::Is(object) => Ok(object),
            Self::Missing => Err(Scalar::Missing.unexpected(at, "an object")),
            Self::Other(found) => Err(found.unexpected(at, "an object")),
        }
    }

    /// The object, if it is there and is one.
    pub(crate) fn given(self) -> Option<T> {
        match self {
            Self::Is(object) => Some(object),
            Self::Missing | Self::Other(_) => None,
        }
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_unit<E>(self) -> Result<Scalar, E> {
        Ok(Scalar::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Scalar, E> {
        Ok(Scalar::Bool(flag))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Scalar, E> {
        Ok(Scalar::Number(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Scalar, E> {
        Ok(u64::try_from(number).map_or(Scalar::OddNumber, Scalar::Number))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Scalar, E> {
        Ok(Scalar::OddNumber)
    }

    fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
        Ok(Scalar::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Scalar, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::List)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Object)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_unit<E>(self) -> Result<Object<T>, E> {
        Ok(Object::Other(Scalar::Null))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Object<T>, E> {
        Ok(Object::Other(Scalar::Bool(flag)))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Object<T>, E> {
        Ok(Object::Other(Scalar::Number(number)))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Object<T>, E> {
        Ok(Object::Other(Scalar::OddNumber))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Object<T>, E> {
        Ok(Object::Other(Scalar::OddNumber))
    }

    fn visit_str<E>(self, _: &str) -> Result<Object<T>, E> {
        Ok(Object::Other(Scalar::Text(String::new())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Object<T>, A::Error> {
        ScalarVisitor.visit_seq(list).map(Object::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object::Is)
    }
}
