//! Who belongs to one shop learns nothing of another: every route and every frame is asked by everybody for everything that is not
//! theirs, and the answer must be, byte by byte, the one for what does not exist.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `cases` | a line for each route and each frame: to add one, add its line |
//! | `world` | what there is, and who asks |
//! | `ids` | lines with places in them |
//! | `rows` | what is stored, before and after |

mod cases;
mod ids;
mod rows;
mod world;

use futures_util::future::join_all;
use ids::{absent, fill, places};
use shopbell_harness::{Answer, Method, TestNode, Value, eventually, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};
use world::Actor;

const PROBES: usize = 3_000;

/// What was asked, and how long it took.
#[derive(Default)]
struct Count {
    probes: usize,
    foreign: Vec<Duration>,
    absent: Vec<Duration>,
    faults: Vec<String>,
}

impl Count {
    /// Compares what a foreign thing gets with what an absent one gets.
    fn judge(&mut self, actor: &Actor, asked: &str, foreign: &Got, absent: &Got, must_refuse: bool) {
        self.probes += 1;
        let role = actor.role;
        if foreign.what != absent.what {
            self.faults.push(format!("{role}: {asked}\n  gets {}\n  else {}", foreign.what, absent.what));
        } else if must_refuse && !foreign.refused {
            self.faults.push(format!("{role}: {asked}\n  is not refused: {}", foreign.what));
        }
        self.look(actor, asked, &foreign.what);
    }

    fn look(&mut self, actor: &Actor, asked: &str, heard: &str) {
        if let Some(secret) = actor.secrets.iter().find(|secret| heard.contains(*secret)) {
            self.faults.push(format!("{}: {asked}\n  tells {secret:?}: {heard}", actor.role));
        }
    }
}

/// An answer in one text, whole but for the time and the name under which it was asked for.
struct Got {
    what: String,
    refused: bool,
    took: Duration,
}

/// A way of asking over HTTP.
struct Way {
    name: &'static str,
    /// Which methods go so.
    of: &'static [&'static str],
    /// What goes in the place of the method.
    method: Option<&'static str>,
    /// An empty value stands for one that nobody has sent before.
    header: Option<(&'static str, &'static str)>,
}

static FRESH: AtomicUsize = AtomicUsize::new(0);

const PLAIN: Way = Way { name: "", of: &["GET", "POST", "PATCH", "DELETE", "PUT"], method: None, header: None };
const WAYS: [Way; 4] = [
    PLAIN,
    Way { name: "HEAD for ", of: &["GET"], method: Some("HEAD"), ..PLAIN },
    Way { name: "If-None-Match with ", of: &["GET"], header: Some(("if-none-match", "*")), ..PLAIN },
    Way { name: "Idempotency-Key with ", of: &["POST"], header: Some(("idempotency-key", "")), ..PLAIN },
];

async fn ask_rest(actor: &Actor, way: &Way, line: &str) -> Got {
    let mut words = line.splitn(3, ' ');
    let (method, path, body) = (words.next().unwrap(), words.next().unwrap(), words.next());
    let method = way.method.unwrap_or(method);
    let mut request = actor.rest.request(Method::from_bytes(method.as_bytes()).unwrap(), path);
    if let Some((name, value)) = way.header {
        let fresh = FRESH.fetch_add(1, Ordering::Relaxed).to_string();
        request = request.header(name, if value.is_empty() { &fresh } else { value });
    }
    if let Some(body) = body {
        request = request.header("content-type", "application/json").body(body.to_owned());
    }
    let answer = Answer::of(request).await;
    // The time, and a list that is the same everywhere, in any order.
    let same = |name: &str| !["date", "access-control-expose-headers"].contains(&name);
    let mut headers: Vec<_> = answer.headers.iter().filter(|(name, _)| same(name.as_str())).collect();
    headers.sort_by_key(|(name, _)| name.as_str());
    let what = format!("{} {headers:?} {}", answer.status, String::from_utf8_lossy(&answer.bytes));
    Got { what, refused: answer.status >= 400, took: answer.took }
}

async fn ask_socket(actor: &mut Actor, kind: &str, fields: &str) -> Got {
    let mut frame: Value = serde_json::from_str(fields).unwrap();
    frame["type"] = json!(kind);
    let began = Instant::now();
    let mut reply = actor.session.ask(frame).await;
    let took = began.elapsed();
    reply.as_object_mut().unwrap().remove("id");
    Got { refused: reply["type"] == "error", what: reply.to_string(), took }
}

/// What to put into the places of a line: for each place that may name something foreign, and for all of them at once, what is
/// absent there, and everything that is foreign.
fn fillings(actor: &Actor, kinds: &[&str]) -> Vec<(usize, Vec<Value>, Vec<Vec<Value>>)> {
    let own: Vec<Value> = kinds.iter().map(|kind| actor.own.of(kind)[0].clone()).collect();
    let mut all = Vec::new();
    for (place, kind) in kinds.iter().enumerate() {
        let with = |id: &Value| {
            let mut ids = own.clone();
            ids[place] = id.clone();
            ids
        };
        let foreign = actor.foreign.of(kind);
        if let Some(first) = foreign.first() {
            all.push((place, with(&absent(first)), foreign.iter().map(with).collect()));
        }
    }
    let foreign: Option<Vec<Value>> = kinds.iter().map(|kind| actor.foreign.of(kind).first().cloned()).collect();
    if let Some(foreign) = foreign.filter(|foreign| foreign.len() > 1) {
        let mut gone = foreign.clone();
        gone[0] = absent(&gone[0]);
        all.push((0, gone, vec![foreign]));
    }
    all
}

async fn probe(mut actor: Actor) -> (Actor, Count) {
    let mut count = Count::default();
    for line in cases::ROUTES {
        let kinds = places(line, &actor.own);
        let method = line.split(' ').next().unwrap();
        if kinds.is_empty() && method == "GET" {
            let got = ask_rest(&actor, &PLAIN, line).await;
            count.probes += 1;
            count.look(&actor, line, &got.what);
        }
        for (place, gone, foreign) in fillings(&actor, &kinds) {
            // A filter that finds nothing is no refusal.
            let must_refuse = !line.split('{').take(place + 1).any(|before| before.contains('?'));
            for way in WAYS.iter().filter(|way| way.of.contains(&method)) {
                let known = ask_rest(&actor, way, &fill(line, &kinds, &gone)).await;
                count.absent.push(known.took);
                for ids in &foreign {
                    let asked = fill(line, &kinds, ids);
                    let got = ask_rest(&actor, way, &asked).await;
                    count.foreign.push(got.took);
                    count.judge(&actor, &format!("{}{asked}", way.name), &got, &known, must_refuse);
                }
            }
        }
    }
    for (kind, fields) in cases::FRAMES {
        let kinds = places(fields, &actor.own);
        for (_, gone, foreign) in fillings(&actor, &kinds) {
            let known = ask_socket(&mut actor, kind, &fill(fields, &kinds, &gone)).await;
            count.absent.push(known.took);
            for ids in &foreign {
                let asked = fill(fields, &kinds, ids);
                let got = ask_socket(&mut actor, kind, &asked).await;
                count.foreign.push(got.took);
                count.judge(&actor, &format!("{kind} {asked}"), &got, &known, true);
            }
        }
    }
    for heard in actor.session.heard(json!({})) {
        count.look(&actor, "an event", &heard.to_string());
    }
    (actor, count)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[tokio::test]
async fn nobody_learns_of_what_belongs_to_others() {
    let node = TestNode::builder()
        .set("prepare.timeout", "1h")
        .set("limits.messages_per_second", 100_000)
        .set("limits.messages_burst", 100_000)
        .set("limits.frames_per_second", 100_000)
        .set("limits.login_timeout", "10m")
        .start()
        .await;
    let actors = world::people(&node).await;
    // What has happened by now gets its place.
    eventually("no event waits", async || rows::rows(node.database())["outbox"].is_empty()).await;
    let before = rows::rows(node.database());
    assert!(before["messages"].len() > 30 && before["conversations"].len() == 12, "{before:#?}");

    let counts = join_all(actors.into_iter().map(probe)).await;
    let (mut by_role, mut all) = (BTreeMap::<&str, usize>::new(), Count::default());
    for (actor, count) in &counts {
        *by_role.entry(actor.role).or_default() += count.probes;
        all.probes += count.probes;
        all.foreign.extend(&count.foreign);
        all.absent.extend(&count.absent);
        all.faults.extend(count.faults.iter().cloned());
    }
    let (foreign, absent) = (median(all.foreign), median(all.absent));
    println!(
        "{} probes: {by_role:?}; {} leaks; {foreign:?} for foreign, {absent:?} for absent",
        all.probes,
        all.faults.len()
    );
    all.faults.truncate(20);
    assert!(all.faults.is_empty(), "\n{}", all.faults.join("\n"));
    assert!(all.probes >= PROBES, "{} probes", all.probes);
    assert!(foreign < 3 * absent && absent < 3 * foreign, "time tells: {foreign:?} for foreign, {absent:?} for absent");
    let after = rows::rows(node.database());
    for (table, rows) in &after {
        assert_eq!(rows, &before[table], "{table}: a probe has changed something");
    }
}

/// The words of a path, each in braces standing for any.
fn goes_to(path: &str, route: &str) -> bool {
    let same = |word: &str, wanted: &str| wanted.starts_with('{') || word == wanted;
    let (path, route) = (path.split('/'), route.split('/'));
    path.clone().count() == route.clone().count() && path.zip(route).all(|(word, wanted)| same(word, wanted))
}

#[tokio::test]
async fn every_route_and_every_frame_has_a_case() {
    let node = TestNode::start().await;
    let document = node.anonymous().get("//api/openapi.json").await.expect(200);
    let mut missing = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        let route = path.strip_prefix("/api/v1").map_or_else(|| format!("/{path}"), str::to_owned);
        for (method, operation) in operations.as_object().unwrap() {
            let method = method.to_uppercase();
            let lines: Vec<&str> = cases::ROUTES
                .iter()
                .copied()
                .filter(|line| {
                    let mut words = line.split([' ', '?']);
                    words.next() == Some(&method) && goes_to(words.next().unwrap(), &route)
                })
                .collect();
            if lines.is_empty() {
                missing.insert(format!("{method} {route}"));
                continue;
            }
            let named = |what: String| lines.iter().any(|line| line.contains(&what));
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let in_query = parameters.filter(|p| p["in"] == "query").map(|p| p["name"].as_str().unwrap());
            let unknown = in_query.filter(|name| !cases::PARAMETERS.contains(name) && !named(format!("{name}=")));
            missing.extend(unknown.map(|name| format!("{name} in the query of {method} {route}")));
            let fields = in_body(&document, operation);
            let unknown = fields.filter(|name| !cases::FIELDS.contains(name) && !named(format!("\"{name}\":")));
            missing.extend(unknown.map(|name| format!("{name} in the body of {method} {route}")));
        }
    }
    let frames: BTreeSet<&str> = cases::FRAMES.iter().map(|(kind, _)| *kind).collect();
    missing.extend(
        shopbell::protocol::frame::TYPES
            .iter()
            .filter(|kind| !frames.contains(*kind))
            .map(|kind| format!("frame {kind}")),
    );
    assert!(missing.is_empty(), "add a line to tests/suite/isolation/cases.rs for each of {missing:#?}");
}

/// The names of the fields of an operation's body.
fn in_body<'a>(document: &'a Value, operation: &'a Value) -> impl Iterator<Item = &'a str> {
    let media = operation["requestBody"]["content"].as_object().into_iter().flat_map(|content| content.values());
    let schemas = media.map(|media| match media["schema"]["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).expect("a schema"),
        None => &media["schema"],
    });
    schemas.flat_map(|schema| schema["properties"].as_object()).flatten().map(|(name, _)| name.as_str())
}
