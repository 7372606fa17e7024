//! Texts of libraries about files that may hold secrets.
//!
//! A parser quotes what it could not read, a template prints what it is told to, and a check of values names the value.
//! So where any of the files that were read holds a Secret, or a value that is named like one, a library's text is not
//! passed on: what is known of its shape is said in words of ours, with the file, the line and the path of the key that
//! stand beside it.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

/// What marks a file as one that may hold a secret, whatever its case.
const MARKS: [&str; 18] = [
    "secret",
    "password",
    "passwd",
    "passphrase",
    "token",
    "credential",
    "apikey",
    "api_key",
    "api-key",
    "accesskey",
    "access_key",
    "privatekey",
    "private_key",
    "private key",
    "stringdata",
    "encryption",
    "pwd",
    "auths",
];

static MARKED: LazyLock<Option<AhoCorasick>> =
    LazyLock::new(|| AhoCorasick::builder().ascii_case_insensitive(true).build(MARKS).ok());

/// Texts of a YAML parser that quote nothing.
const PARSER: [&str; 16] = [
    "did not find expected",
    "could not find expected",
    "mapping values are not allowed",
    "block sequence entries are not allowed",
    "block mapping entries are not allowed",
    "found character that cannot start any token",
    "found a tab character that violates indentation",
    "found a tab character where an indentation space is expected",
    "found unexpected end of stream",
    "found unexpected document indicator",
    "found unknown escape character",
    "found unexpected ':'",
    "control characters are not allowed",
    "invalid leading UTF-8 octet",
    "invalid map key",
    "exceeded max depth",
];

/// Texts of our own in which nothing but names stands where the star is.
const OURS: [&str; 46] = [
    "the path is not in the repository",
    "renders to no objects",
    "there is no renderer *",
    "no manifests: there is no .yaml, .yml or .json file at or below this path",
    "no manifests: there is no .yaml, .yml or .json file at or below this path.",
    "a broken symbolic link",
    "symbolic links form a loop: this is * again",
    "a * below a path that is rendered as plain YAML",
    "a key is defined twice: *",
    "* is defined twice",
    "* is defined twice: also in *",
    "* is outside the repository",
    "*: * is outside the repository",
    "*: kustomize would run helm, which may not be started here",
    "expected a Kubernetes object, found a list",
    "expected a Kubernetes object, found a string",
    "expected a Kubernetes object, found a number",
    "expected a Kubernetes object, found true or false",
    "expected a Kubernetes object, found nothing",
    "expected a Kubernetes object, found an empty one: {}",
    "not a Kubernetes object: it has no *",
    "*: data.* is not base64",
    "a * has no metadata.name",
    "a * has a number as metadata.*",
    "a * has true or false as metadata.*",
    "a * has a different name at each render",
    "lists are nested more than * deep",
    "* has items that are not a list",
    "item * of a * is a list, not a Kubernetes object",
    "item * of a * is a string, not a Kubernetes object",
    "item * of a * is a number, not a Kubernetes object",
    "item * of a * is true or false, not a Kubernetes object",
    "item * of a * is nothing, not a Kubernetes object",
    "two renders return * and * objects",
    "* differs between two renders at *",
    "* is a hook (helm.sh/hook: *), and hooks are not run",
    "not in the repository",
    "a values file that is not in the repository",
    "the chart requires kubeVersion *, the cluster has *",
    "chart * depends on *, which is not in its charts/",
    "chart * exists twice, also as *; it is undefined which one is used",
    "a library chart cannot be installed",
    "a chart of this type cannot be installed",
    "this chart apiVersion is not supported; use v1 or v2",
    "resources: * is not in the repository",
    "a chart needs the version and the API versions of its cluster, which are not known",
];

/// Warnings of kustomize that name fields of its own.
const WARNINGS: [&str; 6] = [
    "Warning: 'bases' is deprecated",
    "Warning: 'commonLabels' is deprecated",
    "Warning: 'patchesStrategicMerge' is deprecated",
    "Warning: 'patchesJson6902' is deprecated",
    "Warning: 'vars' is deprecated",
    "Warning: 'imageTags' is deprecated",
];

const WHERE: &str = "the full text is not shown, because a file that was read contains a Secret or a value that is \
     named like one. Run `driftless \
                     preview` on this folder to see it";

/// Whether a file may hold a secret.
pub fn may_hold_secrets(content: &[u8]) -> bool {
    MARKED.as_ref().is_none_or(|marks| marks.is_match(content))
}

/// A library's text about such a file, in our own words.
pub fn rebuilt(message: &str) -> String {
    if OURS.iter().any(|known| is_shaped(message, known)) {
        return message.to_owned();
    }
    let class = class(message);
    if is_parsers(message) { class } else { format!("{class}; {WHERE}") }
}

/// The same of what a library warned of.
pub fn rebuilt_warnings(warnings: &[String]) -> Vec<String> {
    let all = warnings.len();
    let mut shown: Vec<String> = Vec::new();
    for known in WARNINGS {
        if warnings.iter().any(|warning| warning.starts_with(known)) {
            shown.push(known.to_owned());
        }
    }
    let hidden =
        all - warnings.iter().filter(|warning| WARNINGS.iter().any(|known| warning.starts_with(known))).count();
    if hidden > 0 {
        let count = if hidden == 1 { "1 warning".to_owned() } else { format!("{hidden} warnings") };
        shown.push(format!("the renderer printed {count}; {WHERE}"));
    }
    shown
}

/// Whether all of a text of the YAML parser is fixed.
fn is_parsers(message: &str) -> bool {
    parsers(message).is_some()
}

fn parsers(message: &str) -> Option<&str> {
    let text = message.strip_prefix("not valid YAML: ")?;
    let is_plain = text.len() <= 100 && !text.contains(['\n', '`', '"']);
    (is_plain && PARSER.iter().any(|known| text.starts_with(known))).then_some(text)
}

fn class(message: &str) -> String {
    let has = |part: &str| message.contains(part);
    if let Some(text) = parsers(message) {
        return format!("not valid YAML: {text}");
    }
    match () {
        () if has("a render does not see the cluster; set helm.allowLookup") => {
            "the template calls lookup, and a render does not see the cluster. Set helm.allowLookup for the app to \
             make lookup return nothing"
                .to_owned()
        }
        () if has("objects are hooks (helm.sh/hook)") => "several objects are hooks (helm.sh/hook), and hooks are not \
                                                          run"
        .to_owned(),
        () if has("unknown anchor") => "not valid YAML: an alias names an anchor that is not defined before \
                                        it"
        .to_owned(),
        () if has("cannot unmarshal") || has("cannot decode") || has("cannot construct") => {
            "a value does not have the type that its field or its tag requires".to_owned()
        }
        () if has("already set in map") || has("already defined") => {
            "not valid YAML: a key is defined twice".to_owned()
        }
        () if has("meet the specifications of the schema") => format!(
            "the chart's values do not match its \
                                                                       schema{}",
            places(message)
        ),
        () if message.starts_with("not valid YAML") => "not valid YAML".to_owned(),
        () if message.starts_with("not valid JSON") => "not valid JSON".to_owned(),
        () if message.starts_with("the library crashed") => "the library crashed on this input".to_owned(),
        () if has(" is remote; a render reads") => {
            "it refers to a remote resource; a render reads only its own repository".to_owned()
        }
        () if has("patch") => "a patch cannot be applied".to_owned(),
        () if has("secretGenerator") || has("SecretArgs") || has("literal") => "a generator's values cannot be \
                                                                                read"
            .to_owned(),
        () if has("replacement") || has("fieldPath") => "a replacement cannot be made".to_owned(),
        () if has("executing") || has("error calling") || has("template") => "the template fails".to_owned(),
        () => "it does not render".to_owned(),
    }
}

/// The keys that a schema does not accept: `at '/image/tag': …`.
fn places(message: &str) -> String {
    let found = message.split("at '").skip(1).filter_map(|rest| rest.split_once("':"));
    let keys: Vec<&str> =
        found.map(|(key, _)| key).filter(|key| key.len() < 100 && !key.contains(char::is_whitespace)).take(5).collect();
    if keys.is_empty() { String::new() } else { format!(" at {}", keys.join(", ")) }
}

/// Whether a text is this one, with a name at each star.
fn is_shaped(text: &str, shape: &str) -> bool {
    let mut parts = shape.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    for part in parts {
        let at = if part.is_empty() { Some(rest.len()) } else { rest.find(part) };
        let Some(at) = at.filter(|at| is_name(&rest[..*at])) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.is_empty()
}

/// A path, or an object with its kind and namespace.
fn is_name(text: &str) -> bool {
    text.len() <= 200
        && text.matches(' ').count() <= 2
        && text.chars().all(|char| char.is_alphanumeric() || " -_./:~[]".contains(char))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// X11: what libraries say of a value, with the value in it.
    const TOLD: [&str; 12] = [
        "not valid YAML: unknown anchor 'hunter2' referenced",
        "not valid YAML: cannot decode !!str `hunter2` as a !!int",
        "not valid YAML: line 3: cannot unmarshal !!str `hunter2...` into int",
        "not valid YAML: key \"hunter2\" already set in map",
        "invalid literal source hunter2hunter2, expected key=value",
        "unable to parse SM or JSON patch from [kind: Secret\nstringData: hunter2]",
        "replacements: index 7 is out of bounds for hunter2",
        "values don't meet the specifications of the schema(s) in the following chart(s):\nweb:\n- at '/db/password': \
         'hunter2' does not match pattern '^x'",
        "executing \"web/templates/a.yaml\" at <fail hunter2>: error calling fail: hunter2",
        "execution error at (web/templates/a.yaml:3:4): error calling mustToDate: parsing time \"hunter2\"",
        "the library crashed on this input, after reading this file: runtime error: hunter2",
        "https://user:hunter2@git.example/x is remote; a render reads only its own repository",
    ];

    #[test]
    fn no_text_of_a_library_tells_a_value() {
        let shown: Vec<String> = TOLD.iter().map(|text| rebuilt(text).replace(WHERE, "…")).collect();
        assert!(!shown.iter().any(|text| text.contains("hunter2")), "{shown:?}");
        insta::assert_snapshot!(shown.join("\n"), @r"
        not valid YAML: an alias names an anchor that is not defined before it; …
        a value does not have the type that its field or its tag requires; …
        a value does not have the type that its field or its tag requires; …
        not valid YAML: a key is defined twice; …
        a generator's values cannot be read; …
        a patch cannot be applied; …
        a replacement cannot be made; …
        the chart's values do not match its schema at /db/password; …
        the template fails; …
        the template fails; …
        the library crashed on this input; …
        it refers to a remote resource; a render reads only its own repository; …
        ");
    }

    #[test]
    fn our_own_words_and_fixed_ones_stay() {
        for text in [
            "renders to no objects",
            "resources: ../base/a.yaml is not in the repository",
            "Secret shop/db is defined twice: also in deploy/b.yaml",
            "not valid YAML: mapping values are not allowed in this context",
            "not valid YAML: did not find expected ',' or '}'",
        ] {
            assert_eq!(rebuilt(text), text);
        }
        assert_ne!(rebuilt("a b c hunter2 d is defined twice"), "a b c hunter2 d is defined twice", "no name");
    }

    /// X11+: a value in a place of one of our own texts makes it another text.
    #[test]
    fn our_own_words_have_no_place_for_a_value() {
        for text in [
            "expected a Kubernetes object, found 4711",
            "expected a Kubernetes object, found hunter2",
            "item 1 of a List is 4711, not a Kubernetes object",
            "a hunter2 chart cannot be installed",
            "chart apiVersion hunter2 is not supported; use v1 or v2",
        ] {
            assert!(!rebuilt(text).contains("4711") && !rebuilt(text).contains("hunter2"), "{}", rebuilt(text));
        }
        assert_eq!(
            rebuilt("expected a Kubernetes object, found a number"),
            "expected a Kubernetes object, found a number"
        );
    }

    #[test]
    fn warnings_are_counted_unless_they_are_known() {
        let warnings = vec![
            "Warning: 'commonLabels' is deprecated. Please use 'labels' instead.".to_owned(),
            "warning: skipped value for web.db: Not a table (hunter2)".to_owned(),
        ];
        let shown = rebuilt_warnings(&warnings);
        assert!(
            shown[0].starts_with("Warning: 'commonLabels'") && shown[1].starts_with("the renderer printed 1 warning;"),
            "{shown:?}"
        );
        assert!(!shown.concat().contains("hunter2"));
    }

    #[test]
    fn a_file_is_marked_by_what_it_names() {
        for text in ["kind: Secret", "dbPassword: x", "API_KEY=1", "-----BEGIN PRIVATE KEY-----"] {
            assert!(may_hold_secrets(text.as_bytes()), "{text}");
        }
        assert!(!may_hold_secrets(b"kind: ConfigMap\ndata: {a: b}"));
    }
}
