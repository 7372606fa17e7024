//! Recognises 5xx responses that are about the object and not about the server. Pure.
//!
//! Server-side apply and conversion return a 500 without a reason for an object that does not match its kind, as they
//! do for unavailable storage: only the text differs. Unknown texts are treated as an outage, which is retried.

/// What such a text is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// The manifest does not have the form of its kind.
    Manifest,
    /// The object in the cluster does not have the form that its kind has by now.
    Live,
    /// The fields that managers hold of the object are noted for a version of its kind that has changed or is not
    /// there any more.
    Managers,
    /// The webhook that converts between the versions of the kind refuses this object, or its answer cannot be used.
    Conversion,
    /// A version or a kind that the server does not know within an object.
    Version,
}

/// Which kind of fault in the object a text of the server names, if it names one.
pub(super) fn content(message: &str) -> Option<Content> {
    let text = message.strip_prefix("Internal error occurred: ").unwrap_or(message);
    let starts = |with: &[&str]| with.iter().any(|with| text.starts_with(with));
    // Nobody else is asked for these, and they quote the values that do not fit: whatever words those have.
    if starts(&["failed to create typed patch object"]) {
        return Some(Content::Manifest);
    }
    if starts(&["failed to create typed live object"]) {
        return Some(Content::Live);
    }
    if starts(&["strconv.Parse"]) {
        return Some(Content::Version);
    }
    if starts(&["conversion webhook for "]) {
        // What the webhook itself says is its own text, and may quote the object.
        let own = text.split_once(" failed: ").is_some_and(|(_, why)| !is_no_answer(why));
        return own.then_some(Content::Conversion);
    }
    if is_outage(text) {
        return None;
    }
    if starts(&["failed to convert new object"]) {
        return Some(Content::Manifest);
    }
    if starts(&["failed to create manager for existing fields: failed to convert new object"]) {
        return Some(Content::Live);
    }
    let managers = [
        "failed to create manager for existing fields",
        "failed to prune fields",
        "failed to decode managed fields",
        "failed to update managed fields",
        "failed to update managers",
        "failed to convert merged object",
        "failed to merge",
        "failed to compare",
        "request to convert CR to an invalid group/version",
        "request to convert CR from an invalid group/version",
    ];
    if starts(&managers) || text.contains(": field not declared in schema") {
        return Some(Content::Managers);
    }
    let versions = ["no kind \"", "no kind is registered for", "unable to convert unstructured object"];
    (starts(&versions)
        || text.contains(" is registered for version \"")
        || text.contains("is not suitable for converting to"))
    .then_some(Content::Version)
}

/// Whether a webhook was not reached, or gave no answer of its own.
fn is_no_answer(why: &str) -> bool {
    const BEGINS: [&str; 9] = [
        "Post \"",
        "Get \"",
        "etcdserver:",
        "rpc error:",
        "context deadline exceeded",
        "context canceled",
        "the server is currently unable to handle the request",
        "the server was unable to return a response in the time allotted",
        "an error on the server (",
    ];
    BEGINS.iter().any(|begin| why.starts_with(begin))
}

/// Whatever the server was doing: it could not reach what it needs for that.
fn is_outage(text: &str) -> bool {
    const OUTAGES: [&str; 15] = [
        "etcdserver:",
        "rpc error:",
        "context deadline exceeded",
        "context canceled",
        "connection refused",
        "connection reset",
        "i/o timeout",
        "TLS handshake",
        "x509:",
        "failed calling webhook",
        "failed: Post \"",
        "failed: Get \"",
        // What stands behind a webhook's Service answers with an error of its own.
        "is currently unable to handle the request",
        "has prevented the request from succeeding",
        "in the time allotted",
    ];
    OUTAGES.iter().any(|outage| text.contains(outage))
}

impl Content {
    /// What stands before the server's text, and what to do about it.
    pub(super) fn advice(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Manifest => None,
            Self::Live => Some((
                "The object in the cluster does not match the current schema of its kind",
                "Correct or delete the object in the cluster, or make the CRD's schema accept it",
            )),
            Self::Managers => Some((
                "The object's managedFields do not match the current versions of its CRD",
                "Declare the field in every version of the CRD that serves it, or clear the record with `kubectl patch \
                 KIND NAME --type=json \
                 -p '[{\"op\":\"replace\",\"path\":\"/metadata/managedFields\",\"value\":[{}]}]'` and sync again",
            )),
            Self::Conversion => Some((
                "The CRD's conversion webhook rejects the object",
                "Correct the object, use the stored version of the kind, or fix the webhook",
            )),
            Self::Version => Some((
                "The cluster cannot convert the object to the version in the manifest",
                "Use a version and values that the cluster serves",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a real API server says, and what it is about.
    #[test]
    fn a_text_says_whose_fault_it_is() {
        let rows = [
            (
                "failed to create typed patch object (x/a; e/v2, Kind=W): .spec.extra: field not declared in schema",
                Some(Content::Manifest),
            ),
            (
                "failed to create typed live object (x/a; e/v1, Kind=A): .spec.f: expected string, got &{x}",
                Some(Content::Live),
            ),
            (
                "failed to create manager for existing fields: failed to convert new object (x/a; e/v1, Kind=A) to smd \
                 typed: .spec.f: expected string",
                Some(Content::Live),
            ),
            (
                "failed to prune fields: failed to convert merged object to last applied version: .spec.extra: field \
                 not declared in schema",
                Some(Content::Managers),
            ),
            (".spec.x: field not declared in schema", Some(Content::Managers)),
            ("request to convert CR to an invalid group/version: e/v1alpha1", Some(Content::Managers)),
            ("conversion webhook for e/v1, Kind=D failed: replicas must not be negative", Some(Content::Conversion)),
            (
                "conversion webhook for e/v1, Kind=D failed: Post \"https://nope.default.svc/c\": service \"nope\" not \
                 found",
                None,
            ),
            (
                "conversion webhook for e/v1, Kind=D failed: Post \"https://127.0.0.1:1/c\": dial tcp: connect: \
                 connection refused",
                None,
            ),
            ("conversion webhook for e/v1, Kind=D failed: the server is currently unable to handle the request", None),
            (
                "conversion webhook for e/v1, Kind=D failed: an error on the server (\"\") has prevented the request \
                 from succeeding",
                None,
            ),
            (
                "no kind \"Widget\" is registered for version \"e/v1\" in scheme \"pkg/runtime/scheme.go:110\"",
                Some(Content::Version),
            ),
            ("strconv.ParseUint: parsing \"x\": invalid syntax", Some(Content::Version)),
            // What is quoted of a manifest, and what a webhook says itself, is no outage whatever words it uses.
            (
                "failed to create typed patch object (x/a; e/v1, Kind=A): .spec.f: expected numeric, got \
                 &{connection refused}",
                Some(Content::Manifest),
            ),
            (
                "failed to create typed live object (x/a; e/v1, Kind=A): .spec.f: expected numeric, got &{i/o timeout}",
                Some(Content::Live),
            ),
            ("strconv.ParseInt: parsing \"x509: a\": invalid syntax", Some(Content::Version)),
            (
                "conversion webhook for e/v1, Kind=D failed: mode must not be \"connection refused\"",
                Some(Content::Conversion),
            ),
            ("etcdserver: request timed out", None),
            ("failed to update managed fields: context deadline exceeded", None),
            (
                "Internal error occurred: failed calling webhook \"w\": failed to call webhook: Post \"https://x\": \
                 EOF",
                None,
            ),
            ("rpc error: code = Unavailable desc = error reading from server: EOF", None),
            ("the server is currently unable to handle the request", None),
        ];
        for (text, expected) in rows {
            assert_eq!(content(text), expected, "{text}");
        }
    }
}
