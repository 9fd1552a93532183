//! One conversation, judged: answers, arrivals and summaries against its record.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use super::{
    checker::Run,
    claims::Claims,
    log::{Deed, Message, Summary, To},
    verdict::{Fault, Verdict},
};

/// `ok` to a send.
#[derive(Debug)]
pub(super) struct Ack {
    pub at: u64,
    /// When the message was first sent.
    pub first: u64,
    pub user: Arc<str>,
    pub id: Arc<str>,
    pub text: Arc<str>,
    pub seq: u64,
}

/// A message that came to a session.
#[derive(Debug)]
pub(super) struct Arrival {
    pub message: Message,
    pub redelivered: bool,
    /// The `claim_version` that the session had been told of by then; 0 for none.
    pub told: u64,
}

/// A summary that a session was told.
#[derive(Debug)]
pub(super) struct Telling {
    pub at: u64,
    pub session: Arc<str>,
    pub user: Arc<str>,
    /// Where it answers a deed: when that was asked, and which.
    pub asked: Option<(u64, Deed)>,
    pub summary: Summary,
}

/// The whole history, as one session read it.
#[derive(Debug)]
pub(super) struct Record {
    pub session: Arc<str>,
    pub messages: Vec<Message>,
}

/// Everything that was logged of a conversation, in order of time.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    pub acks: Vec<Ack>,
    pub arrivals: BTreeMap<Arc<str>, Vec<Arrival>>,
    pub tellings: Vec<Telling>,
    pub records: Vec<Record>,
}

/// The places of all sends in all records: conversation and seq by sender and `id`.
pub(super) type Places = HashMap<(Arc<str>, Arc<str>), (u64, u64)>;

impl Conversation {
    /// The last `claim_version` that a session has been told of so far; 0 for none.
    pub fn told(&self, session: &str) -> u64 {
        let own = self.tellings.iter().rfind(|telling| *telling.session == *session);
        own.map_or(0, |telling| telling.summary.claim_version)
    }

    pub fn judge(&self, id: u64, run: &Run, places: &mut Places, verdict: &mut Verdict) {
        // A resolution that is granted is always a change.
        let began = |telling: &Telling| matches!(telling.asked, Some((_, Deed::Resolve)));
        let told = self.tellings.iter().map(|telling| (&telling.summary, began(telling)));
        let claims = Claims::gather(told, verdict);
        claims.judge(id, verdict);
        // Of equally long ones the first.
        let longest = self.records.iter().rev().max_by_key(|record| record.messages.len());
        let record = longest.map_or(&[][..], |record| &record.messages);
        let trial = Trial {
            id,
            log: self,
            run,
            claims,
            by_seq: record.iter().map(|message| (message.seq, message)).collect(),
            buyer: record.iter().find(|message| &*message.role == "buyer").map(|message| &*message.from),
        };
        verdict.figures.stored += record.len() as u64;
        trial.tellings(verdict);
        trial.order_of_acks(verdict);
        for (session, arrivals) in &self.arrivals {
            trial.arrivals(session, arrivals, verdict);
        }
        if longest.is_none() {
            for ack in &self.acks {
                verdict
                    .found(Fault::Lost, || format!("conversation {id}: seq {} was acked; there is no record", ack.seq));
            }
            for arrival in self.arrivals.values().flatten().filter(|_| self.acks.is_empty()) {
                let seq = arrival.message.seq;
                verdict
                    .found(Fault::Lost, || format!("conversation {id}: seq {seq} was delivered; there is no record"));
            }
            return;
        }
        trial.records(verdict);
        trial.record(record, places, verdict);
        trial.acks(verdict);
        trial.delivered(verdict);
    }
}

/// A conversation with what is known beside its lines.
struct Trial<'a> {
    id: u64,
    log: &'a Conversation,
    run: &'a Run,
    claims: Claims,
    /// The record: the longest one.
    by_seq: BTreeMap<u64, &'a Message>,
    buyer: Option<&'a str>,
}

impl Trial<'_> {
    /// Whether a message is due to a user of this conversation.
    fn is_due(&self, message: &Message, user: &str) -> bool {
        *message.from != *user
            && match &*message.role {
                "buyer" => self.buyer != Some(user),
                "user" => true,
                _ => self.buyer == Some(user),
            }
    }

    /// Deeds that were granted, and what sessions knew at the end.
    fn tellings(&self, verdict: &mut Verdict) {
        let id = self.id;
        // The highest version that anybody had been told, as time goes on.
        let mut known: Vec<(u64, u64)> = Vec::new();
        let mut by_session: HashMap<&str, u64> = HashMap::new();
        for Telling { at, session, user, asked, summary } in &self.log.tellings {
            let version = summary.claim_version;
            if let Some((asked, deed)) = asked {
                let before = known.partition_point(|(at, _)| at < asked);
                let highest = before.checked_sub(1).map_or(0, |last| known[last].1);
                if highest > version {
                    verdict.found(Fault::TwoClaimants, || {
                        format!(
                            "conversation {id}: {deed:?} of {user} was granted under version {version}, after {highest}"
                        )
                    });
                }
                if *deed == Deed::Claim && summary.claimed_by.as_ref() != Some(user) {
                    verdict.found(Fault::TwoClaimants, || {
                        format!("conversation {id}: {user}'s claim was granted to {:?}", summary.claimed_by)
                    });
                }
            }
            known.push((*at, known.last().map_or(version, |(_, highest)| version.max(*highest))));
            let told = by_session.entry(session).or_default();
            *told = version.max(*told);
        }
        let last = self.claims.last();
        for (session, told) in by_session {
            let ended = self.run.sessions.get(session).is_some_and(|session| session.ended);
            if ended && told < last {
                verdict.found(Fault::View, || {
                    format!("conversation {id}: {session} knows of version {told} in the end, others of {last}")
                });
            }
        }
    }

    /// What was sent after something had been acked is above it.
    fn order_of_acks(&self, verdict: &mut Verdict) {
        let mut acked: Vec<(u64, u64)> = Vec::new();
        for Ack { at, seq, .. } in &self.log.acks {
            acked.push((*at, acked.last().map_or(*seq, |(_, highest)| *seq.max(highest))));
        }
        let mut seen = HashSet::new();
        for Ack { first, user, id, seq, .. } in &self.log.acks {
            let before = acked.partition_point(|(at, _)| at < first);
            let highest = before.checked_sub(1).map_or(0, |last| acked[last].1);
            if *seq <= highest && seen.insert((user, id)) {
                verdict.found(Fault::OutOfOrder, || {
                    format!("conversation {}: {id} of {user} is seq {seq}, sent after seq {highest} was acked", self.id)
                });
            }
        }
    }

    /// What a session was given: each message once, in order, without holes, and as the record has it.
    fn arrivals(&self, session: &str, arrivals: &[Arrival], verdict: &mut Verdict) {
        let id = self.id;
        let Some(user) = self.run.sessions.get(session).map(|session| &*session.user) else { return };
        let is_agent = self.buyer.is_some_and(|buyer| buyer != user);
        let (mut seen, mut given) = (HashSet::new(), BTreeSet::new());
        for Arrival { message, redelivered, told } in arrivals {
            let seq = message.seq;
            match self.by_seq.get(&seq) {
                Some(stored) if *stored == message => {}
                Some(stored) => verdict.found(Fault::View, || {
                    format!("conversation {id}: {session} was given {message:?}, the record has {stored:?}")
                }),
                // Without any record all is lost, and counted elsewhere.
                None if self.by_seq.is_empty() => {}
                None => verdict.found(Fault::Lost, || {
                    format!("conversation {id}: {session} was given seq {seq}, which the record has not")
                }),
            }
            if !seen.insert(seq) {
                verdict.figures.repeats += 1;
                if !redelivered {
                    verdict.found(Fault::Doubled, || {
                        format!("conversation {id}: seq {seq} came to {session} twice without `redelivered`")
                    });
                }
                continue;
            }
            verdict.figures.delivered += 1;
            if self.is_due(message, user) {
                let highest = given.last().copied().unwrap_or_default();
                if seq < highest && !(is_agent && *redelivered) {
                    verdict.found(Fault::OutOfOrder, || {
                        format!("conversation {id}: seq {seq} came to {session} after seq {highest}")
                    });
                } else if let Some(missing) = self.missing(seq, user, is_agent.then_some(*told), &given) {
                    verdict.found(Fault::Hole, || {
                        format!("conversation {id}: seq {seq} came to {session} ({user}) without seq {missing}")
                    });
                }
                given.insert(seq);
            }
        }
    }

    /// The due message before this one, where a session that has been given others has not been given it.
    /// `told` is the version that an agent had been told of.
    fn missing(&self, seq: u64, user: &str, told: Option<u64>, given: &BTreeSet<u64>) -> Option<u64> {
        // The first one may have any seq; so may what a claim hands over from before it.
        if *given.first()? > seq {
            return None;
        }
        let before = self.by_seq.range(..seq).rev().find(|(_, message)| self.is_due(message, user));
        let before = *before?.0;
        let due = told.is_none_or(|told| self.claims.led_to(user, before, seq, told));
        (due && !given.contains(&before)).then_some(before)
    }

    /// All who read the history read the same.
    fn records(&self, verdict: &mut Verdict) {
        for Record { session, messages } in &self.log.records {
            let own: BTreeMap<u64, &Message> = messages.iter().map(|message| (message.seq, message)).collect();
            let places: BTreeSet<&u64> = own.keys().chain(self.by_seq.keys()).collect();
            for seq in places.into_iter().filter(|seq| own.get(seq) != self.by_seq.get(seq)) {
                verdict.found(Fault::View, || {
                    let (one, other) = (own.get(seq), self.by_seq.get(seq));
                    format!("conversation {}: {session} reads seq {seq} as {one:?}, another as {other:?}", self.id)
                });
            }
        }
    }

    /// The record itself: every seq, each send once, and nobody's who must not write.
    fn record(&self, record: &[Message], places: &mut Places, verdict: &mut Verdict) {
        let id = self.id;
        let mut next = 1;
        for message in record {
            let Message { seq, from, id: sent, role, .. } = message;
            for missing in next..*seq {
                verdict.found(Fault::Hole, || format!("conversation {id}: the record has no seq {missing}"));
            }
            if *seq < next {
                verdict.found(Fault::OutOfOrder, || {
                    format!("conversation {id}: the record has seq {seq} after {}", next - 1)
                });
            }
            next = next.max(seq + 1);

            let key = (Arc::clone(from), Arc::clone(sent));
            match self.run.sends.get(&key) {
                None if self.run.users.contains(from) => {
                    verdict.found(Fault::View, || format!("conversation {id}: {from} has not sent seq {seq}"));
                }
                Some(send) if send.refused_for_good() => {
                    verdict.found(Fault::View, || format!("conversation {id}: seq {seq} was refused, and is stored"));
                }
                _ => {}
            }
            if let Some((other, before)) = places.insert(key, (id, *seq)) {
                verdict.found(Fault::Doubled, || {
                    format!("{sent} of {from} is seq {before} of conversation {other} and seq {seq} of {id}")
                });
            }
            let may = match &**role {
                "agent" => self.claims.may_have_been(from, *seq),
                "buyer" => self.buyer == Some(&**from),
                _ => true,
            };
            if !may {
                verdict.found(Fault::NotClaimant, || format!("conversation {id}: seq {seq} is {from}'s, as {role}"));
            }
        }
    }

    /// What was acked is in the record, where the ack says.
    fn acks(&self, verdict: &mut Verdict) {
        let mut stored: HashMap<(&str, &str), &Message> = HashMap::new();
        for message in self.by_seq.values() {
            stored.entry((&message.from, &message.id)).or_insert(message);
        }
        let mut judged = HashSet::new();
        for Ack { user, id: sent, text, seq, .. } in &self.log.acks {
            if !judged.insert((user, sent, seq)) {
                continue;
            }
            let id = self.id;
            match stored.get(&(&**user, &**sent)) {
                None => verdict.found(Fault::Lost, || {
                    format!("conversation {id}: {sent} of {user} was acked as seq {seq} and is not in the record")
                }),
                Some(message) if message.text != *text => verdict.found(Fault::Lost, || {
                    format!("conversation {id}: {sent} of {user} has another text in the record")
                }),
                Some(message) if message.seq != *seq => verdict.found(Fault::OutOfOrder, || {
                    let stored = message.seq;
                    format!("conversation {id}: {sent} of {user} was acked as seq {seq} and is stored as seq {stored}")
                }),
                Some(_) => {}
            }
        }
    }

    /// What is due to those who are there to the end has come to them.
    fn delivered(&self, verdict: &mut Verdict) {
        let id = self.id;
        let mut given: HashMap<u64, HashSet<&str>> = HashMap::new();
        for (session, arrivals) in &self.log.arrivals {
            let Some(session) = self.run.sessions.get(session) else { continue };
            for Arrival { message, .. } in arrivals {
                given.entry(message.seq).or_default().insert(&session.user);
            }
        }
        let claimant = self.claims.last_claimant().filter(|claimant| self.run.present.contains(*claimant));
        let users = self.users();
        for message in self.by_seq.values() {
            let seq = message.seq;
            let none = HashSet::new();
            let given = given.get(&seq).unwrap_or(&none);
            if &*message.role == "buyer" {
                if let Some(claimant) = claimant.filter(|_| given.iter().all(|user| **user == *message.from)) {
                    verdict.found(Fault::Lost, || {
                        format!("conversation {id}: seq {seq} came to no agent, though {claimant} is there")
                    });
                }
                continue;
            }
            let due = users.iter().filter(|user| self.is_due(message, user) && self.run.present.contains(**user));
            for user in due.filter(|user| !given.contains(**user)) {
                verdict.found(Fault::Lost, || format!("conversation {id}: seq {seq} did not come to {user}"));
            }
        }
    }

    /// The buyer, or the two users of a direct conversation as far as they are known.
    fn users(&self) -> BTreeSet<&str> {
        let mut users: BTreeSet<&str> = self.buyer.into_iter().collect();
        for message in self.by_seq.values().filter(|message| &*message.role == "user") {
            users.insert(&message.from);
            let send = self.run.sends.get(&(Arc::clone(&message.from), Arc::clone(&message.id)));
            if let Some(To::User(other)) = send.map(|send| &send.to) {
                users.insert(other);
            }
        }
        users
    }
}
