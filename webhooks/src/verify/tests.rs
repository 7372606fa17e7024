//! Every way in which a proof can be right or wrong. The vectors are the forges' own.

use super::*;
use crate::RejectionKind::{BadSignature, Malformed, Stale, Unsigned, Unsupported};
use crate::{DeliveryId, RejectionKind, parse};

const NOW: i64 = 1_614_265_330;
const GITHUB_SECRET: &str = "It's a Secret to Everybody";
const GITHUB_BODY: &[u8] = b"Hello, World!";
/// From GitHub's documentation, for the secret and body above.
const GITHUB_SIGNATURE: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const SIGNED_ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
const SIGNED_BODY: &[u8] = b"{\"test\": 2432232314}";
/// From the test vectors of Standard Webhooks, for key, id and body above at `NOW`.
const KEY_SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

fn secrets(texts: &[&str]) -> Vec<Secret> {
    texts.iter().map(|text| Secret::new(*text).expect("not empty")).collect()
}

fn kind<T>(result: Result<T, Rejection>) -> Option<RejectionKind> {
    result.err().map(|rejection| rejection.kind)
}

fn github(signatures: &[&str], more: &[(&str, &str)]) -> Option<RejectionKind> {
    let mut headers = vec![("x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958"), ("x-github-event", "ping")];
    headers.extend(signatures.iter().map(|signature| ("x-hub-signature-256", *signature)));
    headers.extend(more);
    kind(verify(Forge::GitHub, &headers.as_slice(), GITHUB_BODY, &secrets(&[GITHUB_SECRET]), NOW))
}

#[test]
fn github_signs_as_its_documentation_says() {
    assert_eq!(github(&[GITHUB_SIGNATURE], &[]), None);
    assert_eq!(secrets(&[GITHUB_SECRET])[0].github_signature(GITHUB_BODY), GITHUB_SIGNATURE);
}

#[test]
fn github_takes_one_spelling_of_the_signature() {
    let digits = &GITHUB_SIGNATURE["sha256=".len()..];
    let wrong = format!("sha256={}", "0".repeat(64));
    for bad in [
        "",
        "sha256=",
        "sha256",
        digits,
        &GITHUB_SIGNATURE[..70],
        &GITHUB_SIGNATURE.to_uppercase(),
        &format!("sha256={}", digits.to_uppercase()),
        &format!("SHA256={digits}"),
        &format!("sha1={digits}"),
        &format!(" {GITHUB_SIGNATURE}"),
        &format!("{GITHUB_SIGNATURE} "),
        &format!("{GITHUB_SIGNATURE},{GITHUB_SIGNATURE}"),
        &format!("{GITHUB_SIGNATURE}00"),
        "sha256=zz7107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
        "sha256=é",
        &wrong,
    ] {
        assert_eq!(github(&[bad], &[]), Some(BadSignature), "{bad}");
    }
}

#[test]
fn github_needs_exactly_one_signature() {
    assert_eq!(github(&[], &[]), Some(Unsigned));
    assert_eq!(github(&[], &[("x-hub-signature", "sha1=0000000000000000000000000000000000000000")]), Some(Unsigned));
    assert_eq!(github(&[GITHUB_SIGNATURE, GITHUB_SIGNATURE], &[]), Some(BadSignature));
    assert_eq!(github(&["sha256=", GITHUB_SIGNATURE], &[]), Some(BadSignature));
    assert_eq!(github(&[], &[("x-gitlab-token", GITHUB_SECRET)]), Some(Unsigned));
}

#[test]
fn any_of_several_secrets_will_do() {
    let headers = [("x-hub-signature-256", GITHUB_SIGNATURE), ("x-github-delivery", "1"), ("x-github-event", "ping")];
    let verified = |texts: &[&str]| kind(verify(Forge::GitHub, &headers, GITHUB_BODY, &secrets(texts), NOW));
    assert_eq!(verified(&["old", GITHUB_SECRET]), None);
    assert_eq!(verified(&[GITHUB_SECRET, "new"]), None);
    assert_eq!(verified(&["old", "new"]), Some(BadSignature));
    assert_eq!(verified(&[]), Some(Unsigned));
}

#[test]
fn github_headers_have_to_make_sense_once_verified() {
    let headers = |pairs: &[(&str, &str)]| {
        let mut all = vec![("x-hub-signature-256", GITHUB_SIGNATURE)];
        all.extend(pairs);
        kind(verify(Forge::GitHub, &all.as_slice(), GITHUB_BODY, &secrets(&[GITHUB_SECRET]), NOW))
    };
    let (id, event) = (("x-github-delivery", "1"), ("x-github-event", "push"));
    assert_eq!(headers(&[id, event]), None);
    assert_eq!(headers(&[event]), Some(Malformed));
    assert_eq!(headers(&[id]), Some(Malformed));
    assert_eq!(headers(&[id, event, event]), Some(Malformed));
    assert_eq!(headers(&[("x-github-delivery", ""), event]), Some(Malformed));
    assert_eq!(headers(&[("x-github-delivery", "a\nb"), event]), Some(Malformed));
    assert_eq!(headers(&[("x-github-delivery", &"1".repeat(201)), event]), Some(Malformed));
    assert_eq!(headers(&[id, event, ("content-type", "application/json; charset=utf-8")]), None);
    assert_eq!(headers(&[id, event, ("content-type", "text/xml")]), Some(Unsupported));
    assert_eq!(headers(&[id, event, ("content-encoding", "identity")]), None);
    assert_eq!(headers(&[id, event, ("content-encoding", "gzip")]), Some(Unsupported));
}

#[test]
fn the_id_is_there_before_anything_is_parsed() {
    let headers = [
        ("X-Hub-Signature-256", GITHUB_SIGNATURE),
        ("X-GitHub-Delivery", "72d3162e"),
        ("X-GitHub-Hook-ID", "292430182"),
        ("X-GitHub-Event", "push"),
    ];
    let verified = verify(Forge::GitHub, &headers, GITHUB_BODY, &secrets(&[GITHUB_SECRET]), NOW).expect("signed");
    assert_eq!(verified.forge(), Forge::GitHub);
    assert_eq!(*verified.id(), DeliveryId { hook: Some("292430182".to_owned()), delivery: "72d3162e".to_owned() });
    assert_eq!(kind(parse(verified)), Some(Malformed));
}

#[test]
fn http_headers_are_read_alike() {
    let mut headers = http_headers(&[
        ("x-github-delivery", "1"),
        ("x-github-event", "ping"),
        ("x-hub-signature-256", GITHUB_SIGNATURE),
    ]);
    assert_eq!(kind(verify(Forge::GitHub, &headers, GITHUB_BODY, &secrets(&[GITHUB_SECRET]), NOW)), None);
    headers.push(("X-HUB-SIGNATURE-256".to_owned(), GITHUB_SIGNATURE.to_owned()));
    assert_eq!(kind(verify(Forge::GitHub, &headers, GITHUB_BODY, &secrets(&[GITHUB_SECRET]), NOW)), Some(BadSignature));
}

fn http_headers(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[cfg(feature = "http")]
#[test]
fn a_header_map_is_read_alike() {
    let value = |text: &str| http::HeaderValue::from_str(text).expect("visible");
    let mut headers = http::HeaderMap::new();
    headers.append("X-GitHub-Delivery", value("1"));
    headers.append("X-GitHub-Event", value("ping"));
    headers.append("X-Hub-Signature-256", value(GITHUB_SIGNATURE));
    assert_eq!(kind(verify(Forge::GitHub, &headers, GITHUB_BODY, &secrets(&[GITHUB_SECRET]), NOW)), None);
    headers.append("x-hub-signature-256", value(GITHUB_SIGNATURE));
    assert_eq!(kind(verify(Forge::GitHub, &headers, GITHUB_BODY, &secrets(&[GITHUB_SECRET]), NOW)), Some(BadSignature));
}

fn gitlab(texts: &[&str], now: i64, headers: &[(&str, &str)]) -> Option<RejectionKind> {
    let mut all = vec![("Idempotency-Key", "f5e5f430-f57b-4e6e-9fac-d9128cd7232f"), ("X-Gitlab-Event", "Push Hook")];
    all.extend(headers);
    kind(verify(Forge::GitLab, &all.as_slice(), SIGNED_BODY, &secrets(texts), now))
}

fn signed<'t>(signature: &'t str, timestamp: &'t str) -> [(&'t str, &'t str); 3] {
    [("webhook-id", SIGNED_ID), ("webhook-timestamp", timestamp), ("webhook-signature", signature)]
}

#[test]
fn gitlab_tokens_are_compared_whole() {
    assert_eq!(gitlab(&["token"], NOW, &[("X-Gitlab-Token", "token")]), None);
    assert_eq!(gitlab(&["old", "token"], NOW, &[("X-Gitlab-Token", "token")]), None);
    for bad in ["", "toke", "token ", "Token", "tokentoken"] {
        assert_eq!(gitlab(&["token"], NOW, &[("X-Gitlab-Token", bad)]), Some(BadSignature), "{bad}");
    }
    assert_eq!(gitlab(&["token"], NOW, &[]), Some(Unsigned));
    assert_eq!(
        gitlab(&["token"], NOW, &[("X-Gitlab-Token", "token"), ("x-gitlab-token", "token")]),
        Some(BadSignature)
    );
}

#[test]
fn gitlab_signs_as_standard_webhooks_says() {
    let time = NOW.to_string();
    assert_eq!(gitlab(&[KEY], NOW, &signed(KEY_SIGNATURE, &time)), None);
    assert_eq!(secrets(&[KEY])[0].gitlab_signature(SIGNED_ID, NOW, SIGNED_BODY).as_deref(), Some(KEY_SIGNATURE));
    assert_eq!(secrets(&["token"])[0].gitlab_signature(SIGNED_ID, NOW, SIGNED_BODY), None);
}

#[test]
fn one_right_signature_of_several_will_do() {
    let time = NOW.to_string();
    let other = "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    for good in [
        format!("{other} {KEY_SIGNATURE}"),
        format!("{KEY_SIGNATURE} {other}"),
        format!("v1a,xyz {KEY_SIGNATURE} v2,abc"),
    ] {
        assert_eq!(gitlab(&["whsec_b3RoZXI=", KEY], NOW, &signed(&good, &time)), None, "{good}");
    }
    let many = [other; 6].join(" ");
    for bad in [
        "",
        " ",
        "v1,",
        "v1",
        other,
        &KEY_SIGNATURE[3..],
        &KEY_SIGNATURE.replace("v1,", "v1a,"),
        &KEY_SIGNATURE.replace("v1,", "V1,"),
        &KEY_SIGNATURE.replace("v1,", "v1="),
        &KEY_SIGNATURE.replace('=', ""),
        &KEY_SIGNATURE.replace("E=", "F="),
        &KEY_SIGNATURE.to_uppercase(),
        &KEY_SIGNATURE.replace('v', ",v"),
        &many,
    ] {
        assert_eq!(gitlab(&[KEY], NOW, &signed(bad, &time)), Some(BadSignature), "{bad}");
    }
}

#[test]
fn signatures_age() {
    let time = NOW.to_string();
    for offset in [-300, 0, 300] {
        assert_eq!(gitlab(&[KEY], NOW + offset, &signed(KEY_SIGNATURE, &time)), None, "{offset}");
    }
    for now in [NOW - 301, NOW + 301, i64::MIN, i64::MAX, 0] {
        assert_eq!(gitlab(&[KEY], now, &signed(KEY_SIGNATURE, &time)), Some(Stale), "{now}");
    }
}

#[test]
fn id_and_time_are_part_of_the_proof() {
    for time in
        ["", "1614265331", " 1614265330", "+1614265330", "01614265330", "-1", "1e9", "99999999999999999999", "now"]
    {
        assert_eq!(gitlab(&[KEY], NOW, &signed(KEY_SIGNATURE, time)), Some(BadSignature), "{time}");
    }
    let before_1970 = secrets(&[KEY])[0].gitlab_signature(SIGNED_ID, -5, SIGNED_BODY).expect("a signing key");
    assert_eq!(
        gitlab(&[KEY], -5, &signed(&before_1970, "-5")),
        Some(BadSignature),
        "a sign is no digit, however well signed"
    );
    let time = NOW.to_string();
    let [id, timestamp, signature] = signed(KEY_SIGNATURE, &time);
    assert_eq!(gitlab(&[KEY], NOW, &[("webhook-id", "other"), timestamp, signature]), Some(BadSignature));
    for headers in [
        vec![timestamp, signature],
        vec![id, signature],
        vec![id, id, timestamp, signature],
        vec![id, timestamp, timestamp, signature],
    ] {
        assert_eq!(gitlab(&[KEY], NOW, &headers), Some(BadSignature));
    }
    assert_eq!(gitlab(&[KEY], NOW, &[id, timestamp, signature, signature]), Some(BadSignature));
}

#[test]
fn a_signing_key_is_no_token() {
    let time = NOW.to_string();
    assert_eq!(gitlab(&[KEY], NOW, &[("X-Gitlab-Token", KEY)]), Some(Unsigned));
    assert_eq!(gitlab(&[KEY, "token"], NOW, &[("X-Gitlab-Token", KEY)]), Some(BadSignature));
    assert_eq!(gitlab(&["whsec_not base64"], NOW, &[("X-Gitlab-Token", "whsec_not base64")]), Some(Unsigned));
    assert_eq!(gitlab(&["whsec_not base64"], NOW, &signed(KEY_SIGNATURE, &time)), Some(BadSignature));
    assert_eq!(gitlab(&["token"], NOW, &signed(KEY_SIGNATURE, &time)), Some(Unsigned));
}

#[test]
fn a_token_may_be_changed_for_a_key_without_loss() {
    let time = NOW.to_string();
    let token = ("X-Gitlab-Token", "token");
    let [id, timestamp, signature] = signed(KEY_SIGNATURE, &time);
    assert_eq!(gitlab(&["token", KEY], NOW, &[token]), None);
    assert_eq!(gitlab(&["token", KEY], NOW, &[id, timestamp, signature]), None);
    assert_eq!(gitlab(&["token", KEY], NOW, &[token, id, timestamp, ("webhook-signature", "v1,")]), Some(BadSignature));
}

#[test]
fn gitlab_retries_have_one_id() {
    let id = |headers: &[(&str, &str)]| {
        let mut all = vec![("X-Gitlab-Token", "token")];
        all.extend(headers);
        verify(Forge::GitLab, &all.as_slice(), b"{}", &secrets(&["token"]), NOW).map(|verified| verified.id.delivery)
    };
    let (standard, key, uuid) = (("webhook-id", "a"), ("Idempotency-Key", "b"), ("X-Gitlab-Webhook-UUID", "c"));
    assert_eq!(id(&[uuid, key, standard]).as_deref(), Ok("a"));
    assert_eq!(id(&[uuid, key]).as_deref(), Ok("b"));
    assert_eq!(id(&[uuid]).as_deref(), Ok("c"));
    assert_eq!(kind(id(&[("X-Gitlab-Event-UUID", "shared")])), Some(Malformed));
    assert_eq!(kind(id(&[key, ("content-type", "application/x-www-form-urlencoded")])), Some(Unsupported));
}

/// Whose delivery, by which secret, with which headers.
type Case<'t> = (Forge, &'t str, &'t [(&'t str, &'t str)]);

#[test]
fn refusals_say_what_to_do_and_give_nothing_away() {
    let time = NOW.to_string();
    let (wrong, twice) = (format!("sha256={}", "ab".repeat(32)), [("X-Gitlab-Token", "token"); 2]);
    let [id, timestamp, signature] = signed(KEY_SIGNATURE, &time);
    let cases: &[Case<'_>] = &[
        (Forge::GitHub, GITHUB_SECRET, &[]),
        (Forge::GitHub, GITHUB_SECRET, &[("X-Hub-Signature", "sha1=ab")]),
        // W6: Bitbucket's header has the older name and the newer hash.
        (Forge::GitHub, GITHUB_SECRET, &[("X-Hub-Signature", "sha256=ab")]),
        (Forge::GitHub, GITHUB_SECRET, &[("X-Hub-Signature-256", "sha256=")]),
        (Forge::GitHub, GITHUB_SECRET, &[("X-Hub-Signature-256", &wrong)]),
        (
            Forge::GitHub,
            GITHUB_SECRET,
            &[("X-Hub-Signature-256", GITHUB_SIGNATURE), ("X-Hub-Signature-256", GITHUB_SIGNATURE)],
        ),
        (Forge::GitHub, GITHUB_SECRET, &[("X-Hub-Signature-256", GITHUB_SIGNATURE)]),
        (Forge::GitHub, GITHUB_SECRET, &[("X-Hub-Signature-256", GITHUB_SIGNATURE), ("X-GitHub-Delivery", "\u{1}")]),
        (Forge::GitHub, GITHUB_SECRET, &[("X-Hub-Signature-256", GITHUB_SIGNATURE), ("Content-Type", "text/plain")]),
        (Forge::GitHub, GITHUB_SECRET, &[("Content-Encoding", "gzip")]),
        (Forge::GitLab, "token", &[]),
        (Forge::GitLab, "token", &[("X-Gitlab-Token", "guess")]),
        (Forge::GitLab, "token", &twice),
        (Forge::GitLab, "token", &[("X-Gitlab-Token", "token")]),
        (Forge::GitLab, KEY, &[("X-Gitlab-Token", KEY)]),
        (Forge::GitLab, KEY, &[timestamp, signature]),
        (Forge::GitLab, KEY, &[id, ("webhook-timestamp", "soon"), signature]),
        (Forge::GitLab, KEY, &[id, timestamp, ("webhook-signature", "v2,abc")]),
        (Forge::GitLab, KEY, &[("webhook-id", "other"), timestamp, signature]),
        (Forge::GitLab, KEY, &[id, ("webhook-timestamp", "1614260000"), signature]),
    ];
    let mut told: Vec<String> =
        cases.iter().map(|(forge, secret, headers)| refusal(*forge, secret, headers, NOW)).collect();
    told.push(refusal(Forge::GitLab, KEY, &[id, timestamp, signature], NOW + 3_600));
    told.push(refusal(Forge::GitLab, KEY, &[id, timestamp, signature], NOW - 3_600));
    insta::assert_snapshot!(told.join("\n"));
}

/// The refusal in words, after a test that they hold nothing secret.
fn refusal(forge: Forge, secret: &str, headers: &[(&str, &str)], now: i64) -> String {
    let body = if forge == Forge::GitHub { GITHUB_BODY } else { SIGNED_BODY };
    let Rejection { kind, message } = verify(forge, &headers, body, &secrets(&[secret]), now).expect_err("a refusal");
    assert!(secret == "token" || !message.contains(secret), "{message}");
    assert!(headers.iter().all(|(_, value)| value.len() < 10 || !message.contains(value)), "{message}");
    format!("{forge} {} {kind}: {message}", kind.status())
}
