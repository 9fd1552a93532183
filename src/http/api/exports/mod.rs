//! Exports: a shop's messages, tickets and audit, as files.
//!
//! An admin asks for a link, and whoever has the link gets the file, once. It is made while it is sent: a page is read when the client has
//! taken what came before, so that one who goes away has nothing more read for it.

mod running;
mod table;

use std::{
    io,
    time::{Duration, Instant},
};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        Method,
        header::{CACHE_CONTROL, CONTENT_DISPOSITION},
    },
    web::{self, Bytes},
};
use futures_util::{Stream, stream};
use serde::Serialize;
use serde_json::json;

use self::table::{Source, What};
use super::{
    access,
    acting::Acting,
    files::serve::is_key,
    input::Body,
    output::{Answer, created},
    schema,
    settings::ApiSettings,
};
use crate::{
    actors::{background::Background, journal::write, node::Node, now},
    domain::{
        ids::{Timestamp, UserId},
        permission::Permission,
        refusal::Refusal,
    },
    export::{Format, Table},
    http::download::taken_within,
    protocol::time::{self, At},
    store::{agents, exports, pool::Readers, shops},
};

pub use running::Running;

/// How long a link may be used.
const TTL_MS: i64 = 60_000;
/// How many unused links a shop may have.
const LINKS: i64 = 10;
/// After the longest page there is no telling how long others have waited for a core.
const LONGEST_REST: Duration = Duration::from_millis(200);

/// Where a link leads.
pub const URL: &str = "/exports/{key}/{name}";

#[derive(Serialize)]
struct Made {
    url: String,
    expires_at: At,
}

fn name(shop: &str, what: What, format: Format) -> String {
    format!("{shop}-{}.{}", what.as_str(), format.as_str())
}

/// Makes a link to an export.
///
/// For the shop's admins. Whoever has the link gets the file, without a token, once, within 60 seconds.
#[utoipa::path(
    post,
    path = "/shops/{shop}/exports",
    params(("shop" = String, Path, description = "The shop")),
    request_body = schema::NewExport,
    responses(
        (status = 201, description = "The link", body = schema::Export),
        (status = 403, description = "An agent of the shop, but no admin, or an operator: `forbidden`"),
        (status = 429, description = "Too many links that nobody has used: `rate_limited`"),
    ),
)]
pub async fn make(node: web::Data<Node>, acting: Acting, body: Body) -> Answer {
    let who = acting.clone();
    node.read(move |db| access::permitted(db, &who.me, &who.shop, Permission::Export)).await??;
    let fields = body.fields();
    let (format, what) = (fields.word("format", Format::parse)?, fields.word("what", What::parse)?);
    let at = |name: &str| fields.maybe(name, |value| value.as_str().and_then(time::parse));
    let (from, to) = (at("from")?.unwrap_or(Timestamp(0)), at("to")?.unwrap_or(now()));
    let key = format!("{:032x}", rand::random::<u128>());
    let made = write(&node.journal, move |db| {
        let (id, at) = (acting.permitted(db, Permission::Export)?.shop().id, now());
        exports::remove_expired(db, at)?;
        if exports::count(db, id, at)? >= LINKS {
            return Err(Refusal::RateLimited { retry_after_ms: TTL_MS.unsigned_abs() }.into());
        }
        let expires_at = Timestamp(at.0 + TTL_MS);
        let link = exports::Row {
            key: key.clone(),
            shop_id: id.0,
            by_user: acting.me.person.id.0,
            format: format.as_str().to_owned(),
            what: what.as_str().to_owned(),
            from_at: from.0,
            to_at: to.0,
            expires_at: expires_at.0,
        };
        exports::insert(db, &link)?;
        let asked = json!({"format": link.format, "what": link.what, "from": At(from), "to": At(to)});
        acting.record(db, id, "export.created", &acting.shop, [None, Some(asked)])?;
        Ok(Made { url: format!("/exports/{key}/{}", name(&acting.shop, what, format)), expires_at: At(expires_at) })
    })
    .await?;
    created(made)
}

/// An export.
///
/// Its URL is the right to it, once. HEAD leaves it as it is.
#[utoipa::path(
    get,
    path = "/exports/{key}/{name}",
    tag = "exports",
    security(()),
    params(("key" = String, Path, description = "128 random bits"), ("name" = String, Path, description = "Its name")),
    responses(
        (status = 200, description = "The file, as an attachment, while it is made"),
        (status = 404, description = "No such link, or it has been used, or has expired: `not_found`"),
        (status = 429, description = "Too many exports of this shop at the moment; the link stays good: `rate_limited`"),
    ),
)]
pub async fn download(
    request: HttpRequest,
    node: web::Data<Node>,
    api: web::Data<ApiSettings>,
    path: web::Path<(String, String)>,
) -> Answer {
    let (key, asked) = path.into_inner();
    if !is_key(&key) {
        return Err(Refusal::NotFound.into());
    }
    let (link, shop) = found(&node, key.clone()).await?;
    let (Some(format), Some(what)) = (Format::parse(&link.format), What::parse(&link.what)) else {
        return Err(Refusal::NotFound.into());
    };
    let name = name(&shop.shop, what, format);
    if asked != name {
        return Err(Refusal::NotFound.into());
    }
    let mut response = HttpResponse::Ok();
    response
        .content_type(format.media_type())
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")));
    if request.method() == Method::HEAD {
        return Ok(response.finish());
    }
    let permit = api.exports.enter(link.shop())?;
    let taken = write(&node.journal, move |db| {
        let link = exports::take(db, &key, now())?.ok_or(Refusal::NotFound)?;
        // Whoever has asked may have been removed since.
        match agents::role(db, link.shop(), UserId(link.by_user))? {
            Some(role) if role.may(Permission::Export) => Ok(link),
            _ => Err(Refusal::NotFound.into()),
        }
    })
    .await?;
    let zone = time::zone(&shop.time_zone).unwrap_or_default();
    let table = format.table(what.columns(), zone).map_err(|_| Refusal::BUSY)?;
    let (readers, background) = (node.readers.clone(), node.background.clone());
    let export = Export { readers, background, source: Source::new(what, &taken), table, ended: false, permit };
    Ok(response.streaming(taken_within(api.options.download_stall, &request, export.stream())?))
}

/// A link that may still be used, and its shop.
async fn found(node: &Node, key: String) -> Result<(exports::Row, shops::Row), Refusal> {
    let found = node.read(move |db| {
        let Some(link) = exports::find(db, &key, now())? else { return Ok(None) };
        let shop = shops::by_id(db, link.shop())?;
        Ok(shop.map(|shop| (link, shop)))
    });
    found.await?.ok_or(Refusal::NotFound)
}

/// An export that is being sent.
struct Export {
    readers: Readers,
    background: Background,
    source: Source,
    table: Box<dyn Table>,
    ended: bool,
    /// Counts among those of its shop for as long as it is there.
    permit: running::Permit,
}

impl Export {
    /// The file in pieces. It rests as long as it has worked, so that it takes half a core at most.
    fn stream(self) -> impl Stream<Item = io::Result<Bytes>> + 'static {
        stream::try_unfold((self, Duration::ZERO), |(mut export, mut rest)| async move {
            while !export.ended {
                tokio::time::sleep(rest).await;
                let background = export.background.clone();
                // Why, the log has; the client sees that the file does not end.
                let stepped = background.run(move || export.step()).await;
                (export, rest) = stepped.map_err(|_| io::Error::other("an export has broken off"))?;
                let bytes = export.table.take();
                if !bytes.is_empty() {
                    return Ok(Some((Bytes::from(bytes), (export, rest))));
                }
            }
            Ok(None)
        })
    }

    /// Reads a page, and writes it into the table; gives how long to rest then.
    fn step(mut self) -> Result<(Export, Duration), crate::store::Error> {
        let began = Instant::now();
        let page = self.readers.read(|db| self.source.page(db))?;
        self.permit.count(page.rows());
        page.write(&mut *self.table)?;
        if self.source.is_over() {
            self.table.end()?;
            self.ended = true;
        }
        Ok((self, began.elapsed().min(LONGEST_REST)))
    }
}
