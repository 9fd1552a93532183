//! Shops.

use serde::Serialize;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "shop": "acme", "name": "Acme", "origins": ["https://acme.example"] }))]
pub struct NewShop {
    #[schema(max_length = 128, pattern = "^[A-Za-z0-9_.:@-]+$")]
    pub shop: String,
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*[^\\s\\x00-\\x1f\\x7f-\\x9f][^\\x00-\\x1f\\x7f-\\x9f]*$"
    )]
    pub name: String,
    /// The origins whose pages may open sockets and call this API.
    #[schema(value_type = Option<Vec<Origin>>, max_items = 50)]
    pub origins: Option<Vec<String>>,
    /// An IANA name; `UTC` where it is absent.
    pub time_zone: Option<String>,
    pub hours: Option<Hours>,
    pub retention: Option<Retention>,
    /// For operators alone.
    pub disabled: Option<bool>,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "origins": ["https://acme.example", "https://www.acme.example"] }))]
pub struct ShopChange {
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*[^\\s\\x00-\\x1f\\x7f-\\x9f][^\\x00-\\x1f\\x7f-\\x9f]*$"
    )]
    pub name: Option<String>,
    #[schema(value_type = Option<Vec<Origin>>, max_items = 50)]
    pub origins: Option<Vec<String>>,
    /// An IANA name.
    pub time_zone: Option<String>,
    pub hours: Option<Hours>,
    pub retention: Option<Retention>,
    /// For operators alone.
    pub disabled: Option<bool>,
    /// The bot of the shop that gets new conversations first; `null`: none.
    #[schema(max_length = 128, pattern = "^[A-Za-z0-9_.:@-]+$")]
    pub bot: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "shop": "acme",
    "name": "Acme",
    "origins": ["https://acme.example"],
    "time_zone": "Europe/Berlin",
    "hours": { "mon": [["09:00", "12:00"], ["13:00", "18:00"]], "sat": [["10:00", "24:00"]] },
    "retention": { "messages": 365, "files": null },
    "disabled": false,
    "bot": null,
    "created_at": "2026-11-20T10:00:00.000Z",
}))]
pub struct Shop {
    pub shop: String,
    pub name: String,
    pub origins: Vec<String>,
    /// An IANA name.
    pub time_zone: String,
    pub hours: Hours,
    pub retention: Retention,
    /// Buyers can open nothing and send nothing.
    pub disabled: bool,
    /// The bot that gets new conversations first.
    #[schema(required)]
    pub bot: Option<String>,
    #[schema(format = DateTime)]
    pub created_at: String,
}

/// Working hours in the shop's time zone: for each day its spans, `HH:MM` to `HH:MM` (at most `24:00`), in their order and apart. A day
/// that is not named has none; `{}` is always.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "mon": [["09:00", "12:00"], ["13:00", "18:00"]] }))]
#[serde(deny_unknown_fields)]
pub struct Hours {
    pub mon: Option<Vec<[String; 2]>>,
    pub tue: Option<Vec<[String; 2]>>,
    pub wed: Option<Vec<[String; 2]>>,
    pub thu: Option<Vec<[String; 2]>>,
    pub fri: Option<Vec<[String; 2]>>,
    pub sat: Option<Vec<[String; 2]>>,
    pub sun: Option<Vec<[String; 2]>>,
}

/// For how many days something is kept; `null`: for ever.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "messages": 365, "files": null }))]
pub struct Retention {
    #[schema(minimum = 1, maximum = 36500)]
    pub messages: Option<i32>,
    #[schema(minimum = 1, maximum = 36500)]
    pub files: Option<i32>,
}

#[derive(Serialize, ToSchema)]
pub struct Shops {
    pub items: Vec<Shop>,
    #[schema(required)]
    pub next: Option<String>,
}

/// An origin as browsers write it: `https:`, or `http:` on one's own machine.
#[derive(Serialize, ToSchema)]
#[schema(
    pattern = "^(https://[a-z0-9_-]{1,60}([.][a-z0-9_-]{1,60}){0,3}|http://(localhost|127[.]0[.]0[.]1))(:[1-9][0-9]{0,3})?$",
    example = "https://acme.example"
)]
pub struct Origin(String);
