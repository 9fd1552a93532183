//! `agents`: who works in which shop, as what. A disabled agent is there for those who manage the shop, and for nobody else: all but
//! `find`, `page` and `shops_of` leave it out.

use std::{collections::BTreeSet, sync::Arc};

use diesel::{
    prelude::*,
    sql_types::{BigInt, Text},
};

use super::{
    Db,
    backend::Both,
    schema::{agents, shops as shop_rows, users as user_rows},
    shops,
    unnest::unnest,
    users,
};
use crate::domain::{
    ids::{ShopId, Timestamp, UserId},
    people::{Agent, Role, Shop, Status},
};

#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = agents)]
pub struct Row {
    pub shop_id: i64,
    pub user_id: i64,
    pub role: String,
    pub status: String,
    pub max_chats: Option<i32>,
    pub created_at: i64,
    pub disabled: bool,
}

impl Row {
    pub fn is_on_duty(&self) -> bool {
        self.status == Status::Online.as_str() && !self.disabled
    }

    /// What a shop's own pages show of an agent. A word that this program does not know counts as the least it could mean.
    pub fn agent(&self, user: &users::User) -> Agent {
        let (role, status) = (Role::parse(&self.role), Status::parse(&self.status));
        Agent { person: user.person(), role: role.unwrap_or(Role::Agent), status: status.unwrap_or(Status::Away) }
    }
}

pub fn find(db: &mut Db, shop: ShopId, user: UserId) -> QueryResult<Option<(Row, users::User)>> {
    agents::table
        .inner_join(user_rows::table)
        .filter(agents::shop_id.eq(shop.0).and(agents::user_id.eq(user.0)))
        .select((Row::as_select(), users::User::as_select()))
        .first(db)
        .optional()
}

/// A user's role in a shop.
pub fn role(db: &mut Db, shop: ShopId, user: UserId) -> QueryResult<Option<Role>> {
    let row = agents::table
        .filter(agents::shop_id.eq(shop.0).and(agents::user_id.eq(user.0)).and(agents::disabled.eq(false)))
        .select(agents::role)
        .first::<String>(db)
        .optional()?;
    Ok(row.map(|role| Role::parse(&role).unwrap_or(Role::Agent)))
}

/// All agents of a shop, by `uid`.
pub fn of_shop(db: &mut Db, shop: ShopId) -> QueryResult<Vec<(Row, users::User)>> {
    agents::table
        .inner_join(user_rows::table)
        .filter(agents::shop_id.eq(shop.0).and(agents::disabled.eq(false)))
        .order(user_rows::uid)
        .select((Row::as_select(), users::User::as_select()))
        .load(db)
}

/// Agents of a shop after the one called `after`, by `uid`.
pub fn page(db: &mut Db, shop: ShopId, after: &str, limit: i64) -> QueryResult<Vec<(Row, users::User)>> {
    agents::table
        .inner_join(user_rows::table)
        .filter(agents::shop_id.eq(shop.0).and(user_rows::uid.gt(after)))
        .order(user_rows::uid)
        .limit(limit)
        .select((Row::as_select(), users::User::as_select()))
        .load(db)
}

/// The shops a user is an agent of, by name.
pub fn of_user(db: &mut Db, user: &users::User) -> QueryResult<Vec<(Arc<Shop>, Agent)>> {
    let rows: Vec<(Row, shops::Row)> = agents::table
        .inner_join(shop_rows::table)
        .filter(agents::user_id.eq(user.id).and(agents::disabled.eq(false)))
        .order(shop_rows::shop)
        .select((Row::as_select(), shops::Row::as_select()))
        .load(db)?;
    Ok(rows.iter().map(|(row, shop)| (shop.shop(), row.agent(user))).collect())
}

/// The shops in which a user is an agent, be it a disabled one.
pub fn shops_of(db: &mut Db, user: UserId) -> QueryResult<Vec<ShopId>> {
    let ids: Vec<i64> = agents::table.filter(agents::user_id.eq(user.0)).select(agents::shop_id).load(db)?;
    Ok(ids.into_iter().map(ShopId).collect())
}

/// The roles that these users have in these shops, where they have one.
pub fn roles(db: &mut Db, asked: &BTreeSet<(ShopId, UserId)>) -> QueryResult<Vec<((ShopId, UserId), Role)>> {
    let mut found = Vec::new();
    let Db::Postgres(db) = db else {
        for &(shop, user) in asked {
            found.extend(role(db, shop, user)?.map(|role| ((shop, user), role)));
        }
        return Ok(found);
    };
    let rows: Vec<(i64, i64, String)> = unnest::<(BigInt, BigInt, Text)>("SELECT a.shop_id, a.user_id, a.role FROM")
        .column(asked.iter().map(|(shop, _)| shop.0))
        .column(asked.iter().map(|(_, user)| user.0))
        .then("AS k (s, u) JOIN agents a ON a.shop_id = k.s AND a.user_id = k.u AND NOT a.disabled")
        .load(db)?;
    let role = |role: &str| Role::parse(role).unwrap_or(Role::Agent);
    found.extend(rows.iter().map(|(shop, user, name)| ((ShopId(*shop), UserId(*user)), role(name))));
    Ok(found)
}

/// An agent who is on duty.
#[derive(Clone, Debug)]
pub struct OnDuty {
    pub shop: ShopId,
    pub user: UserId,
    pub role: Role,
    /// The `uid` of the bot that gets the shop's new conversations first.
    pub first: Option<String>,
}

/// Who is on duty in these shops.
pub fn on_duty(db: &mut Db, shops: &BTreeSet<ShopId>) -> QueryResult<Vec<OnDuty>> {
    let of = agents::shop_id.eq_any(shops.iter().map(|shop| shop.0).collect::<Vec<_>>());
    let rows: Vec<(i64, i64, String, Option<String>)> = agents::table
        .inner_join(shop_rows::table)
        .filter(of.and(agents::status.eq(Status::Online.as_str())).and(agents::disabled.eq(false)))
        .select((agents::shop_id, agents::user_id, agents::role, shop_rows::bot))
        .load(db)?;
    let agent = |(shop, user, role, first): (i64, i64, String, Option<String>)| OnDuty {
        shop: ShopId(shop),
        user: UserId(user),
        role: Role::parse(&role).unwrap_or(Role::Agent),
        first,
    };
    Ok(rows.into_iter().map(agent).collect())
}

/// False where the user is an agent of the shop already.
pub fn insert(
    db: &mut Db,
    shop: ShopId,
    user: UserId,
    role: Role,
    max_chats: Option<i32>,
    now: Timestamp,
) -> QueryResult<bool> {
    let values = (
        agents::shop_id.eq(shop.0),
        agents::user_id.eq(user.0),
        agents::role.eq(role.as_str()),
        agents::max_chats.eq(max_chats),
        agents::created_at.eq(now.0),
    );
    Ok(Both(diesel::insert_into(agents::table).values(values).on_conflict_do_nothing()).execute(db)? == 1)
}

pub fn set_role(db: &mut Db, shop: ShopId, user: UserId, role: Role) -> QueryResult<()> {
    diesel::update(agents::table.find((shop.0, user.0))).set(agents::role.eq(role.as_str())).execute(db).map(drop)
}

pub fn set_status(db: &mut Db, shop: ShopId, user: UserId, status: Status) -> QueryResult<()> {
    diesel::update(agents::table.find((shop.0, user.0))).set(agents::status.eq(status.as_str())).execute(db).map(drop)
}

/// `None` lifts the limit.
pub fn set_max_chats(db: &mut Db, shop: ShopId, user: UserId, max_chats: Option<i32>) -> QueryResult<()> {
    diesel::update(agents::table.find((shop.0, user.0))).set(agents::max_chats.eq(max_chats)).execute(db).map(drop)
}

pub fn set_disabled(db: &mut Db, shop: ShopId, user: UserId, disabled: bool) -> QueryResult<()> {
    diesel::update(agents::table.find((shop.0, user.0))).set(agents::disabled.eq(disabled)).execute(db).map(drop)
}

/// Whether a shop has an admin who is not `user`. Nobody else answers this for the shop until the transaction ends.
pub fn has_admin_besides(db: &mut Db, shop: ShopId, user: UserId) -> QueryResult<bool> {
    if let Db::Postgres(db) = db {
        shop_rows::table.find(shop.0).select(shop_rows::id).for_update().first::<i64>(db)?;
    }
    let others = agents::shop_id.eq(shop.0).and(agents::user_id.ne(user.0)).and(agents::disabled.eq(false));
    let admin = agents::table.filter(others.and(agents::role.eq(Role::Admin.as_str()))).select(agents::user_id);
    Ok(admin.first::<i64>(db).optional()?.is_some())
}

pub fn delete(db: &mut Db, shop: ShopId, user: UserId) -> QueryResult<bool> {
    Ok(diesel::delete(agents::table.find((shop.0, user.0))).execute(db)? == 1)
}
