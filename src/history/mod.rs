//! What clients saw, and whether a server may have behaved so: `shopbell check-history`.
//!
//! Clients write down what they sent and what they were told (`log`), each line with its session and time. From the lines of all
//! of them [`judge`] decides what must not have happened. It knows nothing of servers: any number of nodes may have been
//! killed, stopped and cut off in between, and any number of sessions of a user may have come and gone. It judges what is certain,
//! and gives the benefit of the doubt where lines are missing.
//!
//! # What counts as a fault
//!
//! The **record** of a conversation is what its whole history says, read at the end. The **place** of a message is its conversation
//! and seq. A user is **present** whose session had not ended at the end of the run (`end`), so that it had time to be given
//! everything. **Due** to a buyer is what agents wrote to it, to an agent what a buyer wrote, to one of two users what the other wrote.
//! Own messages are due to nobody.
//!
//! - **lost**: an `ok` for a place that the record has not, or has with another text; a message that was delivered and is not in the
//!   record; a message of the record that was never given to a present buyer or user to whom it is due, or, where the conversation's last
//!   known claimant is present, to any agent at all. A send without an answer may be stored or not.
//! - **doubled**: one send (its sender and `id`) at two places of the records; two `ok`s that name different places, or two that say
//!   it was stored just now (`duplicate` false); a message given twice to a session, the second time without `redelivered`.
//! - **out of order**: an `ok` with a seq not above those that had been acked, in this conversation, to anybody, before the message was first
//!   sent; two messages of one session, each sent once, stored in the other order than sent; an `ok` that names another seq than
//!   the record; a first transmission to a session below one that it had before. (To an agent, one marked `redelivered` may come any
//!   time: a claim hands over what is older.)
//! - **holes**: a seq that the record lacks; a first transmission to a session while the due message before it has not come. The first
//!   one of a session may have any seq. To an agent, a message counts as due only where, from it to its successor, the conversation can only
//!   have waited and then have been that agent's: who has given up a claim begins anew, and so does who is handed over what somebody else
//!   has had meanwhile, and may have acked in part.
//! - **two claimants**: two claimants under one `claim_version`; a claim granted in another's name; a claim or other deed granted with a lower
//!   `claim_version` than somebody had been told before it was asked.
//! - **not claimant**: a stored message of somebody who was not the claimant, or not the buyer. Each summary says how many messages
//!   were stored under its `claim_version` or before, and all others came then or later: that bounds the versions under
//!   which a message can have been stored.
//! - **views**: two records that differ at a place, or of which one is shorter; a delivered message that is not the record's;
//!   summaries whose `last_seq` falls while `claim_version` rises; a present session that has not heard of the last `claim_version`; a message
//!   stored although it was refused for good each time; one that a logged user never sent.

mod checker;
mod claims;
mod conversation;
pub mod log;
mod verdict;

#[cfg(test)]
mod tests;

pub use checker::judge;
pub use verdict::{Faults, Figures, Verdict};
