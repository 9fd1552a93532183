//! The `ShopDispatcher`: one shop's conversations.
//!
//! It passes commands to the journal, which decides them in its transaction, and fans out what has come of them: a buyer's messages to
//! all agents on duty until one of them claims the conversation, then to that one alone. What it knows of agents and claims it
//! learns from outcomes, in the order in which they were written.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use actix::prelude::*;

use super::{
    chat_server::{ChatServer, WhoIsHere},
    direct_dispatcher::load,
    fanout::{self, Fanout},
    journal::{Append, Journal},
    mail::{Do, Hint, HintAnswer, HintKind, Push, Seen, Tell, Told, Written},
    node::blocking,
    offline_box::{OfflineBox, Ops},
};
use crate::{
    domain::{
        audience,
        command::{Outcome, Snapshot},
        conversation::{Cause, Conversation, Standing, State},
        cursor::Which,
        ids::{ConversationId, UserId},
        people::{Agent, Person, Shop, Status},
        presence::{Noted, Of, Presence, Presences},
        refusal::Refusal,
        waiting_line::WaitingLine,
    },
    protocol::event::{self, Notice, Whose},
    store::{Db, agents, conversations, pool::Readers},
};

/// News of messages are merged to one in this time, per conversation.
const ACTIVITY: Duration = Duration::from_secs(1);
/// How long to wait before the store is asked again.
const STORE_PAUSE: Duration = Duration::from_millis(500);
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
    /// The agents who have a session.
    here: HashSet<UserId>,
    /// The conversations that are not resolved.
    open: HashMap<ConversationId, Arc<Conversation>>,
    of_buyer: HashMap<UserId, ConversationId>,
    line: WaitingLine,
    /// What those who wait have last been told, and when.
    told_position: HashMap<ConversationId, (usize, Instant)>,
    activity: HashMap<ConversationId, Activity>,
    presences: Presences,
}

struct Activity {
    told: Instant,
    pending: Option<Arc<Snapshot>>,
}

/// What a dispatcher has to know when it starts.
struct Start {
    agents: Vec<Agent>,
    open: Vec<Conversation>,
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
            let here = chat.send(WhoIsHere(agents)).await.unwrap_or_default();
            (start, here)
        };
        let learned = learning.into_actor(self).map(|(start, here), this, ctx| this.learned(start, here, ctx));
        ctx.wait(learned);
    }

    fn learn_all(&mut self, ctx: &mut Context<Self>) {
        let shop = self.shop.id;
        self.learn(ctx, move |db| Ok(Start { agents: roster(db, shop)?, open: conversations::open(db, shop)? }));
    }

    fn learned(&mut self, start: Start, here: HashSet<UserId>, ctx: &mut Context<Self>) {
        self.agents = start.agents;
        for conversation in start.open {
            self.note(&Arc::new(conversation));
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

    /// Takes note of how a conversation stands.
    fn note(&mut self, conversation: &Arc<Conversation>) {
        self.line.update(conversation);
        let (id, buyer) = (conversation.id, conversation.first_person().id);
        if conversation.state == State::Resolved {
            self.open.remove(&id);
            self.of_buyer.remove(&buyer);
            self.activity.remove(&id);
        } else {
            self.open.insert(id, conversation.clone());
            self.of_buyer.insert(buyer, id);
        }
        if conversation.state != State::Waiting {
            self.told_position.remove(&id);
        }
    }

    /// Somebody has a session and takes new conversations.
    fn on_duty(&self) -> bool {
        self.agents.iter().any(|agent| agent.status == Status::Online && self.here.contains(&agent.person.id))
    }

    fn happened(&mut self, outcome: &Outcome, ctx: &mut Context<Self>) {
        match outcome {
            Outcome::Stored { now, cause, .. } => {
                self.note(&Arc::new(now.conversation.clone()));
                match cause {
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
            Outcome::Moved { now, .. } => self.note(now),
            Outcome::Recalled { now, .. } => self.note(&Arc::new(now.conversation.clone())),
            Outcome::StatusSet { agent, .. } => self.set_agent(agent.clone(), ctx),
            _ => {}
        }
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
            if let Some(conversation) = self.open.get(&id).filter(|_| !known) {
                self.told_position.insert(id, (position, now));
                let notice = Notice::QueuePosition { conversation: id, position };
                all.push(told(vec![conversation.first_person().clone()], Push::Notice(notice)));
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
                let buyers = self.open.values().map(|conversation| conversation.first_person().clone());
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
                    let Some(conversation) = open else { return };
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
            self.chat.do_send(Tell(told));
        }
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
            self.tell(vec![fanout::typing(conversation, by, side, on, &self.agents)]);
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
    }
}

impl Handler<Do> for ShopDispatcher {
    type Result = ();

    fn handle(&mut self, Do { command, asked }: Do, ctx: &mut Self::Context) {
        self.journal.do_send(Append { command, to: ctx.address().recipient(), asked });
    }
}

impl Handler<Written> for ShopDispatcher {
    type Result = ();

    fn handle(&mut self, Written { reply, asked }: Written, ctx: &mut Self::Context) {
        if let Ok(outcome) = &reply {
            let fanout = Fanout::of(outcome, &self.agents, asked.session());
            self.tell(fanout.told);
            self.offline.do_send(Ops(fanout.offline));
            self.happened(outcome, ctx);
        }
        asked.answer(reply);
    }
}

impl Handler<Hint> for ShopDispatcher {
    type Result = ();

    fn handle(&mut self, hint: Hint, ctx: &mut Self::Context) {
        let Hint { by, conversation: id, what, session, id: frame } = hint;
        if let Some(conversation) = self.open.get(&id) {
            let reply = self.hint(conversation, &by, what);
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

    fn handle(&mut self, Seen { person, online }: Seen, ctx: &mut Self::Context) {
        let status = self.agents.iter().find(|agent| agent.person.id == person.id).map(|agent| agent.status);
        if status.is_some() {
            if online {
                self.here.insert(person.id);
            } else {
                self.here.remove(&person.id);
            }
            self.set_presence(Of::Shop, self.shop_presence(), ctx);
        }
        self.set_presence(Of::User(person.id), Presence { online, status }, ctx);
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
        self.learn(ctx, move |db| Ok(Start { agents: roster(db, shop)?, open: Vec::new() }));
    }
}
