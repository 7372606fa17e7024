//! `driftless check --online`, the program itself: before the embedded forge and the real API server, with all that is
//! needed and with too little.

use std::path::Path;

use driftless::dev::Access;
use driftless::render::sandbox::{self, Landlock};
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value, json};

use crate::support::forge::{Forge, PROJECT, Setup};
use crate::support::receiver::Receiver;
use crate::support::{cluster, deployed, tool};

/// What a check works on: a configuration, and a checkout of its repo.
struct Site {
    forge: Forge,
    namespace: String,
    folder: tempfile::TempDir,
}

impl Site {
    async fn new(words: &str, webhook_url: Option<String>) -> Self {
        let forge = Forge::with(Setup { webhook_url, ..Setup::default() }).await;
        forge.forge.delivered().await;
        let site =
            Self { forge, namespace: cluster::namespace(words).await, folder: tempfile::tempdir().expect("a folder") };
        site.write("driftless.yaml", &site.configuration());
        site.write("shop/apps/web.yaml", &site.app("web"));
        site.write("shop/deploy/web.yaml", OBJECTS);
        site
    }

    fn configuration(&self) -> String {
        let (renderer, api, namespace) = (tool::program("renderer"), self.forge.forge.api_url(), &self.namespace);
        format!(
            "data: data\nrenderer: {}\n\
             hooks:\n  - name: forge\n    forge: github\n    url: {api}\n    secrets: [{{env: HOOK_SECRET}}]\n    \
             credentials: {{token: {{env: TOKEN}}}}\n\
             repos:\n  - name: shop\n    hook: forge\n    project: {PROJECT}\n    url: \
             https://forge.example/shop.git\n    \
             definitions: {{branch: main, globs: ['apps/*.yaml']}}\n    allow: {{clusters: [prod], namespaces: \
             ['{namespace}*']}}\n\
             clusters:\n  - name: prod\n    kubeconfig: kubeconfig\n",
            renderer.display()
        )
    }

    fn app(&self, name: &str) -> String {
        format!(
            "apiVersion: driftless.dev/v1\nkind: App\nmetadata: {{name: {name}}}\nspec:\n  source: {{path: deploy}}\n  \
             destination: {{cluster: prod, namespace: {}}}\n",
            self.namespace
        )
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, text).expect("written");
    }

    fn kubeconfig(&self, access: &Access) {
        access.write_kubeconfig(&self.folder.path().join("kubeconfig")).expect("written");
    }

    /// What the program says, and what it ends with. Names that differ each time are written the same.
    async fn check(&self, more: &[&str]) -> (String, i32) {
        self.check_with(more, &[]).await
    }

    async fn check_with(&self, more: &[&str], environment: &[(&str, &str)]) -> (String, i32) {
        let folder = self.folder.path();
        let check = tokio::process::Command::new(env!("CARGO_BIN_EXE_driftless"))
            .args(["check", "--online", "--config"])
            .arg(folder.join("driftless.yaml"))
            .args(more)
            .current_dir(folder)
            .env("HOOK_SECRET", "hook")
            .env("TOKEN", "t0ken")
            .envs(environment.iter().copied())
            .stdin(std::process::Stdio::null())
            .kill_on_drop(true)
            .output();
        let output =
            tokio::time::timeout(std::time::Duration::from_mins(1), check).await.expect("it ends").expect("it starts");
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8(output.stdout).expect("text");
        assert!(!said.contains("t0ken"), "{said}");
        (self.tidied(&said, folder), output.status.code().expect("a code"))
    }

    fn tidied(&self, said: &str, folder: &Path) -> String {
        // What is enforced depends on the kernel.
        let enforced = sandbox::enforced(Landlock::default())
            .map_or_else(|error| error.to_string(), |enforced| enforced.to_string());
        let said = said.replace(&enforced, "ENFORCED");
        said.replace(&self.namespace, "NAMESPACE").replace(&folder.display().to_string(), "FOLDER")
    }
}

const OBJECTS: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: example.test/web:1}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: web}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
";

async fn create<K>(api: Api<K>, object: Value)
where
    K: kube::Resource + Clone + std::fmt::Debug + serde::de::DeserializeOwned + serde::Serialize,
{
    let object: K = serde_json::from_value(object).expect("an object");
    api.create(&PostParams::default(), &object).await.expect("created");
}

/// An identity that may read two kinds everywhere, and write one of them in the namespace.
async fn too_little(namespace: &str) -> Access {
    let client = cluster::client().await;
    let accounts = Api::<ServiceAccount>::namespaced(client.clone(), namespace);
    create(accounts, json!({"metadata": {"name": "few"}})).await;
    let subjects = json!([{"kind": "ServiceAccount", "name": "few", "namespace": namespace}]);
    let rules = json!([
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "list"]},
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["delete"], "resourceNames": ["web"]},
    ]);
    create(Api::<ClusterRole>::all(client.clone()), json!({"metadata": {"name": namespace}, "rules": rules})).await;
    let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": namespace});
    create(
        Api::<ClusterRoleBinding>::all(client.clone()),
        json!({"metadata": {"name": namespace}, "roleRef": role, "subjects": subjects}),
    )
    .await;
    let rules = json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create", "patch", "delete"]}]);
    create(Api::<Role>::namespaced(client.clone(), namespace), json!({"metadata": {"name": "few"}, "rules": rules}))
        .await;
    let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "few"});
    let bindings = Api::<RoleBinding>::namespaced(client, namespace);
    create(bindings, json!({"metadata": {"name": "few"}, "roleRef": role, "subjects": subjects})).await;
    let token = cluster::service_account_token(namespace, "few").await;
    Access { token: token.into(), ..cluster::control_plane().await.access().clone() }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installation_as_the_readme_has_it_passes() {
    let receiver = Receiver::at("hook", "/webhooks/forge").await;
    let site = Site::new("checked", Some(receiver.url.clone())).await;
    site.kubeconfig(deployed::identity().await);
    let (said, code) = site.check(&[]).await;
    insta::assert_snapshot!(said);
    assert_eq!(code, 0);

    let (said, code) = site.check(&["--definitions", "shop=shop"]).await;
    assert!(said.contains("has the required rights on 3 kinds"), "{said}");
    assert_eq!(code, 0);

    // A definition that nobody reads.
    site.write("shop/elsewhere/lost.yaml", &site.app("lost"));
    let (said, code) = site.check(&["--definitions", "shop=shop"]).await;
    assert!(said.contains("note  shop/elsewhere/lost.yaml: it defines app lost, which is ignored"), "{said}");
    assert_eq!(code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_missing_is_named_with_what_grants_it() {
    // Nobody listens there.
    let site = Site::new("few", Some("http://127.0.0.1:9/webhooks/forge".into())).await;
    let before = site.forge.forge.faults().requests().len();
    site.kubeconfig(&too_little(&site.namespace).await);
    site.forge.forge.set(|settings| {
        settings.scopes = Some(vec!["repo:status".into(), "read:repo_hook".into()]);
        settings.may_push = false;
        settings.active = false;
        settings.verifies_tls = false;
        settings.events = vec!["push".into()];
    });
    let (said, code) = site.check(&["--definitions", "shop=shop"]).await;
    insta::assert_snapshot!(said);
    assert_eq!(code, 1);
    let asked = site.forge.forge.faults().requests().len() - before;
    assert_eq!(asked, 4, "of the forge: who we are, what is granted, pull requests, hooks");

    let (said, code) = site.check(&["--definitions", "shop=shop", "-o", "json"]).await;
    let said: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!((code, said["problems"].as_array().map(Vec::len)), (1, Some(7)), "{said:#}");
    let cluster = &said["clusters"][0];
    assert_eq!(cluster["identity"], format!("system:serviceaccount:NAMESPACE:few"));
    let deployments =
        cluster["missing"].as_array().expect("a list").iter().find(|missing| missing["resource"] == "deployments");
    assert_eq!(deployments.expect("missing")["verbs"], json!(["watch", "create", "patch", "delete"]), "{said:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_checkout_the_kinds_of_the_base_are_asked_for_and_hidden_hooks_are_no_error() {
    let site = Site::new("base", None).await;
    site.kubeconfig(&too_little(&site.namespace).await);
    site.forge.forge.set(|settings| settings.scopes = Some(vec!["repo".into()]));
    let (said, code) = site.check(&[]).await;
    insta::assert_snapshot!(said);
    assert_eq!(code, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_answer_is_named_and_the_rest_is_asked_all_the_same() {
    let site = Site::new("silent", None).await;
    let access = Access { server: "https://127.0.0.1:9".into(), ..cluster::control_plane().await.access().clone() };
    site.kubeconfig(&access);
    site.forge.forge.rotate_token(&crate::support::forge::secret("another"));
    let (said, code) = site.check(&["--definitions", "shopp=shop", "--definitions", "shop=nowhere"]).await;
    insta::assert_snapshot!(said);
    assert_eq!(code, 1);
}

/// Takes connections as a proxy does, and leads all of them to one place.
async fn proxy_to(target: String) -> (String, std::sync::Arc<std::sync::atomic::AtomicUsize>) {
    let taken = std::sync::Arc::<std::sync::atomic::AtomicUsize>::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let count = taken.clone();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let target = target.clone();
            tokio::spawn(async move {
                if let Ok(mut far) = tokio::net::TcpStream::connect(&target).await {
                    drop(tokio::io::copy_bidirectional(&mut near, &mut far).await);
                }
            });
        }
    });
    (url, taken)
}

/// A forge that can only be reached through a company's proxy, and what is not to go through it.
#[tokio::test(flavor = "multi_thread")]
async fn the_forge_is_reached_through_a_proxy() {
    let receiver = Receiver::at("hook", "/webhooks/forge").await;
    let site = Site::new("proxied", Some(receiver.url.clone())).await;
    site.kubeconfig(deployed::identity().await);
    let api = site.forge.forge.api_url();
    let host = url::Url::parse(&api).expect("a URL");
    let address = format!("{}:{}", host.host_str().expect("a host"), host.port().expect("a port"));
    let named = api.replace(&address, "forge.invalid");
    site.write("driftless.yaml", &site.configuration().replace(&api, &named));
    let (proxy, taken) = proxy_to(address).await;

    let (said, code) = site.check_with(&[], &[("HTTP_PROXY", &proxy)]).await;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("authenticated at forge.invalid as driftless-bot"), "{said}");
    assert!(taken.load(std::sync::atomic::Ordering::SeqCst) > 0);

    let (said, code) = site.check_with(&[], &[("HTTP_PROXY", &proxy), ("NO_PROXY", "forge.invalid")]).await;
    assert!(said.contains("forge.invalid could not be reached"), "{said}");
    assert_eq!(code, 1, "{said}");
}
