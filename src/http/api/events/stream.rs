//! Events as they happen: server-sent events (HTML, section 9.2). Who asks is looked at anew for every piece, so that a stream ends with the
//! token and the role that it was asked with.

use std::{io, time::Duration};

use actix_web::{
    FromRequest, HttpRequest, HttpResponse,
    dev::Payload,
    http::{Method, header::CACHE_CONTROL},
    web::{self, Bytes},
};
use futures_util::{Stream, stream};
use tokio::time::Instant;

use super::{Asked, read, wait_for};
use crate::{
    actors::{node::Node, now, session::Identity},
    domain::{
        event::{Position, Told},
        refusal::Refusal,
    },
    http::api::output::Answer,
    protocol::told,
    store::events::Page,
};

pub const MEDIA_TYPE: &str = "text/event-stream";
/// How often something is sent, so that who is gone is noticed, and no proxy takes the stream for dead.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// So many events in a piece.
const PIECE: usize = 100;

/// A stream that goes on after `Last-Event-ID`, or else after what is asked.
pub async fn answer(request: HttpRequest, node: web::Data<Node>, me: Identity, mut asked: Asked) -> Answer {
    if let Some(last) = request.headers().get("last-event-id") {
        let read = last.to_str().ok().and_then(|last| last.parse::<Position>().ok()).filter(|last| *last >= 0);
        asked.after = Some(read.ok_or(Refusal::invalid("last-event-id"))?);
    }
    asked.limit = PIECE;
    // What is wrong is said before the stream begins.
    let (_, page) = read(&node, me, asked.clone()).await?;
    let mut response = HttpResponse::Ok();
    response
        .content_type(MEDIA_TYPE)
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header(("X-Accel-Buffering", "no")); // nginx passes it on at once
    if request.method() == Method::HEAD {
        return Ok(response.finish());
    }
    Ok(response.streaming(Following { request, node, asked, page: Some(page) }.stream()))
}

struct Following {
    request: HttpRequest,
    node: web::Data<Node>,
    asked: Asked,
    /// What has been read already.
    page: Option<Page<Told>>,
}

impl Following {
    fn stream(self) -> impl Stream<Item = io::Result<Bytes>> + 'static {
        stream::unfold(self, |mut this| async move {
            let piece = this.next().await?;
            Some((Ok(piece), this))
        })
    }

    /// The next piece, a comment where nothing has happened; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        let page = match self.page.take() {
            Some(page) => page,
            None => match self.read().await {
                Ok(page) => page,
                // The store is away, or busy: later.
                Err(Refusal::Unavailable { .. }) => {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    return Some(comment());
                }
                Err(refusal) => {
                    tracing::debug!(?refusal, "a stream of events ends");
                    return None;
                }
            },
        };
        if page.events.is_empty() && self.node.feed.is_closed() {
            return None;
        }
        self.asked.after = Some(page.position);
        Some(if page.events.is_empty() { comment() } else { written(&page.events) })
    }

    async fn read(&self) -> Result<Page<Told>, Refusal> {
        let who = Identity::from_request(&self.request, &mut Payload::None).await;
        let me = who.map_err(|problem| problem.refusal().clone())?;
        let left =
            Duration::from_millis(me.expires_at.saturating_mul(1_000).saturating_sub(now().0).max(0).unsigned_abs());
        wait_for(&self.node, &me, self.asked.clone(), Instant::now() + HEARTBEAT.min(left)).await
    }
}

fn comment() -> Bytes {
    Bytes::from_static(b":\n\n")
}

/// Each event with its position as the id. JSON has no line ends of its own.
fn written(events: &[Told]) -> Bytes {
    let one = |told: &Told| {
        let data = told::to_json(told).unwrap_or_default();
        format!("id: {}\nevent: {}\ndata: {data}\n\n", told.position, told.event.kind.as_str())
    };
    Bytes::from(events.iter().map(one).collect::<String>())
}
