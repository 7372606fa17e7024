//! The form in which GitHub sends a payload when the webhook's content type is `application/x-www-form-urlencoded`:
//! one field, `payload`, that holds the JSON.

use crate::Rejection;

const FIELD: &[u8] = b"payload=";
const ADVICE: &str = "set the webhook's content type to application/json at the forge";

/// The decoded value of the field `payload`, which has to be there once.
pub(crate) fn payload(body: &[u8]) -> Result<Vec<u8>, Rejection> {
    let mut values = body.split(|&byte| byte == b'&').filter_map(|field| field.strip_prefix(FIELD));
    match (values.next(), values.next()) {
        (Some(value), None) => decode(value),
        (None, _) => Err(Rejection::malformed(format!("the form in the body has no field `payload`: {ADVICE}"))),
        (Some(_), Some(_)) => {
            Err(Rejection::malformed(format!("the form in the body has the field `payload` twice: {ADVICE}")))
        }
    }
}

fn decode(value: &[u8]) -> Result<Vec<u8>, Rejection> {
    let mut decoded = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let (digits, after) = tail.split_at_checked(2).ok_or_else(broken)?;
                rest = after;
                unescape(digits).ok_or_else(broken)?
            }
            plain => plain,
        });
    }
    Ok(decoded)
}

fn unescape(digits: &[u8]) -> Option<u8> {
    let mut byte = [0];
    hex::decode_to_slice(digits, &mut byte).ok()?;
    Some(byte[0])
}

fn broken() -> Rejection {
    Rejection::malformed(format!("the form in the body has a % that is not followed by two hex digits: {ADVICE}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payload_is_decoded() {
        let read = |body: &str| payload(body.as_bytes()).expect("a form");
        assert_eq!(read("payload=%7B%22a%22%3A+%22%c3%bc%2B%22%7D"), "{\"a\": \"ü+\"}".as_bytes());
        assert_eq!(read("x=1&payload=%5B%5D&y=2"), b"[]");
        assert_eq!(read("payload="), b"");
    }

    #[test]
    fn a_broken_form_is_refused() {
        for body in [
            "",
            "{}",
            "x=1",
            "Payload=1",
            "payload=a&payload=b",
            "payload=%",
            "payload=%2",
            "payload=%zz",
            "payload=%+1",
        ] {
            assert!(payload(body.as_bytes()).is_err(), "{body}");
        }
    }
}
