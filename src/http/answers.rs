//! The responses to commands about an app: what happens now, or why the command has no effect. Pure.

use jiff::Timestamp;

use crate::app::SyncPolicy;
use crate::app_status::Removal;
use crate::by_hand::{not_synced, noted};
use crate::ids::Oid;
use crate::store::apps::holds::{PauseNote, Resumed};
use crate::store::apps::{AppRow, AppState};

/// The commit that a sync goes to.
pub(super) struct To<'a> {
    pub oid: Oid,
    /// What was typed for it.
    pub typed: &'a str,
    /// Whether it is in the history of the ref that the app follows.
    pub is_on_ref: bool,
}

/// The commit that is asked for was never on the branch that the app follows.
pub(super) fn not_on_branch(row: &AppRow, oid: &Oid, typed: &str) -> String {
    let typed = if oid.as_str().starts_with(typed) { String::new() } else { format!(" ({typed})") };
    format!(
        "app {} was not synced: commit {}{typed} is not in the history of {}, so nobody has merged it. Merge it first; \
         or add `--not-on-branch` to pin the app to it as it is, without a merge",
        row.app.id,
        oid.short(),
        branch(row)
    )
}

/// What `--allow-destructive` comes to.
#[derive(Clone, Copy, Default)]
pub(super) struct Confirms {
    /// It was given, and nothing is held.
    pub nothing: bool,
    /// What is held.
    pub held: bool,
}

/// A sync was queued. `to` is the commit that it goes to.
pub(super) fn synced(row: &AppRow, to: Option<&To<'_>>, confirms: Confirms, removal: &Removal) -> String {
    let id = &row.app.id;
    let mut said = match (row.state, to, &row.pinned_revision) {
        (AppState::Removed, _, _) => {
            format!("{id} was removed: {}", removal.becomes(row, confirms.held))
        }
        (_, Some(To { oid, typed, is_on_ref }), _) => {
            // Its first digits are shown anyway.
            let typed = if oid.as_str().starts_with(typed) { String::new() } else { format!(" ({typed})") };
            let off = if *is_on_ref { String::new() } else { format!(", which is not on {}", branch(row)) };
            format!(
                "{id} is being synced to {}{typed}{off}, and pinned to it until `driftless resume {id}`",
                oid.short()
            )
        }
        (_, None, Some(pinned)) => {
            format!("{id} is being synced to {}, to which it is pinned until `driftless resume {id}`", pinned.short())
        }
        (_, None, None) => format!("{id} is being synced"),
    };
    said += &format!("; `driftless runs {id}` shows how it ends");
    if row.paused && row.state != AppState::Removed {
        let by = row.paused_by.as_ref().map(|by| format!(", by {by}")).unwrap_or_default();
        said += &format!(". It stays paused{by}: nothing else is applied until `driftless resume {id}`");
    }
    if let Some(held) = removal.confirmed().filter(|_| confirms.held && row.state != AppState::Removed) {
        said += &format!(". Confirmed with it: {held}");
    }
    if confirms.nothing {
        said += ". Nothing needs confirmation yet, so `--allow-destructive` has no effect: deletions are shown first";
    }
    said
}

pub(super) fn paused(row: &AppRow, note: &PauseNote) -> String {
    let id = &row.app.id;
    let until = note.until.and_then(time);
    if let (true, Some(until)) = (row.paused, &until) {
        return format!(
            "{id} is already paused, and stays so until {until}. To continue before: driftless resume {id}"
        );
    }
    if row.paused {
        let since = row.paused_since.and_then(time).map(|since| format!(" since {since}")).unwrap_or_default();
        let by = row.paused_by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
        return format!("{id} is already paused{since}{by}. To continue: driftless resume {id}");
    }
    let beside = match (row.state, row.app.sync) {
        (AppState::Removed, _) => ". Its definition was removed: its remaining objects are kept until then".to_owned(),
        (AppState::Missing | AppState::Broken, _) => format!(". It was not synced anyway{}", noted(row)),
        (AppState::Active, SyncPolicy::Never) => {
            ". It was not synced anyway: its definition says `sync: never`".to_owned()
        }
        (AppState::Active, _) => String::new(),
    };
    let until = until.map(|until| format!("{until} or ")).unwrap_or_default();
    format!(
        "{id} is paused: nothing is applied, healed or deleted until {until}`driftless resume {id}`, except by a \
         `driftless sync {id}`{beside}"
    )
}

/// What ended: a pause and a pin end one after the other.
pub(super) fn resumed(row: &AppRow, ended: Option<Resumed>, removal: &Removal) -> String {
    let id = &row.app.id;
    let pinned = row.pinned_revision.as_ref().map(Oid::short);
    let was = match ended {
        None => return format!("{id} was neither paused nor pinned; nothing has changed"),
        Some(Resumed::Pause) => "no longer paused".to_owned(),
        Some(Resumed::Pin) => {
            pinned.map_or_else(|| "no longer pinned".to_owned(), |pinned| format!("no longer pinned to {pinned}"))
        }
    };
    match not_synced(row, false) {
        Some(_) if row.state == AppState::Active => {
            format!("{id} is {was}. Its definition says `sync: never`, so nothing is applied")
        }
        Some(_) => format!("{id} is {was}. It is not synced{}", noted(row)),
        None if row.state == AppState::Removed => {
            let pin = pinned.filter(|_| ended == Some(Resumed::Pause));
            let then = match pin {
                Some(pinned) => format!("it stays pinned to {pinned}. To end the pin as well: driftless resume {id}"),
                None => removal.becomes(row, false),
            };
            format!("{id} is {was}. Its definition was removed: {then}")
        }
        None => {
            let stays = pinned.filter(|_| ended == Some(Resumed::Pause));
            let to = stays.unwrap_or_else(|| branch(row));
            let then = stays
                .map(|pinned| format!(". It stays pinned to {pinned}. To end the pin as well: driftless resume {id}"));
            let then = then.unwrap_or_default();
            format!("{id} is {was}, and is being synced to {to}; `driftless runs {id}` shows how it ends{then}")
        }
    }
}

fn branch(row: &AppRow) -> &str {
    row.app.source.ref_name.trim_start_matches("refs/heads/")
}

fn time(millis: i64) -> Option<String> {
    let at = Timestamp::from_millisecond(millis).ok()?;
    Some(at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::OnDelete;
    use crate::app_status::tests::row;
    use crate::by_hand::not_paused;

    fn oid(digit: &str) -> Oid {
        digit.repeat(40).parse().expect("an id")
    }

    /// T15+: an answer says what is done, and what keeps it from having an effect.
    #[test]
    fn what_is_answered() {
        let with = |change: &dyn Fn(&mut AppRow)| {
            let mut row = row();
            change(&mut row);
            row
        };
        let removed =
            |row: &mut AppRow| (row.state, row.state_message) = (AppState::Removed, "removed by 0123456789".into());
        let pruned = |row: &mut AppRow| {
            removed(row);
            row.applied_app.as_mut().expect("an app").on_delete = OnDelete::Prune;
        };
        let paused_by = || (true, Some(1_000), Some("uid 1000 (ada)".to_owned()));
        let cases: [(&str, AppRow); 10] = [
            ("active", row()),
            ("paused", with(&|row| (row.paused, row.paused_since, row.paused_by) = paused_by())),
            ("pinned", with(&|row| row.pinned_revision = Some(oid("c")))),
            ("paused and pinned", with(&|row| (row.paused, row.pinned_revision) = (true, Some(oid("c"))))),
            ("never", with(&|row| row.app.sync = SyncPolicy::Never)),
            ("removed", with(&removed)),
            ("removed, to be deleted", with(&pruned)),
            ("removed, to be deleted, paused", with(&|row| (pruned(row), row.paused = true).0)),
            (
                "missing",
                with(&|row| (row.state, row.state_message) = (AppState::Missing, "refs/heads/main is gone".into())),
            ),
            ("invalid, paused", with(&|row| (row.state, row.paused) = (AppState::Broken, true))),
        ];
        let mut lines = Vec::new();
        for (name, row) in &cases {
            lines.push(format!("{name}:"));
            let removal = Removal { objects: 2, ..Removal::default() };
            let sync = || synced(row, None, Confirms::default(), &removal);
            lines.push(format!("  sync: {}", not_synced(row, false).unwrap_or_else(sync)));
            lines.push(format!("  pause: {}", not_paused(row).unwrap_or_else(|| paused(row, &PauseNote::default()))));
            let ended = match (row.paused, &row.pinned_revision) {
                (true, _) => Some(Resumed::Pause),
                (false, pinned) => pinned.as_ref().map(|_| Resumed::Pin),
            };
            lines.push(format!("  resume: {}", resumed(row, ended, &removal)));
        }
        let to = oid("d");
        let at = |typed, is_on_ref| To { oid: to.clone(), typed, is_on_ref };
        let sync = |row: &AppRow, to: Option<&To<'_>>, nothing| {
            synced(row, to, Confirms { nothing, held: false }, &Removal::default())
        };
        lines.push(sync(&row(), Some(&at("v2", true)), true));
        lines.push(sync(&row(), Some(&at(to.as_str(), true)), false));
        lines.push(sync(&row(), Some(&at(&to.as_str()[..12], false)), false));
        let note = PauseNote { until: Some(1_000), reason: None };
        lines.push(paused(&row(), &note));
        lines.push(paused(&with(&|row| row.paused = true), &note));
        lines.push(not_on_branch(&row(), &to, "team"));
        lines.push(not_on_branch(&row(), &to, to.short()));
        insta::assert_snapshot!(lines.join("\n"));
    }
}
