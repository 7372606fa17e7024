//! The globs for definitions, and the folders that they can match.

use globset::{Error, Glob, GlobBuilder, GlobMatcher, GlobSet, GlobSetBuilder};

/// Patterns of files.
#[derive(Debug, Clone, Default)]
pub struct Globs {
    patterns: Vec<String>,
    set: GlobSet,
    ways: Vec<Vec<Step>>,
}

/// One name of a pattern.
#[derive(Debug, Clone)]
enum Step {
    Named(GlobMatcher),
    /// From here on it may be any folder.
    Any,
}

impl Globs {
    pub fn new<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<Self, Error> {
        let (mut texts, mut set, mut ways) = (Vec::new(), GlobSetBuilder::new(), Vec::new());
        for pattern in patterns {
            set.add(Self::check(pattern)?);
            ways.push(way(pattern));
            texts.push(pattern.to_owned());
        }
        Ok(Self { patterns: texts, set: set.build()?, ways })
    }

    /// A star stays within its folder, as in a shell; `**` goes deeper.
    pub fn check(pattern: &str) -> Result<Glob, Error> {
        GlobBuilder::new(pattern).literal_separator(true).build()
    }

    pub fn patterns(&self) -> &[String] {
        &self.patterns
    }

    pub fn is_match(&self, path: &str) -> bool {
        self.set.is_match(path)
    }

    /// Whether a file below this folder can match.
    pub fn reach_into(&self, folder: &str) -> bool {
        self.ways.iter().any(|way| leads_into(way, folder))
    }
}

/// The names of a pattern as far as they can be told apart: alternatives and classes may have a `/` in them.
fn way(pattern: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for name in pattern.split('/') {
        let named = (!name.contains("**") && !name.contains(['{', '}', '[', ']', '\\']))
            .then(|| Glob::new(name).ok())
            .flatten();
        let Some(named) = named else {
            steps.push(Step::Any);
            break;
        };
        steps.push(Step::Named(named.compile_matcher()));
    }
    steps
}

fn leads_into(way: &[Step], folder: &str) -> bool {
    let mut names = folder.split('/').filter(|name| !name.is_empty());
    for step in way {
        match (step, names.next()) {
            // What is left of the pattern is the file, at least.
            (_, None) | (Step::Any, _) => return true,
            (Step::Named(step), Some(name)) if step.is_match(name) => {}
            (Step::Named(_), Some(_)) => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// X10+: nobody looks into a folder that no definition can be in.
    #[test]
    fn folders_are_entered_where_a_pattern_leads() {
        let reach = |pattern: &str, folder: &str| Globs::new([pattern]).expect("a pattern").reach_into(folder);
        for (pattern, folder) in [
            ("apps/*.yaml", ""),
            ("apps/*.yaml", "apps"),
            ("apps/*/app.yaml", "apps/web"),
            ("team-*/apps/*.yaml", "team-a/apps"),
            ("**/app.yaml", "any/where"),
            ("apps/**/*.yaml", "apps/a/b/c"),
            ("{apps,more/apps}/*.yaml", "more/apps"),
            ("[ab]pps/*.yaml", "apps"),
        ] {
            assert!(reach(pattern, folder), "{pattern} {folder}");
        }
        for (pattern, folder) in [
            ("apps/*.yaml", "src"),
            ("apps/*.yaml", "apps/web"),
            ("apps/**/*.yaml", "src/apps"),
            ("team-*/apps/*.yaml", "team-a/src"),
            ("app.yaml", "apps"),
        ] {
            assert!(!reach(pattern, folder), "{pattern} {folder}");
        }
    }
}
