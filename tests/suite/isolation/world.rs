//! Two shops with everything in them, and everybody who is something to one of them or to nobody.

use super::ids::Ids;
use shopbell_harness::{Rest, SECRET, Session, TestNode, Value, json, now, sign};

/// The shops, which are alike.
const SHOPS: [&str; 2] = ["acme", "bolt"];

/// Somebody who asks.
pub struct Actor {
    /// What it is to whom: `an agent`.
    pub role: &'static str,
    pub rest: Rest,
    pub session: Session,
    /// One of each kind, which is its own where it has any.
    pub own: Ids,
    /// Everything of each kind that it must not learn of.
    pub foreign: Ids,
    /// What foreign people are called, and what was said where it was not: must not come back.
    pub secrets: Vec<String>,
}

/// What a shop has, by kind, and what was said in which conversation.
struct Shop {
    name: &'static str,
    ids: Ids,
    /// Each conversation with its members.
    talks: Vec<Talk>,
}

struct Talk {
    id: Value,
    said: String,
    members: Vec<String>,
}

/// A token that says what its owner is called: something that no other text holds.
fn token(uid: &str) -> String {
    sign(SECRET, &json!({"sub": uid, "name": called(uid), "iat": now(), "exp": now() + 36_000}))
}

fn called(uid: &str) -> String {
    format!("The One Called {uid}")
}

fn rest(node: &TestNode, uid: &str) -> Rest {
    Rest::new(node.base(), Some(&token(uid)))
}

fn text(text: &str) -> Value {
    json!({"kind": "text", "text": text})
}

/// Says something in a new conversation.
async fn opens(from: &Rest, uid: &str, to: Value, members: &[&str]) -> Talk {
    let said = format!("what {uid} said to {}", to.to_string().replace(['"', '{', '}'], ""));
    for n in 0..3 {
        let message = json!({"id": format!("{n}"), "to": to, "content": text(&format!("{said} {n}"))});
        from.post("/messages", message).await.expect(201);
    }
    let sent =
        from.post("/messages", json!({"id": "0", "to": to, "content": text(&format!("{said} 0"))})).await.expect(200);
    let members = members.iter().map(|member| (*member).to_owned()).chain([uid.to_owned()]).collect();
    Talk { id: sent["conversation"].clone(), said, members }
}

/// Makes a shop with somebody in each role, conversations in each state, and whatever else a shop may have.
async fn open_shop(node: &TestNode, name: &'static str, visitor: &mut Vec<(String, String)>) -> Shop {
    node.shop(name).await;
    let uid = |who: &str| format!("{name}-{who}");
    for (who, role) in
        [("agent", "agent"), ("second", "agent"), ("supervisor", "supervisor"), ("admin", "admin"), ("former", "agent")]
    {
        rest(node, &uid(who)).get("/me").await.expect(200);
        node.employ(name, &uid(who), role).await;
    }
    let to = json!({ "shop": name });
    let agent = rest(node, &uid("agent"));
    let mut talks = Vec::new();
    for buyer in ["waiting", "claimed", "resolved", "left"] {
        talks.push(opens(&rest(node, &uid(buyer)), &uid(buyer), to.clone(), &[]).await);
    }
    let come =
        node.anonymous().post("/visitors", json!({"shop": name, "name": called(&uid("visitor"))})).await.expect(200);
    let (who, key) = (come["user"]["uid"].as_str().unwrap(), come["token"].as_str().unwrap());
    talks.push(opens(&Rest::new(node.base(), Some(key)), who, to, &[]).await);
    let bob = json!({"user": uid("pal")});
    let pal = uid("pal");
    talks.push(opens(&rest(node, &uid("friend")), &uid("friend"), bob, &[&pal]).await);
    for (talk, steps) in [(1, &["claim"][..]), (2, &["claim", "resolve"])] {
        for step in steps {
            agent.post(&format!("/conversations/{}/{step}", talks[talk].id), json!({})).await.expect(200);
        }
    }
    let rating = json!({"score": 5, "comment": "what was thought"});
    rest(node, &uid("resolved")).post(&format!("/conversations/{}/rating", talks[2].id), rating).await.expect(200);
    let file = agent.upload("probe.txt", "text/plain", b"kept".to_vec()).await.expect(201);
    let admin = rest(node, &uid("admin"));
    admin.delete(&format!("/shops/{name}/agents/{}", uid("former"))).await.expect(204);
    let canned = json!({"shortcut": "hi", "text": "Hello {buyer.name}"});
    let group = json!({"types": "message"});
    let group = admin.post(&format!("/shops/{name}/event-groups/{name}-group"), group).await.expect(201);
    let reply = admin.post(&format!("/shops/{name}/replies"), canned).await.expect(201);
    let program = json!({"name": "the shop's", "scopes": ["events.read", "messages.write"]});
    let program = admin.post(&format!("/shops/{name}/keys"), program).await.expect(201);

    // Off, since what waits for it would change by itself.
    let webhook =
        admin.post(&format!("/shops/{name}/webhooks"), json!({"url": "https://hooks.invalid/"})).await.expect(201);
    let off = format!("/shops/{name}/webhooks/{}", webhook["id"]);
    admin.patch(&off, json!({"disabled": true})).await.expect(200);

    // Of somebody who has left and does not ask: each of the others has nothing to do with it, but for the admin.
    let said = text(&format!("{} later", talks[3].said));
    let wanted = json!({"id": "probe", "to": {"shop": name}, "content": said});
    let prepared = rest(node, &uid("left")).post("/messages/prepare", wanted).await.expect(201);

    let mut ids = Ids::default();
    ids.add("ticket", [prepared["ticket"].clone()]);
    ids.add("shop", [json!(name)]);
    ids.add("conversation", talks.iter().map(|talk| talk.id.clone()));
    let people = ["agent", "supervisor", "admin", "waiting", "claimed", "friend", "pal"];
    ids.add("person", people.iter().map(|who| json!(uid(who))));
    ids.add("file", [json!(file["url"].as_str().unwrap().split('/').nth(2).unwrap())]);
    ids.add("reply", [reply["id"].clone()]);
    ids.add("webhook", [webhook["id"].clone()]);
    ids.add("key", [program["id"].clone()]);
    ids.add("group", [group["name"].clone()]);
    // Whatever else a shop has comes here: its own kind of place for `cases`, made by its admin.
    visitor.push((who.to_owned(), key.to_owned()));
    Shop { name, ids, talks }
}

/// Everybody, on a node where both shops are full.
pub async fn people(node: &TestNode) -> Vec<Actor> {
    let (mut shops, mut visitors) = (Vec::new(), Vec::new());
    for name in SHOPS {
        shops.push(open_shop(node, name, &mut visitors).await);
    }
    let mut actors = Vec::new();
    for (own, (visitor, key)) in visitors.iter().enumerate() {
        let shop = shops[own].name;
        for (role, who) in [
            ("an agent", "agent"),
            ("a supervisor", "supervisor"),
            ("an admin", "admin"),
            ("a former agent", "former"),
            ("a buyer who waits", "waiting"),
            ("a buyer who is served", "claimed"),
            ("a member of a direct conversation", "friend"),
            ("a stranger", "stranger"),
        ] {
            let uid = format!("{shop}-{who}");
            // A former agent's tokens of the same second are refused.
            let key = match who {
                "former" => sign(SECRET, &json!({"sub": uid, "iat": now() + 2, "exp": now() + 36_000})),
                _ => token(&uid),
            };
            actors.push(actor(node, &shops, own, role, &uid, Some(&key)).await);
        }
        actors.push(actor(node, &shops, own, "a visitor", visitor, Some(key)).await);
    }
    node.operator().await;
    actors.push(actor(node, &shops, 0, "the operator", "op", Some(&token("op"))).await);
    actors.push(actor(node, &shops, 0, "nobody", "", None).await);
    actors
}

async fn actor(node: &TestNode, shops: &[Shop], own: usize, role: &'static str, uid: &str, key: Option<&str>) -> Actor {
    let works = matches!(role, "an agent" | "a supervisor" | "an admin");
    let (mut mine, mut foreign, mut secrets) = (Ids::default(), Ids::default(), Vec::new());
    for (n, shop) in shops.iter().enumerate() {
        let at_home = works && n == own;
        // An operator manages every shop: what is there is no secret to it, what is said there is.
        let manages = role == "the operator";
        for talk in &shop.talks {
            let support = talk.members.len() == 1;
            if talk.members.iter().any(|member| member == uid) {
                mine.add("conversation", [talk.id.clone()]);
            } else if !(at_home && support) {
                foreign.add("conversation", [talk.id.clone()]);
                secrets.push(talk.said.clone());
            }
        }
        for (kind, ids) in shop.ids.kinds().filter(|(kind, _)| *kind != "conversation") {
            if n == own {
                mine.add(kind, ids.iter().cloned());
            }
            let strange = |id: &&Value| kind != "person" || !is_known(uid, id.as_str().unwrap());
            let hidden = ids.iter().filter(|_| !at_home && !manages).filter(strange);
            foreign.add(kind, hidden.cloned());
        }
        if at_home {
            // What it works with: the conversation that the shop's agent has claimed.
            mine.add("conversation", [shop.talks[1].id.clone()]);
        } else if !manages {
            let people = shop.ids.of("person").iter().map(|id| id.as_str().unwrap());
            secrets.extend(people.filter(|person| !is_known(uid, person)).map(called));
        }
    }
    mine.or("conversation", &shops[own].talks[1].id);
    let mut session = Session::open(node.base()).await;
    if let Some(key) = key {
        session.tell(json!({"type": "login", "id": "login", "token": key})).await;
        session.expect(json!({"type": "welcome"})).await;
        session.expect(json!({"type": "flushed"})).await;
    }
    Actor { role, rest: Rest::new(node.base(), key), session, own: mine, foreign, secrets }
}

/// Whether one of two people hears of the other: members of a conversation, and an agent and whose it has claimed.
fn is_known(one: &str, other: &str) -> bool {
    let pairs = [("claimed", "agent"), ("friend", "pal"), ("resolved", "agent")];
    let (shop, one) = one.split_once('-').unwrap_or_default();
    let (also, other) = other.split_once('-').unwrap_or_default();
    shop == also && (one == other || pairs.iter().any(|pair| *pair == (one, other) || *pair == (other, one)))
}
