use super::*;

/// A text with `[` and `]` around what the query means in it, or `-` where it is not found.
fn check(typed: &str, text: &str) -> String {
    let query = Query::parse(typed).expect("something to search for");
    let Some(marks) = query.marks(&[text]) else { return "-".to_owned() };
    let mut shown = String::new();
    for (at, c) in text.chars().chain(['\0']).enumerate() {
        if marks[0].iter().any(|mark| mark.1 == at) {
            shown.push(']');
        }
        if marks[0].iter().any(|mark| mark.0 == at) {
            shown.push('[');
        }
        shown.push(c);
    }
    shown.trim_end_matches('\0').to_owned()
}

#[test]
fn found_in_many_languages() {
    for (typed, shown) in [
        // Chinese: words of one, two and more characters, traditional signs as they are, punctuation in between
        ("货", "请问这个商品什么时候发[货]?"),
        ("发货", "请问这个商品什么时候[发货]?"),
        ("商品 时候", "请问这个[商品]什么[时候]发货?"),
        ("退款", "我要[退款]，[退款]！"),
        ("iPhone15手机", "新款[iPhone15手机]壳"),
        ("ＶＩＰ", "[vip]会员"),
        // Japanese: half-width and decomposed kana are the same
        ("返品", "[返品]したいです"),
        ("サイズ", "[ｻｲｽﾞ]は？"),
        ("ガ", "[カ\u{3099}]ラス"),
        // Korean: a noun with what is written on to it, and syllables of single letters
        ("배송", "[배송]은 언제 오나요"),
        ("한", "[\u{1112}\u{1161}\u{11ab}]국"),
        // Thai, Lao, Khmer, Burmese: no spaces
        ("จัดส่ง", "ฟรีค่า[จัดส่ง]หรือไม่"),
        ("ສິນຄ້າ", "ຊື້[ສິນຄ້າ]ນີ້"),
        ("ទំនិញ", "ទិញ[ទំនិញ]នេះ"),
        ("ပစ္စည်း", "ဒီ[ပစ္စည်း]ကို"),
        // Arabic and Hebrew: with and without vowels, and forms of alef
        ("الطلب", "أين [الطَّلَب]؟"),
        ("احمد", "مرحبا [أحمد]"),
        ("שלום", "[שָׁלוֹם] רב"),
        // Hindi: vowel signs belong to the word
        ("हिन्दी", "मुझे [हिन्दी] आती है"),
        // Russian: capitals, ё as е, й is not и
        ("ЗАКАЗ", "Где мой [заказ]?"),
        ("еще", "[Ещё] раз"),
        // Greek, Turkish, Vietnamese, Polish
        ("παραγγελια", "η [Παραγγελία] μου"),
        ("λογος", "[ΛΟΓΟΣ]"),
        ("istanbul", "[İstanbul]'a kargo"),
        ("don hang", "[Đơn] [hàng] của tôi"),
        ("lodz", "[Łódź]"),
        // German: umlauts with and without dots, ß, compounds from their beginning
        ("fur", "[Für] dich"),
        ("für", "[Fu\u{308}r] dich"),
        ("straße", "Lange [Strasse] 5"),
        ("versand", "[Versandkosten] nach Österreich"),
        ("Versandkosten oster", "[Versandkosten] nach [Österreich]"),
        // numbers of orders, addresses, what stands in quotes
        ("A-1042", "order [A-1042], not B-1042"),
        ("1042", "order A-[1042]"),
        ("https://shop.example/p/17", "see [https://shop.example/p/17]?x=1"),
        ("ann@shop.example", "write to [ann@shop.example]!"),
        ("\"blue shoes\"", "red and [blue shoes], shoes in blue"),
        ("“blue shoes” size", "[blue, shoes] in [size] 9"),
        ("shoe", "[shoes] and [SHOE]"),
        ("caf", "[cafés]"),
        ("ﬁnd", "[find] it"),
        // emoji, with and without tone and variant
        ("👍", "ok [👍🏽]!"),
        ("❤️", "i [❤] it"),
        ("好👍", "[好👍]"),
    ] {
        let text = shown.replace(['[', ']'], "");
        assert_eq!(check(typed, &text), shown, "{typed}");
    }
}

#[test]
fn not_found() {
    for (typed, text) in [
        ("货发", "什么时候发货"),
        ("\"shoes blue\"", "blue shoes"),
        ("red shoes", "blue shoes"),
        ("A-1042", "A-2042, B-1042"),
        ("ell", "hello"),
        ("\"shoe\"", "shoes"),
        ("shoe box", "shoes box"),
        ("sh", "shoes"),
        ("мои", "мой"),
        ("हिन", "हन"),
        ("カ", "ガ"),
    ] {
        assert_eq!(check(typed, text), "-", "{typed} in {text}");
    }
}

#[test]
fn a_query_of_nothing_is_none() {
    for nothing in ["", " ", "\"\"", "!?", "。、", "\"", "* -", "\u{200d}"] {
        assert_eq!(Query::parse(nothing), None, "{nothing}");
    }
}

/// Nothing that means something to a database is left in a word.
#[test]
fn words_have_no_signs_of_any_query_language() {
    let typed = "a\"b'c*d:e^f(g)h{i}j-k+l,m.n&o|p!q<r>s\\t~u\0v§w·x‹y¶z%_; DROP NEAR/2 NOT";
    for word in words(typed) {
        assert!(word.chars().all(char::is_alphanumeric), "{word:?}");
    }
    assert_eq!(words(typed).len(), 30);
}

#[test]
fn parts_of_a_message_are_searched_together_and_marked_apart() {
    let query = Query::parse("1042 shoes").unwrap();
    assert_eq!(query.marks(&["A-1042", "Blue shoes"]), Some(vec![vec![(2, 6)], vec![(5, 10)]]));
    let phrase = Query::parse("\"1042 blue\"").unwrap();
    assert_eq!(phrase.marks(&["A-1042", "Blue shoes"]), None, "no phrase goes across");
}

#[test]
fn long_words_are_cut_alike() {
    let long = "x".repeat(300);
    assert_eq!(words(&long), ["x".repeat(WORD_MAX)]);
    assert_eq!(check(&long, &long), format!("[{long}]"));
}

proptest::proptest! {
    /// Whatever is said is found by what it says, and every mark lies within the text.
    #[test]
    fn every_text_is_found_by_itself(text in "\\PC{0,40}") {
        if let Some(query) = Query::parse(&format!("\"{}\"", text.replace(['"', '“', '”', '„', '«', '»', '＂'], " "))) {
            let marks = query.marks(&[&text]).expect("found");
            let length = text.chars().count();
            proptest::prop_assert!(marks[0].iter().all(|(start, end)| start < end && *end <= length));
            proptest::prop_assert!(marks[0].windows(2).all(|pair| pair[0].1 < pair[1].0));
        }
    }
}
