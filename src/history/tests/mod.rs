//! Good histories pass, and every fault planted in one is found under its own name.

mod good;
mod planted;

use std::sync::Arc;

use super::log::{Deed, Event, Line, Message, Summary, To};

/// Writes lines, a millisecond apart.
#[derive(Clone, Default)]
struct Log {
    lines: Vec<Line>,
    next: u64,
}

impl Log {
    fn write(&mut self, session: &str, event: Event) {
        self.next += 1_000;
        self.lines.push(Line { at: self.next, session: session.into(), event });
    }

    fn open(&mut self, session: &str, user: &str) {
        self.write(session, Event::Open { user: user.into(), node: "n1".into() });
    }

    fn sent(&mut self, session: &str, id: &str, to: To, text: &str) {
        self.write(session, Event::Sent { id: id.into(), to, text: text.into() });
    }

    fn acked(&mut self, session: &str, id: &str, seq: u64, duplicate: bool) {
        self.write(session, Event::Acked { id: id.into(), conversation: 1, seq, duplicate });
    }

    fn refused(&mut self, session: &str, id: &str, code: &str, retry_after_ms: Option<u64>) {
        self.write(session, Event::Refused { id: id.into(), code: code.into(), retry_after_ms });
    }

    fn received(&mut self, session: &str, message: &Message, redelivered: bool) {
        self.write(session, Event::Received { conversation: 1, message: message.clone(), redelivered });
    }

    fn deed(&mut self, session: &str, deed: Deed, summary: Summary) {
        let id: Arc<str> = format!("d{}", self.next).into();
        self.write(session, Event::Asked { id: id.clone(), deed, conversation: 1 });
        self.write(session, Event::Agreed { id, summary });
    }

    fn told(&mut self, session: &str, summary: Summary) {
        self.write(session, Event::Told { summary });
    }
}

fn message(seq: u64, from: &str, id: &str, text: &str) -> Message {
    let role = match &from[..1] {
        "b" => "buyer",
        "a" => "agent",
        _ => "user",
    };
    Message { seq, from: from.into(), role: role.into(), id: id.into(), text: text.into() }
}

fn summary(claim_version: u64, claimed_by: Option<&str>, last_seq: u64) -> Summary {
    let state = if claimed_by.is_some() { "claimed" } else { "waiting" };
    Summary {
        conversation: 1,
        claim_version,
        state: Some(state.into()),
        claimed_by: claimed_by.map(Into::into),
        last_seq,
    }
}
