//! Asking a forge for the refs that are needed, and not for all that start alike.
//!
//! gix asks by the first two parts of a name, so that one pull request's ref would bring those of all that there ever
//! were: megabytes on a large repository. The request is a list of packet lines, of which those are replaced.

const FLUSH: &[u8] = b"0000";
const LENGTH_DIGITS: usize = 4;

/// The body of a request, with these names in the place of its prefixes if it lists refs; any other body as it is.
pub(super) fn narrow(body: Vec<u8>, names: &[String]) -> Vec<u8> {
    if names.is_empty() {
        return body;
    }
    narrowed(&body, names).unwrap_or(body)
}

fn narrowed(body: &[u8], names: &[String]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body;
    let mut first = true;
    while !rest.is_empty() {
        let (line, after) = split(rest)?;
        let text = line.get(LENGTH_DIGITS..).unwrap_or_default();
        if first && !text.starts_with(b"command=ls-refs") {
            return None;
        }
        first = false;
        if line == FLUSH {
            for name in names {
                let text = format!("ref-prefix {name}\n");
                out.extend_from_slice(format!("{:04x}{text}", text.len() + LENGTH_DIGITS).as_bytes());
            }
        }
        if !text.starts_with(b"ref-prefix ") {
            out.extend_from_slice(line);
        }
        rest = after;
    }
    Some(out)
}

/// The next packet line with its length, and what follows it. Lengths below four are marks without a text.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let digits = std::str::from_utf8(bytes.get(..LENGTH_DIGITS)?).ok()?;
    let length = usize::from_str_radix(digits, 16).ok()?.max(LENGTH_DIGITS);
    bytes.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_replaced_by_names() {
        let body = b"0014command=ls-refs\n00010009peel\n0019ref-prefix refs/pull/0000".to_vec();
        let narrowed = narrow(body, &["refs/pull/7/head".to_owned(), "refs/heads/main".to_owned()]);
        let expected =
            "0014command=ls-refs\n00010009peel\n0020ref-prefix refs/pull/7/head\n001fref-prefix refs/heads/main\n0000";
        assert_eq!(String::from_utf8_lossy(&narrowed), expected);
    }

    #[test]
    fn what_is_no_listing_stays_as_it_is() {
        for body in ["", "0011command=fetch0001000bof-refs\n0000", "0014command=ls-refs\nzz", "0fff"] {
            assert_eq!(narrow(body.into(), &["refs/heads/main".to_owned()]), body.as_bytes(), "{body}");
        }
        let listing = b"0014command=ls-refs\n0000".to_vec();
        assert_eq!(narrow(listing.clone(), &[]), listing);
    }
}
