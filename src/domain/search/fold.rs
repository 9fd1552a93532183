//! Folding: what people take for the same letter is made the same, and every letter remembers where it stood.

use unicode_normalization::char::{compose, decompose_compatible};

/// A letter of folded text, and which characters of the original it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Letter {
    pub c: char,
    pub start: usize,
    pub end: usize,
}

/// Small letters without accents: `Ｆｕ\u{308}r` and `für` become `fur`, `Straße` `strasse`, `ｶﾞ` `ガ`.
pub fn fold(text: &str) -> Vec<Letter> {
    let mut letters = Vec::with_capacity(text.len());
    for (at, c) in text.chars().enumerate() {
        if c.is_ascii() {
            letters.push(Letter { c: c.to_ascii_lowercase(), start: at, end: at + 1 });
        } else if is_whole(c) {
            letters.push(Letter { c, start: at, end: at + 1 });
        } else {
            decompose_compatible(c, |part| add(&mut letters, part, at));
        }
    }
    letters
}

fn add(letters: &mut Vec<Letter>, part: char, at: usize) {
    if let Some(last) = letters.last_mut().filter(|last| last.end >= at) {
        if is_dropped(part, last.c) {
            last.end = at + 1;
            return;
        }
        if let Some(composed) = compose(last.c, part) {
            *last = Letter { c: composed, start: last.start, end: at + 1 };
            return;
        }
    }
    if is_dropped(part, ' ') {
        return;
    }
    let mut push = |c: char| letters.push(Letter { c, start: at, end: at + 1 });
    for small in part.to_lowercase() {
        match small {
            'ß' => "ss".chars().for_each(&mut push),
            'æ' => "ae".chars().for_each(&mut push),
            'œ' => "oe".chars().for_each(&mut push),
            'ø' => push('o'),
            'ł' => push('l'),
            'đ' => push('d'),
            'ı' => push('i'),
            'ς' => push('σ'),
            other => push(other),
        }
    }
}

/// Ideographs and syllables that decompose to nothing of interest, or that would only be composed again.
fn is_whole(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}')
}

/// Accents, vowel points and joiners, which people leave out when they search. In Cyrillic `й` is a letter, and only `ё` is written as `е`.
fn is_dropped(c: char, after: char) -> bool {
    match c {
        '\u{300}'..='\u{36f}' => !matches!(after, '\u{400}'..='\u{52f}') || after == 'е',
        // Arabic
        '\u{640}' | '\u{64b}'..='\u{65f}' | '\u{670}' | '\u{6d6}'..='\u{6dc}' | '\u{6df}'..='\u{6e8}' => true,
        // Hebrew
        '\u{591}'..='\u{5bd}' | '\u{5bf}' | '\u{5c1}' | '\u{5c2}' | '\u{5c4}' | '\u{5c5}' | '\u{5c7}' => true,
        // soft hyphen, joiners, directions, variants, skin tones
        '\u{ad}' | '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}' | '\u{2066}'..='\u{2069}' => true,
        '\u{feff}' | '\u{fe00}'..='\u{fe0f}' | '\u{1f3fb}'..='\u{1f3ff}' => true,
        _ => false,
    }
}
