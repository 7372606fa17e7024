//! The usage of an object in the resources that quotas measure, by their names in a quota. Pure.
//! <https://kubernetes.io/docs/concepts/policy/resource-quotas/>

use std::collections::BTreeMap;

use serde_json::Value;

use super::quantity::Quantity;

pub type Usage = BTreeMap<String, Quantity>;

pub fn add(usage: &mut Usage, more: Usage) {
    for (name, quantity) in more {
        *usage.entry(name).or_default() += quantity;
    }
}

pub fn times(usage: Usage, number: u64) -> Usage {
    usage.into_iter().map(|(name, quantity)| (name, quantity.times(number))).collect()
}

/// Whether a quota measures under this name, and does not count objects.
pub fn is_measured(name: &str) -> bool {
    name.starts_with("limits.")
        || name.starts_with("requests.")
        || name.ends_with("/requests.storage")
        || has_short_name(name)
}

/// What is requested of these may be called by its own name.
fn has_short_name(resource: &str) -> bool {
    matches!(resource, "cpu" | "memory" | "ephemeral-storage") || resource.starts_with("hugepages-")
}

/// What containers get that ask for nothing themselves, by the `LimitRange`s of their namespace.
#[derive(Debug, Clone, Default)]
pub struct Defaults {
    requests: Usage,
    limits: Usage,
}

impl Defaults {
    /// Of those with an item for containers. What an item leaves out is filled as the server fills it.
    pub fn of(ranges: &[Value]) -> Self {
        let mut found = Self::default();
        let items = ranges.iter().filter_map(|range| range.pointer("/spec/limits")?.as_array()).flatten();
        for item in items.filter(|item| item["type"] == "Container") {
            let mut limits = quantities(&item["max"]);
            limits.extend(quantities(&item["default"]));
            let mut requests = quantities(&item["min"]);
            requests.extend(limits.clone());
            requests.extend(quantities(&item["defaultRequest"]));
            for (all, own) in [(&mut found.limits, limits), (&mut found.requests, requests)] {
                for (name, quantity) in own {
                    all.entry(name).or_insert(quantity);
                }
            }
        }
        found
    }
}

/// Requests and limits, apart.
#[derive(Debug, Clone, Default)]
pub struct Resources {
    requests: Usage,
    limits: Usage,
}

impl Resources {
    /// As the server completes them: a request that is missing is the limit, and what is missing then has its default.
    fn of(resources: &Value, defaults: &Defaults) -> Self {
        let (own, limits) = (quantities(&resources["requests"]), quantities(&resources["limits"]));
        let mut requests = defaults.requests.clone();
        requests.extend(limits.clone());
        requests.extend(own);
        let mut all = defaults.limits.clone();
        all.extend(limits);
        Self { requests, limits: all }
    }

    fn add(&mut self, other: &Self) {
        add(&mut self.requests, other.requests.clone());
        add(&mut self.limits, other.limits.clone());
    }

    fn at_least(&mut self, other: &Self) {
        for (own, other) in [(&mut self.requests, &other.requests), (&mut self.limits, &other.limits)] {
            for (name, quantity) in other {
                let own = own.entry(name.clone()).or_default();
                *own = (*own).max(*quantity);
            }
        }
    }

    /// Whether it has what a quota asks for by this name, which none but these may be.
    fn has(&self, name: &str) -> bool {
        match name.split_once('.') {
            Some(("limits", resource)) => self.limits.contains_key(resource),
            Some((_, resource)) => self.requests.contains_key(resource),
            None => self.requests.contains_key(name),
        }
    }
}

/// What a pod uses: all of its containers together, or one that runs before them if that is more.
pub fn of_pod(spec: &Value, defaults: &Defaults) -> Usage {
    let (mut all, mut first) = (Resources::default(), Resources::default());
    for container in list(spec, "initContainers") {
        let own = Resources::of(&container["resources"], defaults);
        // A sidecar stays beside all that starts after it.
        if container["restartPolicy"] == "Always" {
            all.add(&own);
            first.at_least(&all);
        } else {
            let mut beside = all.clone();
            beside.add(&own);
            first.at_least(&beside);
        }
    }
    for container in list(spec, "containers") {
        all.add(&Resources::of(&container["resources"], defaults));
    }
    all.at_least(&first);
    // What is said of the whole pod counts instead.
    let whole = Resources::of(&spec["resources"], &Defaults::default());
    all.requests.extend(whole.requests);
    all.limits.extend(whole.limits);
    let overhead = quantities(&spec["overhead"]);
    for (name, quantity) in &overhead {
        if let Some(limit) = all.limits.get_mut(name) {
            *limit += *quantity;
        }
    }
    add(&mut all.requests, overhead);
    let mut usage = Usage::new();
    for (name, quantity) in all.requests {
        if has_short_name(&name) {
            usage.insert(name.clone(), quantity);
        }
        usage.insert(format!("requests.{name}"), quantity);
    }
    usage.extend(all.limits.into_iter().map(|(name, quantity)| (format!("limits.{name}"), quantity)));
    usage
}

/// The first container that lacks what a quota with this name asks of each one.
pub fn lacks<'a>(spec: &'a Value, defaults: &Defaults, name: &str) -> Option<&'a str> {
    const ASKED: [&str; 6] = ["cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"];
    if !ASKED.contains(&name) || Resources::of(&spec["resources"], &Defaults::default()).has(name) {
        return None;
    }
    let lacks = |container: &&Value| !Resources::of(&container["resources"], defaults).has(name);
    let container = list(spec, "initContainers").iter().chain(list(spec, "containers")).find(lacks)?;
    container["name"].as_str()
}

/// What a claim uses, also of its class.
pub fn of_claim(claim: &Value) -> Usage {
    let spec = &claim["spec"];
    let Some(storage) = quantities(&spec["resources"]["requests"]).get("storage").copied() else {
        return Usage::new();
    };
    let old = claim["metadata"]["annotations"]["volume.beta.kubernetes.io/storage-class"].as_str();
    let mut usage = Usage::from([("requests.storage".to_owned(), storage)]);
    if let Some(class) = old.or_else(|| spec["storageClassName"].as_str()).filter(|class| !class.is_empty()) {
        let of = |what: &str| format!("{class}.storageclass.storage.k8s.io/{what}");
        usage.insert(of("requests.storage"), storage);
        usage.insert(of("persistentvolumeclaims"), Quantity::whole(1));
    }
    usage
}

fn list<'a>(spec: &'a Value, field: &str) -> &'a [Value] {
    spec.get(field).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn quantities(of: &Value) -> Usage {
    let fields = of.as_object().into_iter().flatten();
    fields.filter_map(|(name, value)| Some((name.clone(), Quantity::of(value)?))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(usage: &Usage) -> String {
        usage.iter().map(|(name, quantity)| format!("{name}={quantity}")).collect::<Vec<_>>().join(" ")
    }

    fn container(resources: &Value) -> Value {
        json!({"name": "a", "resources": resources})
    }

    /// B22+: as the scheduler and the quotas add it up.
    #[test]
    fn what_a_pod_uses() {
        let (small, large) =
            (container(&json!({"requests": {"cpu": "100m"}})), container(&json!({"limits": {"cpu": 1}})));
        let side = json!({"name": "s", "restartPolicy": "Always", "resources": {"requests": {"cpu": "500m"}}});
        let gpu = container(&json!({"limits": {"example.test/gpu": 2}}));
        let table = [
            (json!({"containers": [small, small]}), "cpu=200m requests.cpu=200m"),
            (json!({"containers": [small], "initContainers": [large]}), "cpu=1 limits.cpu=1 requests.cpu=1"),
            (
                json!({"containers": [small], "initContainers": [side, large]}),
                "cpu=1500m limits.cpu=1 requests.cpu=1500m",
            ),
            (
                json!({"containers": [large], "initContainers": [large, side]}),
                "cpu=1500m limits.cpu=1 requests.cpu=1500m",
            ),
            (
                json!({"containers": [small], "overhead": {"cpu": "50m", "memory": "1Mi"}}),
                "cpu=150m memory=1Mi requests.cpu=150m requests.memory=1Mi",
            ),
            (json!({"containers": [small], "resources": {"requests": {"cpu": "3"}}}), "cpu=3 requests.cpu=3"),
            (json!({"containers": [gpu]}), "limits.example.test/gpu=2 requests.example.test/gpu=2"),
            (json!({"containers": [container(&json!({}))]}), ""),
        ];
        for (spec, expected) in table {
            assert_eq!(said(&of_pod(&spec, &Defaults::default())), expected, "{spec}");
        }
    }

    /// B22+: a `LimitRange` fills what a container leaves out.
    #[test]
    fn defaults_are_what_limit_ranges_say() {
        let range = |limits: &Value| json!({"spec": {"limits": [limits]}});
        let pod = json!({"containers": [container(&json!({"requests": {"cpu": "10m"}}))]});
        let with = |limits: &Value| {
            let defaults = Defaults::of(&[range(limits)]);
            (said(&of_pod(&pod, &defaults)), lacks(&pod, &defaults, "limits.memory"))
        };
        let all =
            with(&json!({"type": "Container", "default": {"memory": "2Mi"}, "defaultRequest": {"memory": "1Mi"}}));
        let expected = "cpu=10m limits.memory=2Mi memory=1Mi requests.cpu=10m requests.memory=1Mi";
        assert_eq!(all, (expected.to_owned(), None));
        let most = with(&json!({"type": "Container", "max": {"memory": "2Mi"}}));
        assert_eq!(most.1, None, "the most is the default");
        assert_eq!(with(&json!({"type": "Container", "min": {"memory": "2Mi"}})).1, Some("a"), "the least is no limit");
        assert_eq!(with(&json!({"type": "Pod", "default": {"memory": "2Mi"}})).1, Some("a"));
    }

    #[test]
    fn what_a_quota_asks_of_each_container_is_known() {
        let none = Defaults::default();
        let pod =
            json!({"initContainers": [{"name": "first"}], "containers": [container(&json!({"limits": {"cpu": 1}}))]});
        assert_eq!(lacks(&pod, &none, "limits.cpu"), Some("first"));
        assert_eq!(lacks(&pod, &none, "limits.ephemeral-storage"), None, "no quota asks for it");
        let pod = json!({"containers": [container(&json!({"limits": {"cpu": 1}}))]});
        assert_eq!(lacks(&pod, &none, "requests.cpu"), None, "the limit is the request");
        assert_eq!(lacks(&pod, &none, "cpu"), None);
        assert_eq!(lacks(&pod, &none, "memory"), Some("a"));
        let whole = json!({"containers": [container(&json!({}))], "resources": {"limits": {"memory": "1Gi"}}});
        assert_eq!(lacks(&whole, &none, "limits.memory"), None);
    }

    #[test]
    fn what_a_claim_uses() {
        let claim = |spec: &Value| said(&of_claim(&json!({"spec": spec})));
        let storage = json!({"requests": {"storage": "1Gi"}});
        assert_eq!(claim(&json!({"resources": storage})), "requests.storage=1Gi");
        assert_eq!(
            claim(&json!({"resources": storage, "storageClassName": "fast"})),
            "fast.storageclass.storage.k8s.io/persistentvolumeclaims=1 \
             fast.storageclass.storage.k8s.io/requests.storage=1Gi requests.storage=1Gi"
        );
        assert_eq!(claim(&json!({})), "");
    }
}
