//! Each fault of the proxy as a client of the real API server meets it.

use std::time::Duration;

use driftless::dev::fault_proxy::{Fault, FaultProxy, Rule};
use driftless::lifecycle::Tasks;
use futures::TryStreamExt as _;
use http::{Method, StatusCode};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{PostParams, WatchEvent, WatchParams};
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::support::cluster;

/// A proxy before the shared control plane, and a namespace to ask about.
struct Proxied {
    proxy: FaultProxy,
    _tasks: Tasks,
    namespace: String,
}

impl Proxied {
    async fn new(words: &str) -> Self {
        let namespace = cluster::namespace(words).await;
        let tasks = Tasks::new();
        let proxy = FaultProxy::start(cluster::control_plane().await.access(), &tasks).await.expect("a proxy");
        Self { proxy, _tasks: tasks, namespace }
    }

    fn url(&self, path: &str) -> String {
        format!("{}/api/v1/namespaces/{}/configmaps{path}", self.proxy.access().server, self.namespace)
    }

    async fn get(&self, path: &str) -> reqwest::Result<reqwest::Response> {
        self.send(reqwest::Client::new().get(self.url(path))).await
    }

    async fn create(&self, name: &str) -> reqwest::Result<reqwest::Response> {
        let body =
            json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": { "a": "b" } });
        self.send(reqwest::Client::new().post(self.url("")).json(&body)).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> reqwest::Result<reqwest::Response> {
        request.bearer_auth(self.proxy.access().token.expose_secret()).send().await
    }

    /// Past the proxy.
    async fn exists(&self, name: &str) -> bool {
        let direct = Api::<ConfigMap>::namespaced(cluster::client().await, &self.namespace);
        direct.get_opt(name).await.expect("an answer").is_some()
    }
}

/// Whether an error's chain of sources ends in a connection reset.
fn is_reset(error: &reqwest::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if cause.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::ConnectionReset) {
            return true;
        }
        source = cause.source();
    }
    false
}

#[tokio::test]
async fn without_rules_all_goes_through_and_is_counted() {
    let here = Proxied::new("forwarded").await;
    assert_eq!(here.create("one").await.expect("an answer").status(), StatusCode::CREATED);
    let read: serde_json::Value = here.get("/one").await.expect("an answer").json().await.expect("JSON");
    assert_eq!(read["data"]["a"], "b");
    assert_eq!(here.get("/none").await.expect("an answer").status(), StatusCode::NOT_FOUND);

    let counts = here.proxy.counts();
    assert_eq!((counts.of("POST", "v1/configmaps"), counts.of("GET", "v1/configmaps")), (1, 2), "{counts}");
    assert_eq!((counts.writes(), counts.total()), (1, 3), "{counts}");
    here.proxy.forget_counts();
    assert_eq!(here.proxy.counts().total(), 0);
}

#[tokio::test]
async fn a_wrong_token_is_refused_by_the_api_server_itself() {
    let here = Proxied::new("token").await;
    let answer = reqwest::Client::new().get(here.url("")).bearer_auth("wrong").send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn refusals_look_like_the_api_servers_own() {
    let here = Proxied::new("refused").await;
    for (status, reason) in [(409, "Conflict"), (500, "InternalError"), (503, "ServiceUnavailable")] {
        here.proxy.clear();
        let rule =
            Rule::all(Fault::status(StatusCode::from_u16(status).expect("a status"))).method(Method::POST).times(1);
        let rule = here.proxy.add(rule);
        let answer = here.create("refused").await.expect("an answer");
        assert_eq!(answer.status(), status);
        let body: serde_json::Value = answer.json().await.expect("JSON");
        assert_eq!((body["kind"].as_str(), body["reason"].as_str()), (Some("Status"), Some(reason)));
        assert_eq!(here.proxy.struck(rule), 1);
        assert!(!here.exists("refused").await, "the API server never saw it");
    }
    assert_eq!(here.create("refused").await.expect("an answer").status(), StatusCode::CREATED, "the rule is used up");
}

#[tokio::test]
async fn too_many_requests_says_when_to_come_back() {
    let here = Proxied::new("busy").await;
    here.proxy.add(Rule::all(Fault::too_many_requests(7)).containing("/configmaps/busy").after(1).times(1));
    here.create("busy").await.expect("created");
    assert_eq!(here.get("/busy").await.expect("an answer").status(), StatusCode::OK, "the first is let through");
    let answer = here.get("/busy").await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.headers()["retry-after"], "7");
    assert_eq!(here.get("/busy").await.expect("an answer").status(), StatusCode::OK);
}

#[tokio::test]
async fn a_reset_comes_before_the_work_and_a_lost_answer_after_it() {
    let here = Proxied::new("reset").await;
    here.proxy.add(Rule::all(Fault::Reset).method(Method::POST).times(1));
    here.proxy.add(Rule::all(Fault::LoseAnswer).method(Method::POST).times(1));

    let error = here.create("never").await.expect_err("reset");
    assert!(is_reset(&error), "{error:?}");
    assert!(!here.exists("never").await);

    let error = here.create("done").await.expect_err("the answer is lost");
    assert!(is_reset(&error), "{error:?}");
    assert!(here.exists("done").await, "the API server had done it");
}

#[tokio::test]
async fn a_hang_lasts_until_the_caller_gives_up_and_a_delay_passes() {
    let here = Proxied::new("hang").await;
    let hang = here.proxy.add(Rule::all(Fault::Hang).containing("/configmaps/hang").times(1));
    {
        let mut answer = std::pin::pin!(here.get("/hang"));
        // Connecting takes its time on a busy machine.
        let struck = async {
            while here.proxy.struck(hang) == 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::select! {
            _ = &mut answer => panic!("no answer ever comes"),
            struck = tokio::time::timeout(Duration::from_secs(30), struck) => struck.expect("asked"),
        }
        let answer = tokio::time::timeout(Duration::from_millis(300), &mut answer).await;
        assert!(answer.is_err(), "no answer ever comes");
        assert_eq!(here.proxy.struck(hang), 1);
    }

    let wait = Duration::from_millis(200);
    here.proxy.add(Rule::all(Fault::Delay(wait)).times(1));
    let started = tokio::time::Instant::now();
    assert_eq!(here.get("/hang").await.expect("an answer").status(), StatusCode::NOT_FOUND);
    assert!(started.elapsed() >= wait);
}

#[tokio::test]
async fn a_kubeconfig_leads_through_it_and_watches_come_as_they_happen() {
    let here = Proxied::new("watch").await;
    let directory = tempfile::tempdir().expect("a directory");
    let kubeconfig = directory.path().join("kubeconfig");
    here.proxy.write_kubeconfig(&kubeconfig).expect("written");
    let config_maps = Api::<ConfigMap>::namespaced(cluster::client_for(&kubeconfig).await, &here.namespace);

    let version = config_maps
        .list(&kube::api::ListParams::default())
        .await
        .expect("a list")
        .metadata
        .resource_version
        .expect("a version");
    let watch = config_maps.watch(&WatchParams::default(), &version).await.expect("a watch");
    let mut watch = std::pin::pin!(watch);
    for name in ["first", "second"] {
        let mut object = ConfigMap::default();
        object.metadata.name = Some(name.to_owned());
        config_maps.create(&PostParams::default(), &object).await.expect("created");
        let seen = async {
            loop {
                let event = watch.try_next().await.expect("an event").expect("not the end");
                if matches!(&event, WatchEvent::Added(o) if o.metadata.name.as_deref() == Some(name)) {
                    break;
                }
            }
        };
        // The watch stays open all the while, so nothing may wait for its end.
        tokio::time::timeout(Duration::from_secs(5), seen).await.expect("the event comes while the watch is open");
    }
    assert_eq!(here.proxy.counts().of("WATCH", "v1/configmaps"), 1, "{}", here.proxy.counts());
}
