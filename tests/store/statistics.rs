//! Figures of random histories, made by the journal itself: each equals what a naive count of what was seen to happen comes to, and the
//! length of the list behind it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, LazyLock},
};

use diesel::{RunQueryDsl, connection::SimpleConnection};
use proptest::prelude::*;
use shopbell::{
    domain::{
        command::{Act, Command, Outcome, Target},
        content::Content,
        conversation::Cause,
        cursor::Which,
        hours::{Hours, Span as Work},
        ids::{ConversationId, Timestamp, UserId},
        people::{Person, Role, Shop, Status},
        scope::Scope,
        statistics::{
            clock::Clock,
            period::{Bucket, Period, Span},
            tally::{Figures, Messages},
            ticket::Event,
        },
    },
    protocol::time,
    store::{
        agents, api_keys,
        journal::{Answer, Entry, Rules, Writer},
        pool::Readers,
        schema::tickets,
        shops, statistics,
        tickets::{self as list, Count, Row, Sought},
    },
};

use crate::place::{Place, World, each};

/// Friday, 23 October 2026, noon in Berlin; clocks go back on Sunday.
const BEGIN: i64 = 1_792_749_600_000;
const SECOND: i64 = 1_000;
const HOUR: i64 = 3_600 * SECOND;
/// Which of the agents is a bot.
const BOT: usize = 3;
const PAUSES: [i64; 8] = [0, 10, 20, 30, 40, 600, 3 * 3_600, 9 * 3_600];

/// From Friday to Sunday, from 9 to 18, in Berlin.
fn clock() -> Clock {
    let hours = Hours::new((4..7).map(|day| Work::of_day(day, 9 * 60, 18 * 60)).collect()).unwrap();
    Clock { zone: time::changes(time::zone("Europe/Berlin").unwrap(), Timestamp(BEGIN + 20 * 24 * HOUR)), hours }
}

/// What was seen to happen to a ticket.
#[derive(Clone, Debug, Default)]
struct Seen {
    opened: i64,
    /// When it came before people.
    offered: Option<i64>,
    outbound: bool,
    left: bool,
    /// By people.
    claims: Vec<(i64, UserId)>,
    resolved: Option<(i64, UserId)>,
    rated: Option<(i64, i16)>,
    /// When, by the buyer, by whom; what bots have said is left out.
    said: Vec<(i64, bool, UserId)>,
}

impl Seen {
    fn answered(&self) -> Option<(i64, UserId)> {
        self.said.iter().find(|(_, of_buyer, _)| !of_buyer).map(|(at, _, by)| (*at, *by))
    }
}

/// Counts a wall clock's open steps of ten seconds, one by one.
fn worked(from: i64, to: i64) -> i64 {
    (from..to).step_by(10_000).filter(|at| is_open(*at)).count() as i64 * 10_000
}

fn is_open(at: i64) -> bool {
    static HOURS: LazyLock<Hours> = LazyLock::new(|| clock().hours);
    HOURS.is_open(time::local(Timestamp(at), time::zone("Europe/Berlin").unwrap()))
}

/// The figures of a time, of everybody or of one agent.
fn naive(seen: &[Seen], span: Span, agent: Option<UserId>) -> Figures {
    let mut figures = Figures::default();
    let counts = |at: i64, by: Option<UserId>| span.contains(Timestamp(at)) && (agent.is_none() || agent == by);
    for ticket in seen {
        let (first, last) = (ticket.claims.first().copied(), ticket.claims.last().map(|(_, by)| *by));
        let since = |at: i64| worked(ticket.offered.unwrap(), at);
        let response = ticket.answered().filter(|_| !ticket.outbound).map(|(at, _)| since(at));
        if counts(ticket.opened, first.map(|(_, by)| by)) {
            figures.opened += 1;
            figures.left_messages += u64::from(ticket.left);
            if !ticket.left && !ticket.outbound && ticket.offered.is_some_and(is_open) {
                match response {
                    Some(..=30_000) => figures.within_30s += 1,
                    _ => figures.not_within_30s += 1,
                }
            }
        }
        if let Some((at, _)) = first.filter(|(at, by)| counts(*at, Some(*by))) {
            figures.claimed += 1;
            if !ticket.outbound {
                figures.waits.push(since(at));
            }
        }
        if let Some((at, _)) = ticket.answered().filter(|(at, by)| counts(*at, Some(*by))) {
            figures.first_responses.extend(response);
            figures.first_responses_after_claim.extend(response.and(first).map(|(claimed, _)| worked(claimed, at)));
        }
        if let Some((at, _)) = ticket.resolved.filter(|(at, by)| counts(*at, Some(*by))) {
            figures.resolved += 1;
            match ticket.offered {
                Some(_) => figures.resolutions.push(since(at)),
                None => figures.resolved_by_bot += 1,
            }
        }
        if let Some((_, score)) = ticket.rated.filter(|(at, _)| counts(*at, last)) {
            figures.scores[score as usize - 1] += 1;
        }
        let said = |of_buyer: bool| {
            let counted = ticket.said.iter().filter(|(at, from_buyer, by)| {
                let account = if of_buyer { first.map(|(_, by)| by) } else { Some(*by) };
                *from_buyer == of_buyer && counts(*at, account)
            });
            counted.count() as u64
        };
        for (of_buyer, sum) in [(true, &mut figures.messages_in), (false, &mut figures.messages_out)] {
            let messages = said(of_buyer);
            *sum = Messages { messages: sum.messages + messages, tickets: sum.tickets + u64::from(messages > 0) };
        }
    }
    sorted(figures)
}

fn sorted(mut figures: Figures) -> Figures {
    for times in [
        &mut figures.waits,
        &mut figures.first_responses,
        &mut figures.first_responses_after_claim,
        &mut figures.resolutions,
    ] {
        times.sort_unstable();
    }
    figures
}

/// The lists behind figures, as the API links them, and how long each has to be.
fn lists(figures: &Figures) -> Vec<(Sought, u64, u64)> {
    let of = |event: Event| Sought { event, ..Sought::default() };
    let inbound = |event: Event| Sought { outbound: Some(false), ..of(event) };
    let within = |within: bool| Sought { within_30s: Some(within), ..of(Event::Opened) };
    let by_bot = |by_bot: bool| Sought { by_bot: Some(by_bot), ..of(Event::Resolved) };
    let left = Sought { left_message: Some(true), ..of(Event::Opened) };
    let length = |times: &[i64]| times.len() as u64;
    let mut lists = vec![
        (of(Event::Opened), figures.opened, 0),
        (left, figures.left_messages, 0),
        (within(true), figures.within_30s, 0),
        (within(false), figures.not_within_30s, 0),
        (of(Event::Claimed), figures.claimed, 0),
        (inbound(Event::Claimed), length(&figures.waits), 0),
        (inbound(Event::Answered), length(&figures.first_responses), 0),
        (inbound(Event::Answered), length(&figures.first_responses_after_claim), 0),
        (of(Event::Resolved), figures.resolved, 0),
        (by_bot(false), length(&figures.resolutions), 0),
        (by_bot(true), figures.resolved_by_bot, 0),
        (of(Event::Rated), figures.scores.iter().sum(), 0),
        (of(Event::MessageIn), figures.messages_in.tickets, figures.messages_in.messages),
        (of(Event::MessageOut), figures.messages_out.tickets, figures.messages_out.messages),
    ];
    for (score, count) in (1..).zip(figures.scores) {
        lists.push((Sought { score: Some(score), ..of(Event::Rated) }, count, 0));
    }
    lists
}

/// A shop of its own on a database that others have shops on.
struct Story {
    writer: Writer,
    readers: Readers,
    shop: Arc<Shop>,
    /// The last is a bot, which gets new conversations first.
    agents: Vec<Arc<Person>>,
    buyers: Vec<Arc<Person>>,
    now: i64,
    sent: u64,
    on_duty: BTreeSet<UserId>,
    conversations: BTreeMap<UserId, ConversationId>,
    seen: BTreeMap<ConversationId, Vec<Seen>>,
}

/// Something that somebody tries after a pause.
type Step = (u8, usize, usize, usize);

impl Story {
    fn begin(place: &Place, world: &mut World, name: &str) -> Story {
        let shop = world.shop(name);
        let agents: Vec<_> = (0..4).map(|n| world.user(&format!("{name}:a{n}"))).collect();
        let buyers = (0..3).map(|n| world.user(&format!("{name}:b{n}"))).collect();
        for (agent, role) in agents.iter().zip([Role::Agent, Role::Agent, Role::Supervisor, Role::Bot]) {
            agents::insert(&mut world.db, shop.id, agent.id, role, None, Timestamp(1)).unwrap();
        }
        let bot = &agents[BOT];
        let first = shops::Change { bot: Some(Some(bot.uid.to_string())), ..shops::Change::default() };
        shops::update(&mut world.db, shop.id, &first).unwrap();
        let (user, made_by, scopes) = (bot.id, agents[2].id, &[Scope::Bot][..]);
        let key = api_keys::New { user, made_by, name: "Bot", hash: name, hint: "", scopes };
        api_keys::insert(&mut world.db, shop.id, key, Timestamp(1)).unwrap();
        Story {
            writer: Writer::open(&place.location, Rules { recall_window_ms: 0, events: true }).unwrap(),
            readers: place.location.readers(2).unwrap(),
            shop,
            on_duty: agents.iter().map(|agent| agent.id).collect(),
            agents,
            buyers,
            now: BEGIN,
            sent: 0,
            conversations: BTreeMap::new(),
            seen: BTreeMap::new(),
        }
    }

    /// The bot is away, and stays so.
    fn among_people(mut self) -> Story {
        let (bot, shop) = (self.agents[BOT].clone(), self.shop.shop.clone());
        self.commit(&bot, Act::SetStatus { shop, status: Status::Away });
        self.on_duty.remove(&bot.id);
        self
    }

    fn step(&mut self, (what, agent, buyer, pause): Step) {
        self.now += PAUSES[pause] * SECOND;
        let (agent, buyer) = (self.agents[agent].clone(), self.buyers[buyer].clone());
        let of_buyer = self.conversations.get(&buyer.id).copied();
        match (what, of_buyer) {
            (0..=3, _) => self.send(&buyer, Target::Shop(self.shop.shop.clone())),
            (4 | 5, Some(id)) => self.act(&agent, id, Act::Claim(id)),
            (6..=8, Some(id)) => self.send(&agent, Target::Conversation(id)),
            (9, Some(id)) => self.act(&agent, id, Act::Release(id)),
            (10 | 11, Some(id)) => self.act(&agent, id, Act::Resolve(id)),
            (12, Some(id)) => {
                let to = self.agents[pause % 4].uid.clone();
                self.act(&agent, id, Act::Transfer { conversation: id, to });
            }
            (13, Some(id)) => {
                let score = pause as i16 % 5 + 1;
                if let Answer::Outcome(Outcome::Rated) =
                    self.commit(&buyer, Act::Rate { conversation: id, score, comment: None })
                {
                    self.ticket(id).rated = Some((self.now, score));
                }
            }
            (14, _) => {
                let status = if pause % 2 == 0 { Status::Online } else { Status::Away };
                self.commit(&agent, Act::SetStatus { shop: self.shop.shop.clone(), status });
                match status {
                    Status::Online => self.on_duty.insert(agent.id),
                    Status::Away => self.on_duty.remove(&agent.id),
                };
            }
            _ => {}
        }
    }

    fn commit(&mut self, by: &Arc<Person>, act: Act) -> Answer {
        let command = Command { by: by.clone(), at: Timestamp(self.now), act };
        self.writer.commit(&mut [Entry::Command(command)]).pop().unwrap()
    }

    fn ticket(&mut self, id: ConversationId) -> &mut Seen {
        self.seen.get_mut(&id).unwrap().last_mut().unwrap()
    }

    fn send(&mut self, by: &Arc<Person>, to: Target) {
        self.sent += 1;
        let content = Content { json: r#"{"kind":"text","text":"hi"}"#.into(), digest: [1; 16] };
        let act = Act::Send { to, client_id: self.sent.to_string().into(), content };
        let Answer::Outcome(Outcome::Stored { message, cause, .. }) = self.commit(by, act) else { return };
        let (id, opened) = (message.conversation, self.now);
        let with_bot = self.on_duty.contains(&self.agents[BOT].id);
        let (offered, left) = ((!with_bot).then_some(opened), !with_bot && self.nobody_is_there());
        let of_buyer = message.side == Which::First;
        if of_buyer {
            self.conversations.insert(by.id, id);
        }
        if cause.is_some() {
            self.seen.entry(id).or_default().push(Seen { opened, offered, left, ..Seen::default() });
        }
        if by.id != self.agents[BOT].id {
            self.ticket(id).said.push((opened, of_buyer, by.id));
        }
    }

    fn nobody_is_there(&self) -> bool {
        let bot = self.agents[BOT].id;
        self.on_duty.iter().all(|agent| *agent == bot)
    }

    fn act(&mut self, by: &Arc<Person>, id: ConversationId, act: Act) {
        let Answer::Outcome(Outcome::Changed { now, cause, .. }) = self.commit(by, act) else { return };
        let at = self.now;
        if now.conversation.ticket as usize > self.seen[&id].len() {
            let outbound = Seen { opened: at, offered: Some(at), outbound: true, ..Seen::default() };
            self.seen.get_mut(&id).unwrap().push(outbound);
        }
        match cause {
            Cause::Claimed | Cause::Transferred => {
                let (claimant, bot) = (now.conversation.claimant().unwrap().id, self.agents[BOT].id);
                let ticket = self.ticket(id);
                if claimant != bot {
                    ticket.offered.get_or_insert(at);
                    ticket.claims.push((at, claimant));
                } else if ticket.claims.is_empty() && ticket.answered().is_none() {
                    ticket.offered = None;
                }
            }
            Cause::Released => {
                let nobody = self.nobody_is_there();
                let ticket = self.ticket(id);
                if ticket.offered.is_none() {
                    (ticket.offered, ticket.left) = (Some(at), ticket.left || nobody);
                }
            }
            Cause::Resolved => self.ticket(id).resolved = Some((at, by.id)),
            _ => {}
        }
    }

    fn check(&self, from: i64, to: i64, bucket: Bucket) {
        let clock = clock();
        let span = Span { from: Timestamp(BEGIN + from * HOUR), to: Timestamp(BEGIN + to * HOUR) };
        let period = Period::cut(span, Some(bucket), &clock.zone, 1_000).unwrap();
        let sums = statistics::sums(&self.readers, self.shop.id, &clock, &period).unwrap();
        let seen: Vec<Seen> = self.seen.values().flatten().cloned().collect();
        self.compare(&sums.total, &naive(&seen, span, None), span, None);
        assert_eq!(sums.pieces.len(), period.pieces.len());
        for (figures, piece) in sums.pieces.iter().zip(&period.pieces) {
            self.compare(figures, &naive(&seen, *piece, None), *piece, None);
        }
        assert_eq!(sums.agents.get(&self.agents[BOT].id), None, "a bot has no figures");
        for agent in &self.agents[..BOT] {
            let figures = sums.agents.get(&agent.id).cloned().unwrap_or_default();
            self.compare(&figures, &naive(&seen, span, Some(agent.id)), span, Some(agent.id));
        }
        assert!(sums.agents.keys().all(|agent| self.agents.iter().any(|known| known.id == *agent)), "another shop's");
    }

    fn compare(&self, figures: &Figures, naive: &Figures, span: Span, agent: Option<UserId>) {
        assert_eq!(&sorted(figures.clone()), naive, "{span:?} {agent:?}");
        for (sought, tickets, messages) in lists(figures) {
            let sought = Sought { from: Some(span.from), to: Some(span.to), agent, ..sought };
            let count = list::count(&self.readers, self.shop.id, &sought, &clock()).unwrap();
            assert_eq!((count.tickets as u64, count.messages as u64), (tickets, messages), "{sought:?}");
            let mut found = Vec::new();
            // By pages of two.
            while found.len() % 2 == 0 {
                let after = found.last().map(list::Listed::place);
                let page = list::find(&self.readers, self.shop.id, &sought, &clock(), after, 2).unwrap();
                if page.is_empty() {
                    break;
                }
                found.extend(page);
            }
            let places: BTreeSet<[i64; 3]> = found.iter().map(list::Listed::place).collect();
            assert_eq!((found.len(), places.len()), (tickets as usize, tickets as usize), "{sought:?}: each once");
            assert!(found.is_sorted_by(|a, b| a.place() > b.place()), "the latest first");
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec((0..15u8, 0..4usize, 0..3usize, 0..PAUSES.len()), 1..60)
}

#[test]
fn figures_are_what_was_seen_and_as_long_as_their_lists() {
    each(|place: Place| {
        let mut world = place.world();
        let world = std::cell::RefCell::new((&mut world, 0));
        let config = ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() };
        proptest!(config, |(steps in steps(), from in 0..40i64, length in 1..60i64, bucket in 0..3usize)| {
            let mut story = {
                let (world, number) = &mut *world.borrow_mut();
                *number += 1;
                Story::begin(&place, world, &format!("shop-{number}"))
            };
            for step in steps {
                story.step(step);
            }
            story.check(from, from + length, Bucket::ALL[bucket]);
        });
    });
}

#[test]
fn the_migration_fills_in_what_was_written_down_before() {
    each(|place: Place| {
        let mut world = place.world();
        let mut story = Story::begin(&place, &mut world, "acme").among_people();
        // Opened, claimed, answered, transferred, resolved, rated; opened again by an agent, who resolves it; and by the buyer.
        for what in [0, 4, 6, 12, 10, 13, 4, 10, 0] {
            let agent = if what == 10 { 2 } else { 0 };
            story.step((what, agent, 0, 1));
        }
        let rows = |world: &mut World| -> Vec<Row> {
            use diesel::{QueryDsl, SelectableHelper};
            tickets::table
                .order((tickets::conversation_id, tickets::number))
                .select(Row::as_select())
                .load(&mut world.db)
                .unwrap()
        };
        let before = rows(&mut world);
        assert_eq!(before.iter().map(|row| row.outbound).collect::<Vec<_>>(), [false, true, false]);
        assert_eq!(before[0].last_claimed_by, Some(story.agents[1].id.0), "{before:?}");
        assert!(before[0].rated_at > before[0].resolved_at);
        let (down, up) = match world.db.is_postgres() {
            true => (
                include_str!("../../migrations/postgres/2026-11-21-000600_statistics/down.sql"),
                include_str!("../../migrations/postgres/2026-11-21-000600_statistics/up.sql"),
            ),
            false => (
                include_str!("../../migrations/sqlite/2026-11-21-000600_statistics/down.sql"),
                include_str!("../../migrations/sqlite/2026-11-21-000600_statistics/up.sql"),
            ),
        };
        world.db.batch_execute(down).unwrap();
        world.db.batch_execute(up).unwrap();
        for (before, after) in before.iter().zip(rows(&mut world)) {
            assert_eq!((before.shop_id, before.outbound), (after.shop_id, after.outbound));
            assert_eq!(before.last_claimed_by, after.last_claimed_by);
            assert_eq!(after.rated_at, before.score.and(before.resolved_at), "nobody wrote down when");
        }
    });
}

#[test]
fn a_shop_as_it_is_now() {
    each(|place: Place| {
        let mut world = place.world();
        let mut story = Story::begin(&place, &mut world, "acme").among_people();
        let mut other = Story::begin(&place, &mut world, "bolt");
        other.step((0, 0, 0, 0));
        let live = |story: &Story| story.readers.read(|db| statistics::live(db, story.shop.id)).unwrap();
        assert_eq!(live(&story), statistics::Live::default());
        for buyer in 0..3 {
            story.step((0, 0, buyer, 1));
        }
        story.step((4, 0, 1, 1));
        let now = live(&story);
        assert_eq!((now.waiting, now.claimed, now.online, now.away), (2, 1, 0, 0));
        let oldest = now.oldest.unwrap();
        assert_eq!((oldest.since, oldest.count), (Timestamp(BEGIN + 10 * SECOND), 1));
        for (state, wanted) in [(list::State::Waiting, 2), (list::State::Claimed, 1), (list::State::Resolved, 0)] {
            let sought = Sought { state: Some(state), ..Sought::default() };
            let count = list::count(&story.readers, story.shop.id, &sought, &clock()).unwrap();
            assert_eq!(count, Count { tickets: wanted, messages: 0 }, "{state:?}");
        }
        // A claim that is given back waits since the beginning.
        story.step((4, 0, 0, 1));
        assert_eq!(live(&story).oldest.unwrap().since, Timestamp(BEGIN + 30 * SECOND));
        story.step((9, 0, 0, 1));
        assert_eq!(live(&story).oldest.unwrap().since, Timestamp(BEGIN + 10 * SECOND));
    });
}
