//! Who there is: shops with their agents, buyers, and which buyer talks with which shop, from when on, how much.

use std::{collections::HashSet, sync::Arc};

use rand::{Rng, RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};

use super::{
    SeedArgs,
    words::{Language, Zipf},
};
use crate::domain::{
    ids::{ShopId, Timestamp, UserId, VISITOR},
    people::{Person, Role, Shop, Status},
};

pub struct Cast {
    pub from: Timestamp,
    /// Everybody, by number: 1, 2, 3 …
    pub people: Vec<Arc<Person>>,
    pub shops: Vec<Company>,
    /// In the order in which they begin.
    pub conversations: Vec<Planned>,
}

pub struct Company {
    pub shop: Arc<Shop>,
    pub agents: Vec<(Arc<Person>, Role, Status)>,
}

impl Company {
    pub fn on_duty(&self) -> impl Iterator<Item = &Arc<Person>> {
        self.agents.iter().filter(|(_, _, status)| *status == Status::Online).map(|(person, _, _)| person)
    }
}

/// A conversation that is to be played.
pub struct Planned {
    pub shop: usize,
    pub buyer: Arc<Person>,
    pub language: Language,
    pub begins: Timestamp,
    pub messages: u64,
}

impl Cast {
    /// Everything begins between `from` and `until`.
    pub fn new(args: &SeedArgs, from: Timestamp, until: Timestamp) -> Cast {
        let mut chance = Xoshiro256PlusPlus::seed_from_u64(args.seed);
        let mut cast = Cast { from, people: Vec::new(), shops: Vec::new(), conversations: Vec::new() };
        for n in 1..=args.shops {
            let company = cast.company(n, args.agents_per_shop, &mut chance);
            cast.shops.push(company);
        }
        cast.plan(args, until, &mut chance);
        cast
    }

    fn person(&mut self, uid: String, name: String) -> Arc<Person> {
        let id = UserId(self.people.len() as i64 + 1);
        let person = Arc::new(Person { id, uid: uid.into(), name: name.into(), avatar: None });
        self.people.push(person.clone());
        person
    }

    fn company(&mut self, n: u32, agents: u32, chance: &mut impl Rng) -> Company {
        let shop = format!("shop-{n:02}");
        let agent = |k: u32| {
            let (uid, role) = match k {
                1 => (format!("admin@{shop}"), Role::Admin),
                2 => (format!("supervisor@{shop}"), Role::Supervisor),
                _ => (format!("agent-{k:02}@{shop}"), Role::Agent),
            };
            // One of four is not there.
            let status = if k.is_multiple_of(4) { Status::Away } else { Status::Online };
            (self.person(uid, Language::any(chance).name(chance)), role, status)
        };
        let agents = (1..=agents).map(agent).collect();
        let name = format!("Shop {n}");
        Company { shop: Arc::new(Shop { id: ShopId(n.into()), shop: shop.into(), name: name.into() }), agents }
    }

    /// Large shops and small ones, short conversations and long ones; one buyer of seven talks with several shops.
    fn plan(&mut self, args: &SeedArgs, until: Timestamp, chance: &mut impl Rng) {
        let count = args.conversations as usize;
        let mut begins: Vec<i64> = (0..count).map(|_| chance.random_range(self.from.0..until.0)).collect();
        begins.sort_unstable();
        let sizes = Zipf::new(self.shops.len());
        let mut pairs = HashSet::new();
        let mut buyers: Vec<(Arc<Person>, Language)> = Vec::new();
        let lengths = lengths(args.messages, count, chance);
        for (at, messages) in begins.into_iter().zip(lengths) {
            // The half of all are spread evenly: no shop is left without any.
            let shop =
                if chance.random_bool(0.5) { chance.random_range(0..self.shops.len()) } else { sizes.draw(chance) };
            let known = (!buyers.is_empty() && chance.random_bool(0.15))
                .then(|| buyers[chance.random_range(0..buyers.len())].clone())
                .filter(|(buyer, _)| !pairs.contains(&(buyer.id, shop)));
            let (buyer, language) = known.unwrap_or_else(|| {
                let language = Language::any(chance);
                let n = buyers.len() + 1;
                let uid = match chance.random_bool(0.04) {
                    true => format!("{VISITOR}{:016x}", chance.random::<u64>()),
                    false => format!("buyer-{n:05}"),
                };
                let buyer = (self.person(uid, language.name(chance)), language);
                buyers.push(buyer.clone());
                buyer
            });
            pairs.insert((buyer.id, shop));
            self.conversations.push(Planned { shop, buyer, language, begins: Timestamp(at), messages });
        }
    }
}

/// How many messages each conversation has: most have few, some many, all together `messages`.
fn lengths(messages: u64, count: usize, chance: &mut impl Rng) -> Vec<u64> {
    let weights: Vec<f64> = (0..count).map(|_| 1.0 / (chance.random::<f64>() + 0.02)).collect();
    let spare = messages - count as u64;
    let each = spare as f64 / weights.iter().sum::<f64>();
    let mut lengths: Vec<u64> = weights.iter().map(|weight| 1 + (weight * each) as u64).collect();
    let rest = messages - lengths.iter().sum::<u64>().min(messages);
    // By rounding down, less than one of each.
    lengths.iter_mut().take(rest as usize).for_each(|length| *length += 1);
    lengths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_make_up_what_was_asked_for() {
        let mut chance = Xoshiro256PlusPlus::seed_from_u64(7);
        for (messages, count) in [(1, 1), (20, 20), (21, 20), (1_000, 7), (50_000, 1_000)] {
            let lengths = lengths(messages, count, &mut chance);
            assert_eq!(lengths.iter().sum::<u64>(), messages);
            assert!(lengths.len() == count && lengths.iter().all(|length| *length > 0));
        }
    }
}
