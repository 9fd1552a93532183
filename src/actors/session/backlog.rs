//! Messages that have come while the window was full. Most sessions that are behind are so for a moment, and to read from the store what
//! has just been here costs more than all else about it: so a few are kept, and leave as acks make room. What is too much is left to the store.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::domain::{
    ids::{ConversationId, Seq},
    window::{BYTES_MAX, MESSAGES_MAX},
};

/// A message on its way to the client.
pub struct Coming {
    pub conversation: ConversationId,
    pub seq: Seq,
    /// Up to here, the node has told everything.
    pub after: Seq,
    /// Shared with all who are sent the same.
    pub frame: Bytes,
    /// It is to be acked: no copy of what the user has said.
    pub due: bool,
}

/// In the order in which they came; as many as the window has room for.
#[derive(Default)]
pub struct Backlog {
    messages: VecDeque<Coming>,
    bytes: usize,
}

impl Backlog {
    pub fn push(&mut self, message: Coming) {
        self.bytes += message.frame.len();
        self.messages.push_back(message);
    }

    pub fn first(&self) -> Option<&Coming> {
        self.messages.front()
    }

    pub fn pop(&mut self) -> Option<Coming> {
        let message = self.messages.pop_front()?;
        self.bytes -= message.frame.len();
        Some(message)
    }

    /// There is more than may be kept.
    pub fn is_over(&self) -> bool {
        self.messages.len() > MESSAGES_MAX || self.bytes > BYTES_MAX
    }

    /// All of a conversation up to `seq` has been dealt with elsewhere, or is nobody's business here any more.
    pub fn settle(&mut self, conversation: ConversationId, seq: Seq) {
        self.messages.retain(|message| message.conversation != conversation || message.seq > seq);
        self.bytes = self.messages.iter().map(|message| message.frame.len()).sum();
    }

    /// Those that are to be acked, for the offline list of a user who is gone.
    pub fn due(&self) -> impl Iterator<Item = (ConversationId, Seq)> {
        self.messages.iter().filter(|message| message.due).map(|message| (message.conversation, message.seq))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coming(conversation: i64, seq: Seq, bytes: usize) -> Coming {
        let frame = vec![0; bytes].into();
        Coming { conversation: ConversationId(conversation), seq, after: seq - 1, frame, due: true }
    }

    #[test]
    fn it_keeps_as_much_as_a_window_has_room_for() {
        let mut backlog = Backlog::default();
        (1..=MESSAGES_MAX as Seq).for_each(|seq| backlog.push(coming(1, seq, 10)));
        assert!(!backlog.is_over());
        backlog.push(coming(2, 1, 10));
        assert!(backlog.is_over());
        assert_eq!(backlog.pop().map(|message| message.seq), Some(1));
        assert!(!backlog.is_over());
        backlog.settle(ConversationId(1), MESSAGES_MAX as Seq);
        assert_eq!(backlog.due().collect::<Vec<_>>(), [(ConversationId(2), 1)]);
        backlog.push(coming(2, 2, BYTES_MAX - 9));
        assert!(backlog.is_over(), "by its bytes");
        backlog.settle(ConversationId(2), 1);
        assert!(!backlog.is_over());
        assert_eq!(backlog.first().map(|message| message.seq), Some(2));
    }
}
