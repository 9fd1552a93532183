//! The judgement: lines are sorted by what they are about, then each conversation is judged for itself.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use super::{
    conversation::{Ack, Arrival, Conversation, Record, Telling},
    log::{Deed, Event, Line, To},
    verdict::{Fault, Verdict},
};

/// Refusals after which the same frame may be tried again: whether it was stored, nobody has said.
const FOR_NOW: [&str; 2] = ["unavailable", "rate_limited"];

/// A session, by its `open`.
#[derive(Debug)]
pub(super) struct Session {
    pub user: Arc<str>,
    /// It lasted to the end of the run.
    pub ended: bool,
}

/// One message that a user wanted to send, however often.
#[derive(Debug)]
pub(super) struct Send {
    pub to: To,
    pub text: Arc<str>,
    pub first: u64,
    attempts: Vec<Attempt>,
}

#[derive(Debug)]
struct Attempt {
    session: Arc<str>,
    at: u64,
    answer: Answer,
}

#[derive(Debug, PartialEq, Eq)]
enum Answer {
    None,
    /// Conversation, seq and `duplicate`.
    Ok(u64, u64, bool),
    ForNow,
    ForGood,
}

/// What all lines say, sorted.
#[derive(Debug, Default)]
pub(super) struct Run {
    pub sessions: HashMap<Arc<str>, Session>,
    /// By sender and `id`.
    pub sends: HashMap<(Arc<str>, Arc<str>), Send>,
    /// Users with a session that lasted to the end.
    pub present: HashSet<Arc<str>>,
    pub users: HashSet<Arc<str>>,
    /// Deeds that wait for an answer, by session and `id`.
    asked: HashMap<(Arc<str>, Arc<str>), (u64, Deed)>,
    conversations: BTreeMap<u64, Conversation>,
}

/// Judges a run by the lines of all its clients, in any order.
pub fn judge(mut lines: Vec<Line>) -> Verdict {
    let mut verdict = Verdict::default();
    // Lines of one moment keep the order of their file.
    lines.sort_by_key(|line| line.at);
    let mut run = Run::default();
    for line in lines {
        run.take(line, &mut verdict);
    }
    run.judge_sends(&mut verdict);
    let conversations = std::mem::take(&mut run.conversations);
    let mut places = HashMap::new();
    for (id, conversation) in &conversations {
        conversation.judge(*id, &run, &mut places, &mut verdict);
    }
    verdict.figures.users = run.users.len() as u64;
    verdict.figures.sessions = run.sessions.len() as u64;
    verdict.figures.conversations = conversations.len() as u64;
    verdict.figures.sent = run.sends.len() as u64;
    verdict
}

impl Run {
    fn take(&mut self, line: Line, verdict: &mut Verdict) {
        let Line { at, session, event } = line;
        if let Event::Open { user, .. } = &event {
            self.users.insert(Arc::clone(user));
            self.sessions.insert(session, Session { user: Arc::clone(user), ended: false });
            return;
        }
        let Some(own) = self.sessions.get_mut(&session) else {
            verdict.found(Fault::View, || format!("session {session} did something without a login"));
            return;
        };
        let user = Arc::clone(&own.user);
        match event {
            Event::Open { .. } | Event::Close => {}
            Event::End => {
                own.ended = true;
                self.present.insert(user);
            }
            Event::Sent { id, to, text } => {
                let send = || Send { to, text: Arc::clone(&text), first: at, attempts: Vec::new() };
                let send = self.sends.entry((user, id)).or_insert_with(send);
                send.attempts.push(Attempt { session, at, answer: Answer::None });
            }
            Event::Acked { id, conversation, seq, duplicate } => {
                let Some(send) = self.answered(&user, &id, &session, Answer::Ok(conversation, seq, duplicate)) else {
                    verdict.found(Fault::View, || format!("{user} got an ok to {id}, which it had not sent"));
                    return;
                };
                let ack = Ack { at, first: send.first, user, id, text: Arc::clone(&send.text), seq };
                self.conversation(conversation).acks.push(ack);
            }
            Event::Refused { id, code, retry_after_ms } => {
                let for_now = FOR_NOW.contains(&&*code);
                *verdict.figures.refused.entry(code.to_string()).or_default() += 1;
                verdict.figures.refused_without_time += u64::from(for_now && retry_after_ms.is_none());
                self.asked.remove(&(Arc::clone(&session), Arc::clone(&id)));
                // Where no send has this id, a deed was refused.
                self.answered(&user, &id, &session, if for_now { Answer::ForNow } else { Answer::ForGood });
            }
            Event::Received { conversation, message, redelivered } => {
                let conversation = self.conversation(conversation);
                let told = conversation.told(&session);
                conversation.arrivals.entry(session).or_default().push(Arrival { message, redelivered, told });
            }
            Event::Asked { id, deed, .. } => {
                self.asked.insert((session, id), (at, deed));
            }
            Event::Agreed { id, summary } => {
                let asked = self.asked.remove(&(Arc::clone(&session), id));
                verdict.figures.claims += u64::from(matches!(asked, Some((_, Deed::Claim))));
                self.conversation(summary.conversation).tellings.push(Telling { at, session, user, asked, summary });
            }
            Event::Told { summary } => {
                let telling = Telling { at, session, user, asked: None, summary };
                self.conversation(telling.summary.conversation).tellings.push(telling);
            }
            Event::Record { conversation, messages } => {
                self.conversation(conversation).records.push(Record { session, messages });
            }
        }
    }

    fn conversation(&mut self, id: u64) -> &mut Conversation {
        self.conversations.entry(id).or_default()
    }

    /// Puts an answer to the oldest attempt of this session that has none.
    fn answered(&mut self, user: &Arc<str>, id: &Arc<str>, session: &str, answer: Answer) -> Option<&Send> {
        let send = self.sends.get_mut(&(Arc::clone(user), Arc::clone(id)))?;
        let mut open = send.attempts.iter_mut().filter(|attempt| attempt.answer == Answer::None);
        open.find(|attempt| &*attempt.session == session)?.answer = answer;
        Some(send)
    }

    /// What the answers to sends say of each other; where messages are stored, the records say.
    fn judge_sends(&self, verdict: &mut Verdict) {
        // By session and conversation: what was sent there once and acked, by time of sending.
        let mut sent_once: HashMap<(&str, u64), Vec<(u64, u64)>> = HashMap::new();
        for ((user, id), send) in &self.sends {
            let oks = send.attempts.iter().filter_map(|attempt| match attempt.answer {
                Answer::Ok(conversation, seq, duplicate) => Some((conversation, seq, duplicate)),
                _ => None,
            });
            let oks: Vec<(u64, u64, bool)> = oks.collect();
            let Some((conversation, seq, _)) = oks.first().copied() else { continue };
            verdict.figures.acked += 1;
            if oks.iter().any(|ok| (ok.0, ok.1) != (conversation, seq)) {
                verdict.found(Fault::Doubled, || format!("{id} of {user} was acked at several places: {oks:?}"));
            } else if oks.iter().filter(|ok| !ok.2).count() > 1 {
                verdict.found(Fault::Doubled, || format!("{id} of {user} was acked as new more than once"));
            }
            if let [attempt] = &send.attempts[..] {
                sent_once.entry((&attempt.session, conversation)).or_default().push((attempt.at, seq));
            }
        }
        for ((session, conversation), mut sent) in sent_once {
            sent.sort_unstable();
            for pair in sent.windows(2).filter(|pair| pair[0].0 < pair[1].0 && pair[0].1 > pair[1].1) {
                verdict.found(Fault::OutOfOrder, || {
                    let (first, second) = (pair[0].1, pair[1].1);
                    format!("conversation {conversation}: {session} sent seq {first} before seq {second}")
                });
            }
        }
    }
}

impl Send {
    /// True if each time it was sent the answer was a refusal after which it cannot be stored.
    pub fn refused_for_good(&self) -> bool {
        self.attempts.iter().all(|attempt| attempt.answer == Answer::ForGood)
    }
}
