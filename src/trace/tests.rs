use super::*;
use crate::tree::memory::MemoryTree;

fn tree() -> MemoryTree {
    MemoryTree::new()
        .file("app/a.yaml", "a")
        .file("app/deep/b.yaml", "b")
        .file("other/c.yaml", "c")
        .link("app/link", "../other")
}

fn trace(tree: &MemoryTree) -> Result<Trace, TreeError> {
    let mut trace = Trace::default();
    for path in ["app/a.yaml", "app/link"] {
        let entry = tree.entry(path)?.expect("the test wrote it");
        trace.record(path, Asked::Read { id: entry.id, mode: entry.mode });
    }
    let names = tree.list("app")?.expect("the test wrote it");
    trace.record("app", Asked::List { hash: list_hash(&names) });
    trace.record("other", Asked::Exists { kind: Mode::Directory });
    trace.record("app/kustomization.yml", Asked::Missing);
    Ok(trace)
}

#[test]
fn only_what_was_asked_makes_a_difference() -> Result<(), TreeError> {
    let before = tree();
    let trace = trace(&before)?;
    let differs = |tree: MemoryTree| trace.differs(&tree);
    assert_eq!(differs(before.clone())?, None);
    assert_eq!(differs(before.clone().file("other/c.yaml", "changed"))?, None);
    assert_eq!(differs(before.clone().file("app/deep/b.yaml", "changed"))?, None);
    let read = differs(before.clone().file("app/a.yaml", "changed"))?;
    assert_eq!(read.as_deref(), Some("app/a.yaml"));
    let link = differs(before.clone().link("app/link", "../else"))?;
    assert_eq!(link.as_deref(), Some("app/link"));
    let listed = differs(before.clone().file("app/new.yaml", "new"))?;
    assert_eq!(listed.as_deref(), Some("app"));
    let kind = differs(before.clone().without("other/c.yaml").file("other", "now a file"))?;
    assert_eq!(kind.as_deref(), Some("other"));
    let gone = differs(before.without("app/a.yaml"))?;
    assert_eq!(gone.as_deref(), Some("app"));
    Ok(())
}

#[test]
fn a_file_that_was_missing_and_appears_is_seen() -> Result<(), TreeError> {
    let mut trace = Trace::default();
    trace.record("app/kustomization.yml", Asked::Missing);
    let after = tree().file("app/kustomization.yml", "resources: []");
    assert_eq!(trace.differs(&after)?.as_deref(), Some("app/kustomization.yml"));
    Ok(())
}

#[test]
fn the_answer_that_says_more_stays() {
    let read = Asked::Read { id: "1".into(), mode: Mode::File };
    let mut one = Trace::default();
    one.record("a", Asked::Exists { kind: Mode::File });
    let mut two = Trace::default();
    two.record("a", read.clone());
    two.record("b", Asked::Missing);
    let both = {
        let mut both = one.clone();
        both.merge(&two);
        both
    };
    let other_way = {
        two.merge(&one);
        two
    };
    assert_eq!(both, other_way);
    assert_eq!(both.iter().next(), Some(("a", &read)));
    assert_eq!(both.hash(), other_way.hash());
    assert_ne!(both.hash(), one.hash());
}

#[test]
fn the_stored_form_comes_back_and_another_version_does_not() -> Result<(), Box<dyn std::error::Error>> {
    let trace = trace(&tree())?;
    let stored = serde_json::to_string(&trace)?;
    assert_eq!(serde_json::from_str::<Trace>(&stored)?, trace);
    let other = stored.replace("\"version\":1", "\"version\":2");
    let error = serde_json::from_str::<Trace>(&other).expect_err("another version");
    assert!(error.to_string().contains("a trace of version 2"), "{error}");
    Ok(())
}
