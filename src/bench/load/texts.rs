//! What is said: pieces of ordinary sentences, all of the same length, so that search has words to index.

const SENTENCES: &str = "Hello, I ordered the blue jacket in size M last Tuesday and the parcel still has not arrived. Could you please check \
    where it is? The tracking page only says that it left the warehouse in Rotterdam. 您好，我上周买的蓝色外套还没有收到，能帮我查一下\
    物流吗？ Of course, give me one moment while I look at your order. I see that it was handed to the carrier on Thursday and should be with \
    you tomorrow before noon. If it is too small you can send it back within thirty days, the label is inside the box. 谢谢，\
    如果尺码不合适，可以换大一号吗？ Yes, the larger one is in stock in black and in green, and the exchange is free of charge. Shall I \
    reserve one for you until Friday? That would be great, thank you very much for the quick help. ";
const PIECES: usize = 64;

/// Texts of one length, which take their turns.
pub struct Texts(Vec<String>);

impl Texts {
    /// Each of `bytes` bytes in UTF-8.
    pub fn new(bytes: usize) -> Self {
        let words: Vec<usize> = SENTENCES
            .char_indices()
            .filter(|(_, c)| *c == ' ')
            .map(|(at, _)| at + 1)
            .filter(|at| *at < SENTENCES.len())
            .collect();
        let piece = |at: usize| {
            let start = words[at * 7 % words.len()];
            let mut text = String::with_capacity(bytes);
            for c in SENTENCES[start..].chars().chain(SENTENCES.chars().cycle()) {
                if text.len() + c.len_utf8() > bytes {
                    break;
                }
                text.push(c);
            }
            // Spaces at an end would be trimmed, and a wide character may not have fitted.
            let kept = text.trim().len();
            text = text.trim().to_owned();
            text.extend(std::iter::repeat_n('.', bytes - kept));
            text
        };
        Self((0..PIECES).map(piece).collect())
    }

    pub fn of(&self, talk: u32, number: u32) -> &str {
        &self.0[(talk.wrapping_mul(31).wrapping_add(number)) as usize % PIECES]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_have_the_length_that_was_asked_for() {
        for bytes in [1, 20, 200, 4_000] {
            let texts = Texts::new(bytes);
            assert!(texts.0.iter().all(|text| text.len() == bytes && text.trim() == text), "{:?}", texts.0);
        }
    }
}
