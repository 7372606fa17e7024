//! Whether a webhook is configured correctly at the forge: its address, its state, its events, and the responses to its
//! deliveries. Pure.

use url::Url;

use super::Findings;
use crate::forge::{ForgeError, HookAnswer, HookContent, HookSettings, HookTerms};

/// Where a hook of a project should lead.
pub struct Expected<'a> {
    pub repo: &'a str,
    pub project: &'a str,
    /// The hook's name in the configuration.
    pub hook: &'a str,
    /// Where the world reaches us, if that is configured.
    pub public_url: Option<&'a Url>,
    /// The forge's terms.
    pub terms: &'a HookTerms,
}

impl Expected<'_> {
    fn path(&self) -> String {
        format!("/webhooks/{}", self.hook)
    }

    fn address(&self) -> String {
        match self.public_url {
            Some(url) => format!("{}{}", url.as_str().trim_end_matches('/'), self.path()),
            None => format!("https://…{}", self.path()),
        }
    }

    fn leads_here(&self, url: &str) -> bool {
        Url::parse(url).is_ok_and(|url| url.path().trim_end_matches('/').ends_with(&self.path()))
    }
}

pub fn judge(expected: &Expected<'_>, hooks: Result<Vec<HookSettings>, ForgeError>, findings: &mut Findings) {
    let Expected { repo, project, terms, .. } = expected;
    let about = format!("repo {repo} ({project})");
    let hooks = match hooks {
        Ok(hooks) => hooks,
        Err(ForgeError::Refused { .. } | ForgeError::NotFound { .. }) => {
            return findings.notes.push(format!(
                "{about}: its webhooks could not be checked; to have them checked too, {}",
                terms.to_read
            ));
        }
        Err(error) => return findings.problems.push(format!("{about}: its webhooks could not be checked: {error}")),
    };
    let candidates: Vec<&HookSettings> = hooks.iter().filter(|hook| expected.leads_here(&hook.url)).collect();
    // Of several, such as one for each of two installations, the one that works speaks for us.
    let judged = candidates.iter().map(|hook| wrong_with(expected, hook));
    let Some(wrong) = judged.min_by_key(Vec::len) else {
        return findings.notes.push(format!(
            "{about}: no webhook points to {}, so changes are found only by the resync. Add one ({})",
            expected.address(),
            terms.to_add
        ));
    };
    if wrong.is_empty() {
        findings.passed.push(format!(
            "repo {repo}: the webhook of {project} points to {} and sends the right events",
            expected.path()
        ));
        findings.notes.extend(
            candidates.iter().filter_map(|hook| worth_knowing(hook, terms)).map(|text| format!("{about}: {text}")),
        );
    }
    findings.problems.extend(wrong.into_iter().map(|text| format!("{about}: {text}")));
}

fn wrong_with(expected: &Expected<'_>, hook: &HookSettings) -> Vec<String> {
    let mut wrong = Vec::new();
    if expected.public_url.is_some() && hook.url.trim_end_matches('/') != expected.address() {
        wrong.push(format!(
            "its webhook points to {}, but publicUrl is {}",
            without_secrets(&hook.url),
            expected.address()
        ));
    }
    if !hook.active {
        wrong.push(format!("its webhook is disabled: {}", expected.terms.to_enable));
    }
    if !hook.verifies_tls {
        wrong.push("its webhook does not verify the server's certificate: enable SSL verification".to_owned());
    }
    let all = hook.events.iter().any(|event| event == "*");
    let lacks: Vec<&str> = expected
        .terms
        .events
        .iter()
        .copied()
        .filter(|wanted| !all && !hook.events.iter().any(|event| event == wanted))
        .collect();
    if !lacks.is_empty() {
        wrong.push(format!(
            "its webhook does not send {}: add {} to its events",
            lacks.join(" and "),
            if lacks.len() == 1 { "it" } else { "them" }
        ));
    }
    wrong.extend(hook.last_answer.as_ref().and_then(|answer| badly_answered(expected, answer)));
    wrong
}

fn badly_answered(expected: &Expected<'_>, answer: &HookAnswer) -> Option<String> {
    let hint = match answer.code {
        Some(200..300) => return None,
        Some(401) => "its secret is not among the hook's secrets in the configuration".to_owned(),
        Some(404) => format!("the server at that address has no hook {:?}", expected.hook),
        Some(503) => "the server was overloaded or starting; redeliver it".to_owned(),
        Some(_) => "look at its recent deliveries".to_owned(),
        None => "the forge cannot reach the address: check DNS, the ingress and its certificate".to_owned(),
    };
    let code = answer.code.map_or_else(|| "got no response".to_owned(), |code| format!("was answered with {code}"));
    let said = if answer.message.is_empty() { String::new() } else { format!(" ({})", answer.message) };
    Some(format!("the last delivery of its webhook {code}{said}: {hint}"))
}

fn worth_knowing(hook: &HookSettings, terms: &HookTerms) -> Option<String> {
    let mut texts = Vec::new();
    if hook.content == HookContent::Form {
        texts.push("its webhook sends forms, which are accepted; application/json is recommended".to_owned());
    }
    let lacks = |wanted: &str| !hook.events.iter().any(|event| event == wanted || event == "*");
    if lacks(terms.comment_event) {
        let event = terms.comment_event;
        texts.push(format!("its webhook does not send {event}, which only commands in comments need"));
    }
    if let Some(queue) = terms.merge_queue_event.filter(|queue| lacks(queue)) {
        texts.push(format!("its webhook does not send {queue}, which only a merge queue needs"));
    }
    (!texts.is_empty()).then(|| texts.join("; "))
}

/// An address may hold a user name, a password or a token.
fn without_secrets(url: &str) -> String {
    match Url::parse(url) {
        Ok(url) => format!("{}{}", url.origin().ascii_serialization(), url.path()),
        Err(_) => "an invalid address".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forge::{Flavour, GITHUB, GITLAB};

    fn sound() -> HookSettings {
        HookSettings {
            url: "https://driftless.example/webhooks/github".into(),
            active: true,
            content: HookContent::Json,
            verifies_tls: true,
            events: ["push", "pull_request", "merge_group"].map(String::from).into(),
            last_answer: Some(HookAnswer { code: Some(202), message: "OK".into() }),
        }
    }

    fn found(public_url: Option<&str>, hooks: Result<Vec<HookSettings>, ForgeError>) -> String {
        found_at(("github", &GITHUB), public_url, hooks)
    }

    fn found_at(
        terms: (&str, &Flavour),
        public_url: Option<&str>,
        hooks: Result<Vec<HookSettings>, ForgeError>,
    ) -> String {
        let public_url = public_url.map(|url| Url::parse(url).expect("an address"));
        let (hook, terms) = (terms.0, &terms.1.hook);
        let expected = Expected { repo: "shop", project: "acme/shop", hook, public_url: public_url.as_ref(), terms };
        let mut findings = Findings::default();
        judge(&expected, hooks, &mut findings);
        serde_json::to_string_pretty(&findings).expect("JSON")
    }

    #[test]
    fn a_sound_hook_passes() {
        insta::assert_snapshot!(found(Some("https://driftless.example/"), Ok(vec![sound()])));
        let below = HookSettings { url: "https://example.com/driftless/webhooks/github/".into(), ..sound() };
        assert!(found(None, Ok(vec![below])).contains("\"problems\": []"));
    }

    #[test]
    fn all_that_is_wrong_with_a_hook_is_named() {
        let wrong = HookSettings {
            url: "https://user:hunter2@old.example/webhooks/github?token=hunter2".into(),
            active: false,
            verifies_tls: false,
            events: vec!["push".into()],
            last_answer: Some(HookAnswer { code: Some(401), message: "Invalid HTTP Response: 401".into() }),
            ..sound()
        };
        let text = found(Some("https://driftless.example"), Ok(vec![wrong.clone()]));
        assert!(!text.contains("hunter2"), "{text}");
        insta::assert_snapshot!(text);
        assert!(
            found(Some("https://driftless.example"), Ok(vec![wrong, sound()])).contains("\"problems\": []"),
            "one of two is right"
        );
    }

    #[test]
    fn what_keeps_nothing_from_working_is_a_note() {
        let form =
            HookSettings { content: HookContent::Form, events: vec!["push".into(), "pull_request".into()], ..sound() };
        let refused = ForgeError::NotFound { forge: "github.com".into(), what: "/repos/acme/shop/hooks".into() };
        let other = HookSettings { url: "https://ci.example/hook".into(), ..sound() };
        insta::assert_snapshot!(
            [found(None, Ok(vec![form])), found(None, Err(refused)), found(None, Ok(vec![other]))].join("\n")
        );
    }

    #[test]
    fn gitlab_has_its_own_terms() {
        let sound = HookSettings {
            url: "https://driftless.example/webhooks/gitlab".into(),
            events: ["push events", "merge request events"].map(String::from).into(),
            ..sound()
        };
        let wrong = HookSettings { active: false, events: vec!["push events".into()], ..sound.clone() };
        let refused = ForgeError::Refused { forge: "gitlab.com".into(), message: "403 Forbidden".into() };
        let at = |hooks| found_at(("gitlab", &GITLAB), Some("https://driftless.example"), hooks);
        insta::assert_snapshot!(
            [at(Ok(vec![sound])), at(Ok(vec![wrong])), at(Ok(Vec::new())), at(Err(refused))].join("\n")
        );
    }
}
