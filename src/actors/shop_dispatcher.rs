//! The `ShopDispatcher`: one shop's conversations.
//!
//! It passes commands to the journal, which decides them in its transaction, and fans out what has come of them: a buyer's messages to
//! all agents on duty until one of them claims the conversation, then to that one alone. What it knows of agents and claims it
//! learns from outcomes: those of its own node in the order in which they were written, those of other nodes as they come, the one with
//! the highest revision being the latest. Each node's dispatcher tells the sessions of its own node.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use actix::prelude::*;

use super::{
    chat_server::{Arrival, ChatServer, Roster, WhoIsThere},
    direct_dispatcher::load,
    fanout::{self, Fanout},
    journal::{Append, Journal},
    mail::{
        Do, Happened, Hint, HintAnswer, HintKind, Overdue, Push, Relay, Seen, SessionId, Swept, Tell, Told, Types,
        Written,
    },
    node::blocking,
    offline_box::{OfflineBox, Ops},
};
use crate::{
    domain::{
        audience,
        command::{Outcome, Snapshot},
        conversation::{Cause, Conversation, Moved, Standing, State},
        cursor::{Given, Which},
        ids::{ConversationId, Seq, UserId},
        people::{Agent, Person, Shop, Status},
        presence::{Noted, Of, Presence, Presences},
        refusal::Refusal,
        waiting_line::WaitingLine,
    },
    protocol::{
        envelope::Envelope,
        event::{self, Notice, Whose},
    },
    store::{Db, agents, changes::Glimpse, conversations, people::People, pool::Readers},
};

/// News of messages are merged to one in this time, per conversation.
const ACTIVITY: Duration = Duration::from_secs(1);
/// How long to wait before the store is asked again.
const STORE_PAUSE: Duration = Duration::from_millis(500);
/// How often the shop's agents are read anew, in case a change of them has not been told.
const ROSTER: Duration = Duration::from_secs(30);
/// How often somebody who waits may be told to have moved up.
const POSITIONS: Duration = Duration::from_secs(10);

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
    /// The conversations that are not resolved.
    open: HashMap<ConversationId, Known>,
    /// Those that have been resolved lately: what comes late does not open them again.
    resolved: HashMap<ConversationId, Resolved>,
    of_buyer: HashMap<UserId, ConversationId>,
    line: WaitingLine,
    /// What those who wait have last been told, and when.
    told_position: HashMap<ConversationId, (usize, Instant)>,
    activity: HashMap<ConversationId, Activity>,
    presences: Presences,
}

/// What is known of a conversation.
struct Known {
    conversation: Arc<Conversation>,
    /// The messages that have been told on this node.
    told: Given,
}

struct Resolved {
    revision: i64,
    since: Instant,
    told: Given,
}

struct Activity {
    told: Instant,
    pending: Option<Arc<Snapshot>>,
}

/// What a dispatcher has to know when it starts.
struct Start {
    agents: Vec<Agent>,
    /// All conversations that are not resolved, where these were asked for.
    open: Option<Vec<Conversation>>,
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
            open: HashMap::new(),
            resolved: HashMap::new(),
            of_buyer: HashMap::new(),
            line: WaitingLine::default(),
            told_position: HashMap::new(),
            activity: HashMap::new(),
            presences: Presences::default(),
        }
    }

    /// Reads who works here, and whatever else is asked for; nothing else is handled until it is known.
    fn learn(
        &mut self,
        ctx: &mut Context<Self>,
        read: impl Fn(&mut Db) -> diesel::QueryResult<Start> + Clone + Send + 'static,
    ) {
        let (readers, chat) = (self.readers.clone(), self.chat.clone());
        let learning = async move {
            let start = loop {
                let (readers, read) = (readers.clone(), read.clone());
                match blocking(move || readers.read(read)).await {
                    Ok(start) => break start,
                    // Nothing can be told to people who are not known: wait for the store.
                    Err(_) => actix::clock::sleep(STORE_PAUSE).await,
                }
            };
            let agents = start.agents.iter().map(|agent| agent.person.id).collect();
            let here = chat.send(WhoIsThere(agents)).await.unwrap_or_default();
            (start, here)
        };
        let learned = learning.into_actor(self).map(|(start, here), this, ctx| this.learned(start, here, ctx));
        ctx.wait(learned);
    }

    fn learn_all(&mut self, ctx: &mut Context<Self>) {
        let shop = self.shop.id;
        self.learn(ctx, move |db| Ok(Start { agents: roster(db, shop)?, open: Some(conversations::open(db, shop)?) }));
    }

    /// Reads who works here while everything goes on.
    fn read_roster(&mut self, ctx: &mut Context<Self>) {
        let (readers, shop) = (self.readers.clone(), self.shop.id);
        let read = blocking(move || readers.read(|db| roster(db, shop))).into_actor(self);
        ctx.spawn(read.map(|agents, this, ctx| {
            if agents.is_ok_and(|agents| agents != this.agents) {
                ctx.notify(AgentsChanged);
            }
        }));
    }

    fn learned(&mut self, start: Start, here: HashSet<UserId>, ctx: &mut Context<Self>) {
        self.agents = start.agents;
        let agents = self.agents.iter().map(|agent| agent.person.id).collect();
        self.chat.do_send(Roster { shop: self.shop.id, agents });
        if let Some(open) = &start.open {
            let open: HashSet<_> = open.iter().map(|conversation| conversation.id).collect();
            let closed: Vec<_> = self.open.keys().filter(|id| !open.contains(id)).copied().collect();
            closed.into_iter().for_each(|id| self.close(id));
        }
        for conversation in start.open.into_iter().flatten() {
            let (id, last_seq) = (conversation.id, conversation.last_seq);
            self.note(&Arc::new(conversation));
            if let Some(known) = self.open.get_mut(&id) {
                known.told.insert(1, last_seq);
            }
        }
        for agent in &self.agents {
            let id = agent.person.id;
            let now = Presence { online: here.contains(&id), status: Some(agent.status) };
            let noted = self.presences.learn(Of::User(id), now);
            watch(noted, self.presence_delay, ctx);
        }
        self.here = here;
        let noted = self.presences.learn(Of::Shop, self.shop_presence());
        watch(noted, self.presence_delay, ctx);
    }

    /// Takes note of how a conversation stands; false where something later is known already.
    fn note(&mut self, conversation: &Arc<Conversation>) -> bool {
        let (id, buyer, revision) = (conversation.id, conversation.first_person().id, conversation.revision);
        let known = self.open.get(&id).map(|known| known.conversation.revision);
        if known.or(self.resolved.get(&id).map(|it| it.revision)).is_some_and(|known| known > revision) {
            return false;
        }
        self.line.update(conversation);
        if conversation.state == State::Resolved {
            self.of_buyer.remove(&buyer);
            self.activity.remove(&id);
            let told = match self.open.remove(&id) {
                Some(known) => known.told,
                None => self.told_before(conversation),
            };
            self.resolved.insert(id, Resolved { revision, since: Instant::now(), told });
        } else {
            match self.open.get_mut(&id) {
                Some(known) => known.conversation = conversation.clone(),
                None => {
                    let told = self.told_before(conversation);
                    self.open.insert(id, Known { conversation: conversation.clone(), told });
                }
            }
            self.resolved.remove(&id);
            self.of_buyer.insert(buyer, id);
        }
        if conversation.state != State::Waiting {
            self.told_position.remove(&id);
        }
        true
    }

    /// What has been told of a conversation that is not open: what is remembered, else what the buyer has acked.
    fn told_before(&self, conversation: &Conversation) -> Given {
        self.resolved.get(&conversation.id).map_or_else(
            || {
                let mut told = Given::default();
                told.insert(1, conversation.first.delivered);
                told
            },
            |resolved| resolved.told.clone(),
        )
    }

    fn told_of(&mut self, id: ConversationId) -> Option<&mut Given> {
        let open = self.open.get_mut(&id).map(|known| &mut known.told);
        open.or(self.resolved.get_mut(&id).map(|resolved| &mut resolved.told))
    }

    /// A conversation has been resolved, nobody knows how.
    fn close(&mut self, id: ConversationId) {
        if let Some(known) = self.open.get(&id) {
            let resolved = Conversation { state: State::Resolved, ..(*known.conversation).clone() };
            self.note(&Arc::new(resolved));
        }
    }

    /// Somebody has a session and takes new conversations.
    fn on_duty(&self) -> bool {
        self.agents.iter().any(|agent| agent.status == Status::Online && self.here.contains(&agent.person.id))
    }

    /// Whom to tell, on this node, of something that has been written here or on another.
    fn fan_out(&self, outcome: &Outcome, except: Option<SessionId>) -> Fanout {
        let told = match outcome {
            Outcome::Stored { message, .. } => {
                let open = self.open.get(&message.conversation).map(|known| &known.told);
                open.or(self.resolved.get(&message.conversation).map(|resolved| &resolved.told))
            }
            _ => None,
        };
        if let Outcome::Stored { now, message, .. } = outcome
            && let Some(known) = self.open.get(&message.conversation).filter(|known| is_past(now, &known.conversation))
        {
            // It comes late: it is due to those who read now, and not to those who did then.
            let told = hand_over(&known.conversation, message.seq, message.seq, &self.agents);
            return Fanout { told, ..Fanout::default() };
        }
        if self.is_outdated(outcome) { Fanout::default() } else { Fanout::of(outcome, &self.agents, except, told) }
    }

    /// Whether a change of claim lies between what is known and what an outcome shows, of which this node has not been told: then the sweep
    /// finds it, and tells it.
    fn has_missed(&self, now: &Conversation) -> bool {
        self.open.get(&now.id).is_some_and(|known| known.conversation.claim_version < now.claim_version)
    }

    /// Whether it tells of a state or a cursor behind what has been told already.
    fn is_outdated(&self, outcome: &Outcome) -> bool {
        let known = |now: &Conversation| {
            let open = self.open.get(&now.id).map(|known| known.conversation.revision);
            open.or(self.resolved.get(&now.id).map(|it| it.revision)).is_some_and(|known| known > now.revision)
        };
        match outcome {
            Outcome::Changed { now, .. } => known(&now.conversation),
            Outcome::Moved { now, side, .. } => self.open.get(&now.id).is_some_and(|known| {
                let (latest, this) = (known.conversation.side(*side), now.side(*side));
                latest.delivered > this.delivered || latest.read > this.read
            }),
            _ => false,
        }
    }

    /// Takes note of an outcome, and tells what follows from it.
    fn happened(&mut self, outcome: &Outcome, ctx: &mut Context<Self>) {
        match outcome {
            Outcome::Stored { now, message, cause } => {
                let latest = !self.has_missed(&now.conversation) && self.note(&Arc::new(now.conversation.clone()));
                if let Some(known) = self.open.get_mut(&message.conversation) {
                    known.told.insert(message.seq, message.seq);
                }
                match cause {
                    _ if !latest => {}
                    Some(_) => self.welcome_buyer(&now.conversation),
                    None => self.note_activity(now, ctx),
                }
            }
            Outcome::Changed { now, cause, before, .. } => {
                self.note(&Arc::new(now.conversation.clone()));
                if *cause == Cause::Claimed || before.is_none() {
                    self.tell_buyers_presence(&now.conversation);
                }
            }
            Outcome::Moved { now, .. } if !self.has_missed(now) => _ = self.note(now),
            Outcome::Recalled { now, .. } => _ = self.note(&Arc::new(now.conversation.clone())),
            Outcome::StatusSet { agent, .. } => self.set_agent(agent.clone(), ctx),
            _ => {}
        }
    }

    /// A conversation has changed without this node having been told how.
    fn heal(&mut self, now: &Arc<Snapshot>, ctx: &mut Context<Self>) {
        let conversation = Arc::new(now.conversation.clone());
        let id = conversation.id;
        let before = self.open.get(&id).map(|known| known.conversation.clone());
        let fanout = Fanout::healed(now, before.as_deref(), &self.agents);
        if !self.note(&conversation) {
            return;
        }
        let mut told_all = fanout.told;
        if let Some(told) = self.told_of(id) {
            let (from, upto) = (told.reach(0, conversation.last_seq) + 1, conversation.last_seq);
            if from <= upto {
                told.insert(from, upto);
                told_all.extend(hand_over(&conversation, from, upto, &self.agents));
                self.note_activity(now, ctx);
            }
        }
        self.tell(told_all);
    }

    // Those who wait.

    /// Tells a buyer whose ticket has just been opened where it stands.
    fn welcome_buyer(&mut self, conversation: &Conversation) {
        let Some(position) = self.line.position(conversation.id) else { return };
        self.told_position.insert(conversation.id, (position, Instant::now()));
        let mut notices = vec![Notice::QueuePosition { conversation: conversation.id, position }];
        if !self.on_duty() {
            notices.push(Notice::Away { conversation: conversation.id });
        }
        let to = conversation.first_person();
        self.tell(notices.into_iter().map(|notice| told(vec![to.clone()], Push::Notice(notice))).collect());
    }

    /// Tells those who have moved up.
    fn tell_positions(&mut self) {
        let (now, mut all) = (Instant::now(), Vec::new());
        for (index, id) in self.line.iter().enumerate() {
            let position = index + 1;
            let last = self.told_position.get(&id);
            let known =
                last.is_some_and(|&(last, at)| last == position || now.saturating_duration_since(at) < POSITIONS);
            if let Some(waiting) = self.open.get(&id).filter(|_| !known) {
                self.told_position.insert(id, (position, now));
                let notice = Notice::QueuePosition { conversation: id, position };
                all.push(told(vec![waiting.conversation.first_person().clone()], Push::Notice(notice)));
            }
        }
        self.tell(all);
    }

    // News of messages.

    /// Tells the agents other than the claimant that there is a new message: at once, or with the next ones a little later.
    fn note_activity(&mut self, now: &Arc<Snapshot>, ctx: &mut Context<Self>) {
        let id = now.conversation.id;
        let at = Instant::now();
        if let Some(activity) = self.activity.get_mut(&id)
            && at.saturating_duration_since(activity.told) < ACTIVITY
        {
            if activity.pending.replace(now.clone()).is_none() {
                let wait = ACTIVITY.saturating_sub(at.saturating_duration_since(activity.told));
                ctx.run_later(wait, move |this, _| this.tell_pending_activity(id));
            }
            return;
        }
        self.tell_activity(now);
    }

    fn tell_pending_activity(&mut self, id: ConversationId) {
        if let Some(now) = self.activity.get_mut(&id).and_then(|activity| activity.pending.take()) {
            self.tell_activity(&now);
        }
    }

    fn tell_activity(&mut self, now: &Snapshot) {
        self.activity.insert(now.conversation.id, Activity { told: Instant::now(), pending: None });
        let to = fanout::owned(audience::of_activity(&now.conversation, &self.agents));
        if !to.is_empty() {
            self.tell(vec![told(to, fanout::latest_summary(Cause::Message, now, Which::Second))]);
        }
    }

    // Presence.

    fn set_agent(&mut self, agent: Agent, ctx: &mut Context<Self>) {
        let (id, status) = (agent.person.id, agent.status);
        // Who is not known has been removed since.
        let Some(known) = self.agents.iter_mut().find(|known| known.person.id == id) else { return };
        *known = agent;
        let now = Presence { online: self.here.contains(&id), status: Some(status) };
        self.set_presence(Of::User(id), now, ctx);
        self.set_presence(Of::Shop, self.shop_presence(), ctx);
    }

    fn seen(&mut self, user: UserId, online: bool, ctx: &mut Context<Self>) {
        let status = self.agents.iter().find(|agent| agent.person.id == user).map(|agent| agent.status);
        if status.is_some() {
            if online {
                self.here.insert(user);
            } else {
                self.here.remove(&user);
            }
            self.set_presence(Of::Shop, self.shop_presence(), ctx);
        }
        self.set_presence(Of::User(user), Presence { online, status }, ctx);
    }

    fn shop_presence(&self) -> Presence {
        Presence { online: self.on_duty(), status: None }
    }

    /// Notes a presence, and looks at it again when it has been stable for a while.
    fn set_presence(&mut self, of: Of, now: Presence, ctx: &mut Context<Self>) {
        let noted = self.presences.note(of, now);
        watch(noted, self.presence_delay, ctx);
    }

    fn tell_presence(&mut self, noted: Noted) {
        let Some((of, now)) = self.presences.due(noted) else { return };
        let at = super::now();
        let frame = |whose| event::presence(whose, now.online, now.status, at);
        let (key, frame, to): (i64, String, Vec<_>) = match of {
            Of::Shop => {
                let buyers = self.open.values().map(|known| known.conversation.first_person().clone());
                (-1, frame(Whose::Shop(&self.shop)), buyers.collect())
            }
            Of::User(user) => match self.agents.iter().find(|agent| agent.person.id == user) {
                Some(agent) => {
                    let others = self.agents.iter().map(|agent| agent.person.clone()).filter(|p| p.id != user);
                    (user.0, frame(Whose::User(&agent.person)), others.collect())
                }
                None => {
                    if !now.online {
                        self.presences.forget(of);
                    }
                    let open = self.of_buyer.get(&user).and_then(|id| self.open.get(id));
                    let Some(Known { conversation, .. }) = open else { return };
                    let claimant = conversation.claimant().cloned();
                    (user.0, frame(Whose::User(conversation.first_person())), claimant.into_iter().collect())
                }
            },
        };
        self.tell(vec![fanout::presence(key, frame, to)]);
    }

    /// A new claimant learns whether its buyer is there; what is not stable yet it will be told with the others.
    fn tell_buyers_presence(&mut self, conversation: &Conversation) {
        let (Some(claimant), buyer) = (conversation.claimant(), conversation.first_person()) else { return };
        if let Some(told) = self.presences.told(Of::User(buyer.id)) {
            let frame = event::presence(Whose::User(buyer), told.online, None, super::now());
            self.tell(vec![fanout::presence(buyer.id.0, frame, vec![claimant.clone()])]);
        }
    }

    fn tell(&self, told: Vec<Told>) {
        if !told.is_empty() {
            self.chat.do_send(Tell::here(told));
        }
    }

    /// Where else an outcome has to be known: where its shop's agents are, and those in the conversation; and when it changes who waits,
    /// where those are who do.
    fn relay(&self, outcome: &Outcome, except: Option<SessionId>) -> Option<Relay> {
        let (users, shop) = match outcome {
            Outcome::Stored { now, cause, .. } => {
                let mut users = members(&now.conversation);
                if cause.is_some() {
                    users.extend(self.line.iter().filter_map(|id| self.buyer(id)));
                }
                (users, true)
            }
            Outcome::Changed { now, before, .. } => {
                let mut users = members(&now.conversation);
                users.extend(before.as_ref().map(|person| person.id));
                users.extend(self.line.iter().filter_map(|id| self.buyer(id)));
                (users, true)
            }
            // How far somebody has come concerns the other side, and that person's other sessions.
            Outcome::Moved { now, by, moved, .. } if *moved != Moved::default() => {
                let mut users = members(now);
                users.push(by.id);
                (users, now.claimant().is_none())
            }
            Outcome::Settled { by, .. } => (vec![by.id], false),
            Outcome::Recalled { now, first_time: true, .. } => (members(&now.conversation), true),
            Outcome::StatusSet { .. } => {
                (self.open.values().map(|known| known.conversation.first_person().id).collect(), true)
            }
            _ => return None,
        };
        let news = Envelope::Happened { outcome: outcome.clone(), except };
        Some(Relay { news, users, shop: shop.then_some(self.shop.id) })
    }

    fn buyer(&self, id: ConversationId) -> Option<UserId> {
        self.open.get(&id).map(|known| known.conversation.first_person().id)
    }

    fn standing(&self, conversation: &Conversation, user: UserId) -> Result<Standing, Refusal> {
        let role = self.agents.iter().find(|agent| agent.person.id == user).map(|agent| agent.role);
        conversation.standing(user, role).ok_or(Refusal::NotFound)
    }

    /// Passes a hint on, if it is that person's to give.
    fn hint(&self, conversation: &Conversation, by: &Arc<Person>, what: HintKind) -> Result<(), Refusal> {
        let standing = self.standing(conversation, by.id)?;
        if let HintKind::Typing(on) = what {
            let side = conversation.speaks_for(by.id, standing)?;
            let told = vec![fanout::typing(conversation, by, side, on, &self.agents)];
            let users = told.iter().flat_map(|told| &told.to).map(|person| person.id).collect();
            let news = Envelope::Typing { conversation: Box::new(conversation.clone()), by: by.clone(), side, on };
            self.chat.do_send(Tell { told, relay: Some(Relay { news, users, shop: None }) });
        }
        Ok(())
    }
}

/// Looks at a noted presence again after the delay.
fn watch(noted: Option<Noted>, delay: Duration, ctx: &mut Context<ShopDispatcher>) {
    if let Some(noted) = noted {
        ctx.run_later(delay, move |this, _| this.tell_presence(noted));
    }
}

/// Whether an outcome shows a claim or a ticket that is over.
fn is_past(now: &Snapshot, known: &Conversation) -> bool {
    (now.conversation.ticket, now.conversation.claim_version) < (known.ticket, known.claim_version)
}

/// Messages that this node was not told of, for the readers of both sides, as far as they are due to them. A session that has them reads
/// nothing.
fn hand_over(conversation: &Conversation, from: Seq, upto: Seq, agents: &[Agent]) -> Vec<Told> {
    let due = |side| {
        let from = from.max(conversation.side(side).delivered + 1);
        let to = fanout::owned(audience::of_side(conversation, side, agents));
        (from <= upto).then(|| told(to, Push::HandOver { conversation: conversation.id, from, upto }))
    };
    [Which::First, Which::Second].into_iter().filter_map(due).collect()
}

/// Those in the conversation: the buyer and the claimant.
fn members(conversation: &Conversation) -> Vec<UserId> {
    let claimant = conversation.claimant().map(|agent| agent.id);
    std::iter::once(conversation.first_person().id).chain(claimant).collect()
}

fn told(to: Vec<Arc<Person>>, push: Push) -> Told {
    Told { to, except: None, push, offline: None }
}

fn roster(db: &mut Db, shop: crate::domain::ids::ShopId) -> diesel::QueryResult<Vec<Agent>> {
    Ok(agents::of_shop(db, shop)?.iter().map(|(row, user)| row.agent(user)).collect())
}

impl Actor for ShopDispatcher {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.learn_all(ctx);
        ctx.run_interval(POSITIONS / 10, |this, _| this.tell_positions());
        ctx.run_interval(ROSTER, |this, ctx| {
            this.resolved.retain(|_, resolved| resolved.since.elapsed() < ROSTER);
            this.read_roster(ctx);
        });
    }
}

impl Handler<Do> for ShopDispatcher {
    type Result = ();

    fn handle(&mut self, Do { command, asked }: Do, ctx: &mut Self::Context) {
        self.journal.do_send(Append { command, shop: Some(self.shop.id), to: ctx.address().recipient(), asked });
    }
}

impl Handler<Written> for ShopDispatcher {
    type Result = ();

    fn handle(&mut self, Written { reply, asked }: Written, ctx: &mut Self::Context) {
        if let Ok(outcome) = &reply {
            let except = asked.session();
            let Fanout { told, offline } = self.fan_out(outcome, except);
            let relay = self.relay(outcome, except);
            self.chat.do_send(Tell { told, relay });
            self.offline.do_send(Ops(offline));
            self.happened(outcome, ctx);
        }
        asked.answer(reply);
    }
}

impl Handler<Happened> for ShopDispatcher {
    type Result = ();

    fn handle(&mut self, Happened { outcome, except }: Happened, ctx: &mut Self::Context) {
        self.chat.do_send(Arrival(self.fan_out(&outcome, except).told));
        self.happened(&outcome, ctx);
    }
}

impl Handler<Types> for ShopDispatcher {
    type Result = ();

    fn handle(&mut self, Types { conversation, by, side, on }: Types, _: &mut Self::Context) {
        self.tell(vec![fanout::typing(&conversation, &by, side, on, &self.agents)]);
    }
}

impl Handler<Swept> for ShopDispatcher {
    type Result = ();

    fn handle(&mut self, Swept(all): Swept, ctx: &mut Self::Context) {
        let (mut missed, mut outdated) = (Vec::new(), Vec::new());
        for Overdue { glimpse: Glimpse { id, .. }, upto, revision } in all {
            let resolved = self.resolved.get(&id);
            let resolved = resolved.is_some_and(|it| it.revision >= revision && it.told.reach(0, upto) >= upto);
            match self.open.get_mut(&id) {
                Some(known) if known.conversation.revision >= revision => {
                    let from = known.told.reach(0, upto) + 1;
                    if from <= upto {
                        known.told.insert(from, upto);
                        missed.extend(hand_over(&known.conversation, from, upto, &self.agents));
                    }
                }
                None if resolved => {}
                _ => outdated.push(id),
            }
        }
        metrics::counter!("shopbell_repaired_total").increment((missed.len() + outdated.len()) as u64);
        self.tell(missed);
        if outdated.is_empty() {
            return;
        }
        let readers = self.readers.clone();
        let reading = move || {
            readers.read(|db| {
                let mut people = People::default();
                let found = outdated.iter().map(|id| conversations::snapshot(db, &mut people, *id));
                found.filter_map(Result::transpose).collect::<diesel::QueryResult<Vec<_>>>()
            })
        };
        let read = blocking(reading).into_actor(self).map(|read, this, ctx| {
            for now in read.into_iter().flatten() {
                this.heal(&Arc::new(now), ctx);
            }
        });
        ctx.spawn(read);
    }
}

/// See anew who is there: nodes have come or gone.
#[derive(Message)]
#[rtype(result = "()")]
pub struct LookAround;

impl Handler<LookAround> for ShopDispatcher {
    type Result = ();

    fn handle(&mut self, _: LookAround, ctx: &mut Self::Context) {
        let agents = self.agents.iter().map(|agent| agent.person.id);
        let concerned: Vec<UserId> = agents.chain(self.of_buyer.keys().copied()).collect();
        let asking = self.chat.send(WhoIsThere(concerned.clone())).into_actor(self);
        ctx.spawn(asking.map(move |there, this, ctx| {
            let Ok(there) = there else { return };
            for user in concerned {
                let is_agent = this.agents.iter().any(|agent| agent.person.id == user);
                // Of a buyer who is not there nothing needs to be noted unless it was there before.
                if is_agent
                    || there.contains(&user)
                    || this.presences.told(Of::User(user)).is_none_or(|told| told.online)
                {
                    this.seen(user, there.contains(&user), ctx);
                }
            }
        }));
    }
}

/// An agent has come to a node where none was: what has happened meanwhile was not told here.
#[derive(Message)]
#[rtype(result = "()")]
pub struct LearnAnew;

impl Handler<LearnAnew> for ShopDispatcher {
    type Result = ();

    fn handle(&mut self, _: LearnAnew, ctx: &mut Self::Context) {
        self.learn_all(ctx);
    }
}

/// Nobody here has to do with the shop any more.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Rest;

impl Handler<Rest> for ShopDispatcher {
    type Result = ();

    fn handle(&mut self, _: Rest, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

impl Handler<Hint> for ShopDispatcher {
    type Result = ();

    fn handle(&mut self, hint: Hint, ctx: &mut Self::Context) {
        let Hint { by, conversation: id, what, session, id: frame } = hint;
        if let Some(known) = self.open.get(&id) {
            let reply = self.hint(&known.conversation, &by, what);
            return session.do_send(HintAnswer { id: frame, conversation: id, what, reply });
        }
        let loaded = load(self.readers.clone(), id).into_actor(self).map(move |loaded, this, _| {
            let reply = loaded.and_then(|conversation| this.hint(&conversation, &by, what));
            session.do_send(HintAnswer { id: frame, conversation: id, what, reply });
        });
        ctx.spawn(loaded);
    }
}

impl Handler<Seen> for ShopDispatcher {
    type Result = ();

    fn handle(&mut self, Seen { user, online }: Seen, ctx: &mut Self::Context) {
        self.seen(user, online, ctx);
    }
}

/// The shop's agents have been changed: learn them anew, before anything that comes later.
#[derive(Message)]
#[rtype(result = "()")]
pub struct AgentsChanged;

impl Handler<AgentsChanged> for ShopDispatcher {
    type Result = ();

    fn handle(&mut self, _: AgentsChanged, ctx: &mut Self::Context) {
        let shop = self.shop.id;
        self.learn(ctx, move |db| Ok(Start { agents: roster(db, shop)?, open: None }));
    }
}
