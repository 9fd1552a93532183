//! What happens in a shop, as its own systems are told: the same in the feed and in webhooks.

use serde::Serialize;

use super::{
    time::At,
    view::{Card, MessageView, Name},
};
use crate::domain::event::{Detail, File, Position, Told};

/// The version of this form. What is added does not change it.
const VERSION: u32 = 1;

/// An event.
#[derive(Serialize)]
pub struct View<'a> {
    version: u32,
    /// The same wherever and however often it is told.
    id: String,
    position: Position,
    #[serde(rename = "type")]
    kind: &'static str,
    at: At,
    shop: &'a str,
    by: Name<'a>,
    data: Data<'a>,
}

/// What it has happened to: what an event of its kind does not have is left out.
#[derive(Default, Serialize)]
struct Data<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    buyer: Option<Card<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Message<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<Vec<FileView<'a>>>,
    #[serde(flatten)]
    claim: Option<Claim<'a>>,
    #[serde(flatten)]
    rating: Option<Rating<'a>>,
}

#[derive(Serialize)]
struct Message<'a> {
    #[serde(flatten)]
    message: MessageView<'a>,
    edited_at: Option<At>,
}

#[derive(Serialize)]
struct FileView<'a> {
    url: &'a str,
    name: &'a str,
    mime: &'a str,
    size: i64,
}

#[derive(Serialize)]
struct Claim<'a> {
    ticket: i64,
    claim_version: i64,
    /// Claimants before and after.
    from: Option<Name<'a>>,
    to: Option<Name<'a>>,
}

#[derive(Serialize)]
struct Rating<'a> {
    ticket: i64,
    score: Option<i16>,
    comment: Option<&'a str>,
}

impl<'a> View<'a> {
    pub fn of(told: &'a Told) -> View<'a> {
        View {
            version: VERSION,
            id: id(told),
            position: told.position,
            kind: told.event.kind.as_str(),
            at: At(told.event.at),
            shop: &told.shop.shop,
            by: Name::of(&told.by),
            data: Data::of(told),
        }
    }
}

impl<'a> Data<'a> {
    fn of(told: &'a Told) -> Data<'a> {
        let message =
            |message, edited_at: Option<_>| Message { message: MessageView::of(message), edited_at: edited_at.map(At) };
        let data = Data {
            conversation: told.event.conversation().map(|id| id.0),
            buyer: told.buyer.as_deref().map(Card::of),
            ..Data::default()
        };
        match &told.detail {
            Detail::Message { message: said, edited_at } => Data { message: Some(message(said, *edited_at)), ..data },
            Detail::Files { message: said, files } => Data {
                message: Some(message(said, None)),
                files: Some(files.iter().filter_map(|file| FileView::of(file, &said.content)).collect()),
                ..data
            },
            Detail::Claim { ticket, claim_version, from, to } => {
                let (from, to) = (from.as_deref().map(Name::of), to.as_deref().map(Name::of));
                Data { claim: Some(Claim { ticket: *ticket, claim_version: *claim_version, from, to }), ..data }
            }
            Detail::Rating { ticket, score, comment } => {
                Data { rating: Some(Rating { ticket: *ticket, score: *score, comment: comment.as_deref() }), ..data }
            }
            Detail::Agent => data,
        }
    }
}

impl<'a> FileView<'a> {
    /// As the content shows it; URLs have no signs that JSON would write otherwise.
    fn of(file: &'a File, content: &'a str) -> Option<FileView<'a>> {
        let File { key, name, mime, size } = file;
        let begin = content.find(&format!("/files/{key}"))?;
        let url = content[begin..].split('"').next()?;
        Some(FileView { url, name, mime, size: *size })
    }
}

/// What an event is called: the same wherever and however often it is told, and no other's. Names of shops may have dots; in what is signed,
/// dots stand between the parts.
pub fn id(told: &Told) -> String {
    format!("evt_{}_{}", told.shop.shop.replace('.', "~"), told.position)
}

/// The event as JSON.
///
/// # Errors
/// When what is stored of a message is no JSON.
pub fn to_json(told: &Told) -> serde_json::Result<String> {
    serde_json::to_string(&View::of(told))
}
