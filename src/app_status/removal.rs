//! What is left of an app whose definition was removed, and what becomes of it: one text for the list of apps and for
//! the answers to commands.

use crate::app::OnDelete;
use crate::ids::{AppId, ClusterName};
use crate::report::words::count;
use crate::store::apps::{AppRow, GOES, STAYS};

/// How many apps are named.
const NAMED: usize = 3;

/// What is left of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removal {
    /// How many objects it has, on all clusters.
    pub objects: usize,
    /// How many of them are held until confirmed, by cluster.
    pub held: Vec<(ClusterName, usize)>,
    /// How many are kept for other apps that want them.
    pub moving: usize,
    /// Which apps have objects that were its, and how many.
    pub taken_over: Vec<(AppId, usize)>,
}

impl Removal {
    /// For the list of apps.
    pub(super) fn says(&self, row: &AppRow) -> String {
        let said = &row.state_message;
        let mut parts: Vec<String> = self.taken().collect();
        let split = [STAYS, GOES].into_iter().find_map(|words| Some((words, said.split_once(words)?)));
        let (why, then) = split.map_or((said.as_str(), None), |(words, (why, then))| (why, Some((words, then))));
        // What waits for confirmation is named with it, and told beside this.
        let rest = self.objects.saturating_sub(self.held()).saturating_sub(self.moving);
        match then {
            // What the policy says is of interest where there is something left.
            Some((words, then)) if rest > 0 && parts.is_empty() && rest == self.objects => {
                return format!("{why}{words}{then}");
            }
            Some((words, then)) if rest > 0 => {
                let verb = match (words == STAYS, rest) {
                    (true, 1) => "stays",
                    (true, _) => "stay",
                    (false, 1) => "is deleted",
                    (false, _) => "are deleted",
                };
                parts.push(format!("{} {verb}{then}", objects(rest)));
            }
            Some(_) if parts.is_empty() && self.objects == 0 => {
                parts.push("it has no objects in the cluster".to_owned());
            }
            Some(_) | None => {}
        }
        parts.extend(self.moves());
        [vec![why.to_owned()], parts].concat().join("; ")
    }

    /// For whoever syncs or resumes it; `confirms`: what is held is confirmed with that.
    pub fn becomes(&self, row: &AppRow, confirms: bool) -> String {
        let held: Vec<String> = self.held.iter().map(|(cluster, number)| format!("{number} on {cluster}")).collect();
        let held = (!held.is_empty()).then(|| format!("{} ({})", count(self.held(), "deletion"), held.join(", ")));
        let rest = self.objects.saturating_sub(self.held()).saturating_sub(self.moving);
        let mut parts = Vec::new();
        match held {
            Some(held) if confirms => parts.push(format!("{held} confirmed and in progress")),
            Some(held) => {
                parts.push(format!("{held} held; to confirm: driftless sync {} --allow-destructive", row.app.id));
            }
            None if self.objects == 0 => parts.push("it has no objects left; nothing is deleted".to_owned()),
            None if rest > 0 && row.on_delete() == OnDelete::Prune => parts.push(format!(
                "its {} deleted, after confirmation where needed",
                if rest == 1 { "object is".to_owned() } else { format!("{} are", objects(rest)) }
            )),
            None => {}
        }
        parts.extend(self.moves());
        parts.extend(self.taken());
        parts.join("; ")
    }

    /// What is confirmed where all is that is held.
    pub fn confirmed(&self) -> Option<String> {
        let held: Vec<String> = self.held.iter().map(|(cluster, number)| format!("{number} on {cluster}")).collect();
        let what = if self.held() == 1 { "deletion or replacement" } else { "deletions or replacements" };
        (!held.is_empty()).then(|| format!("{} {what} ({})", self.held(), held.join(", ")))
    }

    fn held(&self) -> usize {
        self.held.iter().map(|(_, number)| number).sum()
    }

    fn taken(&self) -> impl Iterator<Item = String> + '_ {
        self.taken_over.iter().take(NAMED).map(|(app, number)| {
            format!("{} now {} to {app}", objects(*number), if *number == 1 { "belongs" } else { "belong" })
        })
    }

    fn moves(&self) -> Option<String> {
        let are =
            if self.moving == 1 { "is kept for an app that renders it" } else { "are kept for apps that render them" };
        (self.moving > 0).then(|| format!("{} {are}", objects(self.moving)))
    }
}

fn objects(number: usize) -> String {
    count(number, "object")
}
