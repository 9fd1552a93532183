//! What those who wait are told: where they stand, and that nobody is there.

use std::time::{Duration, Instant};

use super::{ShopDispatcher, told};
use crate::{
    actors::mail::{Push, Told},
    domain::conversation::Conversation,
    protocol::event::Notice,
};

/// How often it is looked who has moved up.
pub(super) const LOOK: Duration = Duration::from_secs(1);
/// How often somebody who waits may be told to have moved up.
const POSITIONS: Duration = Duration::from_secs(10);

impl ShopDispatcher {
    /// What a buyer is told whose ticket has just come before people: where it stands, if it waits.
    pub(super) fn welcome_buyer(&mut self, conversation: &Conversation) -> Vec<Told> {
        let Some(position) = self.replica.line().position(conversation.id) else { return Vec::new() };
        self.told_position.insert(conversation.id, (position, Instant::now()));
        let mut notices = vec![Notice::QueuePosition { conversation: conversation.id, position }];
        if !self.on_duty() {
            notices.push(Notice::Away { conversation: conversation.id });
        }
        let to = conversation.first_person();
        notices.into_iter().map(|notice| told(vec![to.clone()], Push::Notice(notice))).collect()
    }

    /// Tells those who have moved up.
    pub(super) fn tell_positions(&mut self) {
        let (now, mut all) = (Instant::now(), Vec::new());
        for (index, id) in self.replica.line().iter().enumerate() {
            let position = index + 1;
            let last = self.told_position.get(&id);
            let known =
                last.is_some_and(|&(last, at)| last == position || now.saturating_duration_since(at) < POSITIONS);
            if let Some(waiting) = self.replica.open(id).filter(|_| !known) {
                self.told_position.insert(id, (position, now));
                let notice = Notice::QueuePosition { conversation: id, position };
                all.push(told(vec![waiting.conversation.first_person().clone()], Push::Notice(notice)));
            }
        }
        self.tell(all);
    }
}
