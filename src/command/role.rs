//! What users may do with a project at its forge, and which commands that lets them give.

use std::collections::BTreeMap;

use super::verb::Verb;

/// What a user may do with a project. Each role may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    None,
    Read,
    Triage,
    Write,
    Maintain,
    Admin,
}

impl Role {
    /// Those that can be asked for.
    pub const ALL: [Self; 5] = [Self::Read, Self::Triage, Self::Write, Self::Maintain, Self::Admin];

    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Read => "read",
            Self::Triage => "triage",
            Self::Write => "write",
            Self::Maintain => "maintain",
            Self::Admin => "admin",
        }
    }
}

/// Who may give which command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permissions {
    /// The least role for each; without one nobody may.
    least: BTreeMap<Verb, Role>,
    /// Whether the author of a pull request may approve it.
    pub approve_own: bool,
}

impl Default for Permissions {
    fn default() -> Self {
        let least = [
            (Verb::Preview, Role::Triage),
            (Verb::Sync, Role::Write),
            (Verb::Approve, Role::Maintain),
            (Verb::Pause, Role::Write),
            (Verb::Resume, Role::Write),
        ];
        Self { least: BTreeMap::from(least), approve_own: true }
    }
}

impl Permissions {
    /// `None`: nobody may give the command.
    pub fn set(&mut self, verb: Verb, least: Option<Role>) {
        match least {
            Some(role) => drop(self.least.insert(verb, role)),
            None => drop(self.least.remove(&verb)),
        }
    }

    /// The least role that may give a command. None: nobody may.
    pub fn least(&self, verb: Verb) -> Option<Role> {
        match verb {
            // Whoever may approve may take it back, and whoever can read may ask what there is.
            Verb::Unapprove => self.least(Verb::Approve),
            Verb::Help => Some(Role::Read),
            verb => self.least.get(&verb).copied(),
        }
    }

    pub fn allows(&self, verb: Verb, role: Role) -> bool {
        self.least(verb).is_some_and(|least| role >= least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_may_do_what_those_before_it_may() {
        let mut permissions = Permissions::default();
        let may = |permissions: &Permissions, role| {
            let verbs = Verb::ALL.into_iter().filter(|verb| permissions.allows(*verb, role));
            verbs.map(Verb::word).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(may(&permissions, Role::None), "");
        assert_eq!(may(&permissions, Role::Read), "help");
        assert_eq!(may(&permissions, Role::Triage), "preview help");
        assert_eq!(may(&permissions, Role::Write), "preview sync pause resume help");
        assert_eq!(may(&permissions, Role::Maintain), "preview sync approve unapprove pause resume help");
        permissions.set(Verb::Approve, None);
        permissions.set(Verb::Sync, Some(Role::Admin));
        assert_eq!(may(&permissions, Role::Maintain), "preview pause resume help");
        assert_eq!(may(&permissions, Role::Admin), "preview sync pause resume help");
    }
}
