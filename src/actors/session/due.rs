//! What awaits somebody who logs in.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use tokio::{sync::oneshot, time::timeout};

use crate::{
    actors::{node::Node, offline_box::Entries},
    domain::{
        ids::{ConversationId, Seq},
        offline::{Entry, Op},
        people::Person,
        refusal::Refusal,
        window::Behind,
    },
    store::conversations::{self, Waits},
};

/// How long a list may be silent before the store serves alone.
const LIST_PATIENCE: Duration = Duration::from_millis(500);

/// What is due to somebody who logs in.
pub(super) struct Due {
    pub ranges: BTreeMap<ConversationId, Behind>,
    pub count: usize,
    /// Entries of the list that are not due any more.
    pub settled: Vec<Op>,
}

/// Everything above the cursors, and for an agent its list's entries of conversations that still wait.
///
/// # Errors
/// `Unavailable` where the store cannot be read.
pub(super) async fn due(
    node: &Node,
    person: &Arc<Person>,
    is_agent: bool,
    from_store: &[conversations::Due],
) -> Result<Due, Refusal> {
    let (waiting, list) = oneshot::channel();
    node.offline.do_send(Entries(person.clone(), waiting));
    let user = person.id;
    let entries = match timeout(LIST_PATIENCE, list).await {
        Ok(Ok(Ok(entries))) => Some(entries),
        _ => None,
    };
    let mut due = Due { ranges: BTreeMap::new(), count: 0, settled: Vec::new() };
    for d in from_store {
        due.count += usize::try_from(d.count).unwrap_or(0);
        due.ranges.insert(d.conversation, Behind::range(d.from, d.upto));
    }
    match entries.map(group) {
        Some(listed) if listed.is_empty() => {}
        Some(listed) => {
            let among: Vec<_> = listed.keys().copied().collect();
            let waits = node.read_for_login(move |db| conversations::waiting_for(db, user, Some(&among))).await?;
            due.add_listed(person, &waits, listed);
        }
        None if is_agent => {
            let waits = node.read_for_login(move |db| conversations::waiting_for(db, user, None)).await?;
            due.add_waiting(&waits);
        }
        None => {}
    }
    Ok(due)
}

fn group(entries: Vec<Entry>) -> BTreeMap<ConversationId, BTreeSet<Seq>> {
    let mut grouped: BTreeMap<ConversationId, BTreeSet<Seq>> = BTreeMap::new();
    for entry in entries {
        grouped.entry(entry.conversation).or_default().insert(entry.seq);
    }
    grouped
}

impl Due {
    /// Adds the entries of conversations that still wait; what has been dealt with leaves the list unsent.
    fn add_listed(&mut self, of: &Arc<Person>, waits: &[Waits], listed: BTreeMap<ConversationId, BTreeSet<Seq>>) {
        for (conversation, mut seqs) in listed {
            let dealt_with =
                match (self.ranges.get(&conversation), waits.iter().find(|w| w.conversation == conversation)) {
                    (Some(range), _) => range.from - 1,
                    (None, Some(waits)) => {
                        seqs.retain(|seq| (waits.cursor + 1..=waits.last).contains(seq));
                        if let (Some(&from), Some(&upto)) = (seqs.first(), seqs.last()) {
                            self.count += seqs.len();
                            let due = Behind { only: Some(seqs), ..Behind::range(from, upto) };
                            self.ranges.insert(conversation, due);
                        }
                        waits.cursor
                    }
                    (None, None) => seqs.last().copied().unwrap_or(0),
                };
            self.settled.push(Op::Trim { of: of.clone(), entry: Entry { conversation, seq: dealt_with } });
        }
    }

    /// The list is silent: all that waits.
    fn add_waiting(&mut self, waits: &[Waits]) {
        for waits in waits.iter().filter(|waits| waits.count > 0) {
            self.count += usize::try_from(waits.count).unwrap_or(0);
            self.ranges.insert(waits.conversation, Behind::range(waits.cursor + 1, waits.last));
        }
    }
}
