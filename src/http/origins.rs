//! The origins whose pages may open sockets and call the API.

use std::{
    collections::HashSet,
    sync::{Arc, RwLock},
};

use actix_web::{HttpRequest, http::header};

use crate::{actors::node::Node, store::shops};

/// Those of the configuration and those of the shops.
#[derive(Clone)]
pub struct Origins {
    configured: Arc<HashSet<String>>,
    of_shops: Arc<RwLock<HashSet<String>>>,
}

impl Origins {
    pub fn new(configured: &[String]) -> Origins {
        Origins { configured: Arc::new(configured.iter().map(|o| canonical(o)).collect()), of_shops: Arc::default() }
    }

    /// Reads the shops' origins anew. Where the store does not answer, they stay as they are.
    pub async fn refresh(&self, node: &Node) {
        let Ok(lists) = node.read(shops::all_origins).await else { return };
        let parse = |list: &String| serde_json::from_str::<Vec<String>>(list).unwrap_or_default();
        let fresh: HashSet<String> = lists.iter().flat_map(parse).map(|origin| canonical(&origin)).collect();
        if let Ok(mut of_shops) = self.of_shops.write() {
            *of_shops = fresh;
        }
    }

    pub fn allow(&self, origin: &str) -> bool {
        let origin = canonical(origin);
        self.configured.contains(&origin) || self.of_shops.read().is_ok_and(|shops| shops.contains(&origin))
    }

    /// Whether a socket may be opened: by what is no browser, from the server's own pages, and from allowed origins.
    pub fn admit(&self, request: &HttpRequest) -> bool {
        let Some(origin) = request.headers().get(header::ORIGIN) else { return true };
        let Ok(origin) = origin.to_str() else { return false };
        let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        let own = |scheme: &str| host.is_some_and(|host| canonical(origin) == canonical(&format!("{scheme}://{host}")));
        own("http") || own("https") || self.allow(origin)
    }
}

/// Lower case, without a default port or a trailing slash.
fn canonical(origin: &str) -> String {
    let origin = origin.trim_end_matches('/').to_ascii_lowercase();
    match (origin.strip_prefix("https://"), origin.strip_prefix("http://")) {
        (Some(host), _) => format!("https://{}", host.strip_suffix(":443").unwrap_or(host)),
        (_, Some(host)) => format!("http://{}", host.strip_suffix(":80").unwrap_or(host)),
        _ => origin,
    }
}
