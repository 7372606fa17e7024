//! The repository that `driftless dev` begins with, and the change that its first pull request proposes.

/// The project at the embedded forge.
pub const PROJECT: &str = "acme/shop";
/// What the server's configuration calls it.
pub const NAME: &str = "shop";
/// The branch of the first pull request.
pub const BRANCH: &str = "spring-sale";
pub const TITLE: &str = "Spring sale: a third web server, and a new banner";

/// All files, by their path in the repository.
pub const FILES: &[(&str, Option<&str>)] = &[
    ("README.md", Some(include_str!("sample/README.md"))),
    ("apps/shop.yaml", Some(include_str!("sample/apps/shop.yaml"))),
    ("deploy/kustomization.yaml", Some(include_str!("sample/deploy/kustomization.yaml"))),
    ("deploy/namespace.yaml", Some(include_str!("sample/deploy/namespace.yaml"))),
    ("deploy/web.yaml", Some(include_str!("sample/deploy/web.yaml"))),
    ("deploy/cart.yaml", Some(include_str!("sample/deploy/cart.yaml"))),
];

/// The files that the first pull request changes, with their new content.
pub fn change() -> Vec<(&'static str, String)> {
    let web = include_str!("sample/deploy/web.yaml").replace("replicas: 2", "replicas: 3");
    let kustomization =
        include_str!("sample/deploy/kustomization.yaml").replace("BANNER=Welcome", "BANNER=Spring sale, 20 % off");
    vec![("deploy/web.yaml", web), ("deploy/kustomization.yaml", kustomization)]
}
