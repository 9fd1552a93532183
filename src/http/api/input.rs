//! What a request brings: its JSON body, its query, and the names in its path, each wrong one refused by name.

use actix_web::{
    FromRequest, HttpMessage, HttpRequest,
    dev::Payload,
    http::header::{CONTENT_LENGTH, CONTENT_TYPE},
    web::{self, Bytes, BytesMut},
};
use futures_util::{
    StreamExt,
    future::{FutureExt, LocalBoxFuture, Ready, ready},
};
use serde_json::{Map, Value};
use tokio::time::timeout;

use super::settings::ApiSettings;
use crate::{
    domain::{
        ids::{self, ConversationId, Seq, Timestamp},
        refusal::Refusal,
    },
    http::problem::Problem,
    protocol::{fields::Fields, time},
};

/// The largest JSON body: what fits into a frame fits here.
const BODY_MAX: usize = 64 * 1024;
/// A page of a list, when the client does not say.
const PAGE: usize = 20;
const PAGE_MAX: usize = 100;
/// The longest cursor that this server gives out.
const CURSOR_MAX: usize = 128;

/// A body: one JSON object.
pub struct Body(Map<String, Value>);

impl Body {
    pub fn fields(&self) -> Fields<'_> {
        Fields::new(&self.0)
    }

    /// Whether the field is there and `null`, for fields that `null` empties.
    pub fn is_null(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(Value::is_null)
    }
}

impl FromRequest for Body {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Body, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        async move {
            if request.headers().contains_key(CONTENT_TYPE) && !is_json(&request) {
                return Err(Problem::media_type());
            }
            let body = read(&request, payload).await?;
            Ok(Body(serde_json::from_slice(&body).map_err(|_| Refusal::BadFrame)?))
        }
        .boxed_local()
    }
}

/// A body that is held in memory.
///
/// # Errors
/// 413 for more than fits into a frame, 408 for one that drips.
pub async fn read(request: &HttpRequest, mut payload: Payload) -> Result<Bytes, Problem> {
    if length(request).is_some_and(|length| length > BODY_MAX) {
        return Err(Refusal::TooLarge.into());
    }
    let api = request.app_data::<web::Data<ApiSettings>>().ok_or(Refusal::BUSY)?;
    let whole = async {
        let mut body = BytesMut::new();
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|_| Refusal::BadFrame)?;
            if body.len() + chunk.len() > BODY_MAX {
                return Err(Problem::from(Refusal::TooLarge));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    };
    timeout(api.options.body_timeout, whole).await.unwrap_or_else(|_| Err(Problem::slow()))
}

fn is_json(request: &HttpRequest) -> bool {
    let kind = request.content_type().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

/// What `Content-Length` announces, in bytes.
pub fn length(request: &HttpRequest) -> Option<usize> {
    request.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The query of a URL. Names that are not asked for are ignored; one that comes twice is wrong.
pub struct Query(Vec<(String, String)>);

impl FromRequest for Query {
    type Error = Problem;
    type Future = Ready<Result<Query, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Query::parse(request.query_string()).map_err(Problem::from))
    }
}

impl Query {
    /// Reads `application/x-www-form-urlencoded`.
    fn parse(query: &str) -> Result<Query, Refusal> {
        let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name).ok_or(Refusal::invalid("query"))?;
            let value = decode(value).ok_or_else(|| invalid(&name))?;
            Ok((name, value))
        });
        pairs.collect::<Result<_, _>>().map(Query)
    }

    fn get(&self, name: &str) -> Result<Option<&str>, Refusal> {
        let mut values = self.0.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            _ => Err(invalid(name)),
        }
    }

    /// What `read` makes of the value, if there is one.
    ///
    /// # Errors
    /// `Invalid`, as for all of these.
    pub fn maybe<'a, T>(&'a self, name: &str, read: impl Fn(&'a str) -> Option<T>) -> Result<Option<T>, Refusal> {
        self.get(name)?.map(|value| read(value).ok_or_else(|| invalid(name))).transpose()
    }

    /// At most `max` characters; nothing but spaces counts as absent.
    pub fn text(&self, name: &str, max: usize) -> Result<Option<String>, Refusal> {
        let fits = |s: &str| !s.contains('\0') && s.chars().take(max + 1).count() <= max;
        let text = self.maybe(name, |value| fits(value).then(|| value.trim().to_owned()))?;
        Ok(text.filter(|text| !text.is_empty()))
    }

    pub fn name(&self, name: &str) -> Result<Option<String>, Refusal> {
        self.maybe(name, |value| ids::is_name(value).then(|| value.to_owned()))
    }

    pub fn integer(&self, name: &str, min: i64, max: i64) -> Result<Option<i64>, Refusal> {
        self.maybe(name, |value| digits(value).filter(|n| (min..=max).contains(n)))
    }

    pub fn flag(&self, name: &str) -> Result<bool, Refusal> {
        let flag = self.maybe(name, |value| match value {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        })?;
        Ok(flag.unwrap_or(false))
    }

    pub fn time(&self, name: &str) -> Result<Option<Timestamp>, Refusal> {
        self.maybe(name, time::parse)
    }

    /// How many items a page of a list has.
    pub fn limit(&self) -> Result<usize, Refusal> {
        self.limit_of(PAGE, PAGE_MAX)
    }

    pub fn limit_of(&self, default: usize, max: usize) -> Result<usize, Refusal> {
        Ok(self.integer("limit", 1, max as i64)?.map_or(default, |n| n as usize))
    }

    /// Where the page before has ended.
    pub fn cursor(&self) -> Result<Option<&str>, Refusal> {
        self.maybe("cursor", |value| ((1..=CURSOR_MAX).contains(&value.len())).then_some(value))
    }

    /// The numbers of which a cursor is made.
    pub fn cursor_of<const N: usize>(&self) -> Result<Option<[i64; N]>, Refusal> {
        let read = |cursor: &str| {
            let numbers: Vec<i64> = cursor.split('.').map(digits).collect::<Option<_>>()?;
            numbers.try_into().ok()
        };
        self.cursor()?.map(|cursor| read(cursor).ok_or(Refusal::invalid("cursor"))).transpose()
    }
}

fn invalid(name: &str) -> Refusal {
    Refusal::Invalid(name.to_owned().into())
}

/// A number without sign or blanks.
fn digits(s: &str) -> Option<i64> {
    s.bytes().all(|b| b.is_ascii_digit()).then(|| s.parse().ok()).flatten()
}

/// Percent-decoding (RFC 3986, section 2.1) of a query's part, with `+` for a space; `None` where it is not UTF-8.
fn decode(s: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(s.len());
    let mut rest = s.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|b| char::from(b).to_digit(16));
                let (high, low) = (digit()?, digit()?);
                u8::try_from(high * 16 + low).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

/// The number that a path names.
///
/// # Errors
/// `NotFound` for what is no number: nothing is called so.
pub fn number(path: &str) -> Result<i64, Refusal> {
    path.parse().ok().filter(|id: &i64| *id > 0 && id.to_string() == path).ok_or(Refusal::NotFound)
}

/// The conversation that a path names.
///
/// # Errors
/// `NotFound` for what can be no conversation.
pub fn conversation(path: &str) -> Result<ConversationId, Refusal> {
    digits(path).filter(|id| *id > 0).map(ConversationId).ok_or(Refusal::NotFound)
}

/// The message that a path names.
///
/// # Errors
/// `NotFound` for what can be no message.
pub fn seq(path: &str) -> Result<Seq, Refusal> {
    digits(path).filter(|seq| (1..Seq::MAX).contains(seq)).ok_or(Refusal::NotFound)
}

/// A name that people read: at least one character that shows and none that controls, blanks around it cut.
///
/// # Errors
/// `Invalid`.
pub fn display_name(fields: Fields<'_>, name: &'static str) -> Result<Option<String>, Refusal> {
    fields.maybe(name, |value| {
        let name = value.as_str()?;
        let fits = name.chars().take(ids::NAME_MAX + 1).count() <= ids::NAME_MAX;
        let name = name.trim();
        (fits && !name.is_empty() && !value.as_str()?.chars().any(char::is_control)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(s: &str) -> Query {
        Query::parse(s).unwrap()
    }

    #[test]
    fn queries_are_read_strictly() {
        let q = query("q=%E5%A5%BD+x&limit=7&state=&mark_read=true&at=2026-01-02T03:04:05.678%2B01:00&c=1.20.3");
        assert_eq!(q.text("q", 10), Ok(Some("好 x".into())));
        assert_eq!(q.text("q", 2), Err(Refusal::invalid("q")));
        assert_eq!(q.limit(), Ok(7));
        assert_eq!(q.flag("mark_read"), Ok(true));
        assert_eq!(q.time("at"), Ok(Some(Timestamp(1_767_319_445_678))));
        assert_eq!(q.name("state"), Err(Refusal::invalid("state")));
        assert_eq!(q.text("state", 3), Ok(None));
        assert_eq!(q.text("none", 3), Ok(None));
        for bad in
            ["limit=0", "limit=101", "limit=", "limit=+7", "limit=a", "limit=1&limit=2", "limit=99999999999999999999"]
        {
            assert_eq!(query(bad).limit(), Err(Refusal::invalid("limit")), "{bad}");
        }
        assert_eq!(query("").limit(), Ok(PAGE));
        for (bad, field) in [("q=%E5", "q"), ("q=%zz", "q"), ("q=%4", "q"), ("%ff=1", "query")] {
            assert_eq!(Query::parse(bad).err(), Some(Refusal::invalid(field)), "{bad}");
        }
    }

    #[test]
    fn cursors_are_what_was_given_out() {
        assert_eq!(query("cursor=1.20.3").cursor_of::<3>(), Ok(Some([1, 20, 3])));
        for bad in ["cursor=1.20", "cursor=1.20.3.4", "cursor=", "cursor=a.b.c", "cursor=1.-2.3"] {
            assert_eq!(query(bad).cursor_of::<3>(), Err(Refusal::invalid("cursor")), "{bad}");
        }
    }

    #[test]
    fn what_can_be_no_conversation_is_not_found() {
        assert_eq!(conversation("17"), Ok(ConversationId(17)));
        for bad in ["0", "-1", "a", "", "+1", "1.0", "99999999999999999999"] {
            assert_eq!(conversation(bad), Err(Refusal::NotFound), "{bad}");
        }
    }
}
