//! Who gets to hear of something: the one place that decides it.

use std::sync::Arc;

use super::{
    command::Message,
    conversation::{Conversation, Parties, State},
    cursor::Which,
    people::{Agent, Person, Status},
};

/// Those to whom a message is due: whoever reads for the other side, or every agent on duty while nobody does.
pub fn of_message<'a>(conversation: &'a Conversation, message: &Message, agents: &'a [Agent]) -> Vec<&'a Arc<Person>> {
    of_side(conversation, message.side.other(), agents)
}

/// Those who read for a side: the claimant, or every agent on duty while a conversation waits.
pub fn of_side<'a>(conversation: &'a Conversation, side: Which, agents: &'a [Agent]) -> Vec<&'a Arc<Person>> {
    match (conversation.reader(side), &conversation.state) {
        (Some(reader), _) => vec![reader],
        (None, State::Waiting) => on_duty(conversation, agents).collect(),
        (None, _) => Vec::new(),
    }
}

/// Those to whom a change of the conversation is told: every agent of the shop, and the buyer.
pub fn of_change<'a>(conversation: &'a Conversation, agents: &'a [Agent]) -> Vec<&'a Arc<Person>> {
    match &conversation.parties {
        Parties::Support { buyer, .. } => {
            let others = agents.iter().map(|agent| &agent.person).filter(|person| person.id != buyer.id);
            std::iter::once(buyer).chain(others).collect()
        }
        Parties::Direct { first, second } => vec![first, second],
    }
}

/// Those to whom it is told that a message has come, who do not get the message by right: the agents other than the claimant.
pub fn of_activity<'a>(conversation: &'a Conversation, agents: &'a [Agent]) -> Vec<&'a Arc<Person>> {
    let claimant = conversation.claimant().map(|agent| agent.id);
    let buyer = conversation.first_person().id;
    agents
        .iter()
        .map(|agent| &agent.person)
        .filter(|person| Some(person.id) != claimant && person.id != buyer)
        .collect()
}

/// The agents who take new conversations; a shop's agent is not on duty for a conversation in which it is the buyer.
fn on_duty<'a>(conversation: &'a Conversation, agents: &'a [Agent]) -> impl Iterator<Item = &'a Arc<Person>> {
    let buyer = conversation.first_person().id;
    agents
        .iter()
        .filter(|agent| agent.status == Status::Online)
        .map(|agent| &agent.person)
        .filter(move |p| p.id != buyer)
}
