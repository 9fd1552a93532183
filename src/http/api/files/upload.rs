//! `POST /files`.

use std::path::Path;

use actix_multipart::Multipart;
use actix_web::{HttpRequest, web};
use serde::Serialize;

use super::{
    form,
    kind::{self, Kind},
};
use crate::{
    actors::{
        journal::write,
        node::{Node, blocking},
        now,
        session::Identity,
    },
    domain::refusal::Refusal,
    http::api::{
        input,
        output::{Answer, created},
        schema,
        settings::{ApiSettings, Door},
    },
    store::files::{self, path_of},
};

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
    tag = "files",
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
    sent: Multipart,
) -> Answer {
    api.enter(&request, Door::Files)?;
    let sent = form::read(sent, input::length(&request), &api.options).await?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_in_a_directory_is_there_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = path_of(&directory.path().join("new"), "00112233445566778899aabbccddeeff");
        keep(&path, b"hello").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"hello");
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }
}
