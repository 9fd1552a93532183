//! How long a search takes, on both databases, whether a word is rare or in every other message.

use std::{collections::HashMap, time::Instant};

use diesel::prelude::*;
use shopbell::{
    domain::search::words,
    protocol::content::searched,
    store::{
        location::Location,
        schema::{conversations, messages, shops},
    },
};
use shopbell_harness::{NodeBuilder, Rest, TestNode, long};

use crate::figures::{alone, databases, quantile, sized, until_indexed};

/// Milliseconds within which a page must be there.
const AT_MOST: f64 = 20.0;
const UNTIL: &str = "2026-11-01T00:00:00Z";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_is_quick() {
    let _alone = alone().await;
    let (_directory, databases) = databases();
    for (name, url) in databases {
        measure(name, TestNode::builder_without_database().database(&url), &url).await;
    }
}

async fn measure(database: &str, builder: NodeBuilder, url: &str) {
    let (count, conversations) = sized((20_000, "400"), (1_000_000, "20000"));
    let messages = count.to_string();
    let seeded = builder.run(&["seed", "--messages", &messages, "--conversations", conversations, "--until", UNTIL]);
    assert_eq!(seeded.code, Some(0), "{}", seeded.stderr);
    let node = builder.start().await;
    let took = until_indexed(url).await.as_secs_f64();
    println!("figure: search on {database}: {count} messages indexed in {took:.0} s");
    let mut db = Location::parse(url).unwrap().reader().unwrap();
    let (id, shop): (i64, String) =
        shops::table.order(shops::id).select((shops::id, shops::shop)).first(&mut db).unwrap();
    let texts: Vec<String> = messages::table
        .inner_join(conversations::table.on(conversations::id.eq(messages::conversation_id)))
        .filter(conversations::shop_id.eq(id))
        .limit(20_000)
        .select(messages::content)
        .load(&mut db)
        .unwrap();
    node.employ(&shop, "searcher", "agent").await;
    let rest = node.rest("searcher");
    for (kind, query, share) in queries(&texts) {
        let mut times = Vec::new();
        for _ in 0..sized(40, 400) {
            times.push(search(&rest, &shop, &query).await);
        }
        let (p50, p99) = (quantile(&mut times, 0.5), quantile(&mut times, 0.99));
        println!(
            "figure: search on {database}: {kind} ({query}, in {:.2} % of the shop's messages): p50 {p50:.2} ms, p99 {p99:.2} ms",
            share * 100.0
        );
        assert!(!long() || p99 <= AT_MOST, "{database}, {kind}: {p99} ms");
    }
}

/// Milliseconds until a page is there, which has something.
async fn search(rest: &Rest, shop: &str, query: &str) -> f64 {
    let started = Instant::now();
    let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let page = rest.get(&format!("/shops/{shop}/messages?q={encoded}")).await.expect(200);
    let time = started.elapsed().as_secs_f64() * 1_000.0;
    assert!(query.contains(' ') || !page["items"].as_array().unwrap().is_empty(), "{query} is not found");
    time
}

/// Words that are common, not so common and rare; Chinese ones of one and two characters; with the share of messages that have them.
fn queries(contents: &[String]) -> Vec<(&'static str, String, f64)> {
    let (mut long, mut one, mut two) = (HashMap::new(), HashMap::new(), HashMap::new());
    for content in contents {
        for (_, text) in searched(content) {
            let words = words(&text);
            let is_han = |word: &String| word.starts_with(|c| matches!(c, '\u{4e00}'..='\u{9fff}'));
            let mut seen = std::collections::HashSet::new();
            for word in words.iter().filter(|word| seen.insert(*word)) {
                let counts = if is_han(word) { &mut one } else { &mut long };
                *counts.entry(word.clone()).or_insert(0_usize) += 1;
            }
            let mut seen = std::collections::HashSet::new();
            for pair in words.windows(2).filter(|pair| pair.iter().all(is_han)).map(<[String]>::concat) {
                if seen.insert(pair.clone()) {
                    *two.entry(pair).or_insert(0_usize) += 1;
                }
            }
        }
    }
    let ranked = |counts: HashMap<String, usize>| {
        let mut ranked: Vec<(usize, String)> = counts.into_iter().map(|(word, count)| (count, word)).collect();
        ranked.sort_unstable();
        ranked
    };
    let share = |count: usize| count as f64 / contents.len() as f64;
    let at = |ranked: &[(usize, String)], place: f64| {
        let (count, word) = &ranked[((ranked.len() - 1) as f64 * place) as usize];
        (format!("\"{word}\""), share(*count))
    };
    let (long, one, two) = (ranked(long), ranked(one), ranked(two));
    let kinds = [
        ("a rare word", at(&long, 0.0)),
        ("a word", at(&long, 0.9)),
        ("the most common word", at(&long, 1.0)),
        ("one rare character", at(&one, 0.0)),
        ("the most common character", at(&one, 1.0)),
        ("two rare characters", at(&two, 0.0)),
        ("the most common two", at(&two, 1.0)),
    ];
    let mut queries: Vec<_> = kinds.into_iter().map(|(kind, (query, share))| (kind, query, share)).collect();
    // Seldom or never together, each by itself in many.
    let (a_word, a_sign) = (&at(&long, 1.0).0, &at(&one, 1.0).0);
    queries.push(("a common word and a common character", format!("{a_word} {a_sign}"), 0.0));
    let beginning = |word: &String| word.chars().take(3).collect();
    let (count, word) = long.iter().rev().find(|(_, word)| word.chars().count() > 3).expect("a long word");
    queries.push(("the beginning of a word", beginning(word), share(*count)));
    queries
}
