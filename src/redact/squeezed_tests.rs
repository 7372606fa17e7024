use proptest::prelude::*;
use serde_json::json;

use super::super::Known;
use super::*;
use crate::manifest::ObjectKey;

fn known(value: &str) -> Known {
    let object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}, "stringData": {"v": value}});
    Known::of([(&ObjectKey::of(&object).expect("a name"), &object)])
}

fn squeezed(text: &str) -> String {
    String::from_utf8(squeeze(text).bytes).expect("letters")
}

/// What templates make of a value.
pub(crate) fn templated(value: &str) -> Vec<String> {
    let markup = |quote: &str| {
        let text = value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        text.replace('"', quote).replace('\'', "&#39;")
    };
    let each = |write: &dyn Fn(u8) -> String| value.bytes().map(write).collect::<Vec<_>>();
    let base32 = base32(value.as_bytes()).to_uppercase();
    vec![
        markup("&#34;"),
        markup("&quot;").replace('&', "&amp;"),
        value.replace('$', "$$"),
        value.chars().map(|char| if char.is_alphanumeric() { char.to_string() } else { format!("\\{char}") }).collect(),
        format!("{base32}======"),
        base32,
        each(&|byte| format!("{byte:02x}")).join(" "),
        each(&|byte| format!("{byte:02X}")).join(":"),
        each(&|byte| format!("0x{byte:02x}")).join(", "),
        each(&|byte| format!("\\x{byte:02x}")).concat(),
        each(&|byte| format!("&#{byte};")).concat(),
    ]
}

#[test]
fn escapes_and_signs_are_read() {
    for (text, letters) in [
        ("a&amp;b&#34;c&amp;amp;lt;d&#x41;&#66;&nope", "abcdABnope"),
        ("a%20b%2541%zz", "abAzz"),
        (r"a\nb\\\\tc\x41\u0042\103\.d", "abcABCd"),
        ("0x61, 0x62 10x61 0x6", "ab1a0x6"),
        ("é-ß_a", "a"),
    ] {
        assert_eq!(squeezed(text), letters, "{text}");
    }
    let text = "x&amp;y";
    assert_eq!(squeeze(text).places, [(0, 1), (6, 7)]);
}

#[test]
fn base32_is_that_of_the_rfc() {
    for (text, encoded) in
        [("f", "my"), ("fo", "mzxq"), ("foo", "mzxw6"), ("foob", "mzxw6yq"), ("foobar", "mzxw6ytboi")]
    {
        assert_eq!(base32(text.as_bytes()), encoded);
    }
}

/// S1+: a value as markup, Compose, expressions and other encodings have it.
#[test]
fn a_value_is_found_however_a_template_writes_it() {
    for value in [
        "kW9&xT\"3<vQ7z>mP5'rL2",
        "aX4$kT9.zQ7$mW2",
        "abQ7cdX9efK3ghT5ijM1klP8mnR2opV6qrW4stY",
        "p@ss&w0rd",
        "correct horse & battery <staple>",
    ] {
        let known = known(value);
        for text in templated(value) {
            let shown = known.hide(&format!("site.xml: <value>{text}</value>"));
            assert!(!shown.contains(&text), "{text} of {value}: {shown}");
            assert!(shown.starts_with("site.xml: <value>") && shown.ends_with("</value>"), "{shown}");
        }
    }
}

/// S1+: what is cut out of a value by any delimiter, or by a length, and a UUID without its dashes.
#[test]
fn a_part_of_a_value_is_found() {
    for (value, part) in [
        ("horse!Staple99Zx!battery", "Staple99Zx"),
        ("one~~aB3dE5fG7hJ~~two", "aB3dE5fG7hJ"),
        ("abQ7cdX9efK3ghT5ijM1klP8mnR2opV6qrW4stY", "abQ7cdX9efK3ghT5ijM1klP8mnR2opV6qrW4st"),
        ("abQ7cdX9efK3ghT5ijM1klP8mnR2opV6qrW4stY", "Q7cdX9efK3gh"),
        ("550e8400-e29b-41d4-a716-446655440000", "550e8400e29b41d4a716446655440000"),
        ("9f86d081884c7d659a2feaa0c55ad015", "9f86d081884c"),
    ] {
        let shown = known(value).hide(&format!("part: \"{part}\" of it"));
        assert_eq!(shown, "part: \"(hidden)\" of it", "{part} of {value}");
    }
}

/// S1+: the words, names and addresses that values share with other texts stay.
#[test]
fn words_and_names_are_shown() {
    let values = [
        "postgres://shop:hunter7@db-01.eu-west-1.rds.amazonaws.com:5432/shop?sslmode=require",
        "my-production-database",
        "apiVersion: example.com/v1alpha1\nserver: https://k8s-1.example.com:6443\n",
        "registry.example.com/team/app:v1.2.3",
        "maxPoolSize=10;connectionTimeout=3000;applicationName=shop",
        "correct horse battery staple",
        "kW9&xT\"3<vQ7z>mP5'rL2",
    ];
    let text = "apiVersion: apps/v1\nimage: registry.example.com/team/web:v1.2.4\nhost: \
                db-02.eu-west-1.elb.amazonaws.com:8443\nregion: eu-west-1\nname: production-web\nkind: \
                example.com/v1beta1\nnote: the connection timeout of this application, 2026-11-30\nsha: \
                sha256:4bf5122f344554c53bde2ebb8cd2b7e3\nbattery: staple gun, horse power";
    for value in values {
        assert_eq!(known(value).hide(text), text, "{value}");
    }
}

/// X10+: there is an end to what is searched for, and what is searched for is never all hidden for that.
#[test]
fn very_many_values_have_parts_that_are_further_apart() {
    let value = |number: usize| format!("{number:05}aB3{:x}Zq8", (number + 1) * 2_654_435_761).into_bytes();
    let many: Vec<Vec<u8>> = (0..50_000).map(value).collect();
    let begun = std::time::Instant::now();
    let texts = of(&many, &|_| false);
    assert!(texts.len() <= MOST && !texts.is_full());
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// S1+: whatever the value, and whatever stands around it.
    #[test]
    fn no_value_survives_a_template(value in "[A-Z][a-z][0-9][!-/][a-z][A-Z][0-9][!-~]{8,30}", before in "[ -~]{0,20}", after in "[ -~]{0,20}") {
        let known = known(&value);
        for text in templated(&value) {
            let shown = known.hide(&format!("{before} {text} {after}"));
            prop_assert!(!shown.contains(text.trim()), "{} in {}", text, shown);
        }
    }

    /// S1+: half of a value that no word looks like.
    #[test]
    fn no_half_of_a_code_survives(value in "([a-z][0-9][A-Z]|[0-9][a-z]){10,16}", at in 0_usize..8) {
        let half = &value[at..at + value.len() / 2];
        let shown = known(&value).hide(&format!("- [{half}] -"));
        prop_assert!(!shown.contains(half) && shown.starts_with("- [") && shown.ends_with("] -"), "{}", shown);
    }
}
