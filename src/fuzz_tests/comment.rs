//! The comment on a pull request: what others wrote stays where it stands, every part is whole, and nothing is lost
//! without being said.

use rand::Rng;
use rand::rngs::StdRng;

use super::mutate;
use crate::forge::GITHUB;
use crate::plan::Action;
use crate::report::markdown::tests::check;
use crate::report::markdown::{comment, whole};
use crate::report::sample::{app, everything, key, merged, object, report};

pub(super) fn case(random: &mut StdRng) {
    let text = mutate::text(random, 30);
    for report in [everything(&format!("EVIL{text}")), merged(&format!("{text}EVIL"))] {
        for part in comment(&report, &[], 10, &GITHUB) {
            assert_eq!(check(&part), Ok(()), "{part}");
        }
        assert_eq!(check(&whole(&report)), Ok(()));
    }
}

/// Splitting: as many parts as are allowed, each short enough and whole.
pub(super) fn parts(random: &mut StdRng) {
    let text = mutate::text(random, 12);
    let (objects, lines, most) =
        (random.random_range(1..40), random.random_range(1..4_000), random.random_range(1..12));
    let diff = format!("+{text}\n").repeat(lines);
    let objects = (0..objects).map(|n| object(Action::Create, key("ConfigMap", &format!("c-{n}")), &diff)).collect();
    let parts = comment(&report(vec![app("shop-eu", objects)]), &[], most, &GITHUB);
    assert!((1..=most).contains(&parts.len()), "{} parts of {most}", parts.len());
    for part in &parts {
        assert_eq!(check(part), Ok(()), "{part}");
    }
}
