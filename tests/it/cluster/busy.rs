//! A cluster that has too much to do, or answers nothing.

use std::time::Duration;

use driftless::class::Classified;
use driftless::cluster::{ApplyError, Cluster, ClusterConfig, ClusterError};
use driftless::dev::fault_proxy::{Fault, FaultProxy, Rule};
use driftless::ids::ClusterName;
use driftless::lifecycle::Tasks;
use serde_json::json;

use super::{DRY, REAL, apply, config_map, connect};
use crate::support::cluster;

#[tokio::test]
async fn too_many_requests_are_waited_for_and_lower_the_concurrency() {
    let (direct, namespace) = (connect().await, cluster::namespace("many").await);
    let tasks = Tasks::new();
    let proxy = FaultProxy::start(cluster::control_plane().await.access(), &tasks).await.expect("a proxy");
    let directory = tempfile::tempdir().expect("a directory");
    let kubeconfig = directory.path().join("kubeconfig");
    proxy.write_kubeconfig(&kubeconfig).expect("a kubeconfig");
    let config = ClusterConfig { concurrency: 4, ..ClusterConfig::new(ClusterName::new("proxied"), Some(kubeconfig)) };
    let proxied = Cluster::connect(config).await.expect("a cluster");
    proxied.discovery().await.expect("discovery");

    proxy.add(Rule::all(Fault::too_many_requests(1)).containing("/configmaps/").times(2));
    let start = tokio::time::Instant::now();
    let object = config_map(&namespace, "a", &json!({"k": "v"}));
    apply(&proxied, &object, REAL).await.expect("applied after waiting");
    assert!(start.elapsed() >= Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!(proxied.concurrency(), 2);
    assert!(direct.get(&super::key(&object)).await.expect("an answer").is_some());

    proxy.add(Rule::all(Fault::too_many_requests(600)).containing("/configmaps/").times(1));
    let error = apply(&proxied, &object, DRY).await.expect_err("put off");
    assert!(
        matches!(&error, ApplyError::Cluster(ClusterError::TooMany { after, .. }) if after.as_secs() == 600),
        "{error:?}"
    );
}

/// A9+: a cluster that answers nothing holds up those who come next for a limited time, and they hear why.
#[tokio::test]
async fn who_waits_for_a_cluster_that_hangs_is_told_so() {
    let namespace = cluster::namespace("hangs").await;
    let tasks = Tasks::new();
    let proxy = FaultProxy::start(cluster::control_plane().await.access(), &tasks).await.expect("a proxy");
    let directory = tempfile::tempdir().expect("a directory");
    let kubeconfig = directory.path().join("kubeconfig");
    proxy.write_kubeconfig(&kubeconfig).expect("a kubeconfig");
    let config = ClusterConfig {
        concurrency: 4,
        wait: Duration::from_secs(1),
        ..ClusterConfig::new(ClusterName::new("hanging"), Some(kubeconfig))
    };
    let hanging = Cluster::connect(config).await.expect("a cluster");
    let rule = proxy.add(Rule::all(Fault::Hang));
    let first = tokio::spawn({
        let hanging = hanging.clone();
        async move { hanging.discovery().await.map(drop) }
    });
    while proxy.struck(rule) == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let error = hanging.discovery().await.expect_err("the first still waits");
    assert!(error.class().is_retry());
    insta::assert_snapshot!(error.to_string(), @"no request to cluster hanging could be sent within 1 s: another request still reads the list of its APIs. Driftless retries");
    first.abort();
    proxy.clear();

    hanging.discovery().await.expect("it answers again");
    let rule = proxy.add(Rule::all(Fault::Hang).containing("/configmaps/"));
    let object = config_map(&namespace, "a", &json!({}));
    let all: Vec<_> = (0..4)
        .map(|_| {
            let (hanging, key) = (hanging.clone(), super::key(&object));
            tokio::spawn(async move { hanging.get(&key).await.map(drop) })
        })
        .collect();
    while proxy.struck(rule) < 4 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let error = hanging.get(&super::key(&object)).await.expect_err("there is no room");
    assert!(error.class().is_retry());
    insta::assert_snapshot!(error.to_string(), @"no request to cluster hanging could be sent within 1 s: the limit of concurrent requests is reached. Driftless retries");
    all.iter().for_each(tokio::task::JoinHandle::abort);
}
