use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn known(data: &Value) -> Known {
    let object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "namespace": "shop"},
        "stringData": data});
    Known::of([(&ObjectKey::of(&object).expect("a name"), &object)])
}

/// Every way in which tools and servers write a value into a text.
pub(crate) fn encodings(value: &str) -> Vec<String> {
    let json = |text: &str| {
        let quoted = json!(text).to_string();
        quoted[1..quoted.len() - 1].to_owned()
    };
    let percent = |kept: fn(u8) -> bool| -> String {
        value
            .bytes()
            .map(|byte| if kept(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
            .collect()
    };
    let base64 = STANDARD.encode(value);
    vec![
        value.to_owned(),
        value.trim().to_owned(),
        format!("{value}\n"),
        json(value),
        json(&json(value)),
        base64.clone(),
        STANDARD.encode(format!("{value}\n")),
        STANDARD.encode(&base64),
        STANDARD.encode(format!("user:{value}")),
        STANDARD.encode(format!("admin:{value}@host")),
        STANDARD_NO_PAD.encode(value),
        URL_SAFE_NO_PAD.encode(value),
        percent(|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte)),
        percent(|byte| byte.is_ascii_alphanumeric() || b"-_.~!$&'()*+,;=:@/".contains(&byte)),
        percent(|byte| byte.is_ascii_alphanumeric()).to_lowercase(),
        hex::encode(value),
        hex::encode(value).to_uppercase(),
        value.to_uppercase(),
    ]
}

/// S1: no encoding of a value gets through.
#[test]
fn a_value_is_found_in_every_encoding() {
    for value in
        ["hunter2hunter2", "p@ss w0rd/with+all&signs=\"é\"", " spaced-value-1234 \n", "https://user:t0ken@host/x?y=z"]
    {
        let known = known(&json!({"password": value}));
        for text in encodings(value) {
            let shown = known.hide(&format!("before {text} after"));
            assert!(!shown.contains(text.trim()), "{value:?} as {text:?}: {shown}");
            assert!(shown.starts_with("before ") && shown.ends_with(" after"), "{shown}");
        }
    }
}

/// S1: a key in PEM form is found line by line, wrapped, cut and escaped.
#[test]
fn a_long_value_is_found_in_pieces() {
    let letters: Vec<char> = ('A'..='Z').collect();
    let line = |n: usize| (0..64).map(|at| letters[(at * at * 7 + n * 11) % 26]).collect::<String>();
    let pem =
        format!("-----BEGIN PRIVATE KEY-----\n{}\n{}\n{}\n-----END PRIVATE KEY-----\n", line(1), line(2), line(3));
    let known = known(&json!({"tls.key": pem}));
    let indented: String = pem.lines().map(|line| format!("      {line}\n")).collect();
    let base64 = STANDARD.encode(&pem);
    let wrapped: String =
        base64.as_bytes().chunks(76).map(|line| format!("{}\n", String::from_utf8_lossy(line))).collect();
    for text in [indented, json!({"x": pem}).to_string(), pem[..120].to_owned(), base64[..100].to_owned(), wrapped] {
        let shown = known.hide(&text);
        for piece in line(1).as_bytes().chunks(16).map(String::from_utf8_lossy) {
            assert!(!shown.contains(&*piece), "{shown}");
        }
        assert!(!base64.as_bytes().chunks(48).any(|piece| shown.contains(&*String::from_utf8_lossy(piece))), "{shown}");
    }
}

/// S1: what a Secret's value is made of is looked for as well.
#[test]
fn the_parts_of_a_structured_value_are_found() {
    let docker = json!({"auths": {"r.io": {"username": "robot-account", "password": "pw-12345678"}}}).to_string();
    let known = known(&json!({".dockerconfigjson": docker, "env": "A=1\nTOKEN=tk-87654321\n"}));
    let shown = known.hide("login as robot-account with pw-12345678 or tk-87654321");
    assert_eq!(shown, "login as (hidden) with (hidden) or (hidden)");
}

#[test]
fn a_short_value_counts_where_it_stands_alone() {
    let known = known(&json!({"user": "anna", "namespace": "shop"}));
    assert_eq!(known.hide("hello anna, bananna; shop/anna:1"), "hello (hidden), bananna; shop/(hidden):1");
}

#[test]
fn without_secrets_nothing_is_hidden() {
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"},
        "data": {"password": "hunter2hunter2"}});
    let known = Known::of([(&ObjectKey::of(&object).expect("a name"), &object)]);
    assert!(known.is_empty());
    assert_eq!(known.hide("hunter2hunter2"), "hunter2hunter2");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// S1: whatever the value is and whatever stands around it.
    #[test]
    fn no_value_survives_in_any_text(value in "[!-~]{8,60}", before in "[ -~]{0,20}", after in "[ -~]{0,20}") {
        let known = known(&json!({"v": value}));
        for text in encodings(&value) {
            let shown = known.hide(&format!("{before} {text} {after}"));
            prop_assert!(!shown.contains(text.trim()), "{} in {}", text, shown);
        }
    }

    /// S1+: what is cut out of a value at a separator, however it is written.
    #[test]
    fn no_part_of_a_value_survives(part in "[A-Za-z]{2,6}[0-9]{3}[A-Za-z]{1,6}", password in "[b-df-hj-np-tv-z]{6,12}",
        one in "[-_:/@,;.=&?| ]", other in "[-_:/@,;.=&?| ]", around in "[a-z]{0,5}") {
        let value = format!("{around}{one}{part}{other}{around}");
        let url = format!("amqp://{around}:{password}@mq.shop.svc:5672/{around}");
        let known = known(&json!({"v": value, "url": url}));
        let written = |part: &str| [part.to_owned(), part.to_uppercase(), STANDARD.encode(part),
            STANDARD.encode(format!("ada:{part}")), hex::encode(part)];
        for text in written(&part).into_iter().chain(written(&password)) {
            let shown = known.hide(&format!("  part: \"{text}\" of it"));
            prop_assert!(!shown.contains(text.trim()), "{} of {} in {}", text, value, shown);
        }
        let plain = known.hide("kind: Service of shop/web");
        prop_assert_eq!(plain.as_str(), "kind: Service of shop/web");
    }

    #[test]
    fn binary_values_are_found(value in proptest::collection::vec(any::<u8>(), 16..80)) {
        let object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"},
            "data": {"v": STANDARD.encode(&value)}});
        let known = Known::of([(&ObjectKey::of(&object).expect("a name"), &object)]);
        let text = format!("got {} and {}", STANDARD.encode(&value), hex::encode(&value));
        let shown = known.hide(&text);
        prop_assert!(!shown.contains(&STANDARD_NO_PAD.encode(&value)[..16]) && !shown.contains(&hex::encode(&value)[..16]), "{}", shown);
    }
}

/// S1+: a value that is stored with a line end, encoded without it.
#[test]
fn a_value_is_found_encoded_without_the_spaces_around_it() {
    for stored in ["aA000A\n", " aA000A ", "hunter2horse\r\n"] {
        let known = known(&json!({"v": stored}));
        let text = format!("got {} and {}", STANDARD.encode(stored.trim()), hex::encode(stored.trim()));
        let shown = known.hide(&text);
        assert_eq!(shown.matches(HIDDEN).count(), 2, "{stored:?}: {shown}");
    }
}

/// X10+: a Secret of very many keys is searched for in bounded memory and time, and what cannot be searched for lets no
/// text through.
#[test]
fn very_many_values_are_searched_for_or_nothing_is_shown() {
    let value = |number: usize| format!("{number:05}-Zq8-{:x}", (number + 1) * 2_654_435_761);
    let many: serde_json::Map<_, _> = (0..20_000).map(|number| (format!("k{number}"), json!(value(number)))).collect();
    let known = known(&json!(many));
    assert!(!known.withholds_all());
    let text: String = (0..2_000).map(|number| format!("line {number} of {}\n", value(number * 10))).collect();
    let shown = known.hide(&text);
    assert_eq!(shown.matches(HIDDEN).count(), 2_000);
    assert!(shown.contains("line 7 of (hidden)\n") && !shown.contains("-Zq8-"));

    let huge = known_of_pieces(200_000);
    assert!(huge.withholds_all());
    assert_eq!((huge.hide("replicas: 3").as_str(), huge.hide(" ").as_str()), (HIDDEN, " "));
}

fn known_of_pieces(count: usize) -> Known {
    let pieces: Vec<String> = (0..count).map(|number| format!("{number:06}-and-some-more-of-it")).collect();
    known(&json!({"all": pieces.join("\n")}))
}

/// S1+: short lines of a Secret of many lines, also beyond the first hundreds.
#[test]
fn short_lines_are_found() {
    let lines: Vec<String> = (0..1000).map(|number| format!("pw{number:04}")).collect();
    let known = known(&json!({"users": lines.join("\n"), "shop.conf": "[shop]\nkey=hunter7\npin: 471123\n\n"}));
    for word in ["pw0001", "pw0999", "hunter7", "471123"] {
        assert_eq!(known.hide(&format!("  value: \"{word}\"")), "  value: \"(hidden)\"");
    }
    for plain in ["  shop: a", "  pin: 1", "  key: b", "  image: shop/web:1"] {
        assert_eq!(known.hide(plain), plain);
    }
}

/// X11+: a registry's `auth` is a user and a password in base64, and so are `_auth` of npm and a header.
#[test]
fn a_password_in_base64_is_found_by_itself() {
    let auth = STANDARD.encode("ci-bot:s3cr3t/Pa:ss");
    let docker = json!({"auths": {"registry.example.com": {"auth": auth}}}).to_string();
    let npm = format!("//registry.example.com/:_auth={auth}\nalways-auth=true\n");
    for value in [docker, npm, format!("Basic {auth}"), format!("authorization: Basic {auth}"), auth.clone()] {
        let known = known(&json!({"value": value}));
        for hidden in ["s3cr3t/Pa:ss", "ci-bot:s3cr3t/Pa:ss", &auth, &STANDARD.encode("s3cr3t/Pa:ss")] {
            let shown = known.hide(&format!("login failed for '{hidden}'"));
            assert_eq!(shown.as_str(), "login failed for '(hidden)'", "{value}: {hidden}");
        }
        assert_eq!(known.hide("always-auth, registry").as_str(), "always-auth, registry", "{value}");
    }
}
