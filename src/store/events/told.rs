//! What belongs to events, as it is now: a message that has been recalled, deleted or erased is told without what it said.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use diesel::prelude::*;

use crate::{
    domain::{
        content::files_in,
        event::{About, Detail, Event, File, Kind, Position, Told},
        ids::{ConversationId, Seq, ShopId, UserId},
        people::{Person, Shop},
    },
    store::{
        Db, files,
        messages::{self, Said},
        people::People,
        schema::{conversations as c, tickets},
    },
};

/// Events of a shop with what belongs to them.
pub fn tell(db: &mut Db, shop: ShopId, events: &[(Position, Event)]) -> QueryResult<Vec<Told>> {
    if events.is_empty() {
        return Ok(Vec::new());
    }
    let mut known = Known::of(db, shop, events)?;
    events.iter().map(|(position, event)| known.told(db, *position, *event)).collect()
}

/// What has been asked for all events at once.
struct Known {
    shop: Arc<Shop>,
    people: People,
    buyers: HashMap<ConversationId, UserId>,
    said: BTreeMap<(ConversationId, Seq), Said>,
}

impl Known {
    fn of(db: &mut Db, shop: ShopId, events: &[(Position, Event)]) -> QueryResult<Known> {
        let mut people = People::default();
        let shop = people.shop(db, shop)?;
        let ids: BTreeSet<i64> = events.iter().filter_map(|(_, event)| event.conversation()).map(|id| id.0).collect();
        let rows: Vec<(i64, i64)> = c::table.filter(c::id.eq_any(ids)).select((c::id, c::first_user)).load(db)?;
        let buyers = rows.into_iter().map(|(id, buyer)| (ConversationId(id), UserId(buyer))).collect::<HashMap<_, _>>();
        let mut users: BTreeSet<UserId> = buyers.values().copied().collect();
        let mut places = BTreeSet::new();
        for (_, event) in events {
            users.insert(event.by);
            match event.about {
                About::Message { conversation, seq } => _ = places.insert((conversation, seq)),
                About::Claim { from, to, .. } => users.extend([from, to].into_iter().flatten()),
                About::Ticket { .. } | About::Agent => {}
            }
        }
        people.learn(db, users)?;
        let said = messages::in_shop(db, &mut people, &shop, &places)?;
        Ok(Known { shop, people, buyers, said })
    }

    fn told(&mut self, db: &mut Db, position: Position, event: Event) -> QueryResult<Told> {
        let by = self.people.person(db, event.by)?;
        let buyer = event.conversation().and_then(|id| self.buyers.get(&id)).copied();
        let buyer = self.person(db, buyer)?;
        let detail = match event.about {
            About::Message { conversation, seq } => {
                let said = self.said.get(&(conversation, seq)).ok_or(diesel::result::Error::NotFound)?;
                let (message, edited_at) = (said.message.clone(), said.edited_at);
                match event.kind {
                    Kind::FileAdded => Detail::Files { files: files(db, &message.content)?, message },
                    _ => Detail::Message { message, edited_at },
                }
            }
            About::Claim { ticket, claim_version, from, to, .. } => {
                let (from, to) = (self.person(db, from)?, self.person(db, to)?);
                Detail::Claim { ticket, claim_version, from, to }
            }
            About::Ticket { conversation, ticket } => {
                let rating = tickets::table.find((conversation.0, ticket)).select((tickets::score, tickets::comment));
                let (score, comment): (Option<i16>, Option<String>) = rating.first(db)?;
                Detail::Rating { ticket, score, comment: comment.map(Arc::from) }
            }
            About::Agent => Detail::Agent,
        };
        Ok(Told { position, shop: self.shop.clone(), event, by, buyer, detail })
    }

    fn person(&mut self, db: &mut Db, id: Option<UserId>) -> QueryResult<Option<Arc<Person>>> {
        id.map(|id| self.people.person(db, id)).transpose()
    }
}

fn files(db: &mut Db, content: &str) -> QueryResult<Vec<File>> {
    let mut found = Vec::new();
    for key in files_in(content) {
        found.extend(files::describe(db, key)?);
    }
    Ok(found)
}
