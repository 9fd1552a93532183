//! What is asked for: a line for each route and each frame, and more where it names several things or may be asked in several ways.
//!
//! A line is `METHOD PATH BODY`, as for `Rest`. Where it says `{conversation}`, `{shop}`, `{person}`, `{file}` or whatever else
//! `world::SHOP` gives, it names something; each of these places gets everything that is foreign to whoever asks, while the others
//! keep what is their own, and then all of them at once. In a body such a place stands alone in its string, `"{conversation}"`, and gets
//! a number where it is one. A line without a place is sent as it is where it is a GET, and only what comes back is looked at.

/// Every operation of the OpenAPI document has a line, and every parameter and field is in one, or in [`PARAMETERS`] or [`FIELDS`].
pub const ROUTES: &[&str] = &[
    // Who asks is all that these speak of.
    r#"POST /login {"uid":"whoever","password":"wrong"}"#,
    "POST /logout",
    "GET /me",
    "POST /me/password",
    "GET /conversations",
    "GET /conversations?q={person}",
    "POST /files",
    "GET /shops",
    // Anybody may become a shop's visitor: that the shop is there is no secret here.
    r#"POST /visitors {"shop":"any"}"#,
    // A shop's door and a user's are open to all; a conversation is not.
    r#"POST /messages {"id":"probe","to":{"conversation":"{conversation}"},"content":{"kind":"text","text":"hi"}}"#,
    "GET /conversations/{conversation}",
    "GET /conversations/{conversation}/messages",
    "GET /conversations/{conversation}/messages?before=2",
    "GET /conversations/{conversation}/messages?after=0&limit=1&mark_read=true",
    "GET /conversations/{conversation}/messages/1",
    "GET /conversations/{conversation}/messages/4000000000",
    "GET /conversations/{conversation}/timeline",
    r#"POST /conversations/{conversation}/read {"seq":1}"#,
    r#"POST /conversations/{conversation}/read {"seq":4000000000}"#,
    r#"POST /conversations/{conversation}/read {"seq":"wrong"}"#,
    "POST /conversations/{conversation}/claim",
    "POST /conversations/{conversation}/release",
    "POST /conversations/{conversation}/resolve",
    r#"POST /conversations/{conversation}/transfer {"to":"{person}"}"#,
    r#"POST /conversations/{conversation}/rating {"score":5,"comment":"probe"}"#,
    r#"POST /conversations/{conversation}/rating {"score":0}"#,
    "GET //files/{file}/probe.png",
    r#"POST /shops {"shop":"{shop}","name":"probe"}"#,
    "GET /shops/{shop}",
    r#"PATCH /shops/{shop} {"name":"probe"}"#,
    r#"PATCH /shops/{shop} {"name":7}"#,
    "GET /shops/{shop}/agents",
    // Whom an admin may list is not limited to a shop: the contract says which users' names and passwords it may set.
    r#"POST /shops/{shop}/agents {"uid":"probe","role":"agent"}"#,
    r#"POST /shops/{shop}/agents {"uid":"probe","role":"wrong"}"#,
    r#"PATCH /shops/{shop}/agents/{person} {"role":"agent"}"#,
    r#"PATCH /shops/{shop}/agents/{person} {"capacity":0}"#,
    r#"PATCH /shops/{shop}/agents/{person} {"name":"probe","password":"a long enough one"}"#,
    "DELETE /shops/{shop}/agents/{person}",
    "GET /shops/{shop}/conversations",
    "GET /shops/{shop}/conversations?buyer={person}",
    "GET /shops/{shop}/conversations?agent={person}",
    "GET /shops/{shop}/conversations?q={person}",
    "GET /shops/{shop}/tickets",
    "GET /shops/{shop}/tickets?buyer={person}",
    "GET /shops/{shop}/tickets?agent={person}",
    "GET /shops/{shop}/tickets?agent={person}&event=message_out&count=true",
    "GET /shops/{shop}/stats",
];

/// Parameters of queries that name nothing that belongs to anybody.
pub const PARAMETERS: &[&str] = &[
    "after",
    "before",
    "bucket",
    "count",
    "cursor",
    "event",
    "from",
    "left_message",
    "limit",
    "mark_read",
    "outbound",
    "score",
    "seq",
    "state",
    "to",
    "within_30s",
];

/// Fields of bodies that do not.
pub const FIELDS: &[&str] = &[
    "capacity",
    "comment",
    "content",
    "disabled",
    "file",
    "hours",
    "id",
    "name",
    "new",
    "old",
    "origins",
    "password",
    "retention",
    "role",
    "score",
    "seq",
    "time_zone",
];

/// Every type of frame, and its fields.
pub const FRAMES: &[(&str, &str)] = &[
    ("login", r#"{"token":"of nobody"}"#),
    ("ping", "{}"),
    ("send", r#"{"to":{"conversation":"{conversation}"},"content":{"kind":"text","text":"hi"}}"#),
    ("send", r#"{"to":{"conversation":"{conversation}"},"content":{"kind":"text","text":""}}"#),
    ("ack", r#"{"conversation":"{conversation}","seq":1}"#),
    ("ack", r#"{"conversation":"{conversation}","seq":4000000000}"#),
    ("read", r#"{"conversation":"{conversation}","seq":1}"#),
    ("read", r#"{"conversation":"{conversation}","seq":4000000000}"#),
    ("view", r#"{"conversation":"{conversation}","on":true}"#),
    ("view", r#"{"conversation":"{conversation}","on":false}"#),
    ("typing", r#"{"conversation":"{conversation}","on":true}"#),
    ("claim", r#"{"conversation":"{conversation}"}"#),
    ("release", r#"{"conversation":"{conversation}"}"#),
    ("resolve", r#"{"conversation":"{conversation}"}"#),
    ("transfer", r#"{"conversation":"{conversation}","to":"{person}"}"#),
    ("recall", r#"{"conversation":"{conversation}","seq":1}"#),
    ("recall", r#"{"conversation":"{conversation}","seq":4000000000}"#),
    ("status", r#"{"shop":"{shop}","status":"away"}"#),
    ("inbox", r#"{"shop":"{shop}"}"#),
    ("inbox", r#"{"shop":"{shop}","state":"all","limit":1}"#),
    ("history", r#"{"conversation":"{conversation}"}"#),
    ("history", r#"{"conversation":"{conversation}","after":0,"limit":1}"#),
];
