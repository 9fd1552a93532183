//! Who is on duty in a shop, as the batch has changed it.

use std::sync::Arc;

use super::{Deciding, Stop};
use crate::{
    domain::{
        command::Outcome,
        event::{About, Event, Kind},
        ids::{ShopId, Timestamp, UserId},
        people::{Agent, Person, Role, Status},
        refusal::Refusal,
    },
    store::journal::facts::OnDuty,
};

impl<'a> Deciding<'a> {
    pub(super) fn set_status(
        &mut self,
        by: &Arc<Person>,
        shop: &Arc<str>,
        status: Status,
        now: Timestamp,
    ) -> Result<Outcome, Stop> {
        let shop = self.shop(shop)?.ok_or(Refusal::NotFound)?;
        let (role, before) = (self.role(shop.id, by.id), self.status(shop.id, by.id)); // Asked for together.
        let role = role?.ok_or(Refusal::NotFound)?;
        if before? != status && self.rules.events {
            let kind = if status == Status::Online { Kind::AgentOnDuty } else { Kind::AgentOffDuty };
            self.rows.events.push((shop.id, Event { kind, at: now, by: by.id, about: About::Agent }));
        }
        self.rows.statuses.insert((shop.id, by.id), status);
        Ok(Outcome::StatusSet { shop, agent: Agent { person: by.clone(), role, status } })
    }

    /// Of an agent of the shop.
    fn status(&mut self, shop: ShopId, user: UserId) -> Result<Status, Stop> {
        if let Some(status) = self.rows.statuses.get(&(shop, user)) {
            return Ok(*status);
        }
        let on_duty = self.on_duty(shop)?;
        Ok(if on_duty.people.contains(&user) || on_duty.bots.contains(&user) { Status::Online } else { Status::Away })
    }

    /// Who was on duty in a shop before this batch.
    fn on_duty(&mut self, shop: ShopId) -> Result<&'a OnDuty, Stop> {
        self.facts.duty.get(&shop).ok_or_else(|| {
            self.needs.duty.insert(shop);
            Stop::Missing
        })
    }

    /// Whether a person is; a bot does not count.
    pub(super) fn anyone_on_duty(&mut self, shop: ShopId) -> Result<bool, Stop> {
        let stored = &self.on_duty(shop)?.people;
        let now = |user: UserId| self.rows.statuses.get(&(shop, user)).copied();
        let is_bot = |user: UserId| self.facts.roles.get(&(shop, user)) == Some(&Some(Role::Bot));
        let came = |(&(of, user), status): (&(ShopId, UserId), &Status)| {
            of == shop && *status == Status::Online && !is_bot(user)
        };
        let stays = stored.iter().any(|user| now(*user).is_none_or(|status| status == Status::Online));
        Ok(stays || self.rows.statuses.iter().any(came))
    }

    /// The bot that gets the shop's new conversations first, if it is on duty.
    pub(super) fn first_bot(&mut self, shop: ShopId) -> Result<Option<Arc<Person>>, Stop> {
        let bot = self.on_duty(shop)?.first_bot.clone();
        Ok(bot.filter(|bot| self.rows.statuses.get(&(shop, bot.id)).is_none_or(|status| *status == Status::Online)))
    }
}
