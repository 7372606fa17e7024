//! The rights of Driftless in a cluster: its rules in one request, and single reviews if the rules cannot be listed.

use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer;
use super::connect::Cluster;
use super::error::ClusterError;
use super::exchange::Ask;

/// What was granted to us, as the cluster lists it (`SelfSubjectRulesReview`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    rules: Vec<Rule>,
    /// The list may lack something: not every authorizer can list what it grants.
    pub incomplete: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Rule {
    verbs: Vec<String>,
    api_groups: Vec<String>,
    resources: Vec<String>,
    /// Names that it is limited to; such a rule grants nothing for the kind as a whole.
    resource_names: Vec<String>,
}

impl Rules {
    /// Whether they grant a verb on all objects of a kind, by its plural name.
    pub fn grant(&self, verb: &str, group: &str, resource: &str) -> bool {
        let has = |list: &[String], wanted: &str| list.iter().any(|entry| entry == wanted || entry == "*");
        self.rules.iter().any(|rule| {
            rule.resource_names.is_empty()
                && has(&rule.verbs, verb)
                && has(&rule.api_groups, group)
                && has(&rule.resources, resource)
        })
    }
}

#[derive(Deserialize)]
struct Review<T> {
    status: T,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RulesStatus {
    #[serde(default)]
    resource_rules: Option<Vec<Rule>>,
    #[serde(default)]
    incomplete: bool,
}

#[derive(Deserialize)]
struct AccessStatus {
    #[serde(default)]
    allowed: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WhoStatus {
    user_info: UserInfo,
}

#[derive(Deserialize)]
struct UserInfo {
    #[serde(default)]
    username: String,
}

impl Cluster {
    /// Our rules in a namespace, and those for the whole cluster with them. A namespace that does not exist has those
    /// of the cluster alone.
    pub async fn own_rules(&self, namespace: &str) -> Result<Rules, ClusterError> {
        let asked = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview",
            "spec": {"namespace": namespace}});
        let status: RulesStatus = self.review("authorization.k8s.io", "selfsubjectrulesreviews", &asked).await?;
        Ok(Rules { rules: status.resource_rules.unwrap_or_default(), incomplete: status.incomplete })
    }

    /// Whether we may do one thing with all objects of a kind: in a namespace, or in all (None).
    pub async fn may(
        &self,
        verb: &str,
        group: &str,
        resource: &str,
        namespace: Option<&str>,
    ) -> Result<bool, ClusterError> {
        let attributes =
            json!({"verb": verb, "group": group, "resource": resource, "namespace": namespace.unwrap_or_default()});
        let asked = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        });
        let status: AccessStatus = self.review("authorization.k8s.io", "selfsubjectaccessreviews", &asked).await?;
        Ok(status.allowed)
    }

    /// Who the cluster takes us for, such as `system:serviceaccount:driftless:driftless`.
    pub async fn who_am_i(&self) -> Result<String, ClusterError> {
        let asked = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
        let status: WhoStatus = self.review("authentication.k8s.io", "selfsubjectreviews", &asked).await?;
        Ok(status.user_info.username)
    }

    /// Reviews are made and not kept: nothing changes in the cluster.
    async fn review<T: serde::de::DeserializeOwned>(
        &self,
        group: &str,
        resource: &str,
        asked: &Value,
    ) -> Result<T, ClusterError> {
        let body = Bytes::from(asked.to_string());
        let ask = Ask {
            method: Method::POST,
            body: Some(("application/json", body)),
            ..Ask::get(format!("/apis/{group}/v1/{resource}"))
        };
        let answer = self.ask(&ask).await?;
        let review: Review<T> = answer::json(self.name(), &answer, None)?;
        Ok(review.status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_for_some_names_grants_nothing_for_the_kind() {
        let rules: Vec<Rule> = serde_json::from_value(json!([
            {"verbs": ["get", "list"], "apiGroups": [""], "resources": ["configmaps"]},
            {"verbs": ["*"], "apiGroups": ["apps"], "resources": ["*"]},
            {"verbs": ["delete"], "apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["one"]},
            {"verbs": ["create"], "apiGroups": [""], "resources": ["pods/exec"]},
        ]))
        .expect("rules");
        let rules = Rules { rules, incomplete: false };
        assert!(rules.grant("get", "", "configmaps") && rules.grant("patch", "apps", "deployments"));
        for (verb, group, resource) in [("delete", "", "configmaps"), ("get", "batch", "jobs"), ("create", "", "pods")]
        {
            assert!(!rules.grant(verb, group, resource), "{verb} {resource}");
        }
    }
}
