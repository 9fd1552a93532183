//! What an upload is, told from its bytes alone, and what it may be called.

/// The kinds that are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Png,
    Jpeg,
    Gif,
    Webp,
    Pdf,
    Zip,
    Text,
}

/// The longest name that is kept, in characters.
const NAME_MAX: usize = 100;
/// How far into a text markup is looked for: as far as browsers do, and farther.
const MARKUP_WITHIN: usize = 4_096;

impl Kind {
    /// `None` for what is not taken. Markup is not: it could act as a page.
    pub fn of(bytes: &[u8]) -> Option<Kind> {
        let known = infer::get(bytes).map(|kind| kind.mime_type());
        match known {
            Some("image/png") => Some(Kind::Png),
            Some("image/jpeg") => Some(Kind::Jpeg),
            Some("image/gif") => Some(Kind::Gif),
            Some("image/webp") => Some(Kind::Webp),
            Some("application/pdf") => Some(Kind::Pdf),
            _ if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") => Some(Kind::Zip),
            _ => is_plain_text(bytes).then_some(Kind::Text),
        }
    }

    pub fn mime(self) -> &'static str {
        match self {
            Kind::Png => "image/png",
            Kind::Jpeg => "image/jpeg",
            Kind::Gif => "image/gif",
            Kind::Webp => "image/webp",
            Kind::Pdf => "application/pdf",
            Kind::Zip => "application/zip",
            Kind::Text => "text/plain; charset=utf-8",
        }
    }

    pub fn is_image(self) -> bool {
        matches!(self, Kind::Png | Kind::Jpeg | Kind::Gif | Kind::Webp)
    }

    /// The endings that a file of this kind may have, the usual one first. A name with another gets the usual one behind it, so that
    /// what is downloaded does not open as something else.
    fn endings(self) -> &'static [&'static str] {
        match self {
            Kind::Png => &["png"],
            Kind::Jpeg => &["jpg", "jpeg"],
            Kind::Gif => &["gif"],
            Kind::Webp => &["webp"],
            Kind::Pdf => &["pdf"],
            Kind::Zip => &["zip", "docx", "xlsx", "pptx", "odt", "ods", "odp", "epub"],
            Kind::Text => &["txt", "csv", "tsv", "md", "log", "json", "yaml", "yml", "toml", "ini"],
        }
    }
}

/// UTF-8 without control characters, and not the beginning of a page.
fn is_plain_text(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let text = text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    let control = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r');
    !text.is_empty() && !text.contains(control) && !is_markup(text)
}

fn is_markup(text: &str) -> bool {
    let tag = |rest: &str| rest.starts_with(|c: char| c.is_ascii_alphabetic() || "!?/".contains(c));
    if text.strip_prefix('<').is_some_and(tag) {
        return true;
    }
    let head: String = text.chars().take(MARKUP_WITHIN).collect::<String>().to_ascii_lowercase();
    ["<!doctype", "<?xml", "<html", "<svg", "<script", "<iframe"].iter().any(|tag| head.contains(tag))
}

/// A name that is safe in a URL, in a header and on a disk: the last part of what was given, without what shows nothing or misleads.
pub fn name(given: &str, kind: Kind) -> String {
    let last = given.rsplit(['/', '\\']).next().unwrap_or_default();
    let misleads = |c: char| {
        c.is_control()
            || "\"<>|?*:%#&;`'$".contains(c)
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    let mut plain: String = last.chars().map(|c| if misleads(c) { '_' } else { c }).collect();
    while plain.contains("..") {
        plain = plain.replace("..", ".");
    }
    let plain = plain.trim_matches(|c: char| c.is_whitespace() || c == '.');
    let (stem, ending) = match plain.rsplit_once('.') {
        Some((stem, ending)) if kind.endings().contains(&ending.to_ascii_lowercase().as_str()) => (stem, ending),
        _ => (plain, kind.endings()[0]),
    };
    let stem: String = stem.chars().take(NAME_MAX - 6).collect();
    let stem = stem.trim_end_matches(|c: char| c.is_whitespace() || c == '.');
    format!("{}.{ending}", if stem.is_empty() { "file" } else { stem })
}

/// Percent-encodes (RFC 3986, section 2.1) all but the unreserved characters.
pub fn encode(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_decide_what_a_file_is() {
        for (bytes, kind) in [
            (&b"\x89PNG\r\n\x1a\nrest"[..], Some(Kind::Png)),
            (b"\xff\xd8\xff\xe0rest", Some(Kind::Jpeg)),
            (b"GIF89a rest", Some(Kind::Gif)),
            (b"RIFF\x10\0\0\0WEBPVP8 ", Some(Kind::Webp)),
            (b"%PDF-1.7 rest", Some(Kind::Pdf)),
            (b"PK\x03\x04rest", Some(Kind::Zip)),
            ("你好\n".as_bytes(), Some(Kind::Text)),
            (b"1 < 2, and a<b", Some(Kind::Text)),
            (b"<3 this", Some(Kind::Text)),
            (b"", None),
            (b" \n", None),
            (b"a\0b", None),
            (b"a\x1b[31m", None),
            (b"\xff\xfeh\0i\0", None),
            (b"<html><script>alert(1)</script>", None),
            (b"\xef\xbb\xbf \n<!DOCTYPE html>", None),
            (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", None),
            (b"<?xml version='1.0'?>", None),
            (b"hello <ScRipt>alert(1)</sCript>", None),
            (b"MZ\x90\0", None),
            (b"\x7fELF\x02\x01", None),
        ] {
            assert_eq!(Kind::of(bytes), kind, "{:?}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn names_are_harmless() {
        for (given, kind, kept) in [
            ("photo.PNG", Kind::Png, "photo.PNG"),
            ("../../etc/passwd", Kind::Text, "passwd.txt"),
            ("C:\\Users\\x\\报价 单.pdf", Kind::Pdf, "报价 单.pdf"),
            ("page.html", Kind::Text, "page.html.txt"),
            ("evil.svg", Kind::Png, "evil.svg.png"),
            ("setup.jar", Kind::Zip, "setup.jar.zip"),
            ("a\r\nSet-Cookie: x\".txt", Kind::Text, "a__Set-Cookie_ x_.txt"),
            ("cod\u{202e}gpj.exe", Kind::Png, "cod_gpj.exe.png"),
            ("", Kind::Jpeg, "file.jpg"),
            ("..", Kind::Gif, "file.gif"),
            (".png", Kind::Png, "png.png"),
            ("a..b..txt", Kind::Text, "a.b.txt"),
        ] {
            assert_eq!(name(given, kind), kept, "{given:?}");
        }
        let long = name(&"好".repeat(500), Kind::Text);
        assert!(long.chars().count() <= NAME_MAX && long.ends_with(".txt"));
        assert!(encode(&long).len() < 1_500);
    }

    #[test]
    fn names_travel_in_urls() {
        assert_eq!(encode("a b+好.txt"), "a%20b%2B%E5%A5%BD.txt");
    }
}
