//! What an API key is good for.

/// A key does what one of its scopes lets it do, and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Reading what happens in the shop.
    EventsRead,
    /// Saying something, as the admin who has made the key, or on behalf of others.
    MessagesWrite,
    /// Being a bot of the shop, over socket and REST.
    Bot,
}

/// What a key is asked for: a method and the pattern of a path. A path that ends in `*` stands for all that begin so.
type Route = (&'static str, &'static str);

impl Scope {
    pub const ALL: [Scope; 3] = [Scope::EventsRead, Scope::MessagesWrite, Scope::Bot];

    pub fn as_str(self) -> &'static str {
        match self {
            Scope::EventsRead => "events.read",
            Scope::MessagesWrite => "messages.write",
            Scope::Bot => "bot",
        }
    }

    pub fn parse(s: &str) -> Option<Scope> {
        Scope::ALL.into_iter().find(|scope| scope.as_str() == s)
    }

    fn routes(self) -> &'static [Route] {
        match self {
            Scope::EventsRead => &[("*", "/shops/{shop}/events*"), ("*", "/shops/{shop}/event-groups*")],
            Scope::MessagesWrite => &[
                ("POST", "/messages"),
                ("*", "/messages/prepare*"),
                ("POST", "/messages/commit"),
                ("POST", "/messages/abort"),
                ("POST", "/conversations/{id}/messages"),
                ("POST", "/files"),
            ],
            // The role does the rest: a bot may do less than any other agent.
            Scope::Bot => &[("*", "*")],
        }
    }

    /// Whether this scope is enough to ask for a route.
    pub fn opens(self, method: &str, path: &str) -> bool {
        self.routes().iter().any(|(allowed, pattern)| {
            let fits = match pattern.strip_suffix('*') {
                Some(beginning) => path.starts_with(beginning),
                None => path == *pattern,
            };
            fits && (*allowed == "*" || *allowed == method)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_opens_its_own_routes() {
        let opens = |method: &str, path: &str| {
            Scope::ALL.into_iter().filter(|scope| scope.opens(method, path)).collect::<Vec<_>>()
        };
        assert_eq!(opens("GET", "/shops/{shop}/events"), [Scope::EventsRead, Scope::Bot]);
        assert_eq!(opens("GET", "/shops/{shop}/events/stream"), [Scope::EventsRead, Scope::Bot]);
        assert_eq!(opens("POST", "/shops/{shop}/event-groups/{name}/take"), [Scope::EventsRead, Scope::Bot]);
        assert_eq!(opens("POST", "/messages"), [Scope::MessagesWrite, Scope::Bot]);
        assert_eq!(opens("POST", "/messages/prepare"), [Scope::MessagesWrite, Scope::Bot]);
        for (method, path) in [
            ("GET", "/conversations/{id}/messages"),
            ("DELETE", "/conversations/{id}/messages"),
            ("PATCH", "/conversations/{id}/messages/{seq}"),
            ("GET", "/shops/{shop}"),
            ("GET", "/shops/{shop}/messages"),
            ("POST", "/shops/{shop}/keys"),
            ("GET", "/conversations"),
        ] {
            assert_eq!(opens(method, path), [Scope::Bot], "{method} {path}");
        }
        for scope in Scope::ALL {
            assert_eq!(Scope::parse(scope.as_str()), Some(scope));
        }
    }
}
