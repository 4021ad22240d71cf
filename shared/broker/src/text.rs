//! Text that people wrote: cleaned, or refused with the reason.

use crate::error::Error;

/// The longest line, in characters.
const LONGEST_NAME: usize = 255;

/// The longest line before it is cleaned, in bytes.
const LONGEST_WRITTEN: usize = 4_096;

/// Cleans a line, such as a name or a tag, of HTML tags and control characters; nothing is left when it is empty.
pub fn line(written: &str, field: &str) -> Result<Option<String>, Error> {
    let too_long = || Error::Invalid(format!("`{field}` must be at most {LONGEST_NAME} characters long"));
    if written.len() > LONGEST_WRITTEN {
        return Err(too_long());
    }
    let clean = without_tags(written.chars().filter(|c| !c.is_control()).collect());
    let clean = clean.trim();
    if clean.chars().count() > LONGEST_NAME {
        return Err(too_long());
    }
    Ok(Some(clean.to_owned()).filter(|clean| !clean.is_empty()))
}

/// Drops HTML tags until none is left, since dropping one may join the halves of another.
fn without_tags(mut text: String) -> String {
    while let Some((start, end)) = tag(&text) {
        text.replace_range(start..end, "");
    }
    text
}

fn tag(text: &str) -> Option<(usize, usize)> {
    let opens =
        |rest: &str| rest.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?'));
    let start = text.match_indices('<').map(|(at, _)| at).find(|at| opens(&text[at + 1..]))?;
    let end = text[start..].find('>').map_or(text.len(), |length| start + length + 1);
    Some((start, end))
}
