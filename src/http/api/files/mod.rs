//! Files: what users upload, and what those who know its URL may read.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `kind` | what an upload is, and what it may be called |
//! | `upload` | reading the form |

mod kind;
mod upload;

use std::path::{Path, PathBuf};

use actix_multipart::Multipart;
use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{
        ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
        IF_NONE_MATCH, RANGE, X_CONTENT_TYPE_OPTIONS,
    },
    web::{self, Bytes},
};
use kind::Kind;
use serde::Serialize;

use super::{
    input,
    output::{Answer, created},
    schema,
    settings::{ApiSettings, Door},
};
use crate::{
    actors::{
        journal::write,
        node::{Node, blocking},
        now,
        session::Identity,
    },
    domain::refusal::Refusal,
    store::{Error, files},
};

/// The URL under which a file is read.
pub const URL: &str = "/files/{key}/{name}";

#[derive(Serialize)]
struct Uploaded {
    url: String,
    kind: &'static str,
    name: String,
    size: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    width: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    height: Option<usize>,
}

/// Uploads a file, for a message of kind `image` or `file`.
#[utoipa::path(
    post,
    path = "/files",
    request_body(content = schema::Upload, content_type = "multipart/form-data"),
    responses(
        (status = 201, description = "Kept", body = schema::File),
        (status = 429, description = "Too many from this address: `rate_limited`"),
    ),
)]
pub async fn upload(
    request: HttpRequest,
    node: web::Data<Node>,
    api: web::Data<ApiSettings>,
    me: Identity,
    form: Multipart,
) -> Answer {
    api.enter(&request, Door::Files)?;
    let sent = upload::read(form, input::length(&request), api.options.file_bytes).await?;
    let kind = Kind::of(&sent.bytes).ok_or(Refusal::invalid("file"))?;
    let pixels = match kind.is_image() {
        true => Some(imagesize::blob_size(&sent.bytes).map_err(|_| Refusal::invalid("file"))?),
        false => None,
    };
    let key = format!("{:032x}", rand::random::<u128>());
    let uploaded = Uploaded {
        url: String::new(),
        kind: if kind.is_image() { "image" } else { "file" },
        name: kind::name(&sent.name, kind),
        size: sent.bytes.len(),
        width: pixels.map(|pixels| pixels.width),
        height: pixels.map(|pixels| pixels.height),
    };
    let uploaded = Uploaded { url: format!("/files/{key}/{}", kind::encode(&uploaded.name)), ..uploaded };
    let size = i64::try_from(uploaded.size).unwrap_or(i64::MAX);
    let bytes = match &api.options.files_dir {
        Some(directory) => {
            let path = path_of(directory, &key);
            blocking(move || Ok(keep(&path, &sent.bytes)?)).await?;
            None
        }
        None => Some(sent.bytes),
    };
    let row = files::Row { key, name: uploaded.name.clone(), mime: kind.mime().to_owned(), size, bytes };
    let owner = me.person.id;
    write(&node.journal, move |db| Ok(files::insert(db, &row, owner, now())?)).await?;
    created(uploaded)
}

/// Where a file lies. The key is hexadecimal, so nothing in it leaves the directory.
fn path_of(directory: &Path, key: &str) -> PathBuf {
    directory.join(key)
}

/// Writes a file so that it is there whole or not at all, and stays.
fn keep(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    let directory = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(directory)?;
    let unfinished = path.with_extension("part");
    let mut file = std::fs::File::create_new(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)?;
    std::fs::File::open(directory)?.sync_all()
}

fn is_key(key: &str) -> bool {
    key.len() == 32 && key.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// An uploaded file.
///
/// Its URL is the right to read it.
#[utoipa::path(
    get,
    path = "/files/{key}/{name}",
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
    let (readers, directory, tag) = (node.readers.clone(), api.options.files_dir.clone(), format!("\"{key}\""));
    let (row, bytes) = blocking(move || {
        let Some(mut row) = readers.read(|db| files::find(db, &key))?.filter(|row| row.name == name) else {
            return Ok(None);
        };
        let bytes = match (row.bytes.take(), directory) {
            (Some(bytes), _) => bytes,
            (None, Some(directory)) => std::fs::read(path_of(&directory, &key)).map_err(Error::Io)?,
            (None, None) => return Ok(None),
        };
        Ok(Some((row, bytes)))
    })
    .await?
    .ok_or(Refusal::NotFound)?;
    let mut response = HttpResponse::Ok();
    response
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"))
        .insert_header(("Cross-Origin-Resource-Policy", "cross-origin"))
        .insert_header((CACHE_CONTROL, "private, max-age=31536000, immutable"))
        .insert_header((CONTENT_DISPOSITION, disposition(&row)))
        .insert_header((ACCEPT_RANGES, "bytes"))
        .insert_header((ETAG, tag.as_str()));
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    if header(IF_NONE_MATCH).is_some_and(|known| known.split(',').any(|known| known.trim() == tag)) {
        return Ok(response.status(actix_web::http::StatusCode::NOT_MODIFIED).finish());
    }
    response.insert_header((CONTENT_TYPE, row.mime));
    let bytes = Bytes::from(bytes);
    let size = bytes.len();
    Ok(match header(RANGE).map(|range| part(range, size)) {
        None | Some(Part::Whole) => response.body(bytes),
        Some(Part::From(from, to)) => response
            .status(actix_web::http::StatusCode::PARTIAL_CONTENT)
            .insert_header((CONTENT_RANGE, format!("bytes {from}-{to}/{size}")))
            .body(bytes.slice(from..=to)),
        Some(Part::Nothing) => response
            .status(actix_web::http::StatusCode::RANGE_NOT_SATISFIABLE)
            .insert_header((CONTENT_RANGE, format!("bytes */{size}")))
            .finish(),
    })
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

    #[test]
    fn a_file_in_a_directory_is_there_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = path_of(&directory.path().join("new"), "00112233445566778899aabbccddeeff");
        keep(&path, b"hello").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"hello");
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }
}
