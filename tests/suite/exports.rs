//! Exports: links that are good once, and files in three formats (the contract's section 4).

use std::{collections::BTreeMap, time::Duration};

use futures_util::future::join_all;
use shopbell_harness::{Answer, Method, Rest, TestNode, TestPostgres, TestRedis, Value, eventually, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

const HEADER: &str =
    "conversation,seq,at,buyer,buyer_name,from,from_name,role,kind,text,title,url,delivered_at,read_at,edited_at";

/// A node with a shop that has an admin, an agent, and a conversation in which these texts were said.
async fn scene(texts: &[&str]) -> TestNode {
    let node = TestNode::start().await;
    node.shop("acme").await;
    node.employ("acme", "boss", "admin").await;
    let mut a1 = node.agent("acme", "a1").await;
    let mut b1 = node.buyer("b1").await;
    let conversation = b1.opens("acme", "hi").await;
    a1.hears("hi").await;
    a1.claim(conversation).await;
    a1.reads(conversation, 1).await;
    for text in texts {
        b1.say("acme", text).await;
    }
    a1.resolve(conversation).await;
    node
}

async fn link(rest: &Rest, format: &str, what: &str) -> String {
    let made = rest.post("/shops/acme/exports", json!({"format": format, "what": what})).await.expect(201);
    assert!(made["expires_at"].is_string(), "{made}");
    let url = made["url"].as_str().unwrap().to_owned();
    assert!(url.starts_with("/exports/") && url.ends_with(&format!("/acme-{what}.{format}")), "{url}");
    url
}

/// Follows a link of a node, without a token.
async fn follow(node: &TestNode, url: &str) -> Answer {
    node.anonymous().get(&format!("/{url}")).await
}

async fn export(node: &TestNode, format: &str, what: &str) -> Answer {
    let url = link(&node.rest("boss"), format, what).await;
    let answer = follow(node, &url).await;
    assert_eq!(answer.status, 200, "{url}");
    let name = format!("attachment; filename=\"acme-{what}.{format}\"");
    assert_eq!((answer.header("content-disposition"), answer.header("cache-control")), (&*name, "no-store"));
    answer
}

fn lines(answer: &Answer) -> Vec<Value> {
    let text = std::str::from_utf8(&answer.bytes).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_link_is_good_once_for_whoever_has_it() {
    let node = scene(&[]).await;
    let boss = node.rest("boss");
    let url = link(&boss, "csv", "messages").await;
    let head = Answer::of(node.anonymous().request(Method::HEAD, &format!("/{url}"))).await;
    assert_eq!((head.status, head.bytes.len()), (200, 0), "looking does not use it up");
    let renamed = url.replace("acme-messages.csv", "acme-tickets.csv");
    follow(&node, &renamed).await.refused(404, "not_found");
    let all = join_all((0..8).map(|_| follow(&node, &url))).await;
    let mut statuses: Vec<u16> = all.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses[0], 200);
    assert!(statuses[1..].iter().all(|status| [404, 429].contains(status)), "one gets it: {statuses:?}");
    follow(&node, &url).await.refused(404, "not_found");

    for (uid, status, code) in [("a1", 403, "forbidden"), ("b1", 404, "not_found"), ("op", 403, "forbidden")] {
        let rest = if uid == "op" { node.operator().await } else { node.rest(uid) };
        let body = json!({"format": "csv", "what": "messages"});
        rest.post("/shops/acme/exports", body).await.refused(status, code);
    }
    for (field, body) in [
        ("format", json!({"format": "pdf", "what": "messages"})),
        ("what", json!({"format": "csv", "what": "secrets"})),
        ("from", json!({"format": "csv", "what": "messages", "from": "yesterday"})),
    ] {
        let refused = boss.post("/shops/acme/exports", body).await.refused(400, "invalid");
        assert_eq!(refused["field"], field);
    }
    let removed = link(&boss, "csv", "messages").await;
    node.operator().await.delete("/shops/acme/agents/boss").await;
    follow(&node, &removed).await.refused(404, "not_found");
}

#[tokio::test]
async fn a_shop_has_so_many_unused_links_and_no_more() {
    let node = scene(&[]).await;
    let boss = node.rest("boss");
    for _ in 0..10 {
        link(&boss, "jsonl", "tickets").await;
    }
    let body = json!({"format": "jsonl", "what": "tickets"});
    boss.post("/shops/acme/exports", body).await.refused(429, "rate_limited");
}

#[tokio::test]
async fn a_link_is_good_on_any_node() {
    let redis = TestRedis::start();
    let url = TestPostgres::shared().fresh_database();
    let first = TestNode::builder().database(&url).redis(&redis).start().await;
    let second = first.sibling().start().await;
    first.shop("acme").await;
    first.employ("acme", "boss", "admin").await;
    let link = link(&first.rest("boss"), "csv", "audit").await;
    let answers = join_all([&first, &second, &first, &second].map(|node| follow(node, &link))).await;
    let good: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(good.len(), 1, "one of all nodes gives it");
    assert!(String::from_utf8_lossy(&good[0].bytes).contains("shop.created"));
}

#[tokio::test]
async fn csv_is_for_spreadsheets_and_runs_nothing() {
    let texts = ["=HYPERLINK(\"http://x\")", "a \"quoted\", text\nof two lines", "-5", "- no", "＝1+1", "你好"];
    let node = scene(&texts).await;
    let answer = export(&node, "csv", "messages").await;
    assert!(answer.header("content-type").starts_with("text/csv"));
    let text = String::from_utf8(answer.bytes).unwrap();
    let text = text.strip_prefix('\u{feff}').expect("a byte order mark");
    assert!(text.starts_with(&format!("{HEADER}\r\n")), "{text}");
    assert_eq!(text.matches("\r\n").count(), 8, "{text}");
    for cell in [
        ",\"'=HYPERLINK(\"\"http://x\"\")\",",
        ",\"a \"\"quoted\"\", text\nof two lines\",",
        ",-5,",
        ",'- no,",
        ",'＝1+1,",
        ",你好,",
    ] {
        assert!(text.contains(cell), "{cell} in {text}");
    }
}

#[tokio::test]
async fn json_lines_have_everything_as_it_was_said() {
    let node = scene(&["=1+1", "last"]).await;
    let messages = lines(&export(&node, "jsonl", "messages").await);
    let said: Vec<(u64, &str)> =
        messages.iter().map(|line| (line["seq"].as_u64().unwrap(), line["text"].as_str().unwrap())).collect();
    assert_eq!(said, [(1, "hi"), (2, "=1+1"), (3, "last")]);
    let first = &messages[0];
    assert_eq!((&first["buyer"], &first["from"], &first["role"]), (&json!("b1"), &json!("b1"), &json!("buyer")));
    let history =
        node.rest("boss").get(&format!("/conversations/{}/messages", first["conversation"])).await.expect(200);
    for field in ["at", "delivered_at", "read_at", "edited_at"] {
        assert_eq!(first[field], history["items"][0][field], "{field}");
    }
    assert!(first["read_at"].is_string() && first["edited_at"].is_null());

    let tickets = lines(&export(&node, "jsonl", "tickets").await);
    let listed = node.rest("boss").get("/shops/acme/tickets").await.expect(200);
    assert_eq!(tickets.len(), 1);
    let (ticket, known) = (&tickets[0], &listed["items"][0]);
    for field in ["conversation", "number", "opened_at", "left_message", "claimed_at", "resolved_at", "score"] {
        assert_eq!(ticket[field], known[field], "{field}");
    }
    assert_eq!((&ticket["claimed_by"], &ticket["messages"]), (&json!("a1"), &json!(3)));
    assert!(ticket["claim_ms"].is_u64() && ticket["resolution_ms"].is_u64() && ticket["first_response_ms"].is_null());

    let audit = lines(&export(&node, "jsonl", "audit").await);
    let acts: Vec<&str> = audit.iter().map(|line| line["what"].as_str().unwrap()).collect();
    assert_eq!(acts[0], "shop.created", "{acts:?}");
    assert_eq!(
        acts.iter().filter(|what| **what == "export.created").count(),
        2,
        "those before this one are in it, too"
    );
    let asked: Value = serde_json::from_str(audit.last().unwrap()["after"].as_str().unwrap()).unwrap();
    assert_eq!((&asked["format"], &asked["what"]), (&json!("jsonl"), &json!("tickets")));
    assert_eq!(audit.last().unwrap()["by"], "boss");
}

#[tokio::test]
async fn a_time_span_bounds_what_is_exported() {
    let node = scene(&["second", "third"]).await;
    let boss = node.rest("boss");
    let all = lines(&export(&node, "jsonl", "messages").await);
    let of = async |span: Value| {
        let mut body = json!({"format": "jsonl", "what": "messages"});
        body.as_object_mut().unwrap().extend(span.as_object().unwrap().clone());
        let made = boss.post("/shops/acme/exports", body).await.expect(201);
        lines(&follow(&node, made["url"].as_str().unwrap()).await)
    };
    let later: Vec<Value> = all.iter().filter(|line| line["at"].as_str() >= all[1]["at"].as_str()).cloned().collect();
    let before = all.len() - later.len();
    assert_eq!(of(json!({"from": all[1]["at"]})).await, later);
    assert_eq!(of(json!({"to": all[1]["at"]})).await.len(), before);
    assert!(of(json!({"to": "2020-01-01T00:00:00Z"})).await.is_empty());
}

#[tokio::test]
async fn a_spreadsheet_is_a_zip_of_sheets() {
    let node = scene(&["=1+1 \u{7}"]).await;
    for what in ["messages", "tickets", "audit"] {
        let answer = export(&node, "xlsx", what).await;
        assert!(answer.header("content-type").ends_with("spreadsheetml.sheet"));
        let parts = unzip(answer.bytes);
        let sheet = &parts["xl/worksheets/sheet1.xml"];
        assert!(sheet.starts_with("<?xml") && sheet.ends_with("</sheetData></worksheet>"), "{sheet}");
        assert!(sheet.contains(r#"<c s="1"><v>4"#), "times are dates: {sheet}");
        if what == "messages" {
            assert!(sheet.contains(">=1+1 _x0007_<"), "{sheet}");
            assert_eq!(sheet.matches("<row>").count(), 3);
        }
    }
}

/// The parts of a ZIP file, as text.
fn unzip(bytes: Vec<u8>) -> BTreeMap<String, String> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).expect("a ZIP file");
    let names: Vec<String> = archive.file_names().map(|name| name.unwrap().into_owned()).collect();
    let read = |name: String| {
        let part = std::io::read_to_string(archive.by_name(&name).unwrap()).unwrap();
        (name, part)
    };
    names.into_iter().map(read).collect()
}

/// What a metric stands at.
async fn metric(node: &TestNode, name: &str) -> f64 {
    let metrics = node.anonymous().get("//metrics").await;
    let text = String::from_utf8(metrics.bytes).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.map_or(0.0, |value| value.trim().parse().unwrap())
}

#[tokio::test]
async fn who_goes_away_has_nothing_more_read() {
    let builder = TestNode::builder();
    let rows = 40_000;
    let until = ["--until", "2026-11-20T00:00:00Z"];
    let seed = ["seed", "--shops", "1", "--conversations", "200", "--messages", "40000", until[0], until[1]];
    let seeded = builder.run(&seed);
    assert_eq!(seeded.code, Some(0), "{seeded:?}");
    let node = builder.start().await;
    let admin = node.rest("admin@shop-01");
    let ask = async || {
        let made =
            admin.post("/shops/shop-01/exports", json!({"format": "jsonl", "what": "messages"})).await.expect(201);
        let url = format!("/{}", made["url"].as_str().unwrap());
        node.anonymous().request(Method::GET, &url).send().await.unwrap()
    };
    // Two that read a little, and one more that has to wait for them.
    let (mut one, mut two) = (ask().await, ask().await);
    assert!(one.chunk().await.unwrap().is_some() && two.chunk().await.unwrap().is_some());
    assert_eq!(ask().await.status(), 429, "two at a time");
    drop((one, two));
    eventually("those who went are noticed", async || metric(&node, "shopbell_exports").await == 0.0).await;
    let read = metric(&node, "shopbell_exported_rows_total").await;
    assert!(0.0 < read && read < 2.0 * f64::from(rows), "{read} rows have been read for nobody");
    let all = ask().await.bytes().await.unwrap();
    assert_eq!(all.iter().filter(|byte| **byte == b'\n').count(), rows as usize, "each message once");
}

/// Follows a link on a connection of its own that holds little, up to the first bytes of the answer.
async fn begin(node: &TestNode, url: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(8 << 10).unwrap();
    let mut stream = socket.connect(node.base().trim_start_matches("http://").parse().unwrap()).await.unwrap();
    let request = format!("GET {url} HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut begun = [0; 12];
    stream.read_exact(&mut begun).await.unwrap();
    assert_eq!(&begun, b"HTTP/1.1 200");
    stream
}

#[tokio::test]
async fn who_takes_nothing_any_more_gives_its_place_back() {
    let builder = TestNode::builder().set("limits.download_stall", "3s");
    let until = ["--until", "2026-11-20T00:00:00Z"];
    let seed = ["seed", "--shops", "1", "--conversations", "50", "--messages", "10000", until[0], until[1]];
    let seeded = builder.run(&seed);
    assert_eq!(seeded.code, Some(0), "{seeded:?}");
    let node = builder.start().await;
    let admin = node.rest("admin@shop-01");
    let ask = async || {
        let body = json!({"format": "jsonl", "what": "messages"});
        let made = admin.post("/shops/shop-01/exports", body).await.expect(201);
        made["url"].as_str().unwrap().to_owned()
    };
    let (mut slow, mut deaf) = (begin(&node, &ask().await).await, begin(&node, &ask().await).await);
    let third = ask().await;
    follow(&node, &third).await.refused(429, "rate_limited");
    // One reads a little now and then, the other nothing; both longer than anybody may take nothing.
    let mut taken = Vec::new();
    while metric(&node, "shopbell_exports").await > 1.0 || taken.len() < 400 << 10 {
        let mut some = [0; 16 << 10];
        let read = slow.read(&mut some).await.unwrap();
        assert!(read > 0, "it is over before the deaf one is let go");
        taken.extend_from_slice(&some[..read]);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let end = deaf.read_to_end(&mut Vec::new()).await;
    assert!(end.is_err(), "the connection is reset: {end:?}");
    // Whoever reads slowly gets everything, and there is a place again.
    slow.read_to_end(&mut taken).await.unwrap();
    let all = follow(&node, &third).await;
    assert_eq!(all.bytes.iter().filter(|byte| **byte == b'\n').count(), 10_000);
    assert!(taken.ends_with(b"\r\n0\r\n\r\n"), "the last chunk is the empty one");
}
