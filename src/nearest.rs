//! "Did you mean …?" for unknown keys. Pure.

/// Says that a map has no such key, and which it may have.
pub fn unknown<'a>(what: &str, name: &str, keys: impl Iterator<Item = &'a str> + Clone) -> String {
    let hint = match nearest(name, keys.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("it may have {}", keys.map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")),
    };
    format!("{what} has no key `{name}`: {hint}")
}

/// The word that was probably meant.
pub fn nearest<'a>(name: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let nearest = words.map(|word| (distance(&name.to_lowercase(), &word.to_lowercase()), word)).min();
    nearest.filter(|(distance, near)| *distance <= 1 + near.len() / 4).map(|(_, near)| near)
}

/// How many letters have to be changed, added or left out.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().take(64).enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}
