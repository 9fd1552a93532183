//! `shopbell seed`: an empty database is filled with shops, people and conversations, to look at or to measure with.
//!
//! `cast` makes the people and says who talks with which shop, `story` plays a conversation through the state machine itself, and
//! `words` has what is said. What comes of it is written as the journal would write it. The same options give the same rows.

mod cast;
mod story;
mod words;

use std::{mem, sync::Arc};

use chrono::{NaiveTime, Utc};
use clap::Args;
use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};

use self::{cast::Cast, story::Story};
use super::progress_bar::ProgressBar;
use crate::{
    domain::{
        conversation::State,
        cursor::Which,
        ids::{ConversationId, Timestamp},
        offline::{Entry, Op},
        refusal::Refusal,
    },
    protocol::time,
    store::{
        self, agents,
        copy::Progress,
        fill::Filling,
        journal::{Rows, write},
        location::Location,
        offline, shops, users,
    },
};

/// How many messages are written in one transaction, about.
const BATCH: u64 = 5_000;
/// How many users are written by one statement.
const PEOPLE: usize = 1_000;

/// What is made.
#[derive(Args, Clone, Debug)]
pub struct SeedArgs {
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub shops: u32,
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub conversations: u32,
    /// At least one for each conversation.
    #[arg(long, default_value_t = 1_000_000)]
    pub messages: u64,
    /// The first is the shop's admin, the second a supervisor.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub agents_per_shop: u32,
    /// Over how many days everything is spread.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3_650))]
    pub days: u32,
    /// When it ends, as RFC 3339; the beginning of this day (UTC) where nothing is said.
    #[arg(long, value_name = "TIME", value_parser = until)]
    pub until: Option<Timestamp>,
    /// What chance begins with: another number, other people and conversations.
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    pub seed: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("{messages} messages are too few for {conversations} conversations: each has one at least")]
    TooFew { messages: u64, conversations: u32 },
    #[error("a story does what may not be done: {0:?}")]
    Refused(Refusal),
}

impl From<diesel::result::Error> for Error {
    fn from(error: diesel::result::Error) -> Error {
        Error::Store(error.into())
    }
}

fn until(s: &str) -> Result<Timestamp, String> {
    time::parse(s).ok_or_else(|| "write a time such as 2026-11-20T00:00:00Z".to_owned())
}

/// Fills the database, says on standard error how far it is, and gives what there is now, for people to read.
///
/// # Errors
/// [`store::Error::NotEmpty`], [`Error::TooFew`], and what the database says.
pub fn run(location: &Location, args: &SeedArgs) -> Result<String, Error> {
    let midnight = Utc::now().date_naive().and_time(NaiveTime::MIN).and_utc();
    let until = args.until.unwrap_or(Timestamp(midnight.timestamp_millis()));
    let from = Timestamp(until.0 - i64::from(args.days) * 86_400_000);
    if args.messages < u64::from(args.conversations) {
        return Err(Error::TooFew { messages: args.messages, conversations: args.conversations });
    }
    let cast = Cast::new(args, from, until);
    let mut filling = Filling::begin(location)?;
    let mut bar = ProgressBar::on_stderr();
    let filled = fill(&mut filling, &cast, args.seed, until, |progress| bar.show(progress));
    bar.end();
    filled?;
    filling.finish()?;
    let (shop, admin) = (&cast.shops[0].shop.shop, &cast.shops[0].agents[0].0.uid);
    Ok(format!(
        "{} messages in {} conversations of {} shops are in {}, from {} to {}\n\
         the admin of {shop} is {admin}: shopbell token --sub {admin}",
        args.messages,
        args.conversations,
        args.shops,
        location.shown(),
        time::rfc3339(from),
        time::rfc3339(until)
    ))
}

fn fill(
    filling: &mut Filling,
    cast: &Cast,
    seed: u64,
    until: Timestamp,
    mut tell: impl FnMut(Progress),
) -> Result<(), Error> {
    let total = cast.conversations.iter().map(|planned| planned.messages).sum();
    tell(Progress { table: "users", done: 0, total });
    filling.db.write(|db| {
        for people in cast.people.chunks(PEOPLE) {
            users::insert_all(db, people, cast.from)?;
        }
        for company in &cast.shops {
            shops::insert(db, &company.shop.shop, &company.shop.name, "[]", cast.from)?;
            for (person, role, status) in &company.agents {
                agents::insert(db, company.shop.id, person.id, *role, None, cast.from)?;
                agents::set_status(db, company.shop.id, person.id, *status)?;
                users::set_created_by(db, person.id, company.shop.id.0)?;
            }
        }
        diesel::QueryResult::Ok(())
    })?;
    let (mut rows, mut waiting, mut in_hand, mut done) = (Rows::default(), Vec::new(), 0, 0);
    for (planned, id) in cast.conversations.iter().zip(1_i64..) {
        let company = &cast.shops[planned.shop];
        // Each story has a chance of its own, so that one that is told otherwise changes no other.
        let chance = Xoshiro256PlusPlus::seed_from_u64(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ id.unsigned_abs());
        let conversation =
            Story::new(ConversationId(id), planned, company, chance, until).play(&mut rows).map_err(Error::Refused)?;
        if conversation.state == State::Waiting {
            let due = rows.messages.iter().rev().map(|new| &new.message);
            let due = due.take_while(|m| m.conversation == conversation.id && m.seq > conversation.second.delivered);
            for message in due.filter(|message| message.side == Which::First) {
                let entry = Entry { conversation: message.conversation, seq: message.seq };
                waiting.extend(company.on_duty().map(|to| Op::Push { to: to.clone(), entry }));
            }
        }
        rows.opened.push(Arc::new(conversation));
        in_hand += planned.messages;
        if in_hand >= BATCH || done + in_hand == total {
            let (rows, waiting) = (mem::take(&mut rows), mem::take(&mut waiting));
            filling.db.write(|db| {
                write(db, &rows)?;
                offline::apply(db, &waiting, until)
            })?;
            done += mem::take(&mut in_hand);
            tell(Progress { table: "messages", done, total });
        }
    }
    Ok(())
}
