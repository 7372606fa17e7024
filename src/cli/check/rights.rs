//! The rights in a cluster, as they are printed: a line for each, a table of what is missing, and the rules to add.

use crate::cli::output;
use crate::inspect::{ClusterRights, Findings, Missing};

/// So many who need a kind are named in the table; JSON has them all.
const NAMED: usize = 3;

pub(super) fn judge(rights: &ClusterRights, findings: &mut Findings) {
    let ClusterRights { cluster, needs, missing, not_looked_at, .. } = rights;
    let who = who(rights);
    if *not_looked_at > 0 {
        findings.notes.push(format!(
            "cluster {cluster}: {not_looked_at} more namespaces match an `allow` rule and were not checked"
        ));
    }
    if missing.is_empty() {
        findings.passed.push(format!("cluster {cluster}: {who} has the required rights on {} kinds", needs.len()));
    } else {
        let kinds: std::collections::BTreeSet<_> =
            missing.iter().map(|missing| (&missing.group, &missing.resource)).collect();
        findings.problems.push(format!(
            "cluster {cluster}: {who} lacks rights on {} of the {} required kinds; see the table below",
            kinds.len(),
            needs.len()
        ));
    }
}

fn who(rights: &ClusterRights) -> &str {
    rights.identity.as_deref().unwrap_or("the identity of Driftless")
}

/// None where nothing is missing.
pub(super) fn text(rights: &ClusterRights) -> Option<String> {
    if rights.missing.is_empty() {
        return None;
    }
    let rows = rights
        .missing
        .iter()
        .map(|missing| [kind(missing), place(missing), missing.verbs.join(", "), wanted_by(missing)]);
    let table = output::table(["KIND", "WHERE", "MISSING", "NEEDED BY"], rows);
    let base = rights.missing.iter().any(|missing| missing.wanted_by.contains("deploy/base"));
    let advice = if base {
        "deploy/base covers the usual kinds; with --definitions REPO=DIR for each repo, only the kinds that its apps \
         render are checked.\n"
    } else {
        ""
    };
    Some(format!(
        "Missing in cluster {}:\n\n{table}\n\n{advice}Rules to add to the role of {}:\n\n{}",
        rights.cluster,
        who(rights),
        rights.rules.trim_end()
    ))
}

fn kind(missing: &Missing) -> String {
    if missing.group.is_empty() { missing.resource.clone() } else { format!("{}.{}", missing.resource, missing.group) }
}

fn place(missing: &Missing) -> String {
    if missing.namespaces.is_empty() { "the whole cluster".to_owned() } else { missing.namespaces.join(", ") }
}

fn wanted_by(missing: &Missing) -> String {
    let named: Vec<&str> = missing.wanted_by.iter().take(NAMED).map(String::as_str).collect();
    match missing.wanted_by.len().saturating_sub(NAMED) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}
