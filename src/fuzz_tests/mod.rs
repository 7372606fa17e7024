//! Seeded fuzzing on a stable compiler: each target makes one input of a seed and says what must hold of it.
//!
//! `cargo test` runs each for a moment, `make fuzz` for longer. What fails prints its seed, and
//! `DRIFTLESS_FUZZ=TARGET:SEED cargo test --lib fuzz_tests::` does it again; a seed that was mended goes into
//! [`MENDED`]. To add a target, write `pub(super) fn case(random: &mut StdRng)` in a file of its own, and a test here.

mod comment;
mod config;
mod definitions;
mod merge;
mod mutate;
mod redactor;
mod webhooks;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Inputs that failed once.
const MENDED: &[(&str, u64)] = &[];

/// For each target, where nothing else is said.
const MOMENT: Duration = Duration::from_millis(500);
/// Whatever the time is: a busy machine still tries something.
const LEAST: u32 = 5;

fn run(target: &str, case: fn(&mut StdRng)) {
    if let Some((only, seed)) = asked() {
        if only == target {
            once(target, seed, case);
        }
        return;
    }
    for (_, seed) in MENDED.iter().filter(|(of, _)| *of == target) {
        once(target, *seed, case);
    }
    let mut seeds = StdRng::seed_from_u64(rand::rng().random());
    let (begun, within) = (Instant::now(), time());
    let mut cases = 0;
    while cases < LEAST || begun.elapsed() < within {
        once(target, seeds.random(), case);
        cases += 1;
    }
    report(&format!("{target}: {cases} inputs in {:.1} s", begun.elapsed().as_secs_f64()));
}

#[expect(clippy::print_stderr, reason = "for who runs it with --nocapture")]
fn report(text: &str) {
    eprintln!("fuzz: {text}");
}

fn once(target: &str, seed: u64, case: fn(&mut StdRng)) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| case(&mut StdRng::seed_from_u64(seed)))) {
        report(&format!(
            "{target} failed; to do it again: DRIFTLESS_FUZZ={target}:{seed} cargo test --lib fuzz_tests::"
        ));
        std::panic::resume_unwind(panic);
    }
}

/// One input of one target.
fn asked() -> Option<(String, u64)> {
    let text = std::env::var("DRIFTLESS_FUZZ").ok()?;
    let (target, seed) = text.split_once(':').expect("DRIFTLESS_FUZZ is TARGET:SEED");
    Some((target.to_owned(), seed.parse().expect("DRIFTLESS_FUZZ is TARGET:SEED, and a seed is a number")))
}

/// For each target.
fn time() -> Duration {
    let seconds = std::env::var("DRIFTLESS_FUZZ_SECONDS").ok();
    seconds.map_or(MOMENT, |text| {
        Duration::from_secs_f64(text.parse().expect("DRIFTLESS_FUZZ_SECONDS is a number of seconds"))
    })
}

/// An asynchronous part of a case.
fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(work)
}

#[test]
fn webhooks() {
    run("webhooks", webhooks::case);
}

#[test]
fn definitions() {
    run("definitions", definitions::case);
}

#[test]
fn configuration() {
    run("configuration", config::case);
}

#[test]
fn comment() {
    run("comment", comment::case);
}

#[test]
fn parts_of_a_comment() {
    run("parts_of_a_comment", comment::parts);
}

#[test]
fn merge() {
    run("merge", merge::case);
}

#[test]
fn redactor() {
    run("redactor", redactor::case);
}
