//! Uploads.

use serde::Serialize;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
pub struct Upload {
    /// PNG, JPEG, GIF, WebP, PDF, plain text or ZIP; the bytes decide which.
    #[schema(value_type = String, format = Binary)]
    pub file: Vec<u8>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    Image,
    File,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "url": "/files/0f1e2d3c4b5a69788796a5b4c3d2e1f0/cup.png",
    "kind": "image",
    "name": "cup.png",
    "size": 20480,
    "width": 640,
    "height": 480,
}))]
pub struct File {
    /// Whoever has it may read the file.
    pub url: String,
    pub kind: FileKind,
    pub name: String,
    pub size: i64,
    pub width: Option<i64>,
    pub height: Option<i64>,
}
