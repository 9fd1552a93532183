//! `GET /files/{key}/{name}`: given to whoever knows the URL, in a way in which it cannot act as a page.

use std::path::Path;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{
            ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
            ETAG, EntityTag, RANGE, X_CONTENT_TYPE_OPTIONS,
        },
    },
    web::{self, Bytes},
};

use super::kind;
use crate::{
    actors::node::{Node, blocking},
    domain::refusal::Refusal,
    http::{
        api::{output::Answer, settings::ApiSettings},
        etag,
    },
    store::{
        Error,
        files::{self, path_of},
    },
};

/// 128 bits in hexadecimal, as the links to files and exports have them. What is none is asked for nowhere: PostgreSQL takes no U+0000.
pub fn is_key(key: &str) -> bool {
    key.len() == 32 && key.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// An uploaded file.
///
/// Its URL is the right to read it.
#[utoipa::path(
    get,
    path = "/files/{key}/{name}",
    tag = "files",
    security(()),
    params(("key" = String, Path, description = "128 random bits"), ("name" = String, Path, description = "Its name")),
    responses(
        (status = 200, description = "The file, with the type that its bytes have; images inline, others as attachments"),
        (status = 206, description = "The part that `Range` asks for"),
        (status = 304, description = "Unchanged, to who has it"),
        (status = 416, description = "No such part"),
        (status = 404, description = "No such file: `not_found`"),
    ),
)]
pub async fn serve(
    request: HttpRequest,
    node: web::Data<Node>,
    api: web::Data<ApiSettings>,
    path: web::Path<(String, String)>,
) -> Answer {
    let (key, name) = path.into_inner();
    if !is_key(&key) {
        return Err(Refusal::NotFound.into());
    }
    let tag = EntityTag::new_strong(key.clone());
    let (readers, directory) = (node.readers.clone(), api.options.files_dir.clone());
    let found = blocking(move || {
        let row = readers.read(|db| files::find(db, &key))?.filter(|row| row.name == name);
        row.map(|row| with_bytes(row, directory.as_deref())).transpose()
    });
    let (row, bytes) = found.await?.flatten().ok_or(Refusal::NotFound)?;
    let mut response = HttpResponse::Ok();
    response
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"))
        .insert_header(("Cross-Origin-Resource-Policy", "cross-origin"))
        .insert_header((CACHE_CONTROL, "private, max-age=31536000, immutable"))
        .insert_header((CONTENT_DISPOSITION, disposition(&row)))
        .insert_header((ACCEPT_RANGES, "bytes"))
        .insert_header((ETAG, tag.to_string()));
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    if etag::is_known(&request, &tag) {
        return Ok(response.status(StatusCode::NOT_MODIFIED).finish());
    }
    response.insert_header((CONTENT_TYPE, row.mime));
    let bytes = Bytes::from(bytes);
    let size = bytes.len();
    Ok(match header(RANGE).map(|range| part(range, size)) {
        None | Some(Part::Whole) => response.body(bytes),
        Some(Part::From(from, to)) => response
            .status(StatusCode::PARTIAL_CONTENT)
            .insert_header((CONTENT_RANGE, format!("bytes {from}-{to}/{size}")))
            .body(bytes.slice(from..=to)),
        Some(Part::Nothing) => response
            .status(StatusCode::RANGE_NOT_SATISFIABLE)
            .insert_header((CONTENT_RANGE, format!("bytes */{size}")))
            .finish(),
    })
}

/// The bytes of a file, wherever they are; `None` where they are lost.
fn with_bytes(mut row: files::Row, directory: Option<&Path>) -> Result<Option<(files::Row, Vec<u8>)>, Error> {
    if let Some(bytes) = row.bytes.take() {
        return Ok(Some((row, bytes)));
    }
    let Some(directory) = directory else { return Ok(None) };
    match std::fs::read(path_of(directory, &row.key)) {
        Ok(bytes) => Ok(Some((row, bytes))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            tracing::warn!(key = row.key, "a file is not where it was put");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// Images are shown; everything else is saved under its name (RFC 6266, section 4.3).
fn disposition(row: &files::Row) -> String {
    if row.mime.starts_with("image/") {
        "inline".to_owned()
    } else {
        format!("attachment; filename*=UTF-8''{}", kind::encode(&row.name))
    }
}

/// Which bytes a `Range` asks for (RFC 9110, section 14.2).
#[derive(Debug, PartialEq, Eq)]
enum Part {
    Whole,
    /// First and last.
    From(usize, usize),
    /// None that exist.
    Nothing,
}

/// One range is served; several, or what is not understood, gets the whole.
fn part(range: &str, size: usize) -> Part {
    let read = || {
        let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
        let number = |s: &str| s.bytes().all(|b| b.is_ascii_digit()).then(|| s.parse::<usize>().ok()).flatten();
        let last = size.checked_sub(1);
        Some(match (from, to) {
            ("", to) => match (number(to)?, last) {
                (0, _) | (_, None) => Part::Nothing,
                (n, Some(last)) => Part::From(size.saturating_sub(n), last),
            },
            (from, to) => {
                let (from, to) = (number(from)?, if to.is_empty() { usize::MAX } else { number(to)? });
                match last {
                    _ if to < from => return None,
                    Some(last) if from <= last => Part::From(from, to.min(last)),
                    _ => Part::Nothing,
                }
            }
        })
    };
    read().unwrap_or(Part::Whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_served() {
        for (range, expected) in [
            ("bytes=0-3", Part::From(0, 3)),
            ("bytes=4-", Part::From(4, 9)),
            ("bytes=-3", Part::From(7, 9)),
            ("bytes=-30", Part::From(0, 9)),
            ("bytes=8-99", Part::From(8, 9)),
            ("bytes=10-", Part::Nothing),
            ("bytes=-0", Part::Nothing),
            ("bytes=3-2", Part::Whole),
            ("bytes=0-1,4-5", Part::Whole),
            ("lines=0-1", Part::Whole),
            ("bytes=a-b", Part::Whole),
        ] {
            assert_eq!(part(range, 10), expected, "{range}");
        }
    }

    #[test]
    fn keys_are_hexadecimal() {
        assert!(is_key("00112233445566778899aabbccddeeff"));
        for bad in ["", "..", "00112233445566778899AABBCCDDEEFF", "00112233445566778899aabbccddee/f"] {
            assert!(!is_key(bad), "{bad}");
        }
    }
}
