//! One file of a form (RFC 7578).

use actix_multipart::{Field, Multipart};
use futures_util::StreamExt;
use tokio::time::timeout;

use crate::{
    domain::refusal::Refusal,
    http::{api::Options, problem::Problem},
};

/// What the form may hold beside the file.
const AROUND: usize = 64 * 1024;

/// A file as it was sent.
pub struct Sent {
    /// What the client calls it.
    pub name: String,
    pub bytes: Vec<u8>,
}

/// Reads the field `file` of a form, as large as the operator allows and in the time that it gives.
///
/// # Errors
/// `TooLarge`; `Invalid("file")` where there is no such field; `BadFrame` for what is no form; 408.
pub async fn read(form: Multipart, announced: Option<usize>, options: &Options) -> Result<Sent, Problem> {
    let whole = timeout(options.upload_timeout, whole(form, announced, options.file_bytes));
    Ok(whole.await.map_err(|_| Problem::slow())??)
}

async fn whole(mut form: Multipart, announced: Option<usize>, max: usize) -> Result<Sent, Refusal> {
    if announced.is_some_and(|length| length > max.saturating_add(AROUND)) {
        return Err(Refusal::TooLarge);
    }
    let mut file = None;
    while let Some(field) = form.next().await {
        let field = field.map_err(|_| Refusal::BadFrame)?;
        if field.name() == Some("file") && file.is_none() {
            let name = filename(&field).unwrap_or_default();
            file = Some(Sent { name, bytes: gather(field, max).await? });
        } else {
            gather(field, AROUND).await?;
        }
    }
    file.ok_or(Refusal::invalid("file"))
}

fn filename(field: &Field) -> Option<String> {
    let disposition = field.content_disposition()?;
    let extended = disposition.get_filename_ext().and_then(|name| String::from_utf8(name.value.clone()).ok());
    extended.or_else(|| disposition.get_filename().map(str::to_owned))
}

async fn gather(mut field: Field, max: usize) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    while let Some(chunk) = field.next().await {
        let chunk = chunk.map_err(|_| Refusal::BadFrame)?;
        if bytes.len() + chunk.len() > max {
            return Err(Refusal::TooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}
