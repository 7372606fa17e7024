//! The script of a fault proxy: which requests meet which fault, and how often.

use std::time::Duration;

use http::{Method, StatusCode};

/// What happens to a request that a rule matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Answered by the proxy; the API server never sees it. `retry_after` in seconds.
    Answer { status: StatusCode, retry_after: Option<u32> },
    /// Never answered.
    Hang,
    /// The connection is reset before the API server sees the request.
    Reset,
    /// The API server does the work; then the connection is reset instead of the answer.
    LoseAnswer,
    /// The API server does the work, and nobody ever says so.
    Swallow,
    /// Forwarded after this time.
    Delay(Duration),
}

impl Fault {
    /// Too many requests: try again after so many seconds.
    pub fn too_many_requests(retry_after: u32) -> Self {
        Self::Answer { status: StatusCode::TOO_MANY_REQUESTS, retry_after: Some(retry_after) }
    }

    /// An answer with this status and nothing more to say.
    pub fn status(status: StatusCode) -> Self {
        Self::Answer { status, retry_after: None }
    }
}

/// One line of the script. As made by `all`, it strikes every request, for ever.
#[derive(Clone, Debug)]
pub struct Rule {
    method: Option<Method>,
    containing: String,
    skip: usize,
    times: usize,
    fault: Fault,
}

impl Rule {
    /// Every request meets the fault.
    pub fn all(fault: Fault) -> Self {
        Self { method: None, containing: String::new(), skip: 0, times: usize::MAX, fault }
    }

    /// Only requests with this method.
    #[must_use]
    pub fn method(mut self, method: Method) -> Self {
        self.method = Some(method);
        self
    }

    /// Only requests whose path and query contain this text, such as `/configmaps/` or `dryRun=All`.
    #[must_use]
    pub fn containing(mut self, text: impl Into<String>) -> Self {
        self.containing = text.into();
        self
    }

    /// Lets the first `count` matching requests through.
    #[must_use]
    pub fn after(mut self, count: usize) -> Self {
        self.skip = count;
        self
    }

    /// Strikes so many times, then never again.
    #[must_use]
    pub fn times(mut self, count: usize) -> Self {
        self.times = count;
        self
    }

    fn matches(&self, method: &Method, target: &str) -> bool {
        self.method.as_ref().is_none_or(|wanted| wanted == method) && target.contains(&self.containing)
    }
}

/// Names a rule that was added, to ask how often it struck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleId(usize);

#[derive(Debug)]
struct Line {
    id: RuleId,
    rule: Rule,
    struck: usize,
}

/// The rules in order, with what is left of each.
#[derive(Debug, Default)]
pub(super) struct Script {
    lines: Vec<Line>,
    added: usize,
}

impl Script {
    pub(super) fn add(&mut self, rule: Rule) -> RuleId {
        let id = RuleId(self.added);
        self.added += 1;
        self.lines.push(Line { id, rule, struck: 0 });
        id
    }

    pub(super) fn struck(&self, id: RuleId) -> usize {
        self.lines.iter().find(|line| line.id == id).map_or(0, |line| line.struck)
    }

    pub(super) fn clear(&mut self) {
        self.lines.clear();
    }

    /// The fault for a request, counted as struck.
    pub(super) fn strike(&mut self, method: &Method, target: &str) -> Option<Fault> {
        for line in &mut self.lines {
            if line.struck == line.rule.times || !line.rule.matches(method, target) {
                continue;
            }
            if line.rule.skip > 0 {
                line.rule.skip -= 1;
                continue;
            }
            line.struck += 1;
            return Some(line.rule.fault);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strikes(script: &mut Script, method: &Method, target: &str) -> bool {
        script.strike(method, target).is_some()
    }

    #[test]
    fn a_rule_skips_then_strikes_then_is_used_up() {
        let mut script = Script::default();
        let id = script.add(Rule::all(Fault::Reset).method(Method::PATCH).containing("/configmaps/").after(1).times(2));
        let target = "/api/v1/namespaces/a/configmaps/b?fieldManager=driftless";
        let patches: Vec<bool> = (0..5).map(|_| strikes(&mut script, &Method::PATCH, target)).collect();
        assert_eq!(patches, [false, true, true, false, false]);
        assert_eq!(script.struck(id), 2);
    }

    #[test]
    fn method_and_text_must_both_match() {
        let mut script = Script::default();
        script.add(Rule::all(Fault::Hang).method(Method::PATCH).containing("dryRun=All"));
        assert!(!strikes(&mut script, &Method::GET, "/api/v1/pods?dryRun=All"));
        assert!(!strikes(&mut script, &Method::PATCH, "/api/v1/pods"));
        assert!(strikes(&mut script, &Method::PATCH, "/api/v1/pods/a?dryRun=All"));
    }

    #[test]
    fn the_first_rule_with_something_left_decides() {
        let mut script = Script::default();
        script.add(Rule::all(Fault::Reset).times(1));
        script.add(Rule::all(Fault::Hang));
        assert_eq!(script.strike(&Method::GET, "/"), Some(Fault::Reset));
        assert_eq!(script.strike(&Method::GET, "/"), Some(Fault::Hang));
        script.clear();
        assert_eq!(script.strike(&Method::GET, "/"), None);
    }
}
