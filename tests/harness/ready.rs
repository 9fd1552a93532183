//! What `/readyz` says, asked all the time.

use super::crowd::Doors;
use super::rest::http;
use serde_json::Value;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

const EVERY: Duration = Duration::from_millis(100);
/// Longer than an honest answer takes.
const PATIENCE: Duration = Duration::from_secs(4);
/// How soon after the end of a fault a node must be ready again.
const AGAIN: Duration = Duration::from_secs(5);

/// One question and its answer.
#[derive(Clone, Debug)]
pub struct Asked {
    pub node: usize,
    pub from: Instant,
    pub until: Instant,
    /// None where nobody answered.
    pub status: Option<u16>,
    pub body: Value,
}

/// Asks all nodes, as a balancer does, until it is dropped.
pub struct Watch {
    asked: Arc<Mutex<Vec<Asked>>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Watch {
    pub fn over(doors: &Doors) -> Self {
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let tasks =
            (0..doors.len()).map(|node| tokio::spawn(ask(node, Arc::clone(doors), Arc::clone(&asked)))).collect();
        Self { asked, tasks }
    }

    /// Everything so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("no panic").clone()
    }

    /// Whether a node told the truth about something that was there until `whole`, and away for a time: 503 whenever asked and answered
    /// in that time, 200 before `whole`, and again soon after it was back; to go and to come back may have taken some time themselves.
    /// Gives how many answers in that time there were.
    #[track_caller]
    pub fn was_true(&self, node: usize, whole: Instant, away: Range<Instant>, back: Instant) -> usize {
        for asked in self.asked().into_iter().filter(|asked| asked.node == node) {
            if let Some(status) = asked.status
                && (asked.until < whole || asked.from > back + AGAIN)
            {
                let when = asked.from.checked_duration_since(away.start);
                assert_eq!(status, 200, "n{node}, {when:?} after it was lost: {}", asked.body);
            }
        }
        self.was_true_between(node, away)
    }

    /// The same, where other times may have been bad, too.
    #[track_caller]
    pub fn was_true_between(&self, node: usize, away: Range<Instant>) -> usize {
        self.was(503, node, away)
    }

    /// Whether a node was ready whenever asked and answered in this time.
    #[track_caller]
    pub fn was_ready(&self, node: usize, then: Range<Instant>) -> usize {
        self.was(200, node, then)
    }

    #[track_caller]
    fn was(&self, wanted: u16, node: usize, then: Range<Instant>) -> usize {
        let asked = self.asked().into_iter();
        let asked = asked.filter(|asked| asked.node == node && asked.from > then.start && asked.until < then.end);
        let mut answers = 0;
        for Asked { from, status, body, .. } in asked {
            let Some(status) = status else { continue };
            answers += 1;
            assert_eq!(status, wanted, "n{node}, {:?} after the beginning: {body}", from - then.start);
        }
        answers
    }

    /// How long after `since` all of these nodes were ready; none where one was not.
    pub fn ready_after(&self, nodes: &[usize], since: Instant) -> Option<Duration> {
        let asked = self.asked();
        let first = |node: usize| {
            let ready = |asked: &&Asked| asked.node == node && asked.from >= since && asked.status == Some(200);
            asked.iter().find(ready).map(|asked| asked.until - since)
        };
        nodes.iter().map(|node| first(*node)).collect::<Option<Vec<_>>>()?.into_iter().max()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn ask(node: usize, doors: Doors, into: Arc<Mutex<Vec<Asked>>>) {
    let client = http().timeout(PATIENCE).build().expect("an HTTP client");
    loop {
        let url = format!("{}/readyz", doors[node].lock().expect("no panic"));
        let from = Instant::now();
        let answer = client.get(url).send().await;
        let status = answer.as_ref().ok().map(|answer| answer.status().as_u16());
        let body = match answer {
            Ok(answer) => answer.json().await.unwrap_or(Value::Null),
            Err(_) => Value::Null,
        };
        into.lock().expect("no panic").push(Asked { node, from, until: Instant::now(), status, body });
        tokio::time::sleep(EVERY).await;
    }
}
