//! The tables that are copied: all of their columns, the key by which they are read in order, and how many rows at a time.

use diesel::{dsl::sql, prelude::*, sql_types};

use super::super::{Db, backend::MultiBackend};

/// How a table is counted and copied.
pub struct Table {
    pub name: &'static str,
    pub count: fn(&mut Db) -> QueryResult<i64>,
    pub copy: Copy,
}

/// From the first database to the second, in a transaction for each piece; tells how many rows each piece has.
type Copy = fn(&mut Db, &mut Db, &mut dyn FnMut(u64)) -> QueryResult<()>;

macro_rules! copied {
    ($($table:ident ($first:ident: $first_kind:ident $(, $key:ident: $kind:ident)*), $rows:literal {
        $($column:ident: $type:ty,)+
    })+) => {
        $(mod $table {
            use super::*;
            use crate::store::schema::$table as t;

            #[derive(Queryable, Selectable, Insertable)]
            #[diesel(table_name = t, treat_none_as_default_value = false)]
            struct Row {
                $($column: $type,)+
            }

            pub fn count(db: &mut Db) -> QueryResult<i64> {
                t::table.count().get_result(db)
            }

            pub fn copy(from: &mut Db, to: &mut Db, tell: &mut dyn FnMut(u64)) -> QueryResult<()> {
                let mut last = None;
                loop {
                    let mut rows = read(from, last.as_ref())?;
                    to.write(|to| write(to, &rows))?;
                    tell(rows.len() as u64);
                    match rows.pop() {
                        Some(row) => last = Some(row),
                        None => return Ok(()),
                    }
                }
            }

            fn read(db: &mut Db, after: Option<&Row>) -> QueryResult<Vec<Row>> {
                let query = t::table.select(Row::as_select()).order((t::$first, $(t::$key,)*)).limit($rows);
                let mut query = query.into_boxed::<MultiBackend>();
                if let Some(row) = after {
                    let key = concat!("(", stringify!($first), $(", ", stringify!($key),)* ") > (");
                    let beyond = sql::<sql_types::Bool>(key)
                        .bind::<sql_types::$first_kind, _>(row.$first.clone())
                        $(.sql(", ").bind::<sql_types::$kind, _>(row.$key.clone()))*
                        .sql(")");
                    query = query.filter(beyond);
                }
                query.load(db)
            }

            fn write(db: &mut Db, rows: &Vec<Row>) -> QueryResult<()> {
                match db {
                    Db::Postgres(db) => diesel::copy_from(t::table).from_insertable(rows).execute(db)?,
                    Db::Sqlite(db) => diesel::insert_into(t::table).values(rows).execute(db)?,
                };
                Ok(())
            }
        })+

        /// Those that others refer to before those that do.
        pub const COPIED: &[Table] = &[
            $(Table { name: stringify!($table), count: $table::count, copy: $table::copy },)+
        ];
    };
}

copied! {
    users (id: BigInt), 1_000 {
        id: i64,
        uid: String,
        name: String,
        avatar: Option<String>,
        password_hash: Option<String>,
        operator: bool,
        created_by_shop: Option<i64>,
        tokens_after: i64,
        created_at: i64,
        must_change_password: bool,
    }
    shops (id: BigInt), 1_000 {
        id: i64,
        shop: String,
        name: String,
        origins: String,
        created_at: i64,
        time_zone: String,
        hours: String,
        disabled: bool,
        retention_messages: Option<i32>,
        retention_files: Option<i32>,
        bot: Option<String>,
    }
    agents (shop_id: BigInt, user_id: BigInt), 1_000 {
        shop_id: i64,
        user_id: i64,
        role: String,
        status: String,
        max_chats: Option<i32>,
        created_at: i64,
        disabled: bool,
    }
    conversations (id: BigInt), 1_000 {
        id: i64,
        shop_id: Option<i64>,
        first_user: i64,
        second_user: Option<i64>,
        state: String,
        claimed_by: Option<i64>,
        claim_version: i64,
        last_seq: i64,
        first_delivered: i64,
        first_read: i64,
        first_unread: i64,
        first_said: i64,
        second_delivered: i64,
        second_read: i64,
        second_unread: i64,
        second_said: i64,
        waiting_since: Option<i64>,
        opened_at: i64,
        opened_seq: i64,
        returned: bool,
        ticket: i64,
        created_at: i64,
        updated_at: i64,
        revision: i64,
        updated_second: i64,
        offered_at: Option<i64>,
        attended: i16,
    }
    messages (conversation_id: BigInt, seq: BigInt), 2_000 {
        conversation_id: i64,
        seq: i64,
        sender_id: i64,
        speaker: String,
        side: i16,
        client_id: String,
        digest: Vec<u8>,
        content: String,
        at: i64,
        edited_at: Option<i64>,
        changed_at: Option<i64>,
        changed_by: Option<i64>,
    }
    receipts (conversation_id: BigInt, side: SmallInt, kind: SmallInt, seq: BigInt), 2_000 {
        conversation_id: i64,
        side: i16,
        kind: i16,
        seq: i64,
        at: i64,
    }
    waiting_acks (conversation_id: BigInt, user_id: BigInt), 2_000 {
        conversation_id: i64,
        user_id: i64,
        seq: i64,
    }
    tickets (conversation_id: BigInt, number: BigInt), 1_000 {
        conversation_id: i64,
        number: i64,
        first_seq: i64,
        last_seq: Option<i64>,
        opened_at: i64,
        left_message: bool,
        claimed_at: Option<i64>,
        claimed_by: Option<i64>,
        answered_at: Option<i64>,
        answered_by: Option<i64>,
        resolved_at: Option<i64>,
        resolved_by: Option<i64>,
        score: Option<i16>,
        comment: Option<String>,
        shop_id: i64,
        outbound: bool,
        last_claimed_by: Option<i64>,
        rated_at: Option<i64>,
        offered_at: Option<i64>,
    }
    timeline (conversation_id: BigInt, position: BigInt), 1_000 {
        conversation_id: i64,
        position: i64,
        at: i64,
        cause: String,
        by_user: i64,
        from_user: Option<i64>,
        to_user: Option<i64>,
        claim_version: i64,
        ticket: i64,
    }
    offline (user_id: BigInt, conversation_id: BigInt, seq: BigInt), 2_000 {
        user_id: i64,
        conversation_id: i64,
        seq: i64,
        at: i64,
    }
    // Each may have megabytes.
    idempotency_keys (user_id: BigInt, key: Text), 500 {
        user_id: i64,
        key: String,
        digest: String,
        at: i64,
        status: Option<i16>,
        media: Option<String>,
        body: Option<String>,
    }
    files (key: Text), 4 {
        key: String,
        name: String,
        mime: String,
        size: i64,
        bytes: Option<Vec<u8>>,
        owner_id: i64,
        created_at: i64,
        removed_at: Option<i64>,
    }
    file_uses (key: Text, conversation_id: BigInt, seq: BigInt), 2_000 {
        key: String,
        conversation_id: i64,
        seq: i64,
        shop_id: Option<i64>,
        at: i64,
    }
    expired (conversation_id: BigInt), 2_000 {
        conversation_id: i64,
        upto: i64,
    }
    erasures (id: BigInt), 1_000 {
        id: i64,
        shop_id: i64,
        user_id: i64,
        by_user: i64,
        asked_at: i64,
        after: String,
        messages: i64,
        files: i64,
        comments: i64,
        done_at: Option<i64>,
    }
    audit (id: BigInt), 1_000 {
        id: i64,
        at: i64,
        shop_id: Option<i64>,
        by_user: i64,
        address: Option<String>,
        what: String,
        subject: String,
        before: Option<String>,
        after: Option<String>,
    }
    prepared (id: BigInt), 1_000 {
        id: i64,
        ticket: String,
        shop_id: i64,
        sender_id: i64,
        client_id: String,
        conversation_id: Option<i64>,
        digest: Vec<u8>,
        content: Option<String>,
        state: String,
        at: i64,
        due_at: Option<i64>,
        asked: i32,
        heard: Option<String>,
        decided_at: Option<i64>,
        decided_by: Option<String>,
        seq: Option<i64>,
    }
    check_backs (shop_id: BigInt), 1_000 {
        shop_id: i64,
        url: String,
        secret: String,
        old_secret: Option<String>,
        old_until: Option<i64>,
        changed_at: i64,
    }
    replies (id: BigInt), 1_000 {
        id: i64,
        shop_id: i64,
        owner_id: Option<i64>,
        group: String,
        shortcut: String,
        text: String,
        created_at: i64,
        updated_at: i64,
    }
    outbox (id: BigInt), 1_000 {
        id: i64,
        shop_id: i64,
        at: i64,
        lines: String,
    }
    events (shop_id: BigInt, last: BigInt), 1_000 {
        shop_id: i64,
        last: i64,
        at: i64,
        lines: String,
    }
    event_positions (shop_id: BigInt), 1_000 {
        shop_id: i64,
        last: i64,
        removed: i64,
    }
    api_keys (id: BigInt), 1_000 {
        id: i64,
        shop_id: i64,
        user_id: i64,
        made_by: i64,
        name: String,
        hash: String,
        hint: String,
        scopes: String,
        created_at: i64,
        used_at: Option<i64>,
        revoked_at: Option<i64>,
    }
    webhooks (id: BigInt), 1_000 {
        id: i64,
        shop_id: i64,
        url: String,
        types: String,
        secret: String,
        old_secret: Option<String>,
        old_until: Option<i64>,
        position: i64,
        disabled: bool,
        failing_since: Option<i64>,
        switched_off_at: Option<i64>,
        created_at: i64,
        updated_at: i64,
    }
    webhook_deliveries (webhook_id: BigInt, position: BigInt), 1_000 {
        webhook_id: i64,
        position: i64,
        subject: i64,
        event: String,
        attempts: i32,
        due_at: i64,
        dead_at: Option<i64>,
        is_first: bool,
    }
    webhook_attempts (id: BigInt), 1_000 {
        id: i64,
        webhook_id: i64,
        position: i64,
        at: i64,
        took_ms: i64,
        status: Option<i32>,
        answer: String,
    }
    event_groups (id: BigInt), 1_000 {
        id: i64,
        shop_id: i64,
        name: String,
        types: String,
        position: i64,
        created_at: i64,
    }
    group_events (group_id: BigInt, position: BigInt), 1_000 {
        group_id: i64,
        position: i64,
        subject: i64,
        until: i64,
        attempts: i32,
    }
}
