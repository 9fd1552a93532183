//! A message's content: what the contract allows, in one canonical form.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::fields::Fields;
use crate::domain::{
    content::{Content, TEXT_MAX},
    refusal::Refusal,
};

const URL_MAX: usize = 2_048;
pub(super) const TITLE_MAX: usize = 500;
const WORD_MAX: usize = 128;
const PIXELS_MAX: i64 = 100_000;

/// The canonical form: these keys, in this order.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Form<'a> {
    Text {
        text: &'a str,
    },
    Image {
        url: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        width: Option<i64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        height: Option<i64>,
    },
    File {
        url: &'a str,
        name: &'a str,
        size: i64,
    },
    Product {
        id: &'a str,
        title: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        price: Option<&'a Value>,
        #[serde(skip_serializing_if = "Option::is_none")]
        image: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        url: Option<&'a str>,
    },
    Order {
        id: &'a str,
        title: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        amount: Option<&'a Value>,
        #[serde(skip_serializing_if = "Option::is_none")]
        url: Option<&'a str>,
    },
}

/// Reads `content` of a frame or a request body.
///
/// # Errors
/// `Invalid` with the field's path.
pub fn parse(frame: Fields<'_>) -> Result<Content, Refusal> {
    let fields = frame.object("content")?;
    let kind = fields.get("kind").and_then(Value::as_str).ok_or_else(|| fields.invalid("kind"))?;
    let form = match kind {
        "text" => Form::Text { text: text(fields)? },
        "image" => Form::Image {
            url: required_url(fields, "url")?,
            width: fields.maybe_integer("width", 1, PIXELS_MAX)?,
            height: fields.maybe_integer("height", 1, PIXELS_MAX)?,
        },
        "file" => Form::File {
            url: required_url(fields, "url")?,
            name: fields.text("name", 1, 255)?,
            size: fields.integer("size", 0, i64::MAX)?,
        },
        "product" => Form::Product {
            id: fields.text("id", 1, WORD_MAX)?,
            title: fields.text("title", 1, TITLE_MAX)?,
            price: fields.maybe("price", amount)?,
            image: url(fields, "image")?,
            url: url(fields, "url")?,
        },
        "order" => Form::Order {
            id: fields.text("id", 1, WORD_MAX)?,
            title: fields.text("title", 1, TITLE_MAX)?,
            status: fields.maybe_text("status", 1, WORD_MAX)?,
            amount: fields.maybe("amount", amount)?,
            url: url(fields, "url")?,
        },
        _ => return Err(fields.invalid("kind")),
    };
    let json = serde_json::to_string(&form).map_err(|_| Refusal::invalid("content"))?;
    let mut digest = [0; 16];
    digest.copy_from_slice(&Sha256::digest(json.as_bytes())[..16]);
    Ok(Content { json: json.into(), digest })
}

/// What of a stored content is searched: each part's name, and its text.
pub fn searched(content: &str) -> Vec<(&'static str, Cow<'_, str>)> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Parts<'a> {
        #[serde(borrow)]
        text: Option<Cow<'a, str>>,
        #[serde(borrow)]
        name: Option<Cow<'a, str>>,
        #[serde(borrow)]
        id: Option<Cow<'a, str>>,
        #[serde(borrow)]
        title: Option<Cow<'a, str>>,
    }
    let Parts { text, name, id, title } = serde_json::from_str(content).unwrap_or_default();
    let parts = [("text", text), ("name", name), ("id", id), ("title", title)];
    parts.into_iter().filter_map(|(name, text)| Some((name, text?))).collect()
}

fn text(fields: Fields<'_>) -> Result<&str, Refusal> {
    let text = fields.get("text").and_then(Value::as_str).unwrap_or_default().trim();
    let fits = !text.is_empty() && !text.contains('\0') && text.chars().take(TEXT_MAX + 1).count() <= TEXT_MAX;
    if fits { Ok(text) } else { Err(fields.invalid("text")) }
}

/// A sum as the shop writes it: a short string, or a number.
fn amount(value: &Value) -> Option<&Value> {
    let short = |s: &str| (1..=64).contains(&s.len()) && !s.contains('\0');
    (value.is_number() || value.as_str().is_some_and(short)).then_some(value)
}

pub(super) fn required_url<'a>(fields: Fields<'a>, name: &'static str) -> Result<&'a str, Refusal> {
    url(fields, name)?.ok_or_else(|| fields.invalid(name))
}

fn url<'a>(fields: Fields<'a>, name: &'static str) -> Result<Option<&'a str>, Refusal> {
    fields.maybe(name, |value| value.as_str().filter(|s| is_url(s)))
}

/// `http:`, `https:` with a host, or a file of this server.
fn is_url(s: &str) -> bool {
    let plain = s.len() <= URL_MAX && !s.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\');
    let scheme = |scheme: &str| {
        s.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
            && s[scheme.len()..].starts_with(|c: char| !"/?#:@".contains(c))
    };
    let own = s.starts_with("/files/") && !s.contains("..");
    plain && (scheme("https://") || scheme("http://") || own)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::content::{DELETED, RECALLED};

    fn check(content: &str) -> Result<String, String> {
        let frame = serde_json::from_str(&format!(r#"{{"content":{content}}}"#)).unwrap();
        match parse(Fields::new(&frame)) {
            Ok(content) => Ok(content.json.to_string()),
            Err(Refusal::Invalid(field)) => Err(field.into_owned()),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_allowed_has_one_form() {
        for (given, form) in [
            (r#"{"text":" hi\n","kind":"text","more":1}"#, r#"{"kind":"text","text":"hi"}"#),
            (
                r#"{"kind":"image","url":"/files/ab/c.png","height":3}"#,
                r#"{"kind":"image","url":"/files/ab/c.png","height":3}"#,
            ),
            (
                r#"{"url":"HTTPS://x.y/z","size":0,"name":"a","kind":"file"}"#,
                r#"{"kind":"file","url":"HTTPS://x.y/z","name":"a","size":0}"#,
            ),
            (
                r#"{"kind":"product","id":"1","title":"T","price":9.5}"#,
                r#"{"kind":"product","id":"1","title":"T","price":9.5}"#,
            ),
            (r#"{"kind":"order","id":"1","title":"T","status":null}"#, r#"{"kind":"order","id":"1","title":"T"}"#),
        ] {
            assert_eq!(check(given).as_deref(), Ok(form), "{given}");
        }
    }

    #[test]
    fn texts_names_titles_and_numbers_are_searched() {
        let parts =
            |content| searched(content).into_iter().map(|(name, text)| format!("{name}={text}")).collect::<Vec<_>>();
        for (content, found) in [
            (r#"{"kind":"text","text":"a \"b\""}"#, &["text=a \"b\""][..]),
            (r#"{"kind":"file","url":"/files/a","name":"bill.pdf","size":0}"#, &["name=bill.pdf"]),
            (r#"{"kind":"order","id":"A-1","title":"T","amount":3}"#, &["id=A-1", "title=T"]),
            (r#"{"kind":"image","url":"/files/a"}"#, &[]),
            (RECALLED, &[]),
            (DELETED, &[]),
        ] {
            assert_eq!(parts(content), found, "{content}");
        }
    }

    #[test]
    fn what_is_not_allowed_names_the_field() {
        let long = format!(r#"{{"kind":"text","text":"{}"}}"#, "好".repeat(4_001));
        for (given, field) in [
            ("7", "content"),
            ("{}", "content.kind"),
            (r#"{"kind":"recalled"}"#, "content.kind"),
            (r#"{"kind":"text"}"#, "content.text"),
            (r#"{"kind":"text","text":" \n "}"#, "content.text"),
            (r#"{"kind":"text","text":"a\u0000b"}"#, "content.text"),
            (&long, "content.text"),
            (r#"{"kind":"image","url":"javascript:alert(1)"}"#, "content.url"),
            (r#"{"kind":"image","url":"java\tscript:alert(1)"}"#, "content.url"),
            (r#"{"kind":"image","url":"data:text/html,x"}"#, "content.url"),
            (r#"{"kind":"image","url":"//evil.example/x"}"#, "content.url"),
            (r#"{"kind":"image","url":"https:///x"}"#, "content.url"),
            (r#"{"kind":"image","url":"/files/../x"}"#, "content.url"),
            (r#"{"kind":"image","url":"/files/a","width":0}"#, "content.width"),
            (r#"{"kind":"product","id":"1","title":"T","price":[1]}"#, "content.price"),
        ] {
            assert_eq!(check(given), Err(field.to_owned()), "{given}");
        }
    }
}
