//! The `Link` header (RFC 8288), as far as pagination needs it.

/// The target of the link whose relation is `next`.
pub(super) fn next(header: &str) -> Option<String> {
    let mut rest = header;
    while let Some(start) = rest.find('<') {
        let end = start + rest[start..].find('>')?;
        let target = &rest[start + 1..end];
        // The parameters go on until the next link begins.
        let after = &rest[end + 1..];
        let stop = after.find('<').unwrap_or(after.len());
        if after[..stop].split([';', ',']).any(is_next) {
            return Some(target.to_owned());
        }
        rest = &after[stop..];
    }
    None
}

fn is_next(parameter: &str) -> bool {
    parameter.split_once('=').is_some_and(|(name, value)| {
        name.trim().eq_ignore_ascii_case("rel") && value.trim().trim_matches('"').split(' ').any(|rel| rel == "next")
    })
}

#[cfg(test)]
mod tests {
    use super::next;

    #[test]
    fn the_next_page_is_found_wherever_it_stands() {
        let header = r#"<https://x/?page=1>; rel="prev", <https://x/?a=1,2&page=3>; rel="next", <https://x/?page=9>; rel="last""#;
        assert_eq!(next(header).as_deref(), Some("https://x/?a=1,2&page=3"));
        assert_eq!(next(r"<https://x/>; rel=next").as_deref(), Some("https://x/"));
    }

    #[test]
    fn the_last_page_has_none() {
        for header in ["", "<", "<>", r#"<https://x/>; rel="last""#, r#"<https://x/?rel="next">; rel="first""#] {
            assert_eq!(next(header), None, "{header}");
        }
    }
}
