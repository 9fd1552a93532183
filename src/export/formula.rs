//! What a spreadsheet would take for a formula, and run (OWASP, "CSV Injection").

/// Whether a spreadsheet could take this text for a formula: it begins with one of `= + - @`, their full-width forms, a tab or an end of
/// a line, and is not just a number.
pub fn is_formula(text: &str) -> bool {
    let begins =
        text.starts_with(['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}', '\t', '\r', '\n']);
    begins && !is_number(text)
}

/// `-5`, `+49`, `-12.50`, `-1,000`: digits behind a sign, with nothing that could be an operator.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let plain = |b: u8| b.is_ascii_digit() || b == b'.' || b == b',';
    digits.starts_with(|c: char| c.is_ascii_digit()) && digits.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::is_formula;

    #[test]
    fn formulas_are_told_from_words_and_numbers() {
        for formula in [
            "=1+1",
            "+1+1",
            "-1+1",
            "@SUM(A1)",
            "\t=1",
            "\r=1",
            "\n=1",
            "\u{ff1d}1+1",
            "\u{ff0b}1",
            "\u{ff0d}A1",
            "\u{ff20}x",
            "=",
            "-",
            "- no",
            "-2e5",
            "+cmd|' /C calc'!A0",
            "-1-cmd",
        ] {
            assert!(is_formula(formula), "{formula:?}");
        }
        for plain in ["", "5", "-5", "+49", "-12.50", "-1,000", "a=b", " =1", "hello", "'=1", "\u{4f60}\u{597d}"] {
            assert!(!is_formula(plain), "{plain:?}");
        }
    }
}
