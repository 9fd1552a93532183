//! Answers in JSON.

use actix_web::{HttpResponse, http::StatusCode};
use serde::{Serialize, Serializer};

use crate::{
    domain::{command::Snapshot, cursor::Which},
    http::problem::Problem,
    protocol::view,
};

/// What a handler gives.
pub type Answer = Result<HttpResponse, Problem>;

pub fn ok(value: impl Serialize) -> Answer {
    Ok(HttpResponse::Ok().json(value))
}

pub fn created(value: impl Serialize) -> Answer {
    Ok(HttpResponse::build(StatusCode::CREATED).json(value))
}

pub fn accepted(value: impl Serialize) -> Answer {
    Ok(HttpResponse::Accepted().json(value))
}

/// 204.
pub fn done() -> Answer {
    Ok(HttpResponse::NoContent().finish())
}

/// A page of a list; `next` is the cursor of the one after it.
#[derive(Serialize)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// A page out of `limit` + 1 items that were looked for; `cursor` says where one of them stands.
    pub fn cut(mut items: Vec<T>, limit: usize, cursor: impl Fn(&T) -> String) -> Page<T> {
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(cursor);
        Page { items, next }
    }

    pub fn map<U>(self, view: impl Fn(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(view).collect(), next: self.next }
    }
}

/// A conversation's summary with the side from which it is looked at.
pub struct Seen(pub Snapshot, pub Which);

impl Serialize for Seen {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        view::Summary { snapshot: &self.0, side: self.1 }.serialize(serializer)
    }
}
