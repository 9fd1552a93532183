//! Search: how text is cut into words, in any language, and which words of a text a query means.
//!
//! The databases are given words, and find words: everything that makes two words the same, or one word of two, is decided here, so it is
//! the same on both, and when the finds are marked.

mod fold;

use unicode_normalization::char::is_combining_mark;

use self::fold::{Letter, fold};

/// What is longer is cut: nobody searches for it to its end, and the databases have a limit.
const WORD_MAX: usize = 64;
/// The last word of a query may be the beginning of a word, where it has so many letters.
const BEGINNING_MIN: usize = 3;

/// A word of a text, and which characters it is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Word {
    word: String,
    start: usize,
    end: usize,
    /// A single character of a script that is written without spaces, or a picture.
    is_sign: bool,
}

/// The words of a text, in their order. Each character of a script that is written without spaces is a word of its own, so that a word of
/// that script is found as a sequence of them.
pub fn words(text: &str) -> Vec<String> {
    cut(text).into_iter().map(|word| word.word).collect()
}

fn cut(text: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut open = false;
    for Letter { c, start, end } in fold(text) {
        let is_sign = is_sign(c);
        if !is_sign && !c.is_alphanumeric() && !is_combining_mark(c) {
            open = false;
            continue;
        }
        match words.last_mut().filter(|_| open && !is_sign) {
            Some(word) => {
                word.end = end;
                if word.word.chars().count() < WORD_MAX {
                    word.word.push(c);
                }
            }
            None => words.push(Word { word: c.into(), start, end, is_sign }),
        }
        open = !is_sign;
    }
    words
}

/// Han, Kana, Bopomofo, Hangul (where endings are written on to words), Thai, Lao, Tibetan, Burmese and Khmer, without their digits and
/// punctuation; and emoji.
fn is_sign(c: char) -> bool {
    match c {
        '\0'..='\u{dff}' => false,
        '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{20000}'..='\u{3ffff}' => true,
        '\u{3005}' | '\u{3007}' | '\u{3041}'..='\u{309f}' | '\u{30a1}'..='\u{30fa}' | '\u{30fc}'..='\u{312f}' => true,
        '\u{31a0}'..='\u{31bf}' | '\u{31f0}'..='\u{31ff}' | '\u{f900}'..='\u{faff}' => true,
        '\u{ac00}'..='\u{d7a3}' | '\u{1100}'..='\u{11ff}' => true,
        '\u{e01}'..='\u{e3a}' | '\u{e40}'..='\u{e4e}' | '\u{e81}'..='\u{ece}' | '\u{f40}'..='\u{f84}' => true,
        '\u{1000}'..='\u{103f}' | '\u{1050}'..='\u{108f}' | '\u{1780}'..='\u{17d3}' => true,
        '\u{231a}'..='\u{23ff}' | '\u{2600}'..='\u{27bf}' | '\u{2b00}'..='\u{2bff}' | '\u{1f000}'..='\u{1faff}' => true,
        _ => false,
    }
}

/// What somebody searches for: a text that has all of the terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    pub terms: Vec<Term>,
}

/// Words that follow one another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    pub words: Vec<String>,
    /// The last of them may be the beginning of a longer one.
    pub is_beginning: bool,
}

/// Where a text has what a query means: ranges of characters (Unicode code points), from the first to before the last, in rising order.
pub type Marks = Vec<(usize, usize)>;

impl Query {
    /// Reads what somebody has typed: words between spaces, and `"words that follow one another"`. What has several words between two
    /// spaces (`A-1042`, a URL, Chinese) is meant as it is written. `None` where there is nothing to search for.
    pub fn parse(typed: &str) -> Option<Query> {
        let is_quote = |c: char| matches!(c, '"' | '“' | '”' | '„' | '«' | '»' | '＂');
        let mut terms = Vec::new();
        for (n, part) in typed.split(is_quote).enumerate() {
            if n % 2 == 1 {
                terms.push(Term::of(part, false));
            } else {
                terms.extend(part.split_whitespace().map(|word| Term::of(word, true)));
            }
        }
        let mut terms: Vec<Term> = terms.into_iter().flatten().collect();
        let last = terms.pop()?;
        terms.iter_mut().for_each(|term| term.is_beginning = false);
        terms.push(last);
        Some(Query { terms })
    }

    /// Where the query is found in each part of a message; `None` where it is not.
    pub fn marks(&self, parts: &[&str]) -> Option<Vec<Marks>> {
        let parts: Vec<Vec<Word>> = parts.iter().map(|part| cut(part)).collect();
        let mut marks = vec![Marks::new(); parts.len()];
        for term in &self.terms {
            let mut is_found = false;
            for (words, marks) in parts.iter().zip(&mut marks) {
                let before = marks.len();
                marks.extend(term.places(words));
                is_found |= marks.len() > before;
            }
            if !is_found {
                return None;
            }
        }
        marks.iter_mut().for_each(join);
        Some(marks)
    }
}

impl Term {
    fn of(text: &str, may_be_beginning: bool) -> Option<Term> {
        let words = cut(text);
        let last = words.last()?;
        let is_beginning = may_be_beginning && !last.is_sign && last.word.chars().count() >= BEGINNING_MIN;
        Some(Term { words: words.into_iter().map(|word| word.word).collect(), is_beginning })
    }

    fn places<'a>(&'a self, words: &'a [Word]) -> impl Iterator<Item = (usize, usize)> + 'a {
        let fits = |found: &&[Word]| {
            let pairs = found.iter().zip(&self.words).enumerate();
            let last = self.words.len() - 1;
            pairs.into_iter().all(|(n, (found, meant))| {
                if n == last && self.is_beginning { found.word.starts_with(meant) } else { found.word == *meant }
            })
        };
        words.windows(self.words.len()).filter(fits).map(|found| (found[0].start, found[found.len() - 1].end))
    }
}

/// Puts ranges in order, those that touch together.
fn join(marks: &mut Marks) {
    marks.sort_unstable();
    let mut joined = Marks::new();
    for (start, end) in marks.drain(..) {
        match joined.last_mut().filter(|last| start <= last.1) {
            Some(last) => last.1 = last.1.max(end),
            None => joined.push((start, end)),
        }
    }
    *marks = joined;
}

#[cfg(test)]
mod tests;
