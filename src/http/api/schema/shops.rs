//! Shops.

use serde::Serialize;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "shop": "acme", "name": "Acme", "origins": ["https://acme.example"] }))]
pub struct NewShop {
    #[schema(max_length = 128, pattern = "^[A-Za-z0-9_.:@-]+$")]
    pub shop: String,
    #[schema(max_length = 128)]
    pub name: String,
    /// The origins whose pages may open sockets and call this API.
    #[schema(max_items = 50)]
    pub origins: Option<Vec<String>>,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "origins": ["https://acme.example", "https://www.acme.example"] }))]
pub struct ShopChange {
    #[schema(max_length = 128)]
    pub name: Option<String>,
    #[schema(max_items = 50)]
    pub origins: Option<Vec<String>>,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "shop": "acme",
    "name": "Acme",
    "origins": ["https://acme.example"],
    "created_at": "2026-11-20T10:00:00.000Z",
}))]
pub struct Shop {
    pub shop: String,
    pub name: String,
    pub origins: Vec<String>,
    #[schema(format = DateTime)]
    pub created_at: String,
}

#[derive(Serialize, ToSchema)]
pub struct Shops {
    pub items: Vec<Shop>,
    #[schema(required)]
    pub next: Option<String>,
}
