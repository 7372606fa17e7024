use super::*;
use crate::tree::memory::MemoryTree;

fn tree() -> MemoryTree {
    MemoryTree::new()
        .file("apps/web/a.yaml", "a")
        .file("base/b.yaml", "b")
        .file("base/big.bin", vec![0; 100])
        .file("base/model.bin", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
        .link("apps/base", "../base")
        .link("apps/b.yaml", "base/b.yaml")
        .link("apps/out", "../../elsewhere")
        .link("apps/absolute", "/etc/passwd")
        .link("one", "two")
        .link("two", "one")
        .link("dangling", "nowhere/at/all")
        .submodule("vendor/lib")
}

fn paths() -> Paths {
    Paths::new(Arc::new(tree()), 90)
}

#[test]
fn links_inside_are_followed_and_written_down() -> Result<(), TreeError> {
    let mut paths = paths();
    assert_eq!(paths.read("apps/b.yaml")?, Found::Here("base/b.yaml".to_owned(), b"b".to_vec()));
    let trace = paths.into_trace();
    let asked: Vec<&str> = trace.iter().map(|(path, _)| path).collect();
    assert_eq!(asked, ["apps", "apps/b.yaml", "apps/base", "base/b.yaml"]);
    assert_eq!(trace.differs(&tree())?, None);
    let retargeted = tree().link("apps/base", "web").file("apps/web/b.yaml", "b");
    assert_eq!(trace.differs(&retargeted)?.as_deref(), Some("apps/base"));
    Ok(())
}

#[test]
fn what_leads_out_is_refused_by_name() -> Result<(), TreeError> {
    let above = "leads above the root of the repository";
    let refusals = [
        ("../x", "../x", above),
        ("apps/../../x", "apps/../../x", above),
        ("/etc/passwd", "/etc/passwd", "not a path from the root of the repository"),
        ("a\0b", "a\0b", "not a path from the root of the repository"),
        ("apps/out/x", "apps/out", "a link out of the repository, to ../../elsewhere"),
        ("apps/absolute", "apps/absolute", "a link out of the repository, to /etc/passwd"),
        ("one", "one", "a link in a circle of links"),
        ("vendor/lib/x", "vendor/lib", "a Git submodule, whose files are in another repository"),
    ];
    for (asked, path, why) in refusals {
        assert_eq!(paths().stat(asked)?, Place::Refused(Refusal::new(path, why)));
    }
    Ok(())
}

#[test]
fn files_that_are_too_large_or_elsewhere_are_refused() -> Result<(), TreeError> {
    let Found::Refused(large) = paths().read("base/big.bin")? else { unreachable!("it is larger than 90 bytes") };
    assert_eq!(large, Refusal::new("base/big.bin", "100 bytes long; the limit of a file is 90 bytes"));
    let Found::Refused(lfs) = paths().read("base/model.bin")? else { unreachable!("it is a pointer") };
    assert_eq!(lfs, Refusal::new("base/model.bin", "kept in Git LFS: only its pointer is in the repository"));
    Ok(())
}

#[test]
fn a_missing_path_is_found_when_it_appears_whatever_way() -> Result<(), TreeError> {
    let mut looked = paths();
    assert_eq!(looked.stat("base/kustomization.yaml")?, Place::Missing);
    assert_eq!(looked.stat("dangling")?, Place::Missing);
    assert_eq!(looked.stat("base/b.yaml/below")?, Place::Missing);
    let trace = looked.into_trace();
    assert_eq!(trace.differs(&tree())?, None);
    for appeared in [
        tree().file("base/kustomization.yaml", ""),
        tree().file("nowhere/at/all", ""),
        tree().without("base/b.yaml").file("base/b.yaml/below", ""),
        tree().without("base/b.yaml").without("base/big.bin").without("base/model.bin").link("base", "apps"),
    ] {
        assert!(trace.differs(&appeared)?.is_some());
    }
    Ok(())
}

#[test]
fn directories_are_listed_with_their_links() -> Result<(), TreeError> {
    let mut looked = paths();
    let Found::Here(path, names) = looked.list("apps/base/../apps/.")? else { unreachable!("apps is a directory") };
    assert_eq!(path, "apps");
    assert_eq!(names[0], ("absolute".to_owned(), Mode::Link));
    assert_eq!(looked.list("base/b.yaml")?, Found::Otherwise("base/b.yaml".to_owned()));
    assert_eq!(looked.read("")?, Found::Otherwise(String::new()));
    Ok(())
}
