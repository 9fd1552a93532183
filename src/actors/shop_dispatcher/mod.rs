//! The `ShopDispatcher`: one shop's conversations.
//!
//! It passes commands to the journal, which decides them in its transaction, and fans out what has come of them: a buyer's messages to
//! all agents on duty until one of them claims the conversation, then to that one alone. What it knows of agents and claims it
//! learns from outcomes: those of its own node in the order in which they were written, those of other nodes as they come, the one with
//! the highest revision being the latest. What it missed, it learns from the sweep alone, which tells it too. Each node's dispatcher tells the sessions of its own node.

mod activity;
mod healing;
mod hints;
mod learning;
mod presence;
mod relay;
mod waiting;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use actix::prelude::*;

use self::{activity::Activity, healing::hand_over};
pub use self::{learning::AgentsChanged, presence::LookAround};
use super::{
    chat_server::{Arrival, ChatServer},
    fanout::Fanout,
    journal::{Append, Journal},
    mail::{Do, Happened, Push, SessionId, Tell, Told, Written, answer},
    offline_box::{OfflineBox, Ops},
};
use crate::{
    domain::{
        command::Outcome,
        conversation::{Cause, Conversation, State},
        cursor::Which,
        ids::{ConversationId, UserId},
        people::{Agent, Person, Role, Shop, Status},
        presence::Presences,
        replica::Replica,
    },
    store::pool::Readers,
};

/// How often the shop's agents are read anew, in case a change of them has not been told; and how long it is remembered what was resolved.
const ROSTER: Duration = Duration::from_secs(30);
/// How often it is looked whether anybody still has its address.
const REACHABLE: Duration = Duration::from_secs(1);

pub struct ShopDispatcher {
    shop: Arc<Shop>,
    chat: Addr<ChatServer>,
    journal: Addr<Journal>,
    offline: Addr<OfflineBox>,
    readers: Readers,
    presence_delay: Duration,
    agents: Vec<Agent>,
    /// The agents who have a session, on whatever node.
    here: HashSet<UserId>,
    replica: Replica,
    /// What those who wait have last been told, and when.
    told_position: HashMap<ConversationId, (usize, Instant)>,
    activity: HashMap<ConversationId, Activity>,
    /// It will be looked which of it is due.
    watches_activity: bool,
    presences: Presences,
}

impl ShopDispatcher {
    pub fn new(
        shop: Arc<Shop>,
        chat: Addr<ChatServer>,
        journal: Addr<Journal>,
        offline: Addr<OfflineBox>,
        readers: Readers,
        presence_delay: Duration,
    ) -> ShopDispatcher {
        ShopDispatcher {
            shop,
            chat,
            journal,
            offline,
            readers,
            presence_delay,
            agents: Vec::new(),
            here: HashSet::new(),
            replica: Replica::default(),
            told_position: HashMap::new(),
            activity: HashMap::new(),
            watches_activity: false,
            presences: Presences::default(),
        }
    }

    /// Takes note of how a conversation stands; false where something later is known already.
    fn note(&mut self, conversation: &Arc<Conversation>) -> bool {
        if !self.replica.note(conversation, Instant::now()) {
            return false;
        }
        if conversation.state != State::Waiting {
            self.told_position.remove(&conversation.id);
        }
        if conversation.state == State::Resolved {
            self.activity.remove(&conversation.id);
        }
        true
    }

    /// The same for what leaves the claim as it is; false also where a change of it has been missed before.
    fn note_next(&mut self, conversation: &Arc<Conversation>, cause: Option<Cause>) -> bool {
        !self.replica.has_missed(conversation, cause) && self.note(conversation)
    }

    /// Somebody, who is no bot, has a session and takes new conversations.
    fn on_duty(&self) -> bool {
        let takes = |agent: &&Agent| agent.status == Status::Online && agent.role != Role::Bot;
        self.agents.iter().filter(takes).any(|agent| self.here.contains(&agent.person.id))
    }

    /// Whom to tell, on this node, of something that has been written here or on another.
    fn fan_out(&self, outcome: &Outcome, except: Option<SessionId>) -> Fanout {
        let mut known = None;
        if let Outcome::Stored { now, message, .. } = outcome {
            known = self.replica.get(message.conversation);
            if let Some(known) = known.filter(|_| self.replica.is_past(&now.conversation)) {
                // It comes late. Who has claimed the conversation since has been handed it: only the buyer may lack it.
                let from = known.told.reach(0, message.seq) + 1;
                let told = hand_over(&known.conversation, Which::First, from, message.seq, &self.agents);
                return Fanout { told: told.into_iter().collect(), ..Fanout::default() };
            }
        }
        if self.replica.is_outdated(outcome) {
            return Fanout::default();
        }
        Fanout::of(outcome, &self.agents, except, known)
    }

    /// Takes note of an outcome; gives what else follows from it.
    fn happened(&mut self, outcome: &Outcome, ctx: &mut Context<Self>) -> Vec<Told> {
        let mut follows = Vec::new();
        match outcome {
            Outcome::Stored { now, message, cause } => {
                let latest = self.note_next(&Arc::new(now.conversation.clone()), *cause);
                self.replica.tell(message.conversation, message.seq, message.seq);
                match cause {
                    _ if !latest => {}
                    Some(_) => {
                        follows = self.welcome_buyer(&now.conversation);
                        follows.extend(self.buyers_presence(&now.conversation));
                    }
                    None => follows.extend(self.note_activity(now, ctx)),
                }
            }
            Outcome::Changed { now, cause, before, .. } => {
                let known = self.replica.open(now.conversation.id);
                let only_bots = known.is_some_and(|known| known.conversation.offered_at.is_none());
                let latest = self.note(&Arc::new(now.conversation.clone()));
                if latest && only_bots {
                    follows = self.welcome_buyer(&now.conversation);
                }
                if *cause == Cause::Claimed || before.is_none() {
                    follows.extend(self.buyers_presence(&now.conversation));
                }
            }
            Outcome::Moved { now, .. } => _ = self.note_next(now, None),
            Outcome::Recalled { now, .. } | Outcome::Edited { now, .. } | Outcome::Deleted { now, .. } => {
                self.note_next(&Arc::new(now.conversation.clone()), None);
                self.correct_activity(now);
            }
            Outcome::StatusSet { agent, .. } => self.set_agent(agent.clone(), ctx),
            _ => {}
        }
        follows
    }

    fn tell(&self, told: Vec<Told>) {
        if !told.is_empty() {
            self.chat.do_send(Tell::here(told));
        }
    }
}

fn told(to: Vec<Arc<Person>>, push: Push) -> Told {
    Told { to, except: None, push, offline: None }
}

impl Actor for ShopDispatcher {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        metrics::gauge!("shopbell_dispatchers").increment(1.0);
        self.learn_all(ctx);
        ctx.run_interval(waiting::LOOK, |this, _| this.tell_positions());
        // It ends when nobody can say anything to it any more, neither a session nor the journal.
        ctx.run_interval(REACHABLE, |_, ctx| {
            if !ctx.connected() {
                ctx.stop();
            }
        });
        ctx.run_interval(ROSTER, |this, ctx| {
            this.replica.forget_resolved(ROSTER, Instant::now());
            this.activity.retain(|_, activity| !activity.is_over());
            this.read_roster(ctx);
        });
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        metrics::gauge!("shopbell_dispatchers").decrement(1.0);
    }
}

impl Handler<Do> for ShopDispatcher {
    type Result = ();

    fn handle(&mut self, Do { command, asked, permit }: Do, ctx: &mut Self::Context) {
        self.journal.do_send(Append {
            command,
            shop: Some(self.shop.id),
            to: ctx.address().recipient(),
            asked,
            permit,
        });
    }
}

impl Handler<Written> for ShopDispatcher {
    type Result = ();

    fn handle(&mut self, Written(all): Written, ctx: &mut Self::Context) {
        let (mut tell, mut lists) = (Tell::default(), Vec::new());
        for (reply, asked) in &all {
            let Ok(outcome) = reply else { continue };
            let except = asked.session();
            let Fanout { told, offline } = self.fan_out(outcome, except);
            tell.told.extend(told);
            tell.relays.extend(self.relay(outcome, except));
            tell.told.extend(self.happened(outcome, ctx));
            lists.extend(offline);
        }
        if !tell.is_empty() {
            self.chat.do_send(tell);
        }
        if !lists.is_empty() {
            self.offline.do_send(Ops(lists));
        }
        answer(all);
    }
}

impl Handler<Happened> for ShopDispatcher {
    type Result = ();

    fn handle(&mut self, Happened(all): Happened, ctx: &mut Self::Context) {
        let mut told = Vec::new();
        for (outcome, except) in &all {
            told.extend(self.fan_out(outcome, *except).told);
            told.extend(self.happened(outcome, ctx));
        }
        if !told.is_empty() {
            self.chat.do_send(Arrival(told));
        }
    }
}
