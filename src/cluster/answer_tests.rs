use http::HeaderValue;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::class::{Class, Classified};

fn key(api_version: &str, kind: &str) -> ObjectKey {
    ObjectKey::of(&json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "web", "namespace": "shop"}}))
        .expect("a name")
}

fn answer(code: u16, body: impl Into<String>) -> Answer {
    let status = StatusCode::from_u16(code).expect("a code");
    Answer { status, headers: HeaderMap::new(), body: body.into().into() }
}

fn status(code: u16, reason: &str, message: &str, details: &Value) -> Answer {
    let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason,
        "message": message, "details": details});
    answer(code, body.to_string())
}

fn refused(key: &ObjectKey, answer: &Answer) -> ApplyError {
    refusal(&ClusterName::new("prod"), key, true, answer)
}

#[test]
fn a_broken_server_is_not_the_manifests_fault() {
    let deployment = key("apps/v1", "Deployment");
    for text in
        ["etcdserver: request timed out", "rpc error: code = Unavailable", "failed calling webhook \"x\": timeout"]
    {
        let error = refused(&deployment, &status(500, "", text, &json!({})));
        assert!(error.class().is_retry(), "{error}");
    }
    let error = refused(&deployment, &answer(503, "apiserver is shutting down"));
    assert!(error.class().is_retry(), "{error}");
}

/// X6+: a read of the object that its content fails is no outage either; a list of a kind, which is of many objects,
/// stays one.
#[test]
fn what_an_object_says_does_not_pass_by_itself() {
    let text = "conversion webhook for ex.test/v1, Kind=Widget failed: replicas must not be negative";
    let (cluster, widget) = (ClusterName::new("prod"), key("ex.test/v1", "Widget"));
    let told = status(500, "", text, &json!({}));
    assert_eq!(failure(&cluster, &told, Some(&widget)).class(), Class::Fail);
    assert!(failure(&cluster, &told, None).class().is_retry());
    assert_eq!(refused(&widget, &told).class(), Class::Fail);
    let down =
        status(500, "", "conversion webhook for ex.test/v1, Kind=Widget failed: Post \"https://x\": EOF", &json!({}));
    assert!(refused(&widget, &down).class().is_retry() && failure(&cluster, &down, Some(&widget)).class().is_retry());
}

#[test]
fn retry_after_is_passed_on() {
    let mut answer = status(503, "ServiceUnavailable", "starting", &json!({}));
    answer.headers.insert(http::header::RETRY_AFTER, HeaderValue::from_static("7"));
    let after = Some(std::time::Duration::from_secs(7));
    assert_eq!(refused(&key("v1", "Service"), &answer).class(), Class::Retry { after });
    let answer = status(504, "Timeout", "slow", &json!({"retryAfterSeconds": 7}));
    assert_eq!(refused(&key("v1", "Service"), &answer).class(), Class::Retry { after });
}

#[test]
fn only_the_servers_own_words_for_it_make_a_field_immutable() {
    let refusal = |reason: &str, message: &str| {
        let causes = json!({"causes": [{"reason": reason, "message": message, "field": "spec.x"}]});
        refused(&key("apps/v1", "Deployment"), &status(422, "Invalid", "is invalid", &causes))
    };
    for (reason, message) in [
        ("FieldValueInvalid", "Invalid value: {\"a\":1}: field is immutable"),
        ("FieldValueInvalid", "Invalid value: []string{\"10.0.0.1\"}: may not change once set"),
        ("FieldValueForbidden", "Forbidden: field is immutable when `immutable` is set"),
        (
            "FieldValueForbidden",
            "Forbidden: updates to statefulset spec for fields other than 'replicas' are forbidden",
        ),
    ] {
        assert!(matches!(refusal(reason, message), ApplyError::Immutable { .. }), "{message}");
    }
    for (reason, message) in [
        ("FieldValueInvalid", "Invalid value: \"field is immutable\": must be a DNS label"),
        ("FieldValueForbidden", "Forbidden: may not be set when `type` is 'Recreate'"),
        ("FieldValueRequired", "Required value: field is immutable"),
        // What the manifest says, and not the server.
        ("FieldValueInvalid", "Invalid value: \"a: field is immutable\""),
        ("FieldValueInvalid", "Invalid value: \"field is immutable when `immutable` is set\": must be a DNS label"),
    ] {
        assert!(matches!(refusal(reason, message), ApplyError::Invalid { .. }), "{message}");
    }
    let both = json!({"causes": [
        {"reason": "FieldValueInvalid", "message": "Invalid value: 1: field is immutable", "field": "spec.selector"},
        {"reason": "FieldValueInvalid", "message": "Invalid value: -1: must be greater than or equal to \
                                                    0", "field": "spec.replicas"},
    ]});
    let mixed = refused(&key("apps/v1", "Deployment"), &status(422, "Invalid", "is invalid", &both));
    assert!(matches!(mixed, ApplyError::Invalid { .. }), "a typo beside it would delete the object");
}

/// B9+, B6+: a policy says no with any status, also about a Secret, whose text is hidden; a text that only quotes one
/// is none.
#[test]
fn what_a_policy_denies_is_forbidden_whatever_it_calls_it() {
    let denied = r#"secrets "web" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no"#;
    let causes = json!({"causes": [{"message": "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no"}]});
    let map = denied.replace("secrets", "configmaps");
    let error = refused(&key("v1", "ConfigMap"), &status(422, "Invalid", &map, &causes));
    assert!(matches!(error, ApplyError::Forbidden { .. }), "{error:?}");
    insta::assert_snapshot!(error, @"ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no");
    let error = refused(&key("v1", "Secret"), &status(422, "Invalid", denied, &causes));
    assert!(matches!(error, ApplyError::Forbidden { .. }), "{error:?}");
    let quoted = json!({"causes": [{"reason": "FieldValueInvalid", "field": "spec.x",
        "message": format!("Invalid value: \"{map}\": no")}]});
    let error = refused(
        &key("v1", "ConfigMap"),
        &status(422, "Invalid", &format!("ConfigMap \"web\" is invalid: {map}"), &quoted),
    );
    assert!(matches!(error, ApplyError::Invalid { .. }), "{error:?}");
}

/// B1+: a bad request that quotes the words for a webhook without dry-run is refused.
#[test]
fn only_a_webhook_itself_cannot_be_asked() {
    let map = key("v1", "ConfigMap");
    let own = status(400, "BadRequest", "admission webhook \"a.b.c\" does not support dry run", &json!({}));
    assert!(matches!(refused(&map, &own), ApplyError::WebhookWithoutDryRun { .. }));
    for text in [
        "strict decoding error: \"does not support dry run\"",
        "admission webhook \"a\" says \"b\" does not support dry run",
    ] {
        assert!(
            matches!(refused(&map, &status(400, "BadRequest", text, &json!({}))), ApplyError::Refused { .. }),
            "{text}"
        );
    }
}

#[test]
fn kilobytes_become_a_line() {
    let template = format!("Invalid value: core.PodTemplateSpec{{{}}}: field is immutable", "x".repeat(9_000));
    let causes = json!({"causes": [{"reason": "FieldValueInvalid", "message": template, "field": "spec.template"}]});
    let error = refused(&key("batch/v1", "Job"), &status(422, "Invalid", &template, &causes));
    insta::assert_snapshot!(error, @"spec.template: Invalid value: …: field is immutable");
    let long = refused(&key("batch/v1", "Job"), &status(400, "BadRequest", &"ä".repeat(5_000), &json!({})));
    assert!(long.to_string().chars().count() < 500, "{long}");
}

#[test]
fn a_long_list_of_causes_is_counted() {
    let cause = |n: usize| {
        json!({"reason": "FieldValueInvalid", "message": "Invalid value: 1: \
                                                                             no", "field": format!("spec.f{n}")})
    };
    let causes: Vec<_> = (0..30).map(cause).collect();
    let ApplyError::Invalid { message, causes } =
        refused(&key("v1", "Pod"), &status(422, "Invalid", "x", &json!({"causes": causes})))
    else {
        panic!("invalid")
    };
    insta::assert_snapshot!(message, @"spec.f0: Invalid value: 1: no; spec.f1: Invalid value: 1: no; spec.f2: Invalid value: 1: no; and 27 more");
    assert_eq!(causes.len(), MOST_CAUSES);
}

#[test]
fn warnings_are_read_from_their_headers() {
    let mut headers = HeaderMap::new();
    for value in [r#"299 - "policy/v1beta1 is \"old\"""#, "no quotes", r#"299 - "never closed"#, r#"299 - "b""#] {
        headers.append(http::header::WARNING, HeaderValue::from_str(value).expect("a header"));
    }
    assert_eq!(warnings(&key("v1", "Pod"), &headers), ["policy/v1beta1 is \"old\"", "b"]);
    assert_eq!(warnings(&key("v1", "Secret"), &headers), [format!("the server warned: {HIDDEN}")]);
}

#[test]
fn malformed_lists_each_field() {
    let text = "failed to create typed patch object (shop/web; apps/v1, Kind=Deployment): errors:\n  .spec.replica: \
                field not declared in schema\n  .spec.template.spec.containers: duplicate entries for key \
                [name=\"web\"]";
    let ApplyError::Malformed { message, causes } =
        refused(&key("apps/v1", "Deployment"), &status(500, "", text, &json!({})))
    else {
        panic!("malformed")
    };
    insta::assert_snapshot!(message, @r#".spec.replica: field not declared in schema; .spec.template.spec.containers: duplicate entries for key [name="web"]"#);
    assert_eq!(causes[0].field.as_deref(), Some(".spec.replica"));
}

proptest! {
    /// Whatever a server says about a Secret, in whatever form: nothing of it is passed on.
    #[test]
    fn nothing_about_a_secret_gets_through(code in prop_oneof![Just(400_u16), Just(403), Just(404), Just(409),
        Just(413), Just(422), Just(429), Just(500), Just(503)], shape in 0_u8..5,
            reason in prop_oneof![Just("FieldValueInvalid"), Just("FieldManagerConflict"),
                Just("NamespaceTerminating")]) {
        let text = match shape {
            0 => "failed to create typed patch object (shop/db; /v1, Kind=Secret): .stringData.pin: expected string, \
                  got &value.valueUnstructured{Value:31337}",
            1 => "failed to convert new object (shop/db; /v1, Kind=Secret) to proper version: illegal base64 data \
                  31337",
            2 => "31337",
            3 => "failed to create typed patch object (x): 31337\n31337: 31337",
            _ => "Invalid value: \"31337\": field is immutable? 31337",
        };
        let causes = json!({"name": "db", "causes": [{"reason": reason, "message": text, "field": ".data.pin"}]});
        let secret = key("v1", "Secret");
        for answer in [status(code, "Invalid", text, &causes), answer(code, text)] {
            let error = refused(&secret, &answer);
            prop_assert!(!format!("{error}{error:?}").contains("31337"), "{error:?}");
            let error = failure(&ClusterName::new("prod"), &answer, Some(&secret));
            prop_assert!(!format!("{error}{error:?}").contains("31337"), "{error:?}");
        }
    }

    #[test]
    fn no_answer_is_too_odd(code in 200_u16..600, body in ".{0,80}", typed in any::<bool>()) {
        let answer = if typed { status(code, &body, &body, &json!({"causes": [{"message": body,
            "reason": "FieldManagerConflict"}]})) } else { answer(code, body) };
        for key in [key("apps/v1", "Deployment"), key("v1", "Secret")] {
            let _ = (refused(&key, &answer), failure(&ClusterName::new("prod"), &answer, Some(&key)), missing(&answer));
        }
    }
}

#[test]
fn a_webhooks_denial_is_one_whatever_its_status() {
    let text = "admission webhook \"policy.example.test\" denied the request: no";
    for code in [400, 403, 404, 409, 422, 500, 503] {
        let error = refused(&key("apps/v1", "Deployment"), &status(code, "", text, &json!({})));
        assert!(matches!(&error, ApplyError::Forbidden { message } if message == text), "{code}: {error:?}");
        assert_eq!(error.class(), Class::Fail);
        let secret = refused(&key("v1", "Secret"), &status(code, "", text, &json!({})));
        assert!(!secret.to_string().contains("denied"), "{secret}");
    }
    let down = "Internal error occurred: failed calling webhook \"policy.example.test\": timeout";
    assert!(refused(&key("apps/v1", "Deployment"), &status(500, "InternalError", down, &json!({}))).class().is_retry());
}

#[test]
fn an_object_that_no_storage_takes_is_not_tried_for_ever() {
    for text in [
        "etcdserver: request is too large",
        "rpc error: code = ResourceExhausted desc = trying to send message larger than max (3 vs. 2)",
    ] {
        assert_eq!(refused(&key("v1", "ConfigMap"), &status(500, "", text, &json!({}))).class(), Class::Fail, "{text}");
    }
}

#[test]
fn a_webhook_that_can_not_be_asked_about_a_delete_is_known() {
    let text = "admission webhook \"guard.example.test\" does not support dry run";
    let found = webhook_without_dry_run(&status(400, "BadRequest", text, &json!({})));
    assert!(matches!(&found, Some(ClusterError::WebhookWithoutDryRun { message }) if message == text), "{found:?}");
    for other in
        [status(403, "Forbidden", text, &json!({})), status(400, "BadRequest", "no", &json!({})), answer(400, "")]
    {
        assert!(webhook_without_dry_run(&other).is_none());
    }
}

/// H10: a refusal reads the same however the server orders what is wrong, or comments that show it would be edited for
/// nothing.
#[test]
fn the_order_of_causes_is_ours() {
    let cause =
        |field: &str, message: &str| json!({"reason": "FieldValueDuplicate", "message": message, "field": field});
    let all =
        [cause("spec.env[10]", "b"), cause("spec.env[2]", "b"), cause("spec.env[2]", "a"), cause("spec.ports", "c")];
    let read = |causes: Vec<serde_json::Value>| {
        let refused = refused(&key("v1", "Pod"), &status(422, "Invalid", "x", &json!({ "causes": causes })));
        let ApplyError::Invalid { message, .. } = refused else { panic!("invalid") };
        message
    };
    let read_backwards = read(all.iter().rev().cloned().collect());
    assert_eq!(read(all.to_vec()), read_backwards);
    insta::assert_snapshot!(read_backwards, @"spec.ports: c; spec.env[2]: a; spec.env[2]: b; and 1 more");
}
